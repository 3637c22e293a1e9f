"""Where an edit's text goes, and what it looks like: like what stands around it.

A new field on a page of one field a line gets a line of its own, indented as its siblings are;
in a block written on one line it joins that line.  A deleted field takes its line with it, and
the comment behind it, when it has the line to itself; comments on other lines are somebody's.
"""

import dataclasses
import re
from typing import Optional, Sequence, Tuple, Union

from graphfix.errors import SourceError
from graphfix.formats.textproto.parser import parse
from graphfix.formats.textproto.source_text import SourceText
from graphfix.formats.textproto.tree import Block, Field

# What to insert: a scalar's literal, or a block's fields.
New = Union[str, Sequence[Tuple[str, "New"]]]  # type: ignore

_NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_]*\Z|\[[0-9A-Za-z_./]+\]\Z")
_SEPARATOR = re.compile(r"(?:[ \t]*[,;])?")
_REST = re.compile(r"[ \t]*[,;]?[ \t]*(#[^\n]*)?\r?(\n|\Z)")


@dataclasses.dataclass(frozen=True)
class Splice:
    """Replaces the characters from `start` to `end` by `text`."""

    start: int
    end: int
    text: str


def check_name(name: str) -> None:
    """ValueError for what cannot stand as a field's name."""
    if not _NAME.match(name):
        raise ValueError(f"not a field name: {name!r}")


def check_literal(literal: str) -> None:
    """ValueError for a literal that is not one scalar or one list of scalars."""
    try:
        fields = parse(SourceText("x: " + literal, subject="literal")).fields
    except SourceError as error:
        raise ValueError(f"not a literal: {literal!r} ({error})") from None
    whole = len(fields) == 1 and fields[0].value_end == len("x: " + literal)
    if not whole or any(isinstance(value, Block) for value in fields[0].values):
        raise ValueError(f"not one literal: {literal!r}")


def check_new(new: New) -> None:
    """ValueError for content that cannot be written."""
    if isinstance(new, str):
        check_literal(new)
        return
    for name, inner in new:
        check_name(name)
        check_new(inner)


def insertion(root: Block, block: Block, name: str, new: New, after: Optional[Field]) -> Splice:
    """The splice that puts a new field into a block of the document `root`."""
    source = block.source
    text = source.text
    newline = "\r\n" if "\r\n" in text else "\n"
    same = block.named(name)
    anchor = after or (same[-1] if same else None) or (block.fields[-1] if block.fields else None)
    outer = None if block is root else _indent(source, block.start)
    step = _step(root)
    if anchor is not None:
        rest = _REST.match(text, anchor.end)
        own_line = _indent_if_first(source, anchor.start)
        if rest is None or (own_line is None and block is not root and _one_line(block)):
            end = _SEPARATOR.match(text, anchor.end).end()
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


def deletion(field: Field) -> Splice:
    """The splice that takes a field away."""
    source = field.source
    rest = _REST.match(source.text, field.end)
    if rest is not None and _indent_if_first(source, field.start) is not None:
        return Splice(source.line_start(field.start), rest.end(), "")
    end = _SEPARATOR.match(source.text, field.end).end()
    while source.text[end : end + 1] in (" ", "\t"):
        end += 1
    return Splice(field.start, end, "")


def _line(text: str, at: int, line: str, newline: str) -> Splice:
    """A line of its own at an offset where one begins, or at the end of the text."""
    if at and text[at - 1 : at] != "\n" and at == len(text):
        return Splice(at, at, newline + line)
    return Splice(at, at, line + newline)


def _one_line(block: Block) -> bool:
    return "\n" not in block.source.text[block.body_start : block.body_end]


def _indent(source: SourceText, offset: int) -> str:
    """The white space that the line of an offset begins with."""
    return re.compile(r"[ \t]*").match(source.text, source.line_start(offset)).group()


def _indent_if_first(source: SourceText, offset: int) -> Optional[str]:
    """What stands before an offset on its line, if that is white space only."""
    before = source.text[source.line_start(offset) : offset]
    return before if not before.strip() else None


def _inner(outer: Optional[str], step: str) -> str:
    return "" if outer is None else outer + step


def _step(root: Block) -> str:
    """How much deeper the document indents a block: as its first indented one does."""
    for _, field in root.walk():
        indent = _indent_if_first(field.source, field.start)
        if indent:
            return indent
    return "  "


def _render(name: str, new: New, indent: str, step: str, newline: str) -> str:
    if isinstance(new, str):
        return f"{indent}{name}: {new}"
    inner = [_render(key, value, indent + step, step, newline) for key, value in new]
    return newline.join([f"{indent}{name} {{"] + inner + [indent + "}"])
