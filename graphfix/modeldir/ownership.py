"""Whose a file is: the one rule by which graphfix replaces and removes anything.

A directory is graphfix's where it has a valid manifest (`manifest`), and then the files and
directories that this lists are, and nothing else.  What is not listed, or is a link or device where
a file is listed, is somebody else's, and a directory with any such thing is never replaced: a
training directory inside an earlier output has processes that write to it, so that it can't be
moved aside and back unnoticed (docs/decisions/018).  Nor is a directory replaced that has an
input of the very command, by whatever path that was named.

While a directory is made it carries a marker.  What a killed run left behind is removed if it has
one, or a manifest, and then only what that lists.
"""

import contextlib
import fnmatch
import glob
import os
import shutil
import stat
from typing import Iterable, Iterator, List, Optional, Tuple

from graphfix.errors import Problem, SourceError
from graphfix.modeldir.manifest import Manifest, read_manifest
from graphfix.modeldir.measuring import entries
from graphfix.modeldir.names import MANIFEST, MARKER, PART

_MOST_NAMES = 5


def foreign(directory: str) -> Tuple[List[str], str]:
    """The paths in a directory that are not graphfix's, and why none is where it has no valid
    manifest ("" where it has one).

    Raises:
      OSError: it cannot be read.
    """
    try:
        manifest = read_manifest(directory)
    except SourceError as error:
        return sorted(os.listdir(directory)), error.problems[0].message
    if manifest is None:
        return sorted(os.listdir(directory)), f"it has no {MANIFEST}"
    return list(_others(directory, manifest)), ""


def has_manifest(directory: str) -> bool:
    """Whether a directory has a valid manifest."""
    try:
        return read_manifest(directory) is not None
    except SourceError:
        return False


def _others(directory: str, manifest: Manifest) -> Iterator[str]:
    files, directories = owned(manifest)
    for path, is_directory, mode in entries(directory, directories):
        if not (path in directories if is_directory else path in files and stat.S_ISREG(mode)):
            yield path


def owned(manifest: Manifest) -> Tuple[List[str], List[str]]:
    """The files and the directories that a manifest makes graphfix's: with its own, and with what
    an update of the directory may have left of them."""
    files = sorted(set(manifest.files) | set(manifest.pending))
    files += [
        os.path.join(os.path.dirname(path), PART % os.path.basename(path))
        for path in files + [MANIFEST]
    ]
    directories = set(manifest.directories)
    for path in files:
        while os.path.dirname(path):
            path = os.path.dirname(path)
            directories.add(path)
    return files + [MANIFEST], sorted(directories)


def named(paths: List[str]) -> str:
    """Paths in a message: the first few, and how many more there are."""
    more = len(paths) - _MOST_NAMES
    return ", ".join(paths[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def replacing_problem(directory: str, inputs: Iterable[str]) -> Optional[Problem]:
    """Why a directory with something in it is not to be replaced, None where it may be."""
    others, why = foreign(directory)
    if others:
        because = f" ({why})" if why else ""
        return Problem(
            directory,
            f"has files that graphfix did not put there{because}: {named(others)}",
            "move that elsewhere, or name another directory",
        )
    for held in files_of(inputs) + [os.getcwd(), os.path.expanduser("~")]:
        if inside(held, directory):
            return Problem(
                directory,
                f"holds {held}, which this command needs, so it cannot be replaced",
                "name another directory",
            )
    return None


def files_of(inputs: Iterable[str]) -> List[str]:
    """The files and directories that inputs name: paths, patterns of names in a directory,
    checkpoint prefixes."""
    found: List[str] = []
    for path in inputs:
        if os.path.lexists(path):
            found.append(path)
        elif not glob.has_magic(os.path.dirname(path)):
            # Few of them: a pattern in a directory's name may take for ever to follow.
            found += glob.glob(path) if glob.has_magic(path) else []
            found += [
                one for end in (".index", ".data-*") for one in glob.glob(glob.escape(path) + end)
            ]
    return found


def inside(path: str, directory: str) -> bool:
    """Whether a path leads to a directory or into it, links followed."""
    path, directory = os.path.realpath(path), os.path.realpath(directory)
    return os.path.commonpath([path, directory]) == directory


def same_file(path: str, inputs: Iterable[str]) -> Optional[str]:
    """The input that is the very file or directory `path`, by any name of it."""
    try:
        there = os.stat(path)
    except OSError:
        return None
    if not (stat.S_ISREG(there.st_mode) or stat.S_ISDIR(there.st_mode)):
        return None
    inputs = list(inputs)
    for one in files_of(inputs):
        try:
            if os.path.samestat(there, os.stat(one)):
                return one
        except OSError:
            continue
    return next(
        (
            one
            for one in inputs
            if glob.has_magic(os.path.dirname(one))
            and fnmatch.fnmatchcase(os.path.realpath(path), os.path.abspath(one))
        ),
        None,
    )


def mark(directory: str) -> None:
    """Marks a directory as being made."""
    with open(os.path.join(directory, MARKER), "x"):
        pass


def published(directory: str) -> List[str]:
    """The names in a directory that is being made."""
    return [name for name in os.listdir(directory) if name != MARKER]


def unmark(directory: str) -> None:
    """The directory is made: its manifest says from now on what in it is graphfix's."""
    os.remove(os.path.join(directory, MARKER))


def remove(directory: str, *, unfinished: bool = False) -> bool:
    """Removes an unfinished directory, or an empty one, or, unless it must be `unfinished`, what of
    another one is graphfix's; whether it is gone."""
    if os.path.islink(directory):
        return False
    try:
        if os.path.lexists(os.path.join(directory, MARKER)):
            _remove_unmarked(directory)
            unmark(directory)
        elif not unfinished:
            manifest = read_manifest(directory)
            if manifest:
                _remove_owned(directory, manifest)
        os.rmdir(directory)
    except (OSError, SourceError):
        return not os.path.lexists(directory)
    return True


def _remove_unmarked(directory: str) -> None:
    """Removes all but the marker, which goes last."""
    for name in published(directory):
        path = os.path.join(directory, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)


def _open_up(directory: str) -> None:
    """Makes it possible to remove what is in a directory whose owner made it read-only: it has been
    replaced by one that is."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        mode = os.lstat(directory).st_mode
        if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(directory, stat.S_IMODE(mode) | stat.S_IRWXU)


def _remove_owned(directory: str, manifest: Manifest) -> None:
    """Removes what a manifest lists, the manifest last; links are not followed."""
    files, directories = owned(manifest)
    _open_up(directory)
    found = []
    for row in entries(directory, directories):  # gives a directory before it looks into it
        if row[0] in directories and row[1]:
            _open_up(os.path.join(directory, row[0]))
        found.append(row)
    for path, _, mode in found:
        if path in files and path != MANIFEST and stat.S_ISREG(mode):
            os.remove(os.path.join(directory, path))
    for path, is_directory, _ in reversed(found):
        if is_directory and path in directories and not os.listdir(os.path.join(directory, path)):
            os.rmdir(os.path.join(directory, path))
    if os.listdir(directory) == [MANIFEST]:
        os.remove(os.path.join(directory, MANIFEST))
