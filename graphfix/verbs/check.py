"""check: an output against the golden file that records what it should be."""

import contextlib
import os
from typing import Optional, Tuple

from graphfix.compare.differ import Comparison, compare
from graphfix.compare.golden import read_golden, to_json
from graphfix.compare.junit import to_junit
from graphfix.compare.things import open_thing
from graphfix.errors import RequestError


def check(directory: str, golden_path: str, *, junit: Optional[str]) -> Comparison:
    """How an output differs from its golden file; also written as JUnit XML, where asked for.

    Raises:
      SourceError: the output or the golden file is missing or damaged.
      RequestError: the XML cannot be written.
    """
    if not os.path.exists(golden_path):
        raise RequestError(golden_path, "does not exist", "make it with --update, look at it, and "
                           "keep it in your repository")
    golden = read_golden(golden_path)
    found = compare(golden, open_thing(directory))
    if junit:
        _write(junit, to_junit(found, golden))
    return found


def update(directory: str, golden_path: str) -> Tuple[str, ...]:
    """Makes the golden file what the output is now; the differences to what it was.

    Raises:
      SourceError: the output is missing or damaged.
      RequestError: the golden file cannot be written.
    """
    thing = open_thing(directory)
    before = read_golden(golden_path) if os.path.exists(golden_path) else None
    lines = tuple(map(str, compare(before, thing).differences)) if before else ()
    _write(golden_path, to_json(thing).encode("utf-8"))
    return lines


def _write(path: str, data: bytes) -> None:
    """A whole file, or the one that was there."""
    part = "%s.%d.part" % (path, os.getpid())
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise RequestError(path, "cannot be written: %s" % error.strerror,
                           "check the path and its permissions") from None
    finally:
        with contextlib.suppress(OSError):
            os.remove(part)
