r"""Takes apart what a user pastes: a line, a traceback, or the whole log of a training.

A text is lines.  Each line is of a kind:

    log        an entry of a log, by its prefix ("I1031 21:56:07.055561 12308 supervisor.py:1099] ")
    exception  the last line of a traceback, or what stands for one (a failed CHECK of C++, a cause
               in TensorFlow's list of root errors); its message goes on in the plain lines below
    frame      a line of a traceback that names a file and a line of it
    source     a line of source code below a frame
    node       TensorFlow's description of a node, [[...]], which may take several lines
    mark       "Traceback (most recent call last):" and other headings
    plain      anything else

Colour codes, markers of quoted text and the prefixes of logs are taken off.  A message is looked
for in the `squeezed` text: the lines of the kinds log, exception and plain, in lower case and
without any white space, so that a console's line breaks, even in mid-word, are not there.
"""

import bisect
import codecs
import re
import textwrap
from typing import Any, List, NamedTuple, Optional, Tuple

# Kinds of lines that no message is looked for in.
HIDDEN = ("frame", "source", "node", "mark")
_ESCAPES = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1b[@-_]"
    "|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
# What is not seen of a text, besides white space: Markdown's marks of code, places to break a line.
_INVISIBLE = "`\u200b\u2060"
_QUOTED = re.compile(r"^\s*> ?")
_PREFIXES = (
    # TensorFlow's C++: [2020-05-26 10:11:12.123456: ]W tensorflow/core/x.cc:12]
    re.compile(
        r"^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d+)?:? +)?(?P<level>[IWEF]) "
        r"[\w./\\-]+\.(?:cc|cpp|cu|h)(?:\.\w+)?:\d+\] ?"
    ),
    # absl: I1031 21:56:07.055561 12308 supervisor.py:1099]
    re.compile(
        r"^(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +(?:\d+ +)?"
        r"(?:[\w./\\<>-]+\.(?:py|cc|cpp|h):\d+\] ?)?"
    ),
    # Python's logging: WARNING:tensorflow:
    re.compile(r"^(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL):[\w./-]*: ?"),
    # 2020-05-26T10:11:12.123Z, [2020-05-26 10:11:12,123]
    re.compile(
        r"^\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?:? ?"
        r"(?:stdout [FP] |stderr [FP] )?"
        r"(?P<level>(?:DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL)\b(?!:\S))?[ :-]*"
    ),
    # docker-compose: trainer_1  |
    re.compile(r"^[\w.-]+_\d+ +\| ?(?P<level>)"),
)
_LEVELS = {"W": "W", "E": "E", "F": "F", "C": "E"}
_EXCEPTION = re.compile(
    r"^\W{0,4}(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)"
    r"|(?:[A-Za-z_]\w*\.)+error)(?: \(see above for traceback\))?(?=:|\s*$|\s{4,}Traceback)"
)
# The same inside a line, or instead of one.
_REPORTED = re.compile(
    r"^Error reported to Coordinator: |^terminate called |^\s*\(\d\) [A-Z][\w ]{3,30}: "
    r"|^[\w.+-]+: \S+\.(?:cpp|cc|c|h|cu|hpp):\d+: |^Fatal Python error: |^Check failed: "
    r"|^(?:Aborted|Killed|Segmentation fault|Bus error|Illegal instruction)\b"
    r"|: line \d+: +\d+ (?:Killed|Aborted|Segm)"
    r"|^OP_REQUIRES failed at |^Invalid argument: "
)
_FRAME = re.compile(
    r'^\s*File "[^"]*(?:"|$)|^(?:~|[A-Za-z]:)?[/\\]\S+ in \S+\(|^<ipython-input-\S+> in '
)
_SOURCE = re.compile(r"^(?:-+> ?)?\s*\d+ |^\s{4,}")
_MARK = re.compile(
    r"^\s*(?:Traceback \(most recent call last\)|During handling of the above exception"
    r"|The above exception was the direct cause|Caused by op |Original stack trace for "
    r"|\.\.\.which was originally created as op|Errors may have originated from|\d+ frames?\s*$"
    r"|Input Source operations connected to node|-{20,}\s*$)"
)
_CHAINED = re.compile(r"^\s*(?:During handling of the above|The above exception was the direct)")
# Of no meaning: what the interpreter could not clean up at its end.
_IGNORED = re.compile(r"^Exception ignored in")
# Ends of a run that say nothing of its cause.
_NO_CAUSE = ("KeyboardInterrupt", "SystemExit", "CalledProcessError", "CancelledError")
_MOST_NODE_LINES = 60
# How often a text may have been quoted.
_MOST_QUOTED = 20
# A console breaks no lines that are shorter.
_LEAST_WRAPPED = 50
# Where a message's traceback and nodes are.
_LINES_BEFORE, _LINES_AFTER = 400, 60


