"""A model whose tensors are arrays: it is a copy, and what no checkpoint stores is refused."""

import builders
import numpy as np
import pytest

import graphfix

CONFIG = builders.CONFIG % {"classes": 4}


def opened(tensors=None, config=CONFIG, **more):
    return graphfix.model_in_memory(
        builders.values(4) if tensors is None else tensors, config, **more
    )


def test_the_callers_arrays_stay_the_callers():
    tensors = builders.values(4)
    model = opened(tensors)
    before = {name: view.load().tobytes() for name, view in model.store.items()}
    for name, array in tensors.items():
        tensors[name] = np.asarray(array)
        tensors[name][...] = 7
    assert {name: view.load().tobytes() for name, view in model.store.items()} == before
    with pytest.raises(ValueError, match="read-only"):
        next(iter(model.store.values())).load()[...] = 7


@pytest.mark.parametrize(
    "layout", ["order='F'", "byteorder", "every second", "masked, but nowhere"]
)
def test_any_layout_is_the_same_tensor(layout):
    tensors, plain = builders.values(4), opened()
    for name, array in tensors.items():
        if layout == "order='F'":
            array = np.asarray(array, order="F")
        elif layout == "byteorder":
            array = np.asarray(array, np.asarray(array).dtype.newbyteorder(">"))
        elif layout == "every second":
            array = np.repeat(np.atleast_1d(array), 2, axis=0)[::2].reshape(np.shape(array))
        else:
            array = np.ma.masked_array(array, mask=False)
        tensors[name] = array
    assert opened(tensors).digest == plain.digest


NAME = "FeatureExtractor/x"


@pytest.mark.parametrize(
    "value, words",
    [
        (np.ma.masked_array([1.0, 2.0], mask=[True, False]), "masked values"),
        ([[1.0], [2.0, 3.0]], "as object"),
        (None, "as object"),
        ("a", "as <U1"),
        (np.datetime64("2020-01-01"), "as datetime64"),
    ],
)
def test_what_no_checkpoint_stores_is_refused(value, words):
    with pytest.raises(graphfix.SourceError) as caught:
        opened(dict(builders.values(4), **{NAME: value}))
    (problem,) = caught.value.problems
    assert problem.subject == "memory" and NAME in problem.message and words in problem.message


@pytest.mark.parametrize("config", ["", b"\xff", "model {", "not a config", CONFIG + "\0"])
def test_a_config_that_is_damaged(config):
    with pytest.raises(graphfix.GraphfixError) as caught:
        opened(config=config, name="mine")
    assert "mine" in str(caught.value)
