"""graphdef: inputs, order, constants, and files that are no graphs."""

import os

import numpy as np
import parsed_files
import pytest
import repository

from graphfix.errors import SourceError
from graphfix.formats import dtypes, extents
from graphfix.formats.graphdef import constants, files
from graphfix.formats.graphdef.graph import Graph, read_input, write_input
from graphfix.formats.schema import message_class

FROZEN = os.path.join(repository.DETECTOR, "frozen_inference_graph.pb")


def graph_def(*rows):
    """A GraphDef of (name, op, inputs...)."""
    message = message_class("graphfix.graph.GraphDef")()
    for name, op, *inputs in rows:
        message.node.add(name=name, op=op, input=inputs)
    return message


def test_inputs_are_read_as_tensorflow_writes_them():
    assert read_input("a/b") == ("a/b", 0, False)
    assert read_input("a:2") == ("a", 2, False)
    assert read_input("^a") == ("a", -1, True)
    assert write_input("a") == "a" and write_input("a", 3) == "a:3"


def test_order_waits_for_inputs_and_else_stays():
    graph = Graph(
        graph_def(
            ("c", "Add", "b", "a"),
            ("x", "Const"),
            ("a", "Const"),
            ("b", "Neg", "a"),
            ("y", "Neg", "^c"),
        )
    )
    assert [node.name for node in graph.ordered()] == ["x", "a", "b", "c", "y"]


def test_a_changed_copy_leaves_the_graph_alone():
    graph = Graph(graph_def(("a", "Const"), ("b", "Neg", "a")))
    copy = graph.copy()
    copy.nodes["b"].input[0] = "^a"
    del copy.nodes["a"]
    assert (list(graph.nodes), list(graph.nodes["b"].input)) == (["a", "b"], ["a"])
    assert [node.name for node in graph.graph_def.node] == ["a", "b"]


def test_a_loop_is_no_cycle_and_a_cycle_is_refused():
    loop = Graph(
        graph_def(
            ("e", "Enter", "z"),
            ("m", "Merge", "e", "n"),
            ("n", "NextIteration", "m"),
            ("z", "Const"),
        )
    )
    assert {node.name for node in loop.ordered()} == {"e", "m", "n", "z"}
    with pytest.raises(ValueError, match="cycle"):
        Graph(graph_def(("a", "Neg", "b"), ("b", "Neg", "a"))).ordered()


@pytest.mark.parametrize(
    "rows, words",
    [
        ([("a", "Const"), ("a", "Const")], "several nodes named 'a'"),
        ([("a", "Neg", "gone:1")], "does not exist"),
    ],
)
def test_a_graph_that_does_not_hang_together_is_refused(rows, words):
    with pytest.raises(ValueError, match=words):
        Graph(graph_def(*rows))


@pytest.mark.parametrize(
    "name",
    [
        "float32",
        "float64",
        "int32",
        "int64",
        "bool",
        "float16",
        "uint8",
        "int8",
        "uint16",
        "uint32",
        "uint64",
        "bfloat16",
    ],
)
def test_constants_keep_their_values(name):
    dtype = dtypes.BY_NAME[name]
    value = np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype.numpy or "<u2")
    node = message_class("graphfix.graph.NodeDef")(name="c", op="Const")
    constants.set_value(node, value, dtype)
    assert constants.is_constant(node)
    assert constants.meta_of(node).shape == (2, 3)
    assert constants.value_of(node).tobytes() == value.tobytes()


def test_a_short_list_goes_on_with_its_last_element():
    node = message_class("graphfix.graph.NodeDef")(name="c", op="Const")
    proto = node.attr["value"].tensor
    proto.dtype = 1
    proto.tensor_shape.dim.add(size=4)
    proto.float_val.extend([1.5, 2.5])
    assert constants.value_of(node).tolist() == [1.5, 2.5, 2.5, 2.5]
    del proto.float_val[:]
    assert constants.value_of(node).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("size", [1 << 40, 1 << 62])
def test_a_constant_that_claims_too_much_is_refused(size):
    node = message_class("graphfix.graph.NodeDef")(name="c", op="Const")
    proto = node.attr["value"].tensor
    proto.dtype = 1
    proto.tensor_shape.dim.add(size=size)
    proto.float_val.append(1)
    with pytest.raises(ValueError, match="'c'"):
        constants.value_of(node)


