"""Reads FlatBuffers into tables, whatever the bytes are.

A file begins with the offset of its root table and an identifier of four bytes.  All numbers are
little-endian; offsets count from where they stand.

    table    int32: how far before it its vtable lies; then its fields
    vtable   uint16s: its own size, the table's, and where in the table each field is (0: nowhere)
    vector   uint32: its length; then its items
    string   a vector of bytes, with a zero behind it

Source: the format's documentation ("FlatBuffers internals").  Every offset is checked, and a file
whose parts overlap so that they are more than the file is refused: what is read takes as much
memory as the file does, and no more than so many parts.  A file with a field that the schema lacks
is refused, too, because it could not be written again.
"""

import struct
from typing import Any, Dict, Tuple

import numpy as np

from graphfix.formats.flatbuffers.schema import NUMBER, TABLE, TEXT, UNION, UNUSED, Field, Schema

# A file of honest parts is read once; writers share vtables, strings and equal vectors.
_SHARED = 2
# How many tables and items of lists are read, hundreds of bytes each; a detector has thousands.
_MOST_PARTS = 1 << 18


class Damaged(Exception):
    """What is wrong with a file, as a clause that follows its name."""


class Newer(Damaged):
    """It has something that the schema lacks."""


class Table:
    """A table: its type's name, and the fields that it has, by name.

    A number is an int or a float, a text is bytes, a vector of numbers an array (a view of the
    file), a vector of others a list.  What several refer to in the file is one object.
    """

    def __init__(self, type_name: str, fields: Dict[str, Any]):
        self.type = type_name
        self.fields = fields

    def get(self, name: str, default: Any = None) -> Any:
        return self.fields.get(name, default)

    def __repr__(self) -> str:
        return f"<{self.type}: {', '.join(self.fields)}>"


def read(data: bytes, schema: Schema) -> Tuple[Table, int]:
    """The root table, and where the last part ends that it refers to.

    Raises:
      Damaged: saying what is wrong.
    """
    if len(data) < 8 or data[4:8] != schema.identifier:
        raise Damaged(f"does not begin with the identifier {schema.identifier.decode()}")
    reader = _Reader(data, schema)
    root = reader.table(reader.offset(0), schema.root)
    return root, reader.end


class _Reader:
    def __init__(self, data: bytes, schema: Schema):
        self.data, self.schema = data, schema
        self.end = 8
        self.left = _SHARED * len(data)
        self.parts = 0
        self.seen: Dict[Tuple[int, str], Any] = {}

    def number(self, code: str, place: int) -> Any:
        size = struct.calcsize("<" + code)
        self._check(place, size)
        return struct.unpack_from("<" + code, self.data, place)[0]

    def offset(self, place: int) -> int:
        """Where the offset at `place` leads to."""
        return place + self.number("I", place)

    def table(self, place: int, name: str) -> Table:
        known = self.seen.get((place, name))
        if known is not None:
            return known
        vtable = place - self.number("i", place)
        size, inline = self.number("H", vtable), self.number("H", vtable + 2)
        if size < 4 or size % 2 or inline < 4:
            raise Damaged(f"has a damaged {name} at offset {place}")
        self._take(place, inline)
        self._count(1)
        self._check(vtable, size)
        places = struct.unpack_from(f"<{size // 2 - 2}H", self.data, vtable + 4)
        rows = self.schema.tables[name]
        if any(places[len(rows) :]):
            raise Newer(f"has a {name} with a field that this version of graphfix does not know")
        fields: Dict[str, Any] = {}
        for row, where in zip(rows, places):
            if not where or row.kind == UNUSED:
                continue
            if where < 4 or where + row.size > inline:
                raise Damaged(f"has a damaged {name} at offset {place}: {row.name} is beyond it")
            value = self._value(row, place + where, name, fields)
            if value is not None:
                fields[row.name] = value
        found = self.seen[place, name] = Table(name, fields)
        return found

    def _value(self, row: Field, place: int, name: str, before: Dict[str, Any]) -> Any:
        if row.vector:
            return self._vector(row, self.offset(place))
        if row.kind == NUMBER:
            return self.number(np.dtype(row.of).char, place)
        if row.kind == TEXT:
            return self._text(self.offset(place))
        if row.kind == TABLE:
            return self.table(self.offset(place), row.of)
        assert row.kind == UNION
        names = self.schema.unions[row.of]
        number = before.get(row.name + "Type", 0)
        if number >= len(names):
            raise Newer(
                f"has {row.of} of a kind ({number}) that this version of graphfix does not know"
            )
        return self.table(self.offset(place), names[number]) if number else None

    def _vector(self, row: Field, place: int) -> Any:
        key = (place, f"[{row.of}]")
        if key in self.seen:
            return self.seen[key]
        length = self.number("I", place)
        self._take(place, 4 + length * row.item_size)
        if row.kind == NUMBER:
            found: Any = np.frombuffer(self.data, "<" + row.of, length, place + 4)
        else:
            self._count(length)
            places = [self.offset(place + 4 + 4 * one) for one in range(length)]
            found = [
                self._text(one) if row.kind == TEXT else self.table(one, row.of) for one in places
            ]
        self.seen[key] = found
        return found

    def _text(self, place: int) -> bytes:
        key = (place, "str")
        if key not in self.seen:
            length = self.number("I", place)
            self._take(place, 4 + length + 1)
            self.seen[key] = self.data[place + 4 : place + 4 + length]
        return self.seen[key]

    def _check(self, place: int, size: int) -> None:
        if place < 0 or place + size > len(self.data):
            raise Damaged("is cut off or damaged: it refers to what is beyond its end")
        self.end = max(self.end, place + size)

    def _count(self, parts: int) -> None:
        self.parts += parts
        if self.parts > _MOST_PARTS:
            raise Damaged(f"has more than {_MOST_PARTS} parts: it is damaged, or no detector")

    def _take(self, place: int, size: int) -> None:
        self._check(place, size)
        self.left -= size
        if self.left < 0:
            raise Damaged("is damaged: its parts overlap")
