"""Output for the person who runs a command: results go to stdout, messages and progress to stderr.

Names and paths come from strangers.  Output is lines of plain text: every character that a terminal
would act on, or that would show a line other than it is, is escaped.  So no name can hide a message
or forge one.
"""

import contextlib
import os
import re
import shlex
import sys
import threading
import time
from typing import Any, Iterable, Iterator, NamedTuple

from graphfix.errors import RequestError
from graphfix.findings import ERROR, INFO, WARNING, Finding, by_severity, count
from graphfix.process import signals

# Control characters (C0, DEL, C1), marks and overrides of the direction of writing, the separators
# of lines and paragraphs, and halves of surrogate pairs, which stand for undecodable bytes.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SEVERITY = re.compile(rf"^(\s*)({ERROR}|{WARNING}|{INFO})\b")
_COLORS = {ERROR: "1;31", WARNING: "1;33", INFO: "36"}  # red, yellow, cyan
_AGAIN = "\r\033[K"  # returns to the beginning of the line and clears it
# Off a terminal, work that takes this long says a line, and again when it has taken twice as long,
# and so on, until it is said every so many seconds.
FIRST_SECONDS, _MOST_SECONDS = 20.0, 640.0
_SECONDS_TO_SAY = 1.0  # what a line that is being written may take


def escaped(text: str) -> str:
    """One line of plain text."""
    return _CONTROL.sub(_escape, text)


def quoted(path: str) -> str:
    """A path for a shell, on one line."""
    if "\n" not in path:
        return shlex.quote(path)
    return "$'" + path.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _escape(match: Any) -> str:
    code = ord(match.group())
    return _SHORT.get(match.group()) or ("\\x%02x" if code < 0x100 else "\\u%04x") % code


class _Talk(NamedTuple):
    """How much a command says: what is good to know, too; errors only; in colour."""

    verbose: bool = False
    quiet: bool = False
    color: str = "auto"


_talk = _Talk()


@contextlib.contextmanager
def talking(verbose: bool, quiet: bool, color: str) -> Iterator[None]:
    """What is said inside is said as the flags of those names ask for."""
    global _talk
    before, _talk = _talk, _Talk(verbose, quiet, color)
    try:
        yield
    finally:
        _talk = before


class Progress:
    """What is going on: on a terminal each text over the one before; elsewhere a line, where it
    takes long, at growing intervals.  Quiet with --quiet.

    A context manager, which leaves a terminal's line empty:

        with Progress("reading", seconds=True) as show:
            show("reading the second file")

    With `seconds` it counts them behind the text, where silence would look like standstill.
    """

    def __init__(self, text: str = "", *, seconds: bool = False):
        self._text, self._seconds = text, seconds
        self._quiet = _talk.quiet or sys.stderr is None
        self._terminal = _is_terminal(sys.stderr)
        self._started = time.monotonic()
        self._done = threading.Event()
        self._shown = False
        count = self._count if self._terminal else self._say_now_and_then
        self._thread = threading.Thread(target=count, daemon=True)

    def __enter__(self) -> "Progress":
        if not self._quiet and (self._seconds or not self._terminal):
            with signals.held():
                self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._quiet:
            return
        if self._thread.ident is not None:
            with signals.held():
                self._done.set()
                self._thread.join(_SECONDS_TO_SAY)
        if self._shown:
            _say(_AGAIN)

    def __call__(self, text: str) -> None:
        self._text = text
        # The next second shows it, where seconds are counted: a caller may change it often.
        if self._terminal and not self._seconds and not self._quiet:
            self._show(text)

    def _count(self) -> None:
        while not self._done.wait(1):
            self._show(self._line())

    def _say_now_and_then(self) -> None:
        due = FIRST_SECONDS
        while not self._done.wait(self._started + due - time.monotonic()):
            say([self._line()])
            due += min(due, _MOST_SECONDS)

    def _show(self, text: str) -> None:
        """Writes over a terminal's line, no more than it has room for: what wraps would stay."""
        columns = 0
        with contextlib.suppress(OSError, ValueError):  # it has no size, or is closed
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
        self._shown = True
        _say(_AGAIN + (escaped(text)[: columns - 1] if columns else escaped(text)))

    def _line(self) -> str:
        return f"{self._text} ... {int(time.monotonic() - self._started)} s"


def one_line() -> Progress:
    """Progress that a caller words."""
    return Progress()


def ticking(text: str) -> Progress:
    """Progress that counts seconds behind a text, which its caller may change."""
    return Progress(text, seconds=True)


def print_result(lines: Iterable[Any]) -> None:
    """Writes a result to stdout, one line each; escapes what stdout's encoding lacks, too."""
    _print("".join(_colored(escaped(str(line)), sys.stdout) + "\n" for line in lines))


def print_either(found: Any, as_json: bool) -> None:
    """Writes a result that has `to_json` and `to_lines` to stdout, as one or the other."""
    if as_json:
        print_json(found.to_json())
    else:
        print_result(found.to_lines())


def print_next(*lines: str) -> None:
    """Writes what to do next, after a result: words, then commands.  Not where it is quiet."""
    if not _talk.quiet:
        print_result(lines)


def print_json(text: str) -> None:
    """Writes what json.dumps made, which escapes all control characters but DEL."""
    _print(text.replace("\x7f", "\\u007f").rstrip("\n") + "\n")


def _print(text: str) -> None:
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "ascii"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up_output()
        raise RequestError(
            "standard output", f"cannot be written: {error.strerror}", "direct it elsewhere"
        ) from None


def give_up_output() -> None:
    """Drops what is still buffered for stdout.

    Python would else try to write it again at its end, and exit with 120 because it cannot.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(lines: Iterable[Any]) -> None:
    """Writes messages to stderr, one line each, as long as somebody reads them."""
    for line in lines:
        _say(escaped(str(line)) + "\n")


def say_findings(findings: Iterable[Finding]) -> None:
    """Writes findings to stderr, errors first; how many are only good to know, unless --verbose."""
    notes = 0
    for one in by_severity(findings):
        if one.severity == INFO and not _talk.verbose:
            notes += 1
        elif one.severity == ERROR or not _talk.quiet:
            _say(_colored(escaped(str(one)), sys.stderr) + "\n")
    if notes and not _talk.quiet:
        _say(f"{count(notes, 'note')}: --verbose shows {'it' if notes == 1 else 'them'}\n")


def _colored(line: str, stream: Any) -> str:
    """A line with its severity, if it begins with one, in colour where that is wanted."""
    wanted = _talk.color == "always" or (
        _talk.color == "auto" and _is_terminal(stream) and not os.environ.get("NO_COLOR")
    )
    return _SEVERITY.sub(_paint, line) if wanted else line


def _paint(match: Any) -> str:
    return f"{match.group(1)}\033[{_COLORS[match.group(2)]}m{match.group(2)}\033[0m"


def _is_terminal(stream: Any) -> bool:
    return stream is not None and stream.isatty()


def _say(text: str) -> None:
    if sys.stderr is None:
        return  # print would take stdout instead
    with contextlib.suppress(OSError):  # nobody reads it
        print(text, end="", file=sys.stderr, flush=True)
