"""Where the text to explain comes from: the command line, stdin, or a log."""

import os
import sys

from graphfix.doctor.messages.pasted import decode
from graphfix.errors import RequestError, SourceError
from graphfix.formats.regular_files import read_file

# The log of a training that printed every step for months has less.
_LIMIT = 100 << 20
_SUFFIXES = (".log", ".txt", ".out", ".err")


def text_of(argument: str) -> str:
    """The text that `--explain ARGUMENT` means: that of stdin (`-`), of the file at that path, or
    the argument itself.

    Raises:
      SourceError: the file can't be read, or what is named like a log is not there.
      RequestError: stdin can't be read.
    """
    if argument == "-":
        return decode(_stdin())
    if _is_path(argument):
        return decode(read_file(argument, limit=_LIMIT, pipes=True))
    if argument.endswith(_SUFFIXES) and not argument.strip(" ").count(" "):
        raise SourceError(argument, "is not there", "correct the path of the log")
    return argument


def _is_path(argument: str) -> bool:
    try:
        return os.path.exists(argument)
    except ValueError:  # a message with a NUL in it
        return False


def _stdin() -> bytes:
    if sys.stdin is None:
        raise RequestError("stdin", "is closed", "name the log instead")
    data = sys.stdin.buffer.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise RequestError(
            "stdin", f"has more than {_LIMIT} bytes", "give the end of it: tail -c 50M"
        )
    return data
