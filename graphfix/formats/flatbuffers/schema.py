"""The schema of a FlatBuffers file, from a text.

    NAME FIELD:TYPE FIELD:TYPE ...   a table and its fields, in the order of their slots
    | NAME TABLE TABLE ...           a union and its tables; number 0 is NONE

A type is a number of NumPy's (i1, u1, i2, u2, i4, u4, i8, u8, f4, f8), `str`, the name of a table,
`[...]` for a vector of one of those, `|NAME` for a union (the field before it has the number of its
table), or `-` for a field that is not used any more.
"""

import os
import re
from typing import Dict, NamedTuple, Tuple

_HERE = os.path.dirname(os.path.abspath(__file__))
_TYPE = re.compile(r"(\[?)(\|?)([A-Za-z0-9]+|-)\]?\Z")

NUMBER, TEXT, TABLE, UNION, UNUSED = "number", "text", "table", "union", "unused"
_SIZES = {"i1": 1, "u1": 1, "i2": 2, "u2": 2, "i4": 4, "u4": 4, "i8": 8, "u8": 8, "f4": 4, "f8": 8}


class Field(NamedTuple):
    """A field: its kind, the number's or table's or union's name, and whether it is a vector."""

    name: str
    kind: str
    of: str
    vector: bool

    @property
    def size(self) -> int:
        """Its bytes in a table; what is not a number is an offset."""
        return _SIZES[self.of] if self.kind == NUMBER and not self.vector else 4

    @property
    def item_size(self) -> int:
        return _SIZES[self.of] if self.kind == NUMBER else 4


class Schema(NamedTuple):
    """Tables and unions by name, what the root is, and the identifier of such files."""

    tables: Dict[str, Tuple[Field, ...]]
    unions: Dict[str, Tuple[str, ...]]
    root: str
    identifier: bytes


def parse_schema(text: str, root: str, identifier: bytes) -> Schema:
    """Reads a schema's text."""
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    unions = {row[1]: tuple(row[2:]) for row in rows if row[0] == "|"}
    names = {row[0] for row in rows}
    tables = {
        row[0]: tuple(_field(word, names) for word in row[1:]) for row in rows if row[0] != "|"
    }
    return Schema(tables, unions, root, identifier)


def _field(word: str, tables: "set[str]") -> Field:
    name, _, kind = word.partition(":")
    match = _TYPE.match(kind)
    assert match, word
    vector, union, of = match.groups()
    if union:
        return Field(name, UNION, of, False)
    if of == "-":
        return Field(name, UNUSED, of, False)
    if of == "str":
        return Field(name, TEXT, of, bool(vector))
    assert of in _SIZES or of in tables, word
    return Field(name, NUMBER if of in _SIZES else TABLE, of, bool(vector))


def tflite() -> Schema:
    """The schema of TensorFlow Lite's models (2.18), as the package `tflite` has it."""
    return _stored("tflite.txt", "Model", b"TFL3")


def metadata() -> Schema:
    """The schema of the metadata in such models (1.5), as the package `tflite-support` has it."""
    return _stored("metadata.txt", "ModelMetadata", b"M001")


def _stored(name: str, root: str, identifier: bytes) -> Schema:
    with open(os.path.join(_HERE, name), encoding="ascii") as file:
        return parse_schema(file.read(), root, identifier)