class Line(NamedTuple):
    """One line: its number (from 1), its kind, a log's level (I, W, E, F), what is left of it."""

    number: int
    kind: str
    level: str
    text: str


class Raised(NamedTuple):
    """An exception of a text: its type, its first line's number, and the span of its message in the
    squeezed text.  `chain` is the same for exceptions that were raised while handling each other.
    """

    type: str
    line: int
    start: int
    end: int
    chain: int


class Pasted:
    """A text taken apart."""

    def __init__(self, text: str):
        self.lines = _lines(text)
        self._starts: List[int] = []
        self._numbers: List[int] = []
        squeezed = []
        size = 0
        for line in self.lines:
            if line.kind not in HIDDEN:
                part = squeeze(line.text)
                if part:
                    self._starts.append(size)
                    self._numbers.append(line.number)
                    squeezed.append(part)
                    size += len(part)
        self.squeezed = "".join(squeezed)
        self.raised = self._find_raised()

    def _find_raised(self) -> Tuple[Raised, ...]:
        found: List[Raised] = []
        chain = 0
        starts = dict(zip(self._numbers, self._starts))
        current: Optional[Tuple[str, int, int]] = None
        chained = ignored = False

        def end(position: int) -> None:
            nonlocal current
            if current:
                found.append(Raised(*current, position, chain))
                current = None

        for line in self.lines:
            position = starts.get(line.number)
            chained = chained or bool(_CHAINED.match(line.text))
            ignored = ignored or bool(_IGNORED.match(line.text))
            if line.kind in ("exception", "log") and position is not None:
                end(position)
                if line.kind == "exception" and not ignored:
                    match = _EXCEPTION.match(line.text)
                    name = match.group("type").split(".")[-1] if match else ""
                    # Several lines of one error are one chain: the causes that TensorFlow lists.
                    chain += bool(name and found and not chained)
                    current = (name, line.number, position)
                if line.kind == "exception":
                    chained = ignored = False
        end(len(self.squeezed))
        return tuple(found)

    @property
    def last(self) -> Optional[Raised]:
        """The exception that ended it, which is not one that only says that it ended."""
        wanted = [one for one in self.raised if one.type not in _NO_CAUSE]
        named = [one for one in wanted if one.type]
        ends = named or wanted
        return ends[-1] if ends else None

    @property
    def is_prose(self) -> bool:
        """Whether it is a user's own words: no program's output."""
        return len(self.squeezed) < 800 and all(line.kind == "plain" for line in self.lines)

    @property
    def words(self) -> str:
        """All of a text in prose, on one line."""
        return " ".join(" ".join(line.text for line in self.lines).split())

    def line_at(self, position: int) -> Line:
        """The line that a position of the squeezed text is in."""
        number = self._numbers[bisect.bisect_right(self._starts, position) - 1]
        return self.lines[number - 1]

    def position(self, line: Line) -> int:
        """Where a line begins in the squeezed text, or would."""
        at = bisect.bisect_left(self._numbers, line.number)
        return self._starts[at] if at < len(self._starts) else len(self.squeezed)

    def record(self, number: int) -> int:
        """The first line of the message that a line is part of."""
        if any(one.start <= self.position(self.lines[number - 1]) < one.end for one in self.raised):
            while number > 1 and self.lines[number - 1].kind != "exception":
                number -= 1
        while number > 1 and self.lines[number - 1].kind == "plain":
            above = self.lines[number - 2]
            if above.kind in HIDDEN or len(above.text) < _LEAST_WRAPPED:
                break
            number -= 1
        return number

    def around(self, number: int) -> str:
        """What stands around a line, squeezed: its traceback and its nodes, too."""
        near = self.lines[max(0, number - 1 - _LINES_BEFORE) : number + _LINES_AFTER]
        return "".join(squeeze(line.text) for line in near)

    def traceback(self, before: int) -> List[str]:
        """The frames above a line, the innermost one last."""
        near = self.lines[max(0, before - 1 - _LINES_BEFORE) : before - 1]
        return [line.text.strip() for line in near if line.kind == "frame"]


