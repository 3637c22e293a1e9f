"""Edits of a pipeline.config as data: printable, in JSON both ways, applied in order.

A path names blocks and, as its last step, a field; `name[2]` is the third block of that name, and
a bare name the first.  An edit without a literal removes: `name` every field of that name,
`name[2]` that one block.
"""

import dataclasses
import re
from typing import Any, Iterable, List, Optional, Tuple

from graphfix.errors import RequestError
from graphfix.formats.textproto import Document, Editor, New

EMPTY_BLOCK = "{}"


@dataclasses.dataclass(frozen=True)
class ConfigEdit:
    """Sets the field at `path` to `literal` (protobuf text; EMPTY_BLOCK ensures that there is a
    block), or removes it (None); and why."""

    path: Tuple[str, ...]
    literal: Optional[str]
    reason: str


def apply_edits(document: Document, edits: Iterable[ConfigEdit]) -> Document:
    """The document after all edits, each applied to what those before it made.

    Parses nothing but what the edits write; an edit that changes nothing leaves every character
    alone, and edits that change nothing return `document` itself.

    Raises:
      RequestError: an edit takes a block for a value or a value for a block, or removes one of
        several blocks that are written as one list.
    """
    editor = document.edit()
    for edit in edits:
        try:
            _apply(editor, edit)
        except ValueError as error:
            raise RequestError(
                ".".join(edit.path),
                f"cannot be edited: {error}",
                "change the config by hand, or make the plan again",
            ) from None
    return document.edited(editor)


def _apply(editor: Editor, edit: ConfigEdit) -> None:
    block = editor.root
    for depth, step in enumerate(edit.path[:-1]):
        name, number = _step(step)
        blocks = _blocks(block, name)
        if (number or 0) >= len(blocks):
            if edit.literal is None:
                return
            if len(blocks) < len(block.named(name)):
                raise ValueError(f"{name} is a value, not a block")
            new = _new(edit.literal)
            for inner in reversed(edit.path[depth + 1 :]):
                new = [(_step(inner)[0], new)]
            editor.insert(block, name, new)
            return
        block = blocks[number or 0][1]
    if edit.literal is None:
        _remove(editor, block, edit.path[-1])
    else:
        _set(editor, block, edit.path[-1], edit.literal)


def _set(editor: Editor, block: Any, name: str, literal: str) -> None:
    fields = block.named(name)
    if not fields:
        editor.insert(block, name, _new(literal))
    elif literal != EMPTY_BLOCK:
        # Where there are several the first takes the value.
        for field in reversed(fields[1:]):
            editor.delete(field)
        if editor.raw(fields[0]).partition(":")[2].strip() != literal:
            editor.replace(fields[0], literal)


def _remove(editor: Editor, block: Any, step: str) -> None:
    name, number = _step(step)
    if number is None:
        for field in reversed(block.named(name)):
            editor.delete(field)
        return
    blocks = _blocks(block, name)
    if number < len(blocks):
        field = blocks[number][0]
        if len(field.values) > 1:
            raise ValueError(f"{step} is one of a list")
        editor.delete(field)


def _step(step: str) -> Tuple[str, Optional[int]]:
    match = re.match(r"(.+?)(?:\[(\d+)\])?$", step)
    assert match is not None
    name, number = match.groups()
    return name, None if number is None else int(number)


def _blocks(block: Any, name: str) -> List[Tuple[Any, Any]]:
    """The blocks of a name, each with the field it is a value of."""
    return [(field, value) for field in block.named(name) for value in field.blocks]


def _new(literal: str) -> New:
    return [] if literal == EMPTY_BLOCK else literal
