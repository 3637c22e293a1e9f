"""Edits of a pipeline.config as data: printable, in JSON both ways, applied in order.

A path names blocks and at last a field; `name[2]` is the third block of that name, and a bare
name the first.  An edit without a literal removes the field.
"""

import dataclasses
import re
from typing import Iterable, Optional, Tuple

from graphfix.textproto import Block, Document


@dataclasses.dataclass(frozen=True)
class ConfigEdit:
    """Sets the field at `path` to `literal` (protobuf text), or removes it (None); and why."""

    path: Tuple[str, ...]
    literal: Optional[str]
    reason: str


def apply_edits(document: Document, edits: Iterable[ConfigEdit]) -> Document:
    """The edited document; an edit that changes nothing leaves every character alone."""
    for edit in edits:
        document = _apply(document, edit)
    return document


def _apply(document: Document, edit: ConfigEdit) -> Document:
    block = document.root
    for depth, step in enumerate(edit.path[:-1]):
        name, number = re.match(r"(.+?)(?:\[(\d+)\])?$", step).groups()
        blocks = [value for field in block.named(name) for value in field.values
                  if isinstance(value, Block)]
        if int(number or 0) >= len(blocks):
            if edit.literal is None:
                return document
            new = edit.literal
            for inner in reversed(edit.path[depth + 1:]):
                new = [(inner, new)]
            return document.insert(block, name, new)
        block = blocks[int(number or 0)]
    fields = block.named(edit.path[-1])
    if edit.literal is None:
        # From the last to the first: a deletion makes a new document, with nodes of its own.
        return _apply(document.delete(fields[-1]), edit) if fields else document
    if fields:
        if fields[0].raw.partition(":")[2].strip() == edit.literal:
            return document
        return document.replace(fields[0], edit.literal)
    return document.insert(block, edit.path[-1], edit.literal)
