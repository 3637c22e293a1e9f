"""A graph's file without its large constants: Protocol Buffers, which reads all of it, is the
oracle."""

import os
import random
import time

import mutations
import parsed_files
import pytest
import thorough
import trained_detector
from google.protobuf.message import DecodeError
from handgraphs import Made

from graphfix.errors import SourceError
from graphfix.formats import extents
from graphfix.formats.graphdef import constants, files, node_scan, skeleton, wire
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.schema import message_class, parse

NAMES = {
    skeleton.GRAPH_DEF: "GraphDef",
    skeleton.META_GRAPH: "MetaGraphDef",
    skeleton.SAVED_MODEL: "SavedModel",
}
FORMS = sorted(NAMES)
# Of the fuzz, some hundreds are fast.
SEEDS = thorough.cases(range(200), range(200, 6200))


def kind(form):
    return message_class("graphfix.graph." + NAMES[form])


def nested(graph_def, form):
    """A file's message of a form with a graph in it."""
    message = kind(form)()
    if form == skeleton.GRAPH_DEF:
        message.CopyFrom(graph_def)
    elif form == skeleton.META_GRAPH:
        message.graph_def.CopyFrom(graph_def)
    else:
        message.saved_model_schema_version = 1
        message.meta_graphs.add().graph_def.CopyFrom(graph_def)
    return message


def read(path, form, data):
    """What a file is read as, its contents put back."""
    path.write_bytes(data)
    file = files.GraphFile(str(path), form, skeleton.read(str(path), form))
    for graph_def in file.graph_defs:
        for node in graph_def.node:
            if skeleton.has_marker(node.SerializeToString()):
                assert constants.is_marked(node)
                node.ParseFromString(extents.joined(skeleton.pieces(node.SerializeToString())))
    return file


@pytest.mark.parametrize("form", FORMS)
def test_a_real_graph(form, tmp_path):
    graph_def = files.read_graph_def(trained_detector.FROZEN)
    data = nested(graph_def, form).SerializeToString()
    file = read(tmp_path / "it", form, data)
    short = skeleton.read(str(tmp_path / "it"), form)
    assert len(short) < 0.7 * len(data) and skeleton.count_markers(short) > 10
    assert extents.joined(skeleton.pieces(short, form)) == data
    assert file.message == kind(form).FromString(data) == file.whole()


def test_unchanged_nodes_are_written_as_they_are(tmp_path):
    """Unknown fields, the order of fields and keys that come twice included."""
    graph_def = message_class("graphfix.graph.GraphDef")()
    graph_def.ParseFromString(
        Made().constant("w", (3000,)).node("x", "Neg", "w").message.SerializeToString()
    )
    weights, negated = (node.SerializeToString() for node in graph_def.node)
    twice = b"\x2a\x09\x0a\x02_a\x12\x03\x18\x90\x03\x2a\x08\x0a\x02_a\x12\x02\x18\x05"
    odd = [
        b"\xf8\x3f\x07" + weights,  # an unknown field first
        twice + negated,
        b"\x1a\x01x\x12\x04Relu\x0a\x01y",  # its inputs before its operation and name
        b"\x0a\x01z\x12\x03Neg\x1a\x81\x00y",  # a size longer than need be
    ]
    rest = b"\x22\x02\x08\x1b\xfa\x3f\x02hi"
    data = b"".join(skeleton.header(1, len(one)) + one for one in odd) + rest
    (tmp_path / "it.pb").write_bytes(data)
    file = files.open_frozen(str(tmp_path / "it.pb"))
    graph = file.graph().copy()
    written = files.graph_pieces(graph)
    assert extents.joined(written) == data
    assert sum(isinstance(piece, extents.Span) for piece in written) == 1
    # And so do the others where one was changed.
    graph.nodes["y"].op = "Relu6"
    made = extents.joined(files.graph_pieces(graph))
    assert all(one in made for one in odd[:2] + odd[3:]) and odd[2] not in made
    # Looked at, or changed and changed back, a node stays.
    graph = file.graph().copy()
    assert graph.nodes["x"].attr["_a"].i == 5 and graph.nodes["w"].message.attr["dtype"].type == 1
    graph.nodes["z"].input[0] = "x"
    graph.nodes["z"].input[0] = "y"
    assert extents.joined(files.graph_pieces(graph)) == data
    graph.nodes["x"].attr["_a"].i = 6
    assert twice not in extents.joined(files.graph_pieces(graph))


