"""Where an edit's text goes, and how it is laid out: like what is around it.

In a document of one field a line, a new field gets a line of its own, indented as its siblings
are; in a block written on one line it joins that line.  A deleted field takes its line with it,
and the comment after it, when nothing else is on the line; comments on other lines stay.

Fields and blocks are tree.py's or mutable_tree.py's: both have the same attributes.
"""

import re
from typing import Any, Iterator, NamedTuple, Optional, Pattern, Sequence, Tuple, Union

from graphfix.errors import SourceError
from graphfix.formats.textproto.parser import parse
from graphfix.formats.textproto.source_text import SourceText
from graphfix.formats.textproto.tree import Block, Field

# What to insert: a scalar's literal, or a block's fields.
New = Union[str, Sequence[Tuple[str, "New"]]]

# What a literal is parsed after.
LITERAL_OF = "x: "

_NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_]*\Z|\[[0-9A-Za-z_./]+\]\Z")
_SEPARATOR = re.compile(r"(?:[ \t]*[,;])?")
_REST = re.compile(r"[ \t]*[,;]?[ \t]*(#[^\n]*)?\r?(\n|\Z)")
_BLANKS = re.compile(r"[ \t]*")


class Splice(NamedTuple):
    """Replaces the characters from `start` to `end` by `text`."""

    start: int
    end: int
    text: str


def check_name(name: str) -> None:
    """ValueError for what cannot be a field's name."""
    if not _NAME.match(name):
        raise ValueError(f"not a field name: {name!r}")


def parse_literal(literal: str) -> Field:
    """The field that LITERAL_OF and the literal make.

    ValueError for a literal that is not one scalar or one list of scalars.
    """
    try:
        fields = parse(SourceText(LITERAL_OF + literal, subject="literal")).fields
    except SourceError as error:
        raise ValueError(f"not a literal: {literal!r} ({error})") from None
    complete = len(fields) == 1 and fields[0].value_end == len(LITERAL_OF + literal)
    if not complete or any(isinstance(value, Block) for value in fields[0].values):
        raise ValueError(f"not one literal: {literal!r}")
    return fields[0]


def check_new(new: New) -> None:
    """ValueError for content that cannot be written."""
    if isinstance(new, str):
        parse_literal(new)
        return
    for name, inner in new:
        check_name(name)
        check_new(inner)


def depth(new: New) -> int:
    """How deep the blocks of new content nest."""
    if isinstance(new, str):
        return 0
    return 1 + max((depth(inner) for _, inner in new), default=0)


def anchor(block: Any, name: str, after: Any) -> Any:
    """The field that a new one comes after, None in an empty block."""
    same = block.named(name)
    return after or (same[-1] if same else None) or (block.fields[-1] if block.fields else None)


def insertion(
    source: SourceText, root: Any, block: Any, name: str, new: New, anchor: Any
) -> Splice:
    """The splice that puts a new field into a block of the document `root`, after `anchor`."""
    text = source.text
    newline = "\r\n" if "\r\n" in text else "\n"
    outer = None if block is root else _indent(source, block.start)
    step = _step(source, root)
    if anchor is not None:
        rest = _REST.match(text, anchor.end)
        own_line = _indent_if_first(source, anchor.start)
        if rest is None or (own_line is None and block is not root and _one_line(text, block)):
            end = _past(_SEPARATOR, text, anchor.end)
            return Splice(end, end, " " + _render(name, new, "", "", " "))
        indent = own_line if own_line is not None else _inner(outer, step)
        return _line(text, rest.end(), _render(name, new, indent, step, newline), newline)
    indent = _inner(outer, step)
    if block is root:
        return _line(text, len(text), _render(name, new, indent, step, newline), newline)
    body = _render(name, new, indent, step, newline)
    closing = source.line_start(block.body_end)
    if closing > block.body_start:
        return _line(text, closing, body, newline)
    return Splice(block.body_start, block.body_end, newline + body + newline + (outer or ""))


def deletion(source: SourceText, field: Any) -> Splice:
    """The splice that takes a field away."""
    start, end = field.start, field.end
    rest = _REST.match(source.text, end)
    if rest is not None and _indent_if_first(source, start) is not None:
        return Splice(source.line_start(start), rest.end(), "")
    end = _past(_SEPARATOR, source.text, end)
    return Splice(start, _past(_BLANKS, source.text, end), "")


def _line(text: str, at: int, line: str, newline: str) -> Splice:
    """A line of its own at an offset where one begins, or at the end of the text."""
    if at and text[at - 1 : at] != "\n" and at == len(text):
        return Splice(at, at, newline + line)
    return Splice(at, at, line + newline)


def _one_line(text: str, block: Any) -> bool:
    return "\n" not in text[block.body_start : block.body_end]


def _indent(source: SourceText, offset: int) -> str:
    """The blanks at the start of an offset's line."""
    start = source.line_start(offset)
    return source.text[start : _past(_BLANKS, source.text, start)]


def _past(pattern: Pattern[str], text: str, offset: int) -> int:
    """Where the match of a pattern that matches anywhere, if only nothing, ends."""
    match = pattern.match(text, offset)
    assert match is not None
    return match.end()


def _indent_if_first(source: SourceText, offset: int) -> Optional[str]:
    """What is before an offset on its line, if that is white space only."""
    before = source.text[source.line_start(offset) : offset]
    return before if not before.strip() else None


def _inner(outer: Optional[str], step: str) -> str:
    return "" if outer is None else outer + step


def _step(source: SourceText, root: Any) -> str:
    """How much deeper the document indents a block: as its first indented one does."""
    for field in _walk(root):
        indent = _indent_if_first(source, field.start)
        if indent:
            return indent
    return "  "


def _walk(block: Any) -> Iterator[Any]:
    """Every field below a block, in document order."""
    for field in block.fields:
        yield field
        for value in field.values:
            if hasattr(value, "fields"):
                yield from _walk(value)


def _render(name: str, new: New, indent: str, step: str, newline: str) -> str:
    if isinstance(new, str):
        return f"{indent}{name}: {new}"
    inner = [_render(key, value, indent + step, step, newline) for key, value in new]
    return newline.join([f"{indent}{name} {{"] + inner + [indent + "}"])
