"""Edits of a pipeline.config as data: printable, in JSON both ways, applied in order.

A path names blocks and at last a field; `name[2]` is the third block of that name, and a bare
name the first.  An edit without a literal removes: `name` every field of that name, `name[2]`
that one block.
"""

import dataclasses
import re
from typing import Iterable, Optional, Tuple

from graphfix.errors import RequestError
from graphfix.formats.textproto import Block, Document, Field, New

EMPTY_BLOCK = "{}"


@dataclasses.dataclass(frozen=True)
class ConfigEdit:
    """Sets the field at `path` to `literal` (protobuf text; EMPTY_BLOCK makes sure that there is
    a block), or removes it (None); and why."""

    path: Tuple[str, ...]
    literal: Optional[str]
    reason: str


def apply_edits(document: Document, edits: Iterable[ConfigEdit]) -> Document:
    """The edited document; an edit that changes nothing leaves every character alone.

    Raises:
      RequestError: an edit takes a block for a value or a value for a block, or removes one of
        several blocks that are written as one list.
    """
    for edit in edits:
        try:
            document = _apply(document, edit)
        except ValueError as error:
            raise RequestError(
                ".".join(edit.path),
                f"cannot be edited: {error}",
                "change the config by hand, or make the plan again",
            ) from None
    return document


def _apply(document: Document, edit: ConfigEdit) -> Document:
    block = document.root
    for depth, step in enumerate(edit.path[:-1]):
        name, number = _step(step)
        blocks = _blocks(block, name)
        if (number or 0) >= len(blocks):
            if edit.literal is None:
                return document
            if len(blocks) < len(block.named(name)):
                raise ValueError(f"{name} is a value, not a block")
            new = _new(edit.literal)
            for inner in reversed(edit.path[depth + 1 :]):
                new = [(_step(inner)[0], new)]
            return document.insert(block, name, new)
        block = blocks[number or 0][1]
    if edit.literal is None:
        return _remove(document, block, edit)
    return _set(document, block, edit.path[-1], edit.literal)


def _set(document: Document, block: Block, name: str, literal: str) -> Document:
    fields = block.named(name)
    if not fields:
        return document.insert(block, name, _new(literal))
    if literal == EMPTY_BLOCK:
        return document
    # Where there are several the first takes the value.  The others go from the last on, and
    # nothing before them moves.
    for field in reversed(fields[1:]):
        document = document.delete(_same(document, field))
    field = _same(document, fields[0])
    if field.raw.partition(":")[2].strip() == literal:
        return document
    return document.replace(field, literal)


def _same(document: Document, field: Field) -> Field:
    """A field of a document before an edit behind it, found again."""
    return next(one for _, one in document.walk() if one.start == field.start)


def _remove(document: Document, block: Block, edit: ConfigEdit) -> Document:
    name, number = _step(edit.path[-1])
    if number is None:
        fields = block.named(name)
        # From the last to the first: a deletion makes a new document, with nodes of its own.
        return _apply(document.delete(fields[-1]), edit) if fields else document
    blocks = _blocks(block, name)
    if number >= len(blocks):
        return document
    field = blocks[number][0]
    if len(field.values) > 1:
        raise ValueError(f"{edit.path[-1]} is one of a list")
    return document.delete(field)


def _step(step: str) -> Tuple[str, Optional[int]]:
    name, number = re.match(r"(.+?)(?:\[(\d+)\])?$", step).groups()
    return name, None if number is None else int(number)


def _blocks(block: Block, name: str):
    return [
        (field, value)
        for field in block.named(name)
        for value in field.values
        if isinstance(value, Block)
    ]


def _new(literal: str) -> New:
    return [] if literal == EMPTY_BLOCK else literal
