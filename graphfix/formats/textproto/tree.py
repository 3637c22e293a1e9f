"""The nodes of a text format document: spans of the text, with what they mean.

A `Block` has fields, a `Field` has a name and values, a value is a `Scalar` or another `Block`.
Nodes never change: an edit makes a new document with nodes of its own.  They compare by identity,
since two `num_classes: 90` in different places are different nodes.
"""

import dataclasses
from typing import Any, Iterator, Sequence, Tuple, Union

from graphfix.formats.textproto.source_text import SourceText

IDENTIFIER = "identifier"
INTEGER = "integer"
FLOAT = "float"
STRING = "string"


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """A span of the document: `start` and `end` are offsets into its text."""

    source: SourceText = dataclasses.field(repr=False)
    start: int
    end: int

    @property
    def raw(self) -> str:
        """The span as written."""
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    @property
    def where(self) -> str:
        """`subject:line:column`, the subject of a problem with this node."""
        return self.source.where(self.start)


@dataclasses.dataclass(frozen=True, eq=False)
class Scalar(Node):
    """One value that is not a block.

    `kind` tells how to read `value`: IDENTIFIER (str: true, an enum's name, inf), INTEGER
    (int), FLOAT (float) or STRING (str, adjacent literals joined; bytes where it is not UTF-8).
    """

    kind: str
    value: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Field(Node):
    """`name: value`, `name { }` or `name: [value, value]`; without its separator.

    `name` is as written, an extension's or Any's in brackets without blanks: `[a.b.c]`.
    `value_start` and `value_end` span the value, or the whole list, brackets included.
    """

    name: str
    name_end: int
    value_start: int
    value_end: int
    listed: bool
    values: Tuple[Any, ...]  # Scalar or Block, as the field's type says


@dataclasses.dataclass(frozen=True, eq=False)
class Block(Node):
    """Fields between braces (or angle brackets); the document itself is one without braces.

    `body_start` and `body_end` span what is between the braces.
    """

    body_start: int
    body_end: int
    fields: Tuple[Field, ...]

    def named(self, name: str) -> Tuple[Field, ...]:
        """This block's own fields of a name, in order."""
        return tuple(field for field in self.fields if field.name == name)

    def find(self, path: Sequence[str]) -> Tuple[Field, ...]:
        """All fields at a path such as ('model', 'ssd', 'num_classes'), in document order.

        A path goes through every block of a repeated field, and through blocks only.
        """
        if isinstance(path, str):
            raise TypeError(f"a path is a sequence of names, not the string {path!r}")
        if not path:
            raise ValueError("an empty path names no field")
        blocks = [self]
        for name in path[:-1]:
            blocks = [
                value
                for block in blocks
                for field in block.named(name)
                for value in field.values
                if isinstance(value, Block)
            ]
        return tuple(field for block in blocks for field in block.named(path[-1]))

    def values(self, path: Sequence[str]) -> Tuple[Any, ...]:
        """The values of all fields at a path, lists flattened."""
        return tuple(value for field in self.find(path) for value in field.values)

    def walk(self) -> Iterator[Tuple[Tuple[str, ...], Field]]:
        """Every field below this block with its path, in document order, parents first."""
        pending: list = [((), field) for field in reversed(self.fields)]
        while pending:
            above, field = pending.pop()
            path = above + (field.name,)
            yield path, field
            for value in reversed(field.values):
                if isinstance(value, Block):
                    pending += [(path, inner) for inner in reversed(value.fields)]


Value = Union[Scalar, Block]