def test_a_saved_model_keeps_what_is_around_its_graph(tmp_path):
    saved = parsed_files.rich_saved_model(message_class("graphfix.graph.SavedModel"))
    del saved.meta_graphs[0]
    data = saved.SerializeToString() + b"\xfa\x3f\x02hi"
    (tmp_path / "saved_model.pb").write_bytes(data)
    file = files.open_saved_model(str(tmp_path))
    assert extents.joined(file.with_graph(file.graph().copy(), {})) == data
    graph = file.graph().copy()
    graph.nodes["weights"].attr["_more"].i = 1
    made = extents.joined(file.with_graph(graph, {5: b"\x2a\x05\x0a\x03new"}))
    found = parse(kind(skeleton.SAVED_MODEL), made)
    assert found.meta_graphs[0].graph_def.node[0].attr["_more"].i == 1
    assert list(found.meta_graphs[0].signature_def) == ["new"]
    found.meta_graphs[0].ClearField("signature_def")
    saved.meta_graphs[0].ClearField("signature_def")
    del found.meta_graphs[0].graph_def.node[0].attr["_more"]
    found.MergeFromString(b"")
    saved.MergeFromString(b"\xfa\x3f\x02hi")
    assert wire.canonical(found) == wire.canonical(saved)


@pytest.mark.parametrize("form", FORMS)
def test_any_bytes(form, tmp_path, monkeypatch):
    """Protobuf's verdict and message, whatever is taken out of the file before it looks."""
    monkeypatch.setattr(skeleton, "LARGE", 2)
    whole = parsed_files.rich_graph(message_class("graphfix.graph.GraphDef"))
    message = nested(whole, form)
    data, counts = message.SerializeToString(), [0, 0, 0]
    for seed in SEEDS[FORMS.index(form) :: len(FORMS)]:
        made = random.Random(f"skeleton {seed}")
        if seed % 5 == 0:
            changed = parsed_files.spelled(made, data, message.DESCRIPTOR)
        else:
            changed = made.choice(
                (mutations.mutate_bytes, mutations.mutate_message, mutations.mutate_message)
            )(made, data)
        monkeypatch.setattr(skeleton, "_WINDOW", made.choice((20, 64, 1 << 16)))
        try:
            expected = parse(kind(form), changed)
        except (DecodeError, UnicodeDecodeError, RecursionError):
            with pytest.raises((DecodeError, UnicodeDecodeError, RecursionError)):
                read(tmp_path / "it", form, changed)
            counts[0] += 1
            continue
        file = read(tmp_path / "it", form, changed)
        assert wire.canonical(file.message) == wire.canonical(expected), (seed, changed)
        short = skeleton.read(str(tmp_path / "it"), form)
        assert extents.joined(skeleton.pieces(short, form)) == changed, seed
        counts[1] += 1
        counts[2] += skeleton.has_marker(short)
    assert counts[0] > 5 and counts[1] > 20 and counts[2] > 10, counts


def test_no_file_has_a_marker(tmp_path):
    """A content that is like one, but for what a process draws, is a content."""
    for content in (bytes(16), b"", skeleton.marker(extents.Span("p", 0, 8))[1:]):
        assert skeleton.marked(content) is None
    span = extents.Span("a/\udcff", 1 << 33, 7)
    assert skeleton.marked(skeleton.marker(span)) == span


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a\xff\xff\xff\xff\x07",  # a node of 2 GB
        b"\x0a" + b"\xff" * 100000,
        b"\x0a\x05\x2a\xff\xff\xff\x7f",
        b"\x0b" * 100000,  # groups in groups
        b"\x0a\x06\x0a\x01a\x12\x01b\x07",
        b"\x0a\x90\x4e" + b"\x2a\xff\x7f" * 3000 + bytes(1000),
    ],
    ids=["length", "number", "inner", "groups", "kind", "entries"],
)
def test_damage_is_one_clear_error(data, tmp_path):
    path = tmp_path / "it.pb"
    path.write_bytes(data)
    with pytest.raises(SourceError, match="cannot be parsed") as error:
        files.open_frozen(str(path))
    assert len(error.value.problems) == 1 and error.value.problems[0].subject == str(path)


def test_more_fields_than_a_graph_has(tmp_path):
    """What takes protobuf a moment takes no minutes here, and is read whole."""
    one = Made().constant("w", (3000,)).message.SerializeToString()
    for more in (b"\xf8\x3f\x01", b"\xfa\x3f\x00"):
        data = one + more * 20000
        file = read(tmp_path / "it", skeleton.GRAPH_DEF, data)
        assert file.message == kind(skeleton.GRAPH_DEF).FromString(data)
        with pytest.raises(SourceError, match="is damaged: more fields than a graph has"):
            node_scan.read_nodes(str(tmp_path / "it"), skeleton.GRAPH_DEF)
        written = extents.joined(files.graph_pieces(file.graph().copy()))
        assert kind(skeleton.GRAPH_DEF).FromString(written).node == file.message.node


