"""Bytes that lie in files: read in chunks, or copied from file to file, but never held whole.

A `Span` is where such bytes lie.  A file that is being written is a sequence of pieces: bytes,
and spans of other files (`write`).

Where bytes keep their place within a block, the kernel copies them (copy_file_range), on some
file systems by sharing the blocks.  Behind what changed its size they no longer do; then the
kernel's calls (sendfile's too) move them in twice as many pieces, and reading and writing
through a buffer is faster: for 490 MB, 0.11 s instead of 0.18 s (ext4, Linux 6.18).  Blocks are
reserved before, and the disk is set to work while the rest is copied, so that whoever syncs the
files in the end finds little left to do.
"""

import contextlib
import ctypes
import os
from typing import Any, Iterator, List, NamedTuple, Union

from graphfix.errors import SourceError
from graphfix.formats import regular_files

AGAIN = "leave it alone while graphfix runs"
_CHUNK = 1 << 20
_KERNEL_CHUNK = 16 << 20
_BLOCK = 4096
# Flags of fallocate(2), to leave the file's size alone, and of sync_file_range(2), to start
# writing what is not being written, and not to wait.
_FALLOC_FL_KEEP_SIZE = 1
_SYNC_FILE_RANGE_WRITE = 2


class Span(NamedTuple):
    """Where bytes lie: file, offset and length in bytes."""

    path: str
    offset: int
    length: int


# What a file is written from; a tensor's extent (`formats.tensors`) is a span with a checksum.
Piece = Union[bytes, Span]
Pieces = List[Piece]


class Extents:
    """Reads extents and spans in chunks, and keeps the last one's file open: most of them lie in
    one."""

    def __init__(self) -> None:
        self._file: Any = None
        self._path = ""
        self._buffer = memoryview(b"")

    def __enter__(self) -> "Extents":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def chunks(self, extent: Any) -> Iterator[memoryview]:
        """The bytes of an extent or a span in chunks of at most _CHUNK, each valid until the next.

        Raises:
          SourceError: the file cannot be read, or is too short.
        """
        left = extent.length
        if len(self._buffer) < min(_CHUNK, left):
            self._buffer = memoryview(bytearray(min(_CHUNK, left)))
        try:
            self._open(extent.path).seek(extent.offset)
            while left:
                chunk = self._buffer[:left]
                count = 0
                while count < len(chunk):
                    read = self._file.readinto(chunk[count:])
                    if not read:
                        raise _shorter(extent.path)
                    count += read
                left -= count
                yield chunk
        except OSError as error:
            raise regular_files.unreadable(extent.path, error) from None

    def _open(self, path: str) -> Any:
        if self._path != path:
            if self._file:
                self._file.close()
            self._path, self._file = "", None
            self._file = regular_files.open_file(path, buffering=0)
            self._path = path
        return self._file


def chunks(extent: Any) -> Iterator[memoryview]:
    """What `Extents.chunks` gives, of a single one."""
    with Extents() as extents:
        yield from extents.chunks(extent)


def read(extent: Any) -> bytearray:
    """All bytes of an extent or a span."""
    data = bytearray()
    for chunk in chunks(extent):
        data += chunk
    return data


class Target:
    """A file being written, and the file last copied from, which is often the next too."""

    def __init__(self, path: str):
        self.file = open(path, "wb", buffering=0)  # noqa: SIM115 - closed by who closes this
        self._source: Any = None
        self._buffer = memoryview(bytearray(_CHUNK))
        self._waiting = 0

    def close(self) -> None:
        self.file.close()
        if self._source:
            self._source.close()

    def reserve(self, size: int) -> None:
        """Has the system find room for `size` bytes."""
        _call_linux(
            "fallocate", self.file, _FALLOC_FL_KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)
        )

    def write(self, data: Any) -> None:
        """Appends bytes."""
        while data:
            data = data[self.file.write(data) :]

    def copy(self, start: Any, length: int) -> Iterator[int]:
        """Appends `length` bytes from where `start`, an extent or a span, lies; gives the file's
        size piece by piece."""
        source = self._open(start.path)
        source.seek(start.offset)
        while length:
            count = self._transfer(source, length)
            if not count:
                raise _shorter(start.path)
            length -= count
            self._waiting += count
            if self._waiting >= _KERNEL_CHUNK:
                self.start_writing_back()
            yield self.file.tell()

    def start_writing_back(self) -> None:
        """Sets the disk to work on what was written; does not wait."""
        _call_linux(
            "sync_file_range",
            self.file,
            ctypes.c_int64(0),
            ctypes.c_int64(0),
            _SYNC_FILE_RANGE_WRITE,
        )
        self._waiting = 0

    def _transfer(self, source: Any, length: int) -> int:
        """Moves up to `length` bytes from `source`'s position to the end; how many it moved."""
        if (source.tell() - self.file.tell()) % _BLOCK == 0:
            try:
                return os.copy_file_range(
                    source.fileno(), self.file.fileno(), min(length, _KERNEL_CHUNK)
                )
            except (AttributeError, OSError):
                # Not on this Python or system, or not between these two file systems.  A failing
                # disk fails below too, and that error is the one reported.
                pass
        count = source.readinto(self._buffer[: min(length, _CHUNK)])
        self.write(self._buffer[:count])
        return int(count)

    def _open(self, path: str) -> Any:
        if self._source is None or self._source.name != path:
            if self._source:
                self._source.close()
            try:
                self._source = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by the next
            except OSError as error:
                raise regular_files.unreadable(path, error) from None
        return self._source


def write(path: str, pieces: Pieces) -> None:
    """Writes a file from pieces in a directory that nobody reads yet; does not sync it.

    Raises:
      SourceError: a span's bytes are gone.
      OSError: it cannot be written, and may be there in part.
    """
    with contextlib.closing(Target(path)) as target:
        target.reserve(size(pieces))
        waiting: List[bytes] = []
        for piece in pieces:
            if isinstance(piece, bytes):
                waiting.append(piece)
                continue
            target.write(b"".join(waiting))
            waiting.clear()
            for _ in target.copy(piece, piece.length):
                pass
        target.write(b"".join(waiting))
        target.start_writing_back()


def size(pieces: Pieces) -> int:
    """How many bytes pieces have together."""
    return sum(len(one) if isinstance(one, bytes) else one.length for one in pieces)


def joined(pieces: Pieces) -> bytes:
    """The bytes of pieces, in memory."""
    with Extents() as extents:
        return b"".join(
            part
            for one in pieces
            for part in ([one] if isinstance(one, bytes) else map(bytes, extents.chunks(one)))
        )


def _shorter(path: str) -> SourceError:
    return SourceError(path, "became shorter while it was read", AGAIN)


def _call_linux(name: str, file: Any, *arguments: Any) -> None:
    """Calls a function that only makes things faster, where the system has it and allows it."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(file.fileno(), *arguments)
