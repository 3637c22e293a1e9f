"""Protobuf's text format as documents that can be read, checked and edited in place.

`Document` keeps every character of its input; `bind` reads one as a protobuf message and reports
everything that is wrong with it at once.
"""

from graphfix.formats.textproto.bind import (
    DUPLICATE,
    ONEOF_CONFLICT,
    OUT_OF_RANGE,
    UNKNOWN_FIELD,
    UNKNOWN_VALUE,
    WRONG_TYPE,
    BindProblem,
    bind,
)
from graphfix.formats.textproto.document import Document
from graphfix.formats.textproto.editor import Editor
from graphfix.formats.textproto.layout import New
from graphfix.formats.textproto.literals import quote
from graphfix.formats.textproto.tree import (
    FLOAT,
    IDENTIFIER,
    INTEGER,
    STRING,
    Block,
    Field,
    Node,
    Scalar,
    Value,
)

__all__ = [
    "DUPLICATE",
    "FLOAT",
    "IDENTIFIER",
    "INTEGER",
    "ONEOF_CONFLICT",
    "OUT_OF_RANGE",
    "STRING",
    "UNKNOWN_FIELD",
    "UNKNOWN_VALUE",
    "WRONG_TYPE",
    "BindProblem",
    "Block",
    "Document",
    "Field",
    "New",
    "Node",
    "Scalar",
    "Value",
    "bind",
    "quote",
]
