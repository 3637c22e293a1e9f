"""Object-based checkpoints: strings, the graph of objects, and the way back."""

import handmade
import numpy as np
import pytest

from graphfix.errors import SourceError
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import entries, objects, reader, stored_bytes, writer
from graphfix.formats.tensors import TensorStore, constant, text

PATHS = ("model/a/layer_with_weights-0/kernel", "model/a/layer_with_weights-0/bias", "model/b/0/x")


@pytest.mark.parametrize("values", [[], [b""], [b"abc"], [b"a" * 300, b"", b"\0\xff"]])
def test_strings_are_stored_as_tensorflow_does(values):
    """By the description of the format: lengths, their checksum, the strings."""
    stored = entries.string_bytes(values)
    lengths = b"".join(handmade.varint(len(one)) for one in values)
    as_integers = b"".join(len(one).to_bytes(4, "little") for one in values)
    checksum = handmade.masked(as_integers).to_bytes(4, "little")
    assert stored == lengths + checksum + b"".join(values)
    assert entries.strings(stored, len(values)) == values


def test_a_string_is_written_and_read(tmp_path):
    prefix = str(tmp_path / "x")
    store = TensorStore([text("b", b"words"), constant("a", dtypes.FLOAT32, np.ones(3))])
    writer.write_bundle(store, prefix)
    found = reader.open_bundle(prefix)
    assert found["b"].meta.dtype == dtypes.STRING and found["b"].meta.shape == ()
    assert stored_bytes.strings(found["b"]) == [b"words"]
    assert found["a"].load().tolist() == [1, 1, 1]


def written(tmp_path):
    views = {path: constant(path, dtypes.FLOAT32, np.full(2, n)) for n, path in enumerate(PATHS)}
    prefix = str(tmp_path / "ckpt-0")
    writer.write_bundle(objects.object_based(views), prefix)
    return prefix


def test_variables_are_found_by_their_paths(tmp_path):
    store = reader.open_bundle(written(tmp_path))
    found = objects.paths(store, "x")
    assert set(found) == {*PATHS, "save_counter"}
    for number, path in enumerate(PATHS):
        assert found[path] == path + "/.ATTRIBUTES/VARIABLE_VALUE"
        assert store[found[path]].load().tolist() == [number] * 2
    counter = store[found["save_counter"]]
    assert counter.meta.dtype == dtypes.INT64 and counter.load() == 0


def test_the_graph_is_a_tree_whose_root_is_first():
    graph = objects.graph_class().FromString(objects.object_graph(PATHS))
    assert [child.local_name for child in graph.nodes[0].children] == ["model"]
    named = [child.node_id for node in graph.nodes for child in node.children]
    assert sorted(named) == list(range(1, len(graph.nodes)))
    assert sum(len(node.attributes) for node in graph.nodes) == len(PATHS)


def test_a_graph_with_loops_is_read(tmp_path):
    graph = objects.graph_class()()
    root, child = graph.nodes.add(), graph.nodes.add()
    root.children.add(node_id=1, local_name="model")
    child.children.add(node_id=0, local_name="up")
    child.attributes.add(name="VARIABLE_VALUE", checkpoint_key="k")
    prefix = str(tmp_path / "x")
    writer.write_bundle(TensorStore([text(objects.GRAPH, graph.SerializeToString())]), prefix)
    assert objects.paths(reader.open_bundle(prefix), "x") == {"model": "k"}


def test_other_checkpoints_and_damage_are_refused(tmp_path):
    plain = TensorStore([constant("a", dtypes.FLOAT32, np.ones(1))])
    with pytest.raises(SourceError, match="has no object graph"):
        objects.paths(plain, "x")
    graph = objects.graph_class()()
    graph.nodes.add().children.add(node_id=7, local_name="nowhere")
    for number, data in enumerate((b"\x0a", graph.SerializeToString())):
        prefix = str(tmp_path / str(number))
        writer.write_bundle(TensorStore([text(objects.GRAPH, data)]), prefix)
        with pytest.raises(SourceError, match="damaged object graph"):
            objects.paths(reader.open_bundle(prefix), "x")
    prefix = written(tmp_path)
    store = reader.open_bundle(prefix)
    extent = store[objects.GRAPH].extent
    with open(extent.path, "r+b") as file:
        file.seek(extent.offset + extent.length - 1)
        file.write(b"\xff")
    with pytest.raises(SourceError, match="damaged"):
        objects.paths(store, "x")
