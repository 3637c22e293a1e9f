"""Files that are on the disk, and not only in the system's memory, once a call returns.

A power cut may otherwise leave an empty file under a name that was given to it after its bytes were
written: renaming is not ordered after writing (POSIX; ext4's and XFS's defaults are exceptions).
"""

import contextlib
import os
from typing import IO, Iterator


def sync(file: IO) -> None:
    """Waits until an open file's bytes are on the disk; raises OSError where they cannot be."""
    file.flush()
    os.fsync(file.fileno())


def sync_directory(path: str) -> None:
    """Waits until a directory's names are on the disk; raises OSError where they cannot be."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_files(top: str) -> None:
    """Waits until all files in a directory and below are on the disk; raises OSError where they
    cannot be.

    The disk works on files that were just written while something else is done, so those that are
    synced together in the end are hardly waited for.
    """
    for directory, _, names in os.walk(top):
        for name in names:
            with open(os.path.join(directory, name), "rb") as file:
                os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: str, part: str, mode: str = "xb") -> Iterator[IO[bytes]]:
    """A file opened as `part`, which takes the place of `path` on leaving without an error; `path`
    has its old content or all of the new, whatever happens.  `part` must be on the same disk.

    Raises:
      FileExistsError: `part` exists, in a mode with "x"; it is left alone.
      OSError: it cannot be written; `part` is removed.
    """
    with open(part, mode) as file:
        try:
            yield file
            sync(file)
            os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(part)
            raise
