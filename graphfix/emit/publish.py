"""A directory that appears whole, or not at all.

Everything is written into a staging directory beside the destination (so on the same file
system), synced, and renamed into place: a reader sees the old directory or the new one, also
after a crash.  Replacing a directory takes one exchange (renameat2 with RENAME_EXCHANGE, Linux
3.15); where the system has none, two renames, between which a crash leaves the old directory
under its staging name.

A staging directory is locked (flock) by its owner.  One that nobody holds is what a killed run
left behind, and is removed by the next.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from typing import Iterator

from graphfix.errors import RequestError

_MARK = ".graphfix-staging-"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def check_destination(directory: str, *, overwrite: bool) -> None:
    """Raises RequestError where `directory` cannot be published to."""
    parent = os.path.dirname(os.path.abspath(directory))
    if os.path.lexists(directory):
        if not os.path.isdir(directory) or os.path.islink(directory):
            raise RequestError(directory, "exists and is no directory", "name another")
        if os.listdir(directory) and not overwrite:
            raise RequestError(directory, "exists already",
                               "name another directory, or pass --overwrite to replace it")
    elif not os.path.isdir(parent):
        raise RequestError(directory, "its parent directory does not exist", "create %s" % parent)


@contextlib.contextmanager
def staged(directory: str, *, overwrite: bool) -> Iterator[str]:
    """Gives a staging directory; on leaving without an error, it has become `directory`.

    Raises:
      RequestError: the destination is taken, or its file system refuses or is full.
    """
    check_destination(directory, overwrite=overwrite)
    directory = os.path.abspath(directory)
    parent, name = os.path.split(directory)
    _sweep(parent, name)
    staging = handle = None
    try:
        try:
            staging = tempfile.mkdtemp(prefix=".%s%s" % (name, _MARK), dir=parent)
            handle = os.open(staging, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield staging
            os.chmod(staging, 0o777 & ~_umask())
            os.fsync(handle)
            check_destination(directory, overwrite=overwrite)
            _rename(staging, directory)
            _sync(parent)
        except OSError as error:
            raise RequestError(directory, "cannot be written: %s" % error.strerror,
                               "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT)
                               else "check the path and its permissions") from None
    finally:
        if handle is not None:
            os.close(handle)
        if staging is not None and os.path.isdir(staging):
            shutil.rmtree(staging, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _rename(staging: str, directory: str) -> None:
    if not os.path.isdir(directory):
        os.rename(staging, directory)
    elif not _exchange(staging, directory):
        aside = tempfile.mkdtemp(dir=os.path.dirname(directory),
                                 prefix=".%s%s" % (os.path.basename(directory), _MARK))
        os.rename(directory, aside)
        os.rename(staging, directory)
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: str, two: str) -> bool:
    """Swaps two directories in one step, where the system can."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    return call is not None and call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(two),
                                     _RENAME_EXCHANGE) == 0


def _sweep(parent: str, name: str) -> None:
    """Removes staging directories whose owner is gone."""
    try:
        left = [one for one in os.listdir(parent) if one.startswith(".%s%s" % (name, _MARK))]
    except OSError:
        return
    for one in left:
        path = os.path.join(parent, one)
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(handle)
