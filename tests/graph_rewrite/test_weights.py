"""A graph beside a checkpoint with other weights than that is not rewritten, and a finding says
so."""

import json
import os
import random
import shutil

import builders
import numpy as np
import pytest
import repository
import thorough

from graphfix.errors import SourceError
from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants, files
from graphfix.graph_rewrite.weights import check_weights
from graphfix.modeldir.openers import open_source
from graphfix.planning.edits import Keep, Rename

DETECTOR = repository.DETECTOR
FROZEN = "frozen_inference_graph.pb"
AVERAGE = "/ExponentialMovingAverage"


@pytest.fixture(scope="module")
def trained():
    return builders.read_checkpoint(os.path.join(DETECTOR, "model.ckpt"))


@pytest.fixture
def converted(graphfix, tmp_path, trained):
    """Converts a model of the detector's graph and these tensors; findings on graphs, and the
    output's files."""

    def run(tensors, *flags, prepare=lambda model: None):
        model = tmp_path / "model"
        model.mkdir()
        for name in (FROZEN, "pipeline.config"):
            shutil.copy(os.path.join(DETECTOR, name), str(model))
        if tensors is not None:
            builders.write_checkpoint(str(model / "model.ckpt"), tensors)
        prepare(model)
        done = graphfix(
            "convert",
            model,
            "--num_classes",
            "2",
            "--map",
            "1=1",
            "--output_directory",
            tmp_path / "out",
            *flags,
        )
        assert done.code == 0, done.err
        with open(str(tmp_path / "out" / "report.json")) as file:
            told = json.load(file)["findings"]
        return [
            one["message"] + "; " + one["remedy"] for one in told if one["code"] == "FROZEN_GRAPH"
        ], os.listdir(str(tmp_path / "out"))

    return run


def test_a_checkpoint_of_later(converted, trained):
    told, there = converted({name: value * 2 for name, value in trained.items()})
    most = [np.abs(value).max() for name, value in trained.items() if name != "global_step"]
    assert told == [
        (
            f"is not rewritten: it is not of the checkpoint beside it: {np.count_nonzero(most)} "
            "of its 199 weights differ, by "
            f"up to {max(most):.3g}; export the converted checkpoint with the stock exporter"
        )
    ]
    assert FROZEN not in there and "model.ckpt.index" in there


def test_a_single_bit_of_one_weight(trained, converted):
    choose = random.Random(3)
    name = choose.choice(sorted(set(trained) - {"global_step"}))
    value = trained[name].copy()
    value.reshape(-1).view(np.uint32)[choose.randrange(value.size)] ^= 1
    told, there = converted(dict(trained, **{name: value}))
    assert "1 of its 199 weights differ, by up to" in told[0] and FROZEN not in there


@pytest.mark.slow
@pytest.mark.parametrize("in_graph", ["averages", "values"])
@pytest.mark.parametrize("flag", ["ema", "raw"])
def test_moving_averages(converted, trained, in_graph, flag):
    """Either may have been exported; the graph goes with the output that takes the same."""
    averaged = {name for name in trained if name != "global_step" and "moving_" not in name}
    tensors = dict(trained)
    for name in averaged:
        tensors[name + AVERAGE] = trained[name]
        tensors[name + AVERAGE if in_graph == "values" else name] = trained[name] + 1
    told, there = converted(tensors, "--weights", flag)
    fits = (in_graph == "averages") == (flag == "ema")
    assert (FROZEN in there) == fits
    takes = ["trained values", "moving averages"]
    other = {"ema": "raw", "raw": "ema"}[flag]
    assert told == (
        []
        if fits
        else [
            (
                f"is not rewritten: {len(averaged)} of its 199 weights are the checkpoint's "
                f"{takes[flag == 'raw']}, and the output takes the "
                f"{takes[flag == 'ema']}; pass --weights {other}, or export the converted "
                "checkpoint with the stock exporter"
            )
        ]
    )


def saved(change):
    def prepare(model):
        os.mkdir(str(model / "saved_model"))
        builders.write_saved_model(model / "saved_model", str(model / FROZEN), change)

    return prepare


def bent(message):
    node = next(
        one
        for one in message.meta_graphs[0].graph_def.node
        if one.name == "BoxPredictor_0/ClassPredictor/biases"
    )
    constants.set_value(node, constants.value_of(node) + np.float32(0.5), dtypes.FLOAT32)


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", [True, False], ids=["checkpoint", "frozen graph alone"])
@pytest.mark.parametrize(
    "change, fits", thorough.sampled([(lambda message: None, True), (bent, False)], 2)
)
def test_a_saved_model_beside(converted, trained, checkpoint, change, fits):
    told, there = converted(trained if checkpoint else None, prepare=saved(change))
    assert FROZEN in there and ("saved_model" in there) == fits
    assert (fits and not told) or "1 of its 199 weights differ, by up to 0.5;" in told[0]


def test_any_way_to_write_a_constant(trained):
    """As bytes, as a list, as one element for all; other types and shapes are others."""
    message = files.read_graph_def(os.path.join(DETECTOR, FROZEN))
    node = next(one for one in message.node if one.name.endswith("ClassPredictor/biases"))
    store = open_source(DETECTOR).store
    tensor = node.attr["value"].tensor
    value = constants.value_of(node)

    def differs(edit=Keep(node.name)):
        try:
            check_weights(message, store, [edit], subject="it")
        except SourceError as error:
            return str(error)

    assert differs() is None
    tensor.tensor_content = b""
    assert "differ" in differs()  # zeros
    tensor.float_val.extend(value.reshape(-1).tolist())
    assert differs() is None
    assert "1 of its 1 weights differ;" in differs(Rename("global_step", node.name))
    tensor.tensor_shape.dim[0].size -= 1
    assert "1 of its 1 weights differ;" in differs()  # a list too long for its shape