def squeeze(text: str) -> str:
    """A text as messages are looked for in: without white space, in lower case."""
    for mark in _INVISIBLE:
        text = text.replace(mark, "")
    return "".join(text.lower().split())


def decode(data: bytes) -> str:
    """The text of a log's bytes: UTF-8, or UTF-16 as PowerShell's redirection writes it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if data[:200].count(b"\0") > len(data[:200]) // 3:
        return data.decode("utf-16-le", "replace")
    return data.decode("utf-8", "replace")


def _lines(text: str) -> List[Line]:
    out: List[Line] = []
    depth = node_lines = 0
    in_source = False
    for number, line in enumerate(_unquoted(text), 1):
        line, level = _without_prefix(line)
        kind = "log" if level else _kind(line, in_source)
        if level in ("I", "W", "E") and _REPORTED.match(line):
            kind = "exception" if level != "W" else "log"
        elif level == "F" or (level and _EXCEPTION.match(line)):
            kind = "exception"
        if depth > 0 and node_lines < _MOST_NODE_LINES and kind in ("plain", "source", "node"):
            kind = "node"
        if kind == "node":
            node_lines = node_lines + 1 if depth > 0 else 1
            depth = max(0, depth + line.count("[") - line.count("]"))
        else:
            depth = 0
        in_source = kind == "frame" or (in_source and kind == "source")
        out.append(Line(number, kind, level, line))
    return out


def _unquoted(text: str) -> List[str]:
    """The lines without colour codes, and without what stands before all of them: markers of quoted
    text, an indentation."""
    lines = re.split(r"\r\n|\n|\r", _ESCAPES.sub("", text))
    for _ in range(_MOST_QUOTED):
        marks = {line.lstrip()[:1] for line in lines} - {""}
        if marks != {">"}:
            break
        lines = [_QUOTED.sub("", line) for line in lines]
    if all(line[:1] in ("", " ", "\t") for line in lines):
        return textwrap.dedent("\n".join(lines)).split("\n")
    return lines


def _without_prefix(line: str) -> Tuple[str, str]:
    """A line without the prefixes of logs, of which it may have several, and the last's level."""
    level = ""
    for _ in range(4):
        match: Any = None
        for pattern in _PREFIXES:
            match = pattern.match(line)
            if match and match.end():
                break
        else:
            break
        given = match.group("level") or ""
        level = _LEVELS.get(given[:1], "I") if given or not level else level
        line = line[match.end() :]
    return line, level


def _kind(line: str, in_source: bool) -> str:
    if _MARK.match(line):
        return "mark"
    if _FRAME.match(line):
        return "frame"
    if line.lstrip().startswith("[[") and not re.match(r"\s*\[\[\s*-?\d", line):
        return "node"
    if _EXCEPTION.match(line):
        return "exception"
    if in_source and _SOURCE.match(line):
        return "source"
    return "exception" if _REPORTED.search(line) else "plain"
