"""A checkpoint whose own graph has its anchors in another order, or others, is told of."""

import os
import shutil

import old_order
import pytest
import repository

from graphfix.formats import extents
from graphfix.formats.graphdef import files
from graphfix.formats.schema import message_class

TESTDATA = os.path.join(repository.TOP, "testdata")


@pytest.fixture
def setup(tmp_path, monkeypatch):
    """A healthy config, whose checkpoint lies beside a graph in the old order."""
    monkeypatch.chdir(TESTDATA)
    for name in os.listdir(repository.DETECTOR):
        if name.startswith("model.ckpt"):
            shutil.copy(os.path.join(repository.DETECTOR, name), str(tmp_path))
    meta = message_class("graphfix.graph.MetaGraphDef")()
    meta.graph_def.CopyFrom(old_order.open_graph().graph_def)
    (tmp_path / "model.ckpt.meta").write_bytes(meta.SerializeToString())
    with open("broken/rate_stays/pipeline.config") as file:
        text = file.read()
    (tmp_path / "pipeline.config").write_text(
        text.replace("shapes_detector/model.ckpt", str(tmp_path / "model.ckpt"))
    )
    return tmp_path


def test_another_order(setup, graphfix):
    done = graphfix("doctor", setup / "pipeline.config")
    assert "another order than the API of 2019-07 (map 1: 0 2 3 4 5 1)" in done.out, done.out
    assert "graphfix convert" in done.out and done.code == 0
    # To an API of that time nothing is wrong with it.
    done = graphfix("doctor", setup / "pipeline.config", "--target_api", "2017-09")
    assert "another order" not in done.out


def test_a_frozen_graph_with_other_weights_tells_nothing(setup, graphfix):
    (setup / "model.ckpt.meta").unlink()
    data = extents.joined(files.graph_pieces(old_order.open_graph()))
    (setup / "frozen_inference_graph.pb").write_bytes(data)
    assert "another order" not in graphfix("doctor", setup / "pipeline.config").out


@pytest.mark.slow
def test_other_anchors(setup, graphfix):
    path = setup / "pipeline.config"
    text = path.read_text()
    assert "max_scale: 0.95" in text
    path.write_text(text.replace("max_scale: 0.95", "max_scale: 0.9"))
    assert "has other anchors: anchor" in graphfix("doctor", path).out


@pytest.mark.slow
def test_what_healthy_graphs_have(setup, graphfix):
    (setup / "model.ckpt.meta").unlink()
    shutil.copy(os.path.join(repository.DETECTOR, "frozen_inference_graph.pb"), str(setup))
    assert "another order" not in graphfix("doctor", setup / "pipeline.config").out
