"""check: an output against the golden file that records what it should be."""

import os
from typing import Optional, Sequence, Tuple

from graphfix.comparison.differ import Comparison, compare
from graphfix.comparison.golden import OldGolden, read_golden, to_json
from graphfix.comparison.junit import is_junit, to_junit
from graphfix.comparison.snapshots import open_thing
from graphfix.errors import RequestError, SourceError
from graphfix.modeldir.single_files import check_file, write_file


def check(
    directory: str, golden_path: str, *, junit: Optional[str], overwrite: bool = False
) -> Comparison:
    """How an output differs from its golden file; also written as JUnit XML, where asked for, and
    there in the place of an earlier one, or with `overwrite` of any file.

    Raises:
      SourceError: the output or the golden file is missing or damaged.
      RequestError: the XML cannot be written.
    """
    place = dict(overwrite=overwrite, inputs=(golden_path, *_files(directory)), ours=is_junit)
    if junit:
        check_file(junit, **place)
    if not os.path.exists(golden_path):
        raise RequestError(
            golden_path,
            "does not exist",
            "make it with --update, look at it, and keep it in your repository",
        )
    golden = read_golden(golden_path)
    found = compare(golden, open_thing(directory, ignored=_own(golden_path, junit)))
    if junit:
        write_file(junit, to_junit(found, golden), **place)
    return found


def update(directory: str, golden_path: str, *, overwrite: bool = False) -> Tuple[str, ...]:
    """Makes the golden file what the output is now; the differences to what it was, unless that is
    of an earlier format.  `overwrite` also replaces a file that is not a golden file.

    Raises:
      SourceError: the output is missing or damaged.
      RequestError: the golden file cannot be written.
    """
    place = dict(overwrite=overwrite, inputs=_files(directory), ours=_is_golden)
    check_file(golden_path, **place)
    thing = open_thing(directory, ignored=_own(golden_path))
    lines: Tuple[str, ...] = ()
    if os.path.isfile(golden_path) and _is_golden(golden_path):
        try:
            lines = tuple(map(str, compare(read_golden(golden_path), thing).differences))
        except OldGolden:
            lines = (f"{golden_path} was of an earlier format: what has changed since is not told",)
    write_file(golden_path, to_json(thing).encode("utf-8"), **place)
    return lines


def _own(*paths: Optional[str]) -> Tuple[str, ...]:
    """The files of a check itself, which may lie in the output."""
    return tuple(os.path.realpath(path) for path in paths if path)


def _files(directory: str) -> Sequence[str]:
    """The files that are checked."""
    if not os.path.isdir(directory):
        return (directory,)
    return [os.path.join(top, name) for top, _, names in os.walk(directory) for name in names]


def _is_golden(path: str) -> bool:
    try:
        read_golden(path)
    except OldGolden:
        return True
    except SourceError:
        return False
    return True
