"""Writing to whoever runs the command: results to stdout, messages to stderr.

Names and paths are strangers' text.  What is written is lines, and of a line every character is
escaped that would do something to a terminal, or show it other than it is: so no name can hide a
message, or forge one.
"""

import contextlib
import re
import sys
import threading
import time
from typing import Any, Callable, Iterable, Iterator

from graphfix.errors import RequestError

# Control characters (C0, DEL, C1), marks and overrides of the direction of writing, the separators
# of lines and paragraphs, and halves of surrogate pairs, which stand for bytes that are no text.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_AGAIN = "\r\033[K"  # to the beginning of the line, and empties it


def escaped(text: str) -> str:
    """One line of plain text."""
    return _CONTROL.sub(_escape, text)


def _escape(match: Any) -> str:
    code = ord(match.group())
    return _SHORT.get(match.group()) or ("\\x%02x" if code < 0x100 else "\\u%04x") % code


@contextlib.contextmanager
def one_line() -> Iterator[Callable[[str], None]]:
    """Gives a function that writes a message over the one before, on a terminal; elsewhere,
    nothing."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda text: None
        return
    try:
        yield lambda text: _say(_AGAIN + escaped(text))
    finally:
        _say(_AGAIN)


@contextlib.contextmanager
def ticking(text: str) -> Iterator[Callable[[str], None]]:
    """Counts seconds on a terminal, where silence would look like standstill; gives a function that
    changes the text."""
    texts, done = [text], threading.Event()

    def tick() -> None:
        started = time.monotonic()
        while not done.wait(1):
            show(f"{texts[-1]} ... {time.monotonic() - started} s")

    with one_line() as show:
        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield texts.append
        finally:
            done.set()
            thread.join()


def print_result(lines: Iterable[Any]) -> None:
    """Writes a result to stdout, a line each; what its encoding does not have is escaped, too."""
    _print("".join(escaped(str(line)) + "\n" for line in lines))


def print_json(text: str) -> None:
    """Writes what json.dumps made, which leaves no control character as it is, save one."""
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
        raise RequestError(
            "standard output", f"cannot be written: {error.strerror}", "direct it elsewhere"
        ) from None


def say(lines: Iterable[Any]) -> None:
    """Writes messages to stderr, a line each, if anybody is there to read them."""
    for line in lines:
        _say(escaped(str(line)) + "\n")


def _say(text: str) -> None:
    if sys.stderr is None:
        return  # print would take stdout instead
    with contextlib.suppress(OSError):  # nobody listens
        print(text, end="", file=sys.stderr, flush=True)
