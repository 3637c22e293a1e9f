"""STUB: signatures are final, the body follows."""

import dataclasses
from typing import Any, Tuple, Union

from graphfix.errors import Problem
from graphfix.textproto.document import Document
from graphfix.textproto.tree import Block

UNKNOWN_FIELD = "unknown_field"
WRONG_TYPE = "wrong_type"
UNKNOWN_VALUE = "unknown_value"
OUT_OF_RANGE = "out_of_range"
DUPLICATE = "duplicate"
ONEOF_CONFLICT = "oneof_conflict"


@dataclasses.dataclass(frozen=True)
class BindProblem:
    """One thing in a document that its schema has no place for."""

    kind: str
    path: Tuple[str, ...]
    line: int
    column: int
    problem: Problem


def bind(source: Union[Document, Block], message_class: Any) -> Tuple[Any, Tuple[BindProblem, ...]]:
    """A document or a block as a message, and everything that is wrong with it.

    Never raises for what the document holds; what is wrong is left out of the message.
    """
    raise NotImplementedError