def test_a_real_graph_comes_back_the_same():
    before = files.read_graph_def(FROZEN)
    after = files.open_graph(before, FROZEN).to_graph_def()
    assert sorted(node.name for node in after.node) == sorted(node.name for node in before.node)
    assert after.versions == before.versions
    assert files.to_bytes(after) == files.to_bytes(files.open_graph(after, FROZEN).to_graph_def())


@pytest.mark.parametrize(
    "data", [b"", b"no graph at all", b"\x0a\xff\xff\xff\xff\x0f", b"\0" * 100]
)
def test_what_is_no_graph_is_refused(tmp_path, data):
    path = tmp_path / "frozen_inference_graph.pb"
    path.write_bytes(data)
    with pytest.raises(SourceError) as caught:
        files.read_graph_def(str(path))
    assert caught.value.problems[0].subject == str(path)


def test_deep_nesting_is_refused(tmp_path):
    # AttrValue.list.tensor does not nest, but unknown groups and lengths of lengths do.
    data = b""
    for _ in range(5000):
        data = b"\x0a" + _varint(len(data)) + data
    path = tmp_path / "g.pb"
    path.write_bytes(data)
    with pytest.raises(SourceError):
        files.read_graph_def(str(path))


def _varint(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@pytest.mark.parametrize(
    "rows, words",
    [
        ([("a", "Const"), ("b", "Neg", "a", "a")], "'b' with 2 inputs where Neg takes 1"),
        ([("a", "Const"), ("b", "Slice", "a", "^a")], "'b' with 1 inputs where Slice takes 3"),
        ([("a", "Const"), ("b", "Neg", "^a", "a")], "'b' whose inputs are out of order"),
        ([("a", "Const"), ("b", "Pack", "a", "a")], "'b' with 2 inputs where Pack takes 0"),
        ([("a", "Neg", "b"), ("b", "Neg", "a")], "cycle"),
    ],
)
def test_a_node_with_other_inputs_than_its_operation_takes_is_refused(rows, words):
    with pytest.raises(SourceError, match=words):
        files.open_graph(graph_def(*rows), "it.pb")


def repeated(count, side, filler=0):
    """A graph of constants that each repeat one value side times."""
    graph = message_class("graphfix.graph.GraphDef")()
    for number in range(count):
        node = graph.node.add(name=f"c{number}", op="Const")
        node.attr["dtype"].type = 1
        tensor = node.attr["value"].tensor
        tensor.dtype = 1
        tensor.tensor_shape.dim.add(size=side)
        tensor.float_val.append(1)
    if filler:
        graph.node.add(name="stored", op="Const").attr["value"].tensor.CopyFrom(
            message_class("graphfix.graph.TensorProto")(
                dtype=1, tensor_content=bytes(filler), tensor_shape={"dim": [{"size": filler // 4}]}
            )
        )
    return graph


@pytest.mark.slow
def test_many_bytes_of_few_are_refused():
    with pytest.raises(SourceError, match="constants of repeated values that take 319 MB"):
        files.open_graph(repeated(20, 1 << 22), "graph.pb")
    with pytest.raises(SourceError, match="repeated values"):
        files.open_graph(repeated(2000, 1 << 20), "graph.pb")
    # A few of them, many small ones, or as much beside a graph of that size, are what exporters
    # write.
    files.open_graph(repeated(15, 1 << 22), "graph.pb")
    files.open_graph(repeated(20000, 100), "graph.pb")
    files.open_graph(repeated(20, 1 << 22, filler=24 << 20), "graph.pb")


def test_what_unfolds_is_counted():
    graph = repeated(1, 100)
    node = graph.node[0]
    assert constants.unfolded(node) == 99 * 4 == constants.value_of(node).nbytes - 4
    del node.attr["value"].tensor.float_val[:]
    assert constants.unfolded(node) == 400
    node.attr["value"].tensor.tensor_content = bytes(400)
    assert constants.unfolded(node) == 0


def test_all_that_a_graph_says_is_written_back():
    """Besides its nodes: every field, the old one of its version, too."""
    message = parsed_files.rich_graph(message_class("graphfix.graph.GraphDef"))
    message.version = 21
    assert {field.name for field, _ in message.ListFields()} == set(
        message.DESCRIPTOR.fields_by_name
    )
    graph = files.open_graph(message, "it")
    assert graph.to_graph_def() == message
    assert extents.joined(files.graph_pieces(graph)) == files.to_bytes(graph.to_graph_def())
