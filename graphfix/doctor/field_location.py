"""Where a field stands in a document, as the path of an edit of it."""

from typing import Optional, Tuple

from graphfix.formats.textproto import Block, Document, Field

Place = Tuple[Tuple[str, ...], Block, Field]


def at(document: Document, line: int, column: int) -> Optional[Place]:
    """(path of an edit, block it stands in, field) of the field at a line and column, or of the one
    whose value is there; None where there is none."""
    return _look(document.root, (), line, column)


def _look(block: Block, above: Tuple[str, ...], line: int, column: int) -> Optional[Place]:
    numbers: dict = {}
    for field in block.fields:
        here = above + (field.name,)
        if (field.line, field.column) == (line, column):
            return here, block, field
        for value in field.values:
            if isinstance(value, Block):
                number = numbers.get(field.name, 0)
                numbers[field.name] = number + 1
                step = f"{field.name}[{number}]" if number else field.name
                found = _look(value, above + (step,), line, column)
                if found:
                    return found
            if (value.line, value.column) == (line, column):
                return here, block, field
    return None
