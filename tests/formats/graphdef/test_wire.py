"""One form of bytes for one message: maps and unknown fields; and looking at a graph changes
none."""

import random

import handmade
import mutations
import parsed_files
import pytest

from graphfix.formats.graphdef import constants, files, wire
from graphfix.formats.schema import message_class

GRAPH = message_class("graphfix.graph.GraphDef")
# What no schema knows, in each wire type, written as shortly as can be and not so.
UNKNOWN = {
    "number": (b"\xf8\x06\x05", b"\xf8\x86\x80\x00\x85\x00"),
    "text": (b"\xfa\x06\x01a", b"\xfa\x06\x81\x00a"),
    "fixed": (b"\xf9\x06" + b"12345678", b"\xf9\x86\x00" + b"12345678"),
    "group": (b"\xfb\x06\x08\x01\x10\x02\xfc\x06", b"\xfb\x06\x10\x82\x00\x08\x01\xfc\x86\x00"),
    "in a known field's place": (b"\x19" + bytes(8), b"\x99\x00" + bytes(8)),
}


def entries(keys):
    return b"".join(
        handmade.message(5, handmade.message(1, key) + handmade.message(2, b"")) for key in keys
    )


def test_entries_of_maps_are_in_order_of_their_bytes():
    """Not as the runtimes have them, by keys alone."""
    node = handmade.message(1, b"n") + handmade.message(2, b"op")
    keys = [b"b", b"aa", b"a", "\u00e9".encode(), b"zz"]
    ordered = [b"a", b"b", b"aa", b"zz", "\u00e9".encode()]
    for to_bytes in (wire.to_bytes, wire.canonical):
        message = GRAPH.FromString(handmade.message(1, node + entries(keys)))
        assert to_bytes(message) == handmade.message(1, node + entries(ordered))
        # Within an attribute, too.
        inner = [
            b"".join(
                handmade.message(2, handmade.message(1, key) + handmade.message(2, b""))
                for key in some
            )
            for some in (keys, ordered)
        ]
        function, expected = (
            handmade.message(
                1,
                node
                + handmade.message(
                    5, handmade.message(1, b"f") + handmade.message(2, handmade.message(10, one))
                ),
            )
            for one in inner
        )
        assert to_bytes(GRAPH.FromString(function)) == expected


@pytest.mark.parametrize("kind", sorted(UNKNOWN))
@pytest.mark.parametrize("place", ["graph", "node", "attribute", "function"])
def test_unknown_fields_are_told_in_one_way(kind, place):
    def made(unknown):
        value = handmade.message(2, b"s") + (unknown if place == "attribute" else b"")
        node = (
            handmade.message(1, b"n")
            + handmade.message(2, b"op")
            + handmade.message(5, handmade.message(1, b"key") + handmade.message(2, value))
        )
        node += unknown if place == "node" else b""
        function = handmade.message(3, node) + (unknown if place == "function" else b"")
        return wire.canonical(
            GRAPH.FromString(
                handmade.message(1, node)
                + handmade.message(2, handmade.message(1, function))
                + (unknown if place == "graph" else b"")
            )
        )

    other = b"\xe8\x07\x01"  # a field of another number
    short, long = UNKNOWN[kind]
    assert made(short) == made(long) != made(b"")
    assert made(other + short) == made(long + other) != made(short)
    assert made(short + short) != made(short)


def test_large_entries_are_in_the_same_order():
    """Whole bytes decide, however few of them are looked at: long keys, and long values."""
    made = random.Random(1)
    keys = ["k" * made.choice((1, 120, 127, 128, 129, 300, 301)) + str(at) for at in range(30)]
    node = GRAPH().node.add(name="n", op="op")
    for key in keys:
        node.attr[key].s = bytes(made.choice((0, 5, 130, 1000)))
    chunks = [
        handmade.message(number, value)
        for number, _, value in mutations.fields(node.SerializeToString())
        if number == 5
    ]
    for form in (wire.to_bytes(node), wire.canonical(node)):
        assert form.endswith(b"".join(sorted(chunks)))


def attribute(key, number, more=b""):
    return handmade.message(
        5, handmade.message(1, key) + handmade.message(2, handmade.number(3, number)) + more
    )


def test_the_last_entry_of_a_key_counts():
    node = handmade.message(1, b"n") + handmade.message(2, b"op")
    expected = handmade.message(1, node + attribute(b"a", 3) + attribute(b"k", 2))
    for entries_ in (
        (attribute(b"k", 1), attribute(b"a", 3), attribute(b"k", 2)),
        (attribute(b"k", 7), attribute(b"k", 2), attribute(b"a", 3)),
    ):
        message = GRAPH.FromString(handmade.message(1, node + b"".join(entries_)))
        assert wire.canonical(message) == wire.to_bytes(message) == expected


def test_of_an_entry_key_and_value_count():
    """upb keeps an entry with another field among the message's unknown fields."""
    node = handmade.message(1, b"n") + handmade.message(2, b"op")
    found = {
        wire.canonical(
            GRAPH.FromString(
                handmade.message(
                    1,
                    node
                    + attribute(b"k", number, more)
                    + attribute(b"b", 1)
                    + handmade.message(6, b""),
                )
            )
        )
        for number in (1, 2)
        for more in (b"", b"\xf8\x06\x05")
    }
    assert len(found) == 2


def test_the_form_is_the_same_message():
    data = parsed_files.rich_graph(GRAPH).SerializeToString()
    for seed in range(20):
        made = random.Random(seed)
        message = GRAPH.FromString(parsed_files.spelled(made, data, GRAPH.DESCRIPTOR))
        for form in (wire.to_bytes(message), wire.canonical(message)):
            assert GRAPH.FromString(form) == message
            assert form == wire.canonical(GRAPH.FromString(data))


def test_looking_changes_nothing():
    """Protocol Buffers puts into a map what it is asked for."""
    graph = GRAPH()
    for number, op in enumerate(("Const", "Pack", "AddN", "Merge")):
        graph.node.add(name=f"n{number}", op=op)
    graph.node.add(name="list", op="ConcatV2", input=["n0"])
    before = graph.SerializeToString(deterministic=True)
    files.open_graph(graph, "it")
    assert not any(constants.is_constant(node) for node in graph.node)
    assert graph.SerializeToString(deterministic=True) == before


def test_fields_of_a_message():
    data = parsed_files.rich_graph(GRAPH).SerializeToString()
    found = [
        (number, data[first:last]) for number, _, first, last in wire.fields(data, 0, len(data))
    ]
    assert found == [(number, value) for number, kind, value in mutations.fields(data) if kind == 2]
