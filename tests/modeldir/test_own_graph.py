"""What the graphs beside a checkpoint tell, whatever is in their files."""

import os
import random

import builders
import numpy as np
import pytest
from handgraphs import Tiles

from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants
from graphfix.formats.schema import message_class
from graphfix.modeldir.own_graph import GraphAnchors, read_graph_anchors

IMAGE = (320.0, 320.0)
FLOAT = next(one for one in dtypes.BY_NUMBER.values() if one.numpy == "float32")


def meta(side):
    """A .meta of a graph with one anchor."""
    made = Tiles().tile(
        "GridAnchorGenerator/", [1.0], [1.0], (side, side), (16, 16), (0, 0), (4, 4)
    )
    message = message_class("graphfix.graph.MetaGraphDef")()
    message.graph_def.CopyFrom(made.message)
    return message


def sizes(found):
    return found.anchors and [one.sizes for one in found.anchors.maps]


@pytest.fixture
def beside(tmp_path):
    """Writes a file beside a checkpoint, or in a directory there; gives the checkpoint's prefix."""

    def write(name, data):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return str(tmp_path / "model.ckpt")

    return write


def test_the_checkpoints_own_graph_comes_first(beside, tmp_path):
    saved = message_class("graphfix.graph.SavedModel")()
    saved.meta_graphs.add().CopyFrom(meta(3.0))
    prefix = beside("saved_model/saved_model.pb", saved.SerializeToString())
    assert sizes(read_graph_anchors(prefix, IMAGE)) == [((3.0, 3.0),)]
    assert sizes(read_graph_anchors(str(tmp_path / "saved_model"), IMAGE)) == [((3.0, 3.0),)]
    beside("frozen_inference_graph.pb", meta(2.0).graph_def.SerializeToString())
    assert sizes(read_graph_anchors(prefix, IMAGE)) == [((2.0, 2.0),)]
    beside("model.ckpt.meta", meta(1.0).SerializeToString())
    assert sizes(read_graph_anchors(prefix, IMAGE)) == [((1.0, 1.0),)]


def test_a_damaged_graph_is_told_and_the_next_one_read(beside):
    beside("frozen_inference_graph.pb", meta(2.0).graph_def.SerializeToString())
    found = read_graph_anchors(beside("model.ckpt.meta", meta(1.0).SerializeToString()[:-9]), IMAGE)
    assert sizes(found) == [((2.0, 2.0),)]
    (told,) = found.findings
    assert (told.code, told.subject) == ("GRAPH_ANCHORS", "model.ckpt.meta")


# What a frozen graph has for the checkpoint's head: its value, its moving average, another, none.
@pytest.mark.parametrize("value, own", [(1.0, True), (2.0, True), (3.0, False), (None, None)])
@pytest.mark.parametrize("beside_meta", [False, True])
def test_a_frozen_graphs_weights_prove_whose_it_is(value, own, beside_meta, beside):
    frozen = meta(2.0).graph_def
    if value is not None:
        node = frozen.node.add(name="Head/biases", op="Const")
        constants.set_value(node, np.full(4, value, np.float32), FLOAT)
    prefix = beside("frozen_inference_graph.pb", frozen.SerializeToString())
    names = {"Head/biases": 1.0, "Head/biases/ExponentialMovingAverage": 2.0}
    builders.write_checkpoint(
        prefix, {name: np.full(4, number, np.float32) for name, number in names.items()}
    )
    if beside_meta:
        beside("model.ckpt.meta", meta(1.0).SerializeToString())
    found = read_graph_anchors(prefix, IMAGE, heads=["Head/biases"])
    codes = [one.code for one in found.findings]
    if beside_meta:
        assert sizes(found) == ([((2.0, 2.0),)] if own else [((1.0, 1.0),)])
        assert codes == (["GRAPHS_DISAGREE"] if own else [])
    else:
        assert sizes(found) == (None if own is False else [((2.0, 2.0),)])
        assert [os.path.basename(path) for path, _ in found.strangers] == (
            ["frozen_inference_graph.pb"] if own is False else []
        )
        assert codes == []


def test_where_there_is_no_graph(beside):
    assert read_graph_anchors(beside("pipeline.config", b""), IMAGE) == GraphAnchors("", None)


def test_any_bytes_are_read_or_told(beside):
    data, rng = meta(1.0).SerializeToString(), random.Random(0)
    told = 0
    for _ in range(200):
        place = rng.randrange(len(data))
        changed = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
        found = read_graph_anchors(beside("model.ckpt.meta", changed), IMAGE)
        told += bool(found.findings)
    assert 20 < told < 180
