"""Where brackets and indentation of a text disagree: the place to mend if brackets do not match.

A parser knows of a block that is left open only at the end of the text, and of a bracket too many
only when all others are used up.  People indent, so the first line that stands further left than
the block that it is in tells which one was to be closed.
"""

from typing import Iterable, List, NamedTuple, Optional, Tuple

from graphfix.formats.textproto.source_text import SourceText

_OPENERS, _CLOSERS = "{<", "}>"


class Mismatch(NamedTuple):
    """Where the first block opens that is not closed where its indentation ends, and the first
    closing bracket that is indented further than its block: offsets, None where there is none."""

    unclosed: Optional[int]
    surplus: Optional[int]


def mismatch(source: SourceText, tokens: Iterable[Tuple[str, int, int]]) -> Mismatch:
    """What the indentation of a text tells; `tokens` are (kind, start, end), as the parser's."""
    unclosed: Optional[int] = None
    surplus: Optional[int] = None
    blocks: List[Tuple[int, int]] = []  # offset and indentation of each open one
    seen = 0
    for kind, start, _ in tokens:
        line, _ = source.position(start)
        first, seen = line > seen, line
        indentation = _indentation(source, start)
        closes = kind in _CLOSERS
        if first and (closes or kind == "word"):
            level = blocks[-1][1] if blocks else -1
            if unclosed is None and (indentation < level or (indentation == level and not closes)):
                unclosed = blocks[-1][0]
            if surplus is None and closes and indentation > level:
                surplus = start
        if kind in _OPENERS:
            blocks.append((start, indentation))
        elif closes and blocks:
            blocks.pop()
    return Mismatch(unclosed, surplus)


def _indentation(source: SourceText, offset: int) -> int:
    """The columns of white space before the line that an offset is in."""
    start = source.text.rfind("\n", 0, offset) + 1
    line = source.text[start:offset].expandtabs()
    return len(line) - len(line.lstrip())
