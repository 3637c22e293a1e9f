"""Writes tables as FlatBuffers: each part once, behind all that refers to it, as offsets need it.

The bytes follow from the tables alone, so that the same tables are the same file.
"""

import struct
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

from graphfix.formats.flatbuffers.reader import Table
from graphfix.formats.flatbuffers.schema import NUMBER, TABLE, TEXT, UNION, Field, Schema

# TensorFlow Lite maps tensors' data from the file: its schema aligns them so.
_ALIGNED = {("Buffer", "Data"): 16}


class _Part(NamedTuple):
    """A table, a vector or a text: the object, of which type, and how it is aligned behind its
    length."""

    value: Any
    row: Field
    align: int


def write(root: Table, schema: Schema) -> bytes:
    """The file of a root table."""
    parts = _parts(root, schema)
    out = bytearray(struct.pack("<I4s", 0, schema.identifier))
    vtables: Dict[bytes, int] = {}
    waiting: Dict[int, List[int]] = {id(root): [0]}
    for part in parts:
        if isinstance(part.value, Table):
            places = _write_table(out, part.value, schema, vtables, waiting)
        else:
            places = _write_vector(out, part, waiting)
        for place in waiting.pop(id(part.value)):
            struct.pack_into("<I", out, place, places - place)
    assert not waiting
    return bytes(out)


def _parts(root: Table, schema: Schema) -> List[_Part]:
    """All parts, each behind those that refer to it."""
    done: Dict[int, bool] = {}
    order: List[_Part] = []

    def visit(value: Any, row: Field, align: int) -> None:
        if id(value) in done:
            return
        done[id(value)] = True
        for one in _below(value, row, schema):
            visit(*one)
        order.append(_Part(value, row, align))

    visit(root, Field("", TABLE, schema.root, False), 4)
    return order[::-1]


def _below(value: Any, row: Field, schema: Schema) -> List[Tuple[Any, Field, int]]:
    if isinstance(value, Table):
        return [
            (value.fields[one.name], one, _ALIGNED.get((value.type, one.name), one.item_size))
            for one in schema.tables[value.type]
            if one.name in value.fields and (one.vector or one.kind != NUMBER)
        ]
    if row.vector and row.kind != NUMBER:
        return [(one, row._replace(vector=False), 4) for one in value]
    return []


def _pad(out: bytearray, align: int, ahead: int = 0) -> None:
    out += bytes(-(len(out) + ahead) % align)


def _write_table(
    out: bytearray,
    table: Table,
    schema: Schema,
    vtables: Dict[bytes, int],
    waiting: Dict[int, List[int]],
) -> int:
    rows = schema.tables[table.type]
    present = [number for number, row in enumerate(rows) if row.name in table.fields]
    places = [0] * (max(present) + 1 if present else 0)
    size = 4
    for number in sorted(present, key=lambda one: -rows[one].size):
        size += -size % rows[number].size
        places[number] = size
        size += rows[number].size
    vtable = struct.pack(f"<{2 + len(places)}H", 4 + 2 * len(places), size, *places)
    if vtable not in vtables:
        _pad(out, 2)
        vtables[vtable] = len(out)
        out += vtable
    _pad(out, max([4] + [rows[number].size for number in present]))
    start = len(out)
    out += bytes(size)
    struct.pack_into("<i", out, start, start - vtables[vtable])
    for number in present:
        row, value, place = rows[number], table.fields[rows[number].name], start + places[number]
        if row.kind == NUMBER and not row.vector:
            struct.pack_into("<" + np.dtype(row.of).char, out, place, value)
        else:
            waiting.setdefault(id(value), []).append(place)
    return start


def _write_vector(out: bytearray, part: _Part, waiting: Dict[int, List[int]]) -> int:
    value, row = part.value, part.row
    _pad(out, 4)
    _pad(out, max(4, part.align), 4)
    start = len(out)
    out += struct.pack("<I", len(value))
    if row.vector and row.kind == NUMBER:
        out += np.ascontiguousarray(value, "<" + row.of).tobytes()
    elif row.vector:
        for one in value:
            waiting.setdefault(id(one), []).append(len(out))
            out += bytes(4)
    else:
        assert row.kind in (TEXT, UNION), row
        out += value + b"\0"
    return start
