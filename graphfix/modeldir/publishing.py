"""Directories that appear in one step, or not at all.

Everything is written into a staging directory next to each destination (so on the same file
system), synced, and renamed into place: a reader sees the old directory or the new one, also
after a crash.  Replacing a directory takes one exchange (renameat2 with RENAME_EXCHANGE, Linux
3.15); where system or file system has none, two renames, and a run killed between them leaves the
old directory under a name from which the next run puts it back.  Several directories are
published one after the other; when one fails, those before it are put back.

What may be replaced, and what is removed of it, `ownership` says; it is asked once more when the
old directory has its other name, under which nobody puts anything into it.  A destination that is
a link stays one: what it leads to is replaced.  What is replaced passes its permissions on, file by
file, and a new directory keeps the group that its parent gives it.

Staging directories, and what is being replaced, are locked (flock) by their owner.  One that
is not locked is what a killed run left behind, and is removed by the next.
"""

import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import os
import platform
import stat
import sys
import uuid
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple

from graphfix.errors import Problem, RequestError
from graphfix.formats import durable
from graphfix.modeldir import measuring, ownership
from graphfix.modeldir.names import MANIFEST

_STAGING = ".graphfix-staging-"
_OLD = ".graphfix-old-"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# By number, because glibc has a function for it only since 2.28, after TensorFlow 1.15's images.
_RENAMEAT2 = {"x86_64": 316, "aarch64": 276}

_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EBUSY: "it may be a mount point: name a directory inside it",
    errno.ENOTEMPTY: "something else wrote there meanwhile: name another directory",
}


def check_destinations(
    directories: Sequence[str], *, overwrite: bool, inputs: Iterable[str] = ()
) -> None:
    """Whether all can be published to; `inputs` are the paths that the command was given, or reads.

    Raises:
      RequestError: listing why not.
    """
    inputs = list(inputs)
    problems: List[Problem] = []
    for number, directory in enumerate(directories):
        problems += _obstacles(directory, overwrite, inputs)
        for other in directories[:number]:
            if ownership.inside(directory, other) or ownership.inside(other, directory):
                problems.append(
                    Problem(
                        directory,
                        f"and {other} are not two separate directories",
                        "name one outside the other",
                    )
                )
    if problems:
        raise RequestError.collected(problems)


def _obstacles(directory: str, overwrite: bool, inputs: Sequence[str]) -> Iterator[Problem]:
    path = os.path.realpath(directory)
    if not os.path.lexists(path):
        if not os.path.isdir(os.path.dirname(path)):
            yield Problem(
                directory, "its parent directory does not exist", f"create {os.path.dirname(path)}"
            )
        return
    if not os.path.isdir(path):
        yield Problem(directory, "exists and is not a directory", "name another")
        return
    try:
        if not os.listdir(path):
            return
        if not overwrite:
            others, _ = ownership.foreign(path)
            yield (
                Problem(
                    directory,
                    "exists already, and has files that graphfix did not put there: "
                    f"{ownership.named(others)}",
                    "name another directory",
                )
                if others
                else Problem(
                    directory,
                    "exists already",
                    "name another directory, or pass --overwrite to replace it",
                )
            )
            return
        problem = ownership.replacing_problem(path, inputs)
    except OSError as error:
        yield Problem(directory, f"cannot be read: {error.strerror}", "check its permissions")
        return
    if problem:
        yield dataclasses.replace(problem, subject=directory)


@contextlib.contextmanager
def staged(
    *directories: str, overwrite: bool, inputs: Iterable[str] = ()
) -> Iterator[Tuple[str, ...]]:
    """Gives a staging directory for each; on leaving without an error, they have become them.  By
    then each has its manifest, by which it can be replaced another time.

    Raises:
      RequestError: a destination is taken, or its file system refuses or is full.
    """
    inputs = list(inputs)
    check_destinations(directories, overwrite=overwrite, inputs=inputs)
    with contextlib.ExitStack() as stack:
        try:
            stages = [_Stage(directory, inputs, stack) for directory in directories]
            yield tuple(stage.path for stage in stages)
            for stage in stages:
                stage.finish()
            check_destinations(directories, overwrite=overwrite, inputs=inputs)
            _publish(stages)
        except OSError as error:
            raise RequestError(
                " and ".join(directories),
                f"cannot be written: {error.strerror}",
                _REMEDIES.get(error.errno or 0, "check the path and its permissions"),
            ) from None


