"""Config edits applied one at a time, each to a document parsed anew: what apply_edits must equal.

Slow and plain on purpose.  It shares with the code under test where a single edit's text goes
(layout.py), and nothing of how one edit follows another.
"""

import re

from graphfix.errors import RequestError
from graphfix.formats.textproto import Block, Document, layout
from graphfix.pipeline_config.edits import EMPTY_BLOCK


def apply_sequentially(text, edits):
    """The edited text; every intermediate text is parsed.

    Raises:
      RequestError: as apply_edits does.
      SourceError: an intermediate text does not parse.
    """
    document = Document.parse(text, subject="pipeline.config")
    for edit in edits:
        try:
            document = _apply(document, edit)
        except ValueError as error:
            raise RequestError(
                ".".join(edit.path),
                f"cannot be edited: {error}",
                "change the config by hand, or make the plan again",
            ) from None
    return document.text


def _apply(document, edit):
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
            return insert(document, block, name, new)
        block = blocks[number or 0][1]
    if edit.literal is None:
        return _remove(document, block, edit)
    return _set(document, block, edit.path[-1], edit.literal)


def _set(document, block, name, literal):
    fields = block.named(name)
    if not fields:
        return insert(document, block, name, _new(literal))
    if literal == EMPTY_BLOCK:
        return document
    # From the last on: nothing before it moves.
    for field in reversed(fields[1:]):
        document = delete(document, _same(document, field))
    field = _same(document, fields[0])
    if field.raw.partition(":")[2].strip() == literal:
        return document
    return replace(document, field, literal)


def _same(document, field):
    """A field of a document before an edit after it, found again."""
    return next(one for _, one in document.walk() if one.start == field.start)


def _remove(document, block, edit):
    name, number = _step(edit.path[-1])
    if number is None:
        fields = block.named(name)
        return _apply(delete(document, fields[-1]), edit) if fields else document
    blocks = _blocks(block, name)
    if number >= len(blocks):
        return document
    field = blocks[number][0]
    if len(field.values) > 1:
        raise ValueError(f"{edit.path[-1]} is one of a list")
    return delete(document, field)


def _step(step):
    name, number = re.match(r"(.+?)(?:\[(\d+)\])?$", step).groups()
    return name, None if number is None else int(number)


def _blocks(block, name):
    return [
        (field, value)
        for field in block.named(name)
        for value in field.values
        if isinstance(value, Block)
    ]


def _new(literal):
    return [] if literal == EMPTY_BLOCK else literal


# One edit, and a document parsed from the whole text.


def replace(document, field, literal):
    layout.parse_literal(literal)
    if any(isinstance(value, Block) for value in field.values):
        raise ValueError(f"{field.name} is a block: delete and insert it")
    return _spliced(document, layout.Splice(field.value_start, field.value_end, literal))


def insert(document, block, name, new, after=None):
    layout.check_name(name)
    layout.check_new(new)
    anchor = layout.anchor(block, name, after)
    source = document.root.source
    return _spliced(document, layout.insertion(source, document.root, block, name, new, anchor))


def delete(document, field):
    return _spliced(document, layout.deletion(field.source, field))


def _spliced(document, splice):
    text = document.text[: splice.start] + splice.text + document.text[splice.end :]
    return Document.parse(text, subject=document.subject)
