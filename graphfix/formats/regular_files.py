"""Opens the files that graphfix reads, so that none of them can keep it waiting or never end.

A path that a model directory, a config or a person names may lead anywhere: through a link to
/dev/zero, to a FIFO that nobody writes to, to a socket.  Whatever is read is opened here, and is a
regular file, or an OSError says what it is instead.  A device is not even opened, since that alone
may do something.

A person may name a pipe, though (`--label_map_path <(make_map)`): what reads a text file whose path
comes from the command line takes one, up to its usual limit, as long as something comes out of it.

Git LFS (its specification: github.com/git-lfs/git-lfs, docs/spec.md) keeps large files outside the
repository: until they are fetched, a small text stands in the place of each.
"""

import errno
import os
import select
import stat
from typing import Any, List, Optional, Tuple

from graphfix.errors import SourceError

_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# A pipe that nobody has opened to write to is waited for; so is a program that has, for longer.
NOBODY_SECONDS, SILENT_SECONDS = 5, 300
_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_POINTER = 1024


def refuse_pointer(path: str, data: bytes) -> None:
    """Raises SourceError where what a file begins with, or all of it, is a Git LFS pointer."""
    if data.startswith(_POINTER):
        raise SourceError(
            path,
            "is a Git LFS pointer, a small text in place of the file",
            "fetch the file: run git lfs pull in its repository, or download it by itself",
        )


def check_pointer(path: str, size: int) -> None:
    """The same for a file of `size` bytes that is not read now."""
    if size <= _LARGEST_POINTER:
        refuse_pointer(path, read(path, len(_POINTER)))


def unreadable(path: str, error: OSError) -> SourceError:
    """What to raise for a file that cannot be opened or read: where nothing is there, with names
    like its own."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and not os.path.lexists(path):
        return SourceError(path, *missing(path))
    return SourceError(
        path, f"cannot be read: {error.strerror}", "check the path and its permissions"
    )


def missing(path: str, remedy: Optional[str] = None) -> Tuple[str, str]:
    """What is wrong with a path at which there is nothing, and what to do: take one of the names
    that are like it, or else what `remedy` says."""
    near = _near(path)
    if not near:
        return "does not exist", remedy or "check the path"
    meant = f"did you mean {' or '.join(near)}?"
    return "does not exist", f"{meant} Else {remedy}" if remedy else meant


def _near(path: str) -> List[str]:
    """Up to three paths like one that does not exist, from the first directory that does."""
    import difflib  # hardly any run needs it

    wrong = path.rstrip("/")
    directory, name = os.path.split(wrong)
    while directory and not os.path.isdir(directory):
        directory, name = os.path.split(directory)
    try:
        names = os.listdir(directory or ".")
    except (OSError, ValueError):
        return []
    # A checkpoint's files stand for its prefix.
    prefixes = {one[: -len(".index")] for one in names if one.endswith(".index")}
    names = [one for one in names if not one.startswith(tuple(f"{two}." for two in prefixes))]
    folded = {one.lower(): one for one in sorted(prefixes.union(names))}
    found = difflib.get_close_matches(name.lower(), sorted(folded), n=3)
    return [os.path.join(directory, folded[one]) for one in found]


def open_file(path: str, *, buffering: int = -1) -> Any:
    """A regular file, opened to read bytes.

    Raises:
      OSError: it cannot be opened, or is not a regular file; `strerror` says which.
    """
    return os.fdopen(_opened(path, ()), "rb", buffering)


def read(path: str, count: int, *, pipes: bool = False) -> bytes:
    """The first `count` bytes of a regular file or, with `pipes`, of a pipe.

    Raises:
      OSError: as `open_file` does, or nothing comes out of the pipe.
    """
    descriptor = _opened(path, (stat.S_ISFIFO,) if pipes else ())
    with os.fdopen(descriptor, "rb", 0) as file:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return _from_pipe(file, path, count)
        data = bytearray()
        while len(data) < count:
            piece = file.read(count - len(data))
            if not piece:
                break
            data += piece
        return bytes(data)


def read_file(path: str, *, limit: int = 16 << 20, pipes: bool = False) -> bytes:
    """The bytes of a text file, of at most `limit`; with `pipes`, of a pipe that a person named.

    Raises:
      SourceError: it cannot be read, or is far too large to be one.
    """
    try:
        data = read(path, limit + 1, pipes=pipes)
        if len(data) > limit:
            raise SourceError(
                path,
                f"has more than {limit} bytes, too many for such a file",
                "check that this is the file you meant",
            )
        refuse_pointer(path, data)
        return data
    except OSError as error:
        raise unreadable(path, error) from None


def _opened(path: str, also) -> int:
    try:
        _check(os.stat(path).st_mode, path, also)
        # Between the two a file may become a FIFO, at which opening would wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error), path) from None
    try:
        _check(os.fstat(descriptor).st_mode, path, also)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check(mode: int, path: str, also) -> None:
    if stat.S_ISREG(mode) or any(fits(mode) for fits in also):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    kind = next((name for fits, name in _KINDS if fits(mode)), "something else")
    raise OSError(errno.EINVAL, f"it is {kind}, not a regular file", path)


def _from_pipe(file, path: str, count: int) -> bytes:
    # Opened without waiting: a read gives None where nothing has come yet, and nothing at all where
    # there is no writer, which may be the end or come before the beginning.
    ready = select.poll()
    ready.register(file, select.POLLIN)
    nameless = os.path.basename(os.path.realpath(path)).startswith("pipe:")  # its writer was there
    data = bytearray()
    while len(data) < count:
        piece = file.read(count - len(data))
        if piece:
            data += piece
        elif piece is None:
            if not ready.poll(SILENT_SECONDS * 1000):
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f"nothing came out of the pipe for {SILENT_SECONDS} seconds",
                    path,
                )
        elif data or nameless:
            break
        elif not ready.poll(NOBODY_SECONDS * 1000):
            raise TimeoutError(errno.ETIMEDOUT, "it is a FIFO that nobody writes to", path)
        else:
            nameless = True  # somebody came: nothing is the end from now on
    return bytes(data)
