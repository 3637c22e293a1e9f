"""FlatBuffers are read whatever the bytes: tables, or Damaged, in bounded memory."""

import random
import struct

import lite_cases
import mutations
import numpy as np
import pytest
import thorough

from graphfix.formats.flatbuffers import reader, schema
from graphfix.formats.flatbuffers.reader import Damaged, Newer

SCHEMA = schema.parse_schema(
    "Root Number:i4 Name:str Items:[Item] Bytes:[u1] KindType:u1 Kind:|Kind\nItem Value:i8\n"
    "| Kind NONE Item",
    "Root",
    b"TEST",
)


def root(vtable, table, tail=b""):
    """A file of one table, whose vtable comes first."""
    places = struct.pack(f"<{len(vtable)}H", *vtable)
    places += bytes(-len(places) % 4)
    start = 8 + len(places)
    head = struct.pack("<I4s", start, b"TEST") + places
    return head + struct.pack("<i", len(places)) + table + tail


def test_fields_that_are_there_and_not():
    found, end = reader.read(root((6, 8, 4), struct.pack("<i", -7)), SCHEMA)
    assert found.fields == {"Number": -7} and end == 24
    found, _ = reader.read(root((4, 4), b""), SCHEMA)
    assert not found.fields and found.get("Number", 5) == 5


@pytest.mark.parametrize(
    "content, error, match",
    [
        (b"", Damaged, "identifier"),
        (root((6, 8, 4), b""), Damaged, "beyond its end"),
        (root((6, 8, 6), struct.pack("<i", 1)), Damaged, "Number is beyond it"),
        (root((6, 8, 2), struct.pack("<i", 1)), Damaged, "Number is beyond it"),
        (root((5, 8, 4), struct.pack("<i", 1)), Damaged, "damaged Root"),
        (root((18, 8, 0, 0, 0, 0, 0, 0, 4), struct.pack("<i", 1)), Newer, "does not know"),
        (root((14, 8, 0, 0, 0, 0, 4), b"\2\0\0\0"), None, ""),
        (root((16, 12, 0, 0, 0, 0, 8, 4), struct.pack("<IB", 4, 2)), Damaged, "beyond its end"),
        (root((8, 8, 0, 4), struct.pack("<I", 1 << 31)), Damaged, "beyond its end"),
        (root((12, 8, 0, 0, 0, 4), struct.pack("<II", 4, 1 << 31)), Damaged, "beyond its end"),
    ],
)
def test_damage_is_named(content, error, match):
    if error is None:
        reader.read(content, SCHEMA)
        return
    with pytest.raises(error, match=match):
        reader.read(content, SCHEMA)


def test_overlapping_parts_are_not_multiplied():
    """Items that are one table are one; vectors upon each other are refused."""
    count = 1000
    items = struct.pack("<I", count) + b"".join(
        struct.pack("<I", 4 * (count - one)) for one in range(count)
    )
    item = struct.pack("<i2H", -4, 4, 4)
    table = struct.pack("<I", 4) + items
    found, _ = reader.read(root((10, 8, 0, 0, 4), table, item), SCHEMA)
    assert len(set(map(id, found.get("Items")))) == 1
    lengths = struct.pack("<I", 1 << 20) + bytes(4 << 20)
    with pytest.raises(Damaged, match="parts"):
        reader.read(root((10, 8, 0, 0, 4), struct.pack("<I", 4) + lengths), SCHEMA)


def test_vectors_that_overlap_are_refused():
    """Fifty of them, each a little behind the other, are more than the file."""
    count = 50
    items, area = 24, 24 + 4 + 4 * count + 8 * count
    content = bytearray(struct.pack("<I4s4H", 16, b"TEST", 6, 8, 4, 0))
    content += struct.pack("<iII", 8, 4, count)
    for one in range(count):
        content += struct.pack("<I", items + 4 + 4 * count + 8 * one - len(content))
    for one in range(count):
        here = len(content)
        content += struct.pack("<iI", here - 8, area + 4 * one - here - 4)
    content += struct.pack("<I", 400) * 200
    small = schema.parse_schema("Root Items:[Item]\nItem Bytes:[u1]", "Root", b"TEST")
    with pytest.raises(Damaged, match="overlap"):
        reader.read(bytes(content), small)
    struct.pack_into("<I", content, 24, 1)
    found, _ = reader.read(bytes(content), small)
    assert len(found.get("Items")[0].get("Bytes")) == 400


@pytest.mark.parametrize("kind", lite_cases.KINDS)
def test_beginnings_of_a_file(kind):
    content = lite_cases.data(kind)
    _, end = reader.read(content, lite_cases.SCHEMA)
    assert end <= len(content)
    for length in range(0, end - 1, max(1, end // thorough.rounds(60, 3000))):
        try:
            reader.read(content[:length], lite_cases.SCHEMA)
        except Damaged:
            continue
        # What lies behind the last part that was read is none.
        assert length >= end


@pytest.mark.parametrize("kind", lite_cases.KINDS)
def test_any_bytes(kind):
    content, chance = lite_cases.data(kind), random.Random(kind)
    outcomes = set()
    for _ in range(thorough.rounds(60, 2000)):
        try:
            found, _ = reader.read(mutations.mutate_bytes(chance, content), lite_cases.SCHEMA)
            assert found.type == "Model"
            outcomes.add("read")
        except Damaged as error:
            outcomes.add(str(error).split(" ")[0])
    assert len(outcomes) > 1


def test_vectors_are_views_of_the_file():
    found, _ = reader.read(lite_cases.data("float"), lite_cases.SCHEMA)
    sizes = [one.get("Data") for one in found.get("Buffers") if one.get("Data") is not None]
    assert all(isinstance(one, np.ndarray) and one.base is not None for one in sizes)