def test_larger_than_a_message_can_be(tmp_path):
    path = tmp_path / "it.pb"
    with open(str(path), "wb") as file:
        file.truncate(1 << 31)
    with pytest.raises(SourceError, match=f"it.pb: has {1 << 31} bytes, more than .* can"):
        files.open_frozen(str(path))


def test_an_output_larger_than_a_message_can_be(tmp_path, monkeypatch):
    (tmp_path / "it.pb").write_bytes(Made().constant("w", (3000,)).message.SerializeToString())
    file = files.open_frozen(str(tmp_path / "it.pb"))
    monkeypatch.setattr(skeleton, "MOST", 12000)
    with pytest.raises(SourceError, match=r"would have \d+ bytes, more than a frozen graph"):
        file.with_graph(file.graph(), {})


def test_a_file_that_became_shorter(tmp_path):
    path = tmp_path / "it.pb"
    path.write_bytes(Made().constant("w", (3000,)).message.SerializeToString())
    graph = files.open_frozen(str(path)).graph()
    os.truncate(str(path), 100)
    for use in (constants.value_of, constants.crc_of):
        with pytest.raises(SourceError, match="became shorter while it was read"):
            use(graph.nodes["w"])
    with pytest.raises(SourceError, match="became shorter while it was read"):
        extents.write(str(tmp_path / "out"), files.graph_pieces(graph))


def test_contents_that_nothing_knows_are_read(tmp_path):
    """One that is no constant's value, or not as long as its shape takes."""
    made = Made().constant("w", (3000,)).constant("short", (3001,)).constant("other", (3000,))
    made.message.node[1].attr["value"].tensor.tensor_content = bytes(12000)
    made.message.node[2].attr["_more"].tensor.tensor_content = bytes(5000)
    (tmp_path / "it.pb").write_bytes(made.message.SerializeToString())
    file = files.open_frozen(str(tmp_path / "it.pb"))
    assert [constants.is_marked(node) for node in file.message.node] == [True, False, False]
    assert list(file.message.node)[1:] == list(made.message.node)[1:]
    assert file.graph().to_graph_def() == made.message


def test_many_nodes_take_time_that_grows_with_them(tmp_path):
    took = []
    for count in (4000, 8000):
        message = b"".join(
            skeleton.header(1, 10 + len(str(n)))
            + b"\x12\x04NoOp\x0a"
            + bytes([len(str(n)) + 2])
            + b"n/"
            + str(n).encode()
            for n in range(count)
        )
        (tmp_path / "it.pb").write_bytes(message)
        before = time.process_time()
        assert len(files.open_frozen(str(tmp_path / "it.pb")).graph().nodes) == count
        took.append(time.process_time() - before)
    assert took[1] < 4 * took[0] + 0.2


def test_a_graph_in_parts(tmp_path):
    """In two, with more between its nodes, or with a group around what looks like a node."""
    one, two = (Made().constant(name, (3000,)).message.SerializeToString() for name in ("a", "b"))
    versions = b"\x22\x02\x08\x1b"
    parts = b"\x12" + skeleton.header(2, len(one))[1:] + one
    parts += b"\x12" + skeleton.header(2, len(two + versions))[1:] + two + versions
    file = read(tmp_path / "it", skeleton.META_GRAPH, parts)
    assert list(file.graph().nodes) == ["a", "b"]
    assert file.message == kind(skeleton.META_GRAPH).FromString(parts)
    written = extents.joined(files.graph_pieces(file.graph().copy()))
    assert kind(skeleton.GRAPH_DEF).FromString(written) == file.graph_defs[0]
    for data in (versions + one + b"\xfa\x3f\x02hi" + two, b"\xfb\x3f" + one + b"\xfc\x3f" + two):
        file = read(tmp_path / "it", skeleton.GRAPH_DEF, data)
        assert wire.canonical(file.message) == wire.canonical(
            kind(skeleton.GRAPH_DEF).FromString(data)
        )
        written = extents.joined(files.graph_pieces(file.graph().copy()))
        assert wire.canonical(kind(skeleton.GRAPH_DEF).FromString(written)) == wire.canonical(
            file.message
        )


def test_a_graph_that_was_no_file():
    graph = Graph(Made().constant("w", (3000,)).node("x", "Neg", "w").message)
    assert graph.copy().to_graph_def() == graph.to_graph_def() == graph.graph_def
