"""TFRecord files: the framing around each record.

A record is its length (8 bytes, little-endian), the masked CRC-32C of these 8 bytes (4), the data,
and the masked CRC-32C of the data (4); a file is records one after the other
(tensorflow/core/lib/io/record_writer.cc).  A block of records, or one larger record, is in memory
at a time.
"""

import os
import struct
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple

from graphfix.errors import SourceError
from graphfix.formats import regular_files
from graphfix.formats.checksum import crc32c, mask

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_BLOCK = 1 << 19  # bytes that are read at once: more, and they leave the processor's cache
_LENGTHS = 1 << 16  # bytes that are read at once where only lengths are looked at
_GZIP = b"\x1f\x8b"
_WRITE_AGAIN = "write or copy the file again"


class Piece(NamedTuple):
    """Records of a file one after the other: the number and the offset of the first one, counted
    from 0, and the offset at which they end, which is the file's end where it is None."""

    number: int = 0
    offset: int = 0
    end: Optional[int] = None

    def length(self, size: int) -> int:
        """Its bytes, of a file of `size`."""
        return (size if self.end is None else self.end) - self.offset


WHOLE = Piece()


def read_frames(path: str, piece: Piece = WHOLE) -> Iterator[Tuple[int, int, bytes, int, int]]:
    """(number, offset, block, start, end) of every record of a file, or of a piece of it: its data
    are block[start:end], bytes of the file among others.  Number and offset count from 0.

    A block is read, not mapped: a mapped file that becomes shorter ends the process by a signal.

    Raises:
      SourceError: naming file, record and offset, where it is truncated or damaged.
    """
    try:
        with regular_files.open_file(path, buffering=0) as file:
            handle = file.fileno()
            most = os.fstat(handle).st_size
            regular_files.check_pointer(path, most)
            crc, head, foot = crc32c, _HEADER.size, _FOOTER.size
            unpack, unpack_footer = _HEADER.unpack_from, _FOOTER.unpack_from
            number, offset, stop = piece.number, piece.offset, piece.end
            needed = head
            while True:
                size = max(_BLOCK, needed)
                block = _read(handle, size if stop is None else min(size, stop - offset), offset)
                if not offset and block.startswith(_GZIP):
                    what = "is compressed, which the API's input readers do not read"
                    raise SourceError(path, what, "unpack it")
                if len(block) < needed:
                    if not block and needed == head:
                        return
                    inside = needed == head
                    what = (
                        "the file ends inside its length" if inside else "the file became shorter"
                    )
                    what = _what(number, offset) + "is truncated: " + what
                    raise SourceError(path, what, _WRITE_AGAIN)
                view, size, at = memoryview(block), len(block), 0
                # The records that are whole in this block.
                while at + head <= size:
                    length, checksum = unpack(block, at)
                    if mask(crc(block[at : at + 8])) != checksum:
                        raise _no_header(path, number, offset)
                    start = at + head
                    end = start + length
                    if end + foot > size:
                        break
                    if mask(crc(view[start:end])) != unpack_footer(block, end)[0]:
                        what = "is damaged: the checksum of its data is wrong"
                        raise SourceError(path, _what(number, offset) + what, _WRITE_AGAIN)
                    yield number, offset, block, start, end
                    number += 1
                    offset += end + foot - at
                    at = end + foot
                else:
                    needed = head
                    continue
                # Asked before reading: a length is believed only as far as there is a file.
                needed, left = head + length + foot, most - offset - head
                if length + foot > left:
                    what = f"it has {length} bytes, and the file {max(0, left - foot)} more"
                    what = _what(number, offset) + "is truncated: " + what
                    raise SourceError(path, what, _WRITE_AGAIN)
    except OSError as error:
        raise regular_files.unreadable(path, error) from None


def cut(path: str, size: int) -> List[Piece]:
    """Pieces of a file, of `size` bytes or little more each; the last one has what is left, and all
    from a damaged length on.  Only lengths are read."""
    pieces: List[Piece] = []
    try:
        with regular_files.open_file(path, buffering=0) as file:
            handle = file.fileno()
            most = os.fstat(handle).st_size
            number, offset = 0, 0
            piece = WHOLE
            while most - offset >= size:
                block, at = _read(handle, _LENGTHS, offset), 0
                while at + _HEADER.size <= len(block):
                    length, checksum = _HEADER.unpack_from(block, at)
                    after = offset + _HEADER.size + length + _FOOTER.size
                    if mask(crc32c(block[at : at + 8])) != checksum or after > most:
                        return [*pieces, piece]
                    at, number, offset = at + after - offset, number + 1, after
                    if offset - piece.offset >= size and most - offset >= size:
                        pieces.append(piece._replace(end=offset))
                        piece = Piece(number, offset)
                if not at:
                    break  # the file became shorter
            return [*pieces, piece]
    except (OSError, SourceError):
        return [WHOLE]  # whoever reads it says why


def read_records(path: str) -> Iterator[Tuple[int, int, bytes]]:
    """(number, offset, data) of every record of a file; as `read_frames`."""
    for number, offset, block, start, end in read_frames(path):
        yield number, offset, block[start:end]


def read_at(path: str, offsets: Iterable[int]) -> Iterator[bytes]:
    """The data of the records at offsets that `read_frames` gave.

    Raises:
      SourceError: the file has changed since.
    """
    try:
        with regular_files.open_file(path, buffering=0) as file:
            for offset in offsets:
                header = os.pread(file.fileno(), _HEADER.size, offset)
                data = footer = b""
                if len(header) == _HEADER.size:
                    length = _HEADER.unpack(header)[0]
                    if offset + length < os.fstat(file.fileno()).st_size:
                        data = os.pread(file.fileno(), length + _FOOTER.size, offset + _HEADER.size)
                        data, footer = data[: -_FOOTER.size], data[-_FOOTER.size :]
                if len(footer) < _FOOTER.size or mask(crc32c(data)) != _FOOTER.unpack(footer)[0]:
                    raise SourceError(
                        path, "changed while it was read", "do it again when nothing writes to it"
                    )
                yield data
    except OSError as error:
        raise regular_files.unreadable(path, error) from None


def is_tfrecord(data: bytes) -> bool:
    """Whether a file's bytes begin like a TFRecord file."""
    if len(data) < _HEADER.size:
        return False
    checksum: int = _HEADER.unpack(data[: _HEADER.size])[1]
    return mask(crc32c(data[:8])) == checksum


def _read(handle: int, size: int, offset: int) -> bytes:
    """As much of a file as there is."""
    data = os.pread(handle, size, offset)
    while data and len(data) < size:
        more = os.pread(handle, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def _no_header(path: str, number: int, offset: int) -> SourceError:
    if offset:
        return SourceError(
            path,
            _what(number, offset) + "is damaged: the checksum of its length is wrong",
            _WRITE_AGAIN,
        )
    return SourceError(
        path,
        _what(number, offset) + "has no record's header",
        "give a TFRecord file, or annotations as .json, .xml or .csv",
    )


def _what(number: int, offset: int) -> str:
    return f"record {number} (at byte {offset}) "