class _Stage:
    """A staging directory, locked; what is under its name in the end is removed by `stack`."""

    def __init__(self, named: str, inputs: Sequence[str], stack: contextlib.ExitStack):
        self.named = named
        self.directory = os.path.realpath(named)
        self._inputs = inputs
        self._stack = stack
        parent, name = os.path.split(self.directory)
        sweep(self.directory)
        handle = None
        while handle is None:  # a sweep may take the directory between its making and its locking
            self.path = os.path.join(parent, f".{name}{_STAGING}{uuid.uuid4().hex}")
            # First the promise to remove it: Ctrl-C may come between any two steps.
            stack.callback(_remove, self.path)
            os.mkdir(self.path, 0o700)
            handle = _lock(self.path)
        stack.callback(os.close, handle)
        ownership.mark(self.path)

    def finish(self) -> None:
        """Gives the directory the permissions it is to have, and syncs it."""
        if not os.path.exists(os.path.join(self.path, MANIFEST)):
            raise AssertionError(f"{self.named} is to be published without a manifest")
        durable.sync_files(self.path)
        os.chmod(self.path, stat.S_IMODE(os.stat(self.path).st_mode) & 0o7000 | 0o777 & ~_umask())
        ownership.unmark(self.path)
        if os.path.isdir(self.directory):
            _inherit(self.directory, self.path)  # last, as it may take away the right to write
        for folder, _, _ in os.walk(self.path):
            durable.sync_directory(folder)

    def publish(self) -> None:
        if os.path.isdir(self.directory) and os.listdir(self.directory):
            handle = _lock(self.directory)
            if handle is None:
                raise RequestError(
                    self.named,
                    "is being written by another graphfix",
                    "wait for it, or name another directory",
                )
            self._stack.callback(os.close, handle)
            _swap(self.path, self.directory)
            try:
                # What came in since it was looked at is not graphfix's to remove.
                problem = ownership.replacing_problem(self.path, self._inputs)
                if problem:
                    raise RequestError(self.named, problem.message, problem.remedy)
            except BaseException:
                _swap(self.path, self.directory)
                raise
        else:
            os.rename(self.path, self.directory)

    def undo(self) -> None:
        if os.path.isdir(self.path):
            _swap(self.path, self.directory)
        else:
            os.rename(self.directory, self.path)


def _inherit(old: str, new: str) -> None:
    """Gives a directory and the files in it the permissions and owners of those of the same names
    that they are to replace."""
    for path in [""] + [path for path, _, mode in measuring.entries(old) if not stat.S_ISLNK(mode)]:
        before, now = os.path.join(old, path), os.path.join(new, path)
        if not os.path.exists(now):
            continue
        was, is_now = os.stat(before), os.stat(now)
        if (was.st_uid, was.st_gid) != (is_now.st_uid, is_now.st_gid):
            with contextlib.suppress(PermissionError):
                os.chown(now, was.st_uid, was.st_gid)
        os.chmod(now, stat.S_IMODE(was.st_mode))


def _publish(stages: Sequence[_Stage]) -> None:
    done: List[_Stage] = []
    try:
        for stage in stages:
            stage.publish()
            done.append(stage)
            # A directory that cannot be synced is put back like those before it.
            durable.sync_directory(os.path.dirname(stage.directory))
    except BaseException:
        for stage in reversed(done):
            stage.undo()
        raise


@contextlib.contextmanager
def locked(directory: str) -> Iterator[None]:
    """Keeps other runs from replacing a directory, or writing into it.

    Raises:
      RequestError: another one is at it.
    """
    handle = _lock(directory)
    if handle is None:
        raise RequestError(directory, "is being written by another graphfix", "wait for it")
    try:
        yield
    finally:
        os.close(handle)


def _lock(directory: str) -> Optional[int]:
    """A handle that locks a directory, None where another process has it or it went away."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)  # a pipe would be waited for
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.stat(directory)):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _remove(directory: str) -> None:
    try:
        ownership.remove(directory)
    except KeyboardInterrupt:
        ownership.remove(directory)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _swap(staging: str, directory: str) -> None:
    """Gives each of two directories the other's name."""
    if _exchange(staging, directory):
        return
    aside = _OLD.join(staging.rsplit(_STAGING, 1))
    try:
        os.rename(directory, aside)
        os.rename(staging, directory)
    except BaseException:
        if os.path.isdir(aside) and not os.path.lexists(directory):
            os.rename(aside, directory)
        raise
    os.rename(aside, staging)


def _exchange(one: str, two: str) -> bool:
    """Swaps two directories in one step, where the system can."""
    number = _RENAMEAT2.get(platform.machine())
    if not sys.platform.startswith("linux") or number is None or sys.maxsize < 1 << 32:
        return False
    return (
        ctypes.CDLL(None).syscall(
            ctypes.c_long(number),
            _AT_FDCWD,
            os.fsencode(one),
            _AT_FDCWD,
            os.fsencode(two),
            _RENAME_EXCHANGE,
        )
        == 0
    )


def sweep(directory: str) -> None:
    """Puts back what killed runs left next to a directory, or removes what of it is
    graphfix's.  What only has such a name is left alone."""
    parent, name = os.path.split(directory)
    try:
        beside = os.listdir(parent)
    except OSError:
        return
    for mark in (_OLD, _STAGING):
        for left in [one for one in beside if one.startswith(f".{name}{mark}")]:
            path = os.path.join(parent, left)
            if os.path.islink(path):
                continue
            try:
                handle = _lock(path)
            except OSError:
                continue
            if handle is None:
                continue
            try:
                if mark == _OLD and not os.path.lexists(directory):
                    if ownership.has_manifest(path):
                        os.rename(path, directory)
                else:
                    ownership.remove(path)
            finally:
                os.close(handle)
