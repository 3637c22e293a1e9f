"""Layers that a model has and its graph does not read; exporters' graphs: stock/test_infer.py."""

import os

import numpy as np
import pytest
import repository

from graphfix.detectors.unread_layers import add_unread
from graphfix.detectors.variables import model_variables
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorStore, constant
from graphfix.pipeline_config.document import parse_config

FAMILIES = repository.FAMILIES
LAST = "FeatureExtractor/MobilenetV1/Conv2d_13_pointwise/"


def opened(name):
    """A family's config, and its variables, all twos."""
    with open(os.path.join(FAMILIES, name + ".config"), encoding="utf-8") as file:
        message = parse_config(file.read().encode(), name).message
    return message, {
        one.name: constant(one.name, dtypes.FLOAT32, np.full(one.shape, 2.0))
        for one in model_variables(message, revision="2019-07", config=name)
    }


@pytest.fixture
def known():
    return opened("ssd_one_feature_map")


def test_they_start_as_in_training(known):
    message, variables = known
    lost = {name: variables.pop(name) for name in list(variables) if name.startswith(LAST)}
    assert len(lost) == 5
    store, (finding,) = add_unread(message, TensorStore(variables.values()), "graph.pb")
    assert set(store) == set(variables) | set(lost)
    for name in variables:
        assert store[name].load().min() == 2
    for name, view in lost.items():
        value = store[name].load()
        assert (value.shape, value.dtype) == (view.meta.shape, np.float32)
        if name.endswith("weights"):
            assert 0.02 < value.std() < 0.03 and abs(value.mean()) < 0.001
        else:
            assert set(value.tolist()) == {
                1.0 if name.endswith(("gamma", "moving_variance")) else 0.0
            }
    assert finding.code == "UNREAD_VARIABLES" and "5 variables" in finding.message


def test_nothing_is_added_to_a_whole_model_or_to_one_of_other_names(known):
    message, variables = known
    store = TensorStore(variables.values())
    assert add_unread(message, store, "graph.pb") == (store, ())
    del variables[LAST + "weights"]
    variables["mine"] = constant("mine", dtypes.FLOAT32, np.zeros(3))
    store = TensorStore(variables.values())
    assert add_unread(message, store, "graph.pb") == (store, ())


def test_nothing_is_added_to_a_model_of_other_widths(known):
    message, variables = known
    del variables[LAST + "weights"]
    name = "FeatureExtractor/MobilenetV1/Conv2d_0/weights"
    variables[name] = constant(name, dtypes.FLOAT32, np.zeros((3, 3, 3, 5)))
    store = TensorStore(variables.values())
    assert add_unread(message, store, "graph.pb") == (store, ())


def test_nothing_is_added_where_the_layers_are_not_known_for_certain(known):
    message, variables = known
    del variables[LAST + "weights"]
    message.model.ssd.feature_extractor.type = "ssd_mine"
    store = TensorStore(variables.values())
    assert add_unread(message, store, "graph.pb") == (store, ())
