"""check: an output compared with the golden file that records what it should be."""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.comparison.differ import compare
from graphfix.comparison.golden import OldGolden, read_golden, to_json
from graphfix.comparison.junit import is_junit, to_junit
from graphfix.comparison.result import Comparison
from graphfix.comparison.snapshots import open_snapshot
from graphfix.errors import RequestError, SourceError
from graphfix.findings import count
from graphfix.formats import regular_files
from graphfix.modeldir.single_files import check_file, write_file

# What messages call the two sides.
_NAMES = ("the golden file", "the output")


class GoldenUpdate(NamedTuple):
    """A golden file that was written, and how the output differs from what it recorded before."""

    path: str
    changes: Tuple[str, ...]

    def __repr__(self) -> str:
        return f"<GoldenUpdate {self.path}: {count(len(self.changes), 'change')}>"

    def to_lines(self) -> List[str]:
        return [f"{self.path} written"]

    def to_json(self) -> str:
        return json.dumps({"golden": self.path, "changes": list(self.changes)}, indent=2)


def check(
    directory: str, golden_path: str, *, junit: Optional[str] = None, overwrite: bool = False
) -> Comparison:
    """How an output differs from its golden file.

    `junit` is where to write the result as JUnit XML, too: in the place of an earlier one, or with
    `overwrite` of any file.

    Raises:
      SourceError: the output or the golden file is missing or damaged.
      RequestError: the XML cannot be written.
    """
    place: Dict[str, Any] = {
        "overwrite": overwrite,
        "inputs": (golden_path, *_files(directory)),
        "ours": is_junit,
    }
    if junit:
        check_file(junit, **place)
    if not os.path.exists(golden_path):
        raise RequestError(
            golden_path,
            *regular_files.missing(
                golden_path, "make it with --update, look at it, and keep it in your repository"
            ),
        )
    golden = read_golden(golden_path)
    found = compare(
        golden, open_snapshot(directory, ignored=_own(golden_path, junit)), names=_NAMES
    )
    if junit:
        write_file(junit, to_junit(found, golden), **place)
    return found


def update(directory: str, golden_path: str, *, overwrite: bool = False) -> GoldenUpdate:
    """Makes the golden file record the output as it is now; `overwrite` also replaces a file that
    is no golden file.

    Raises:
      SourceError: the output is missing or damaged.
      RequestError: the golden file cannot be written.
    """
    place: Dict[str, Any] = {
        "overwrite": overwrite,
        "inputs": _files(directory),
        "ours": _is_golden,
    }
    check_file(golden_path, **place)
    snapshot = open_snapshot(directory, ignored=_own(golden_path))
    changes: Tuple[str, ...] = ()
    if os.path.isfile(golden_path) and _is_golden(golden_path):
        try:
            found = compare(read_golden(golden_path), snapshot, names=_NAMES)
            changes = tuple(map(str, found.differences))
        except OldGolden:
            changes = (f"{golden_path} had an earlier format: it does not tell what has changed",)
    write_file(golden_path, to_json(snapshot).encode("utf-8"), **place)
    return GoldenUpdate(golden_path, changes)


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
