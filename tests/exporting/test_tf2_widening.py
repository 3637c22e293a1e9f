"""SSD MobileNet v1 of other depths: wider in TensorFlow 2, by channels that are 0."""

import os

import numpy as np
import pytest
import tf2_cases

import graphfix
from graphfix.exporting.tf2 import widening
from graphfix.formats.checkpoint import objects, reader
from graphfix.pipeline_config.document import parse_config

TITLE = "ssd_mobilenet_v1, depth 0.75, depthwise"


@pytest.mark.parametrize(
    "depth, least, wanted", [(0.25, 16, 0.5), (0.75, 16, 0.875), (0.5, 16, 0.712), (1.25, 8, 1.25)]
)
def test_no_layer_gets_narrower(depth, least, wanted):
    found = widening.multiplier(depth, least)
    assert found == wanted and not widening._covers(found - 0.001, depth, least)


@pytest.mark.parametrize(
    "title", [TITLE, "ssd_mobilenet_v1, depth 0.25, layers before the predictor"]
)
def test_what_is_too_wide_is_zero_in_and_out(title, tmp_path):
    """Of every layer: what it has of TensorFlow 1 is unchanged, the rest computes nothing."""
    model = tf2_cases.model_of(tf2_cases.text_of(title), seed=2)
    found = graphfix.export("tf2", model, tmp_path / "out")
    store = reader.open_bundle(os.path.join(str(tmp_path), "out", "checkpoint", "ckpt-0"))
    keys = objects.paths(store, "out")
    wider = 0
    for name, path in found.names.items():
        before, after = model.store[name].load(), store[keys[path]].load()
        kept = tuple(map(slice, before.shape))
        assert np.array_equal(before, after[kept]), name
        rest = after.copy()
        rest[kept] = 0
        wider += before.shape != after.shape
        if not name.endswith(("/gamma", "/moving_variance")):
            assert not rest.any(), name
        else:
            assert set(np.unique(rest)) <= {0, 1}, name
    assert wider > 70


def test_the_config_has_the_multiplier_and_it_is_told(tmp_path):
    memory = graphfix.Memory()
    found = graphfix.export("tf2", tf2_cases.model_of(tf2_cases.text_of(TITLE)), memory)
    message = parse_config(memory.files["pipeline.config"], "config").message
    assert message.model.ssd.feature_extractor.depth_multiplier == 0.875
    (finding,) = [one for one in found.findings if one.code == "DEPTH_MULTIPLIER"]
    assert "0.875 now, and was 0.75" in finding.message


def test_a_detector_of_depth_1_stays_as_it_is():
    model = tf2_cases.model_of(tf2_cases.text_of("ssd_mobilenet_v1"))
    memory = graphfix.Memory()
    found = graphfix.export("tf2", model, memory)
    assert not any(one.code == "DEPTH_MULTIPLIER" for one in found.findings)
    assert "depth_multiplier: 1.0" in memory.files["pipeline.config"].decode()
