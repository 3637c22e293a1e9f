"""Single files that appear complete, or not at all: written under another name, and renamed.

What a link leads to is replaced, and the link stays; so do the permissions of what is replaced.  A
device or pipe, and one of this process's own open files (/dev/stdout), is written to as it is.  A
file that is there is only replaced where that was asked for, or where graphfix wrote it, and never
where it is an input of the same command.
"""

import contextlib
import errno
import os
import re
import stat
import uuid
from typing import Callable, Iterable, Optional, Tuple

from graphfix.errors import RequestError
from graphfix.formats import durable
from graphfix.modeldir import ownership
from graphfix.modeldir.names import PART

_DESCRIPTOR = re.compile(r"/proc/(\d+)/fd/(\d+)\Z")
_MOST_LINKS = 40


def check_file(
    path: str,
    *,
    overwrite: bool,
    inputs: Iterable[str] = (),
    ours: Optional[Callable[[str], bool]] = None,
) -> None:
    """Whether a file may be written there.  `inputs` are the paths that the command was given, or
    reads; `ours` tells of a file that is there whether graphfix wrote it, and may replace it.

    Raises:
      RequestError: something is there already, or no directory to write it in.
    """
    real, descriptor = _resolved(path)
    if descriptor is not None:
        return
    if os.path.isdir(real):
        raise RequestError(path, "is a directory", "name a file in it")
    if os.path.lexists(real):
        try:
            mode = os.stat(real).st_mode
        except OSError as error:
            raise RequestError(
                path, f"cannot be written: {error.strerror}", "name another file"
            ) from None
        if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
            return
        if not stat.S_ISREG(mode):
            raise RequestError(path, "is not a file that can be written", "name a file")
        same = ownership.same_file(real, inputs)
        if same:
            which = "" if same == path else f": {same}"
            raise RequestError(path, f"is an input of this command{which}", "name another file")
        if not overwrite and not (ours and ours(real)):
            raise RequestError(path, "exists", "name another file, or pass --overwrite")
    directory = os.path.dirname(real)
    if not os.path.isdir(directory):
        raise RequestError(
            path, "cannot be written: its directory does not exist", f"create {directory}"
        )


def write_file(
    path: str,
    data: bytes,
    *,
    overwrite: bool,
    inputs: Iterable[str] = (),
    ours: Optional[Callable[[str], bool]] = None,
) -> None:
    """Writes a file, all of it or nothing; as for `check_file`.

    Raises:
      RequestError: it may not or cannot be written; what was there before still is.
    """
    check_file(path, overwrite=overwrite, inputs=inputs, ours=ours)
    try:
        real, descriptor = _resolved(path)
        if descriptor is not None:
            with open(descriptor, "wb", closefd=False) as stream:
                stream.write(data)
        elif os.path.exists(real) and not os.path.isfile(real):
            # Of a pipe that nobody reads, opening it so says that; else it would wait.
            handle = os.open(real, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(handle, True)
            with open(handle, "wb") as stream:
                stream.write(data)
        else:
            replace_file(real, data, f".{os.path.basename(real)}.graphfix-{uuid.uuid4().hex}")
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise RequestError(
                path, "cannot be written: no process reads from it", "start the reader first"
            ) from None
        raise RequestError(
            path,
            f"cannot be written: {error.strerror}",
            "check its permissions and the space there",
        ) from None


def replace_file(path: str, data: bytes, part_name: Optional[str] = None) -> None:
    """Replaces a file by way of another in the same directory; where that raises OSError, the old
    one stays."""
    part = os.path.join(os.path.dirname(path), part_name or PART % os.path.basename(path))
    if os.path.isfile(part) and not os.path.islink(part):
        os.remove(part)  # a killed run's; not written into, as it may have another name
    with durable.replacing(path, part) as file:
        file.write(data)
        if os.path.exists(path):
            was = os.stat(path)
            with contextlib.suppress(PermissionError):
                os.chown(part, was.st_uid, was.st_gid)
            os.chmod(part, stat.S_IMODE(was.st_mode))


def _resolved(path: str) -> Tuple[str, Optional[int]]:
    """Where a path leads, links followed; and which of this process's open files it is, if one."""
    step = os.path.abspath(path)
    for _ in range(_MOST_LINKS):
        step = os.path.join(os.path.realpath(os.path.dirname(step)), os.path.basename(step))
        match = _DESCRIPTOR.match(step)
        if match and int(match.group(1)) == os.getpid():
            return step, int(match.group(2))
        if not os.path.islink(step):
            break
        step = os.path.join(os.path.dirname(step), os.readlink(step))
    return os.path.realpath(path), None
