"""check: an output against the golden file that records what it should be."""

import os
from typing import Optional, Tuple

from graphfix.compare.differ import Comparison, compare
from graphfix.compare.golden import read_golden, to_json
from graphfix.compare.junit import to_junit
from graphfix.compare.things import open_thing
from graphfix.emit.files import write_file
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
        write_file(junit, to_junit(found, golden), overwrite=True)
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
    write_file(golden_path, to_json(thing).encode("utf-8"), overwrite=True)
    return lines
