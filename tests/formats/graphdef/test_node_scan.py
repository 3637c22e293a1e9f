"""Nodes picked out of a serialized graph are those that protobuf parses."""

import random

import pytest
import trained_detector
from handgraphs import Made

from graphfix.errors import SourceError
from graphfix.formats import extents
from graphfix.formats.graphdef import files, node_scan, skeleton
from graphfix.formats.schema import message_class


def wrapped(graph_def, form):
    if form == skeleton.GRAPH_DEF:
        return graph_def.SerializeToString()
    meta = message_class("graphfix.graph.MetaGraphDef")()
    meta.graph_def.CopyFrom(graph_def)
    meta.meta_info_def.tags.append("serve")
    if form == skeleton.META_GRAPH:
        return meta.SerializeToString()
    saved = message_class("graphfix.graph.SavedModel")()
    saved.saved_model_schema_version = 1
    saved.meta_graphs.add().CopyFrom(meta)
    return saved.SerializeToString()


FORMS = (skeleton.GRAPH_DEF, skeleton.META_GRAPH, skeleton.SAVED_MODEL)


@pytest.mark.parametrize("form", FORMS)
def test_every_node_of_a_real_graph(form, tmp_path):
    graph_def = files.read_graph_def(trained_detector.FROZEN)
    path = tmp_path / "graph"
    path.write_bytes(wrapped(graph_def, form))
    nodes = node_scan.read_nodes(str(path), form)
    assert list(nodes) == [node.name for node in graph_def.node]
    for node in graph_def.node[::50]:
        data = skeleton.pieces(nodes[node.name].SerializeToString())
        assert type(node).FromString(extents.joined(data)) == node


def small():
    made = Made().value("a/x", [1.0, 4.0]).node("a/root", "Sqrt", "a/x")
    made.value("outside", 2.0).node("moved", "Cast", "outside").node("image", "Placeholder")
    made.constant("kernel", (100, 100)).node("late", "Mul", "image", "kernel")
    made.node("a/side", "Mul", "a/root", "moved").node("a/end", "Add", "a/side", "late", "^image")
    return made.message


def test_a_part_has_what_it_is_computed_from():
    graph_def = small()
    for nodes in (
        node_scan.Nodes(graph_def.SerializeToString(), (1,)),
        files.Graph(graph_def).nodes,
    ):
        graph = node_scan.part(nodes, lambda name: name.startswith("a/"))
        assert {name: node.op for name, node in graph.nodes.items()} == {
            "a/x": "Const",
            "a/root": "Sqrt",
            "a/side": "Mul",
            "a/end": "Add",
            "outside": "Const",
            "moved": "Cast",
            "late": "Mul",
            "image": "Placeholder",
            "kernel": "Placeholder",
        }


@pytest.mark.parametrize("form", FORMS)
def test_any_bytes_give_nodes_or_an_error(form, tmp_path):
    data = wrapped(small(), form)
    rng = random.Random(0)
    changed = [data[:end] for end in range(0, len(data), 7)]
    for _ in range(300):
        place = rng.randrange(len(data))
        changed.append(data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :])
    read = 0
    for one in changed:
        try:
            nodes = node_scan.Nodes(one, form)
            node_scan.part(nodes, lambda name: name.startswith("a/"))
            read += 1
        except ValueError:
            pass
    assert 50 < read < len(changed)


def test_numbers_that_do_not_end_are_refused(tmp_path):
    path = tmp_path / "graph"
    path.write_bytes(b"\x0a" + b"\xff" * (1 << 20))
    with pytest.raises(SourceError, match="does not end"):
        node_scan.read_nodes(str(path), skeleton.GRAPH_DEF)
