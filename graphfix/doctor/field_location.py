"""Where a field stands in a config document, as edits of the config address it."""

from typing import NamedTuple, Optional, Tuple

from graphfix.formats.textproto import Block, Document, Field


class FieldLocation(NamedTuple):
    """A field, the block it stands in, and the path of an edit that changes it."""

    path: Tuple[str, ...]
    block: Block
    field: Field


def locate(document: Document, line: int, column: int) -> Optional[FieldLocation]:
    """The field that begins at a line and column (from 1), or whose value does; None where there is
    none."""
    return _locate(document.root, (), line, column)


def _locate(
    block: Block, above: Tuple[str, ...], line: int, column: int
) -> Optional[FieldLocation]:
    numbers: dict = {}
    for field in block.fields:
        here = FieldLocation(above + (field.name,), block, field)
        if (field.line, field.column) == (line, column):
            return here
        for value in field.values:
            if isinstance(value, Block):
                number = numbers.get(field.name, 0)
                numbers[field.name] = number + 1
                step = f"{field.name}[{number}]" if number else field.name
                found = _locate(value, above + (step,), line, column)
                if found:
                    return found
            if (value.line, value.column) == (line, column):
                return here
    return None
