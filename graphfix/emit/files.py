"""Single files that appear whole, or not at all: written beside their place, and renamed into it."""

import contextlib
import os

from graphfix.errors import RequestError


def check_file(path: str, *, overwrite: bool) -> None:
    """Whether a file may be written there.

    Raises:
      RequestError: something is there already, or no directory to write it in.
    """
    if os.path.isdir(path):
        raise RequestError(path, "is a directory", "name a file in it")
    if os.path.lexists(path) and not overwrite:
        raise RequestError(path, "exists", "name another file, or give --overwrite")
    directory = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(directory):
        raise RequestError(path, "cannot be written: its directory does not exist",
                           "create %s" % directory)


def write_file(path: str, data: bytes, *, overwrite: bool) -> None:
    """Writes a file whole.

    Raises:
      RequestError: it may not or cannot be written; what was there before still is.
    """
    check_file(path, overwrite=overwrite)
    try:
        replace_file(path, data)
    except OSError as error:
        raise RequestError(path, "cannot be written: %s" % error.strerror,
                           "check its permissions and the space there") from None


def replace_file(path: str, data: bytes) -> None:
    """Writes a file in the place of any other; raises OSError, and leaves the old one then."""
    part = os.path.join(os.path.dirname(path), ".%s.%d" % (os.path.basename(path), os.getpid()))
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise
