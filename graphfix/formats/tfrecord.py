"""TFRecord files: the framing around each record.

A record is its length (8 bytes, little-endian), the masked CRC-32C of these 8 bytes (4), the data,
and the masked CRC-32C of the data (4); a file is records one after the other
(tensorflow/core/lib/io/record_writer.cc).  One record is in memory at a time.
"""

import os
import struct
from typing import Iterator, Tuple

from graphfix.errors import SourceError
from graphfix.formats import regular_files
from graphfix.formats.checksum import crc32c, mask

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"
_WRITE_AGAIN = "write or copy the file again"


def read_records(path: str) -> Iterator[Tuple[int, int, bytes]]:
    """(number, offset, data) of every record of a file; both count from 0.

    Raises:
      SourceError: naming file, record and offset, where it is truncated or damaged.
    """
    try:
        with regular_files.open_file(path, buffering=_BUFFER) as file:
            left = os.fstat(file.fileno()).st_size
            offset = number = 0
            while True:
                header = file.read(_HEADER.size)
                if not header:
                    return
                data = _data(path, file, header, left - _HEADER.size, number, offset)
                yield number, offset, data
                taken = _HEADER.size + len(data) + _FOOTER.size
                offset, left, number = offset + taken, left - taken, number + 1
    except OSError as error:
        raise SourceError(
            path, f"cannot be read: {error.strerror}", "check the path and its permissions"
        ) from None


def is_tfrecord(data: bytes) -> bool:
    """Whether a file's bytes begin like a TFRecord file."""
    if len(data) < _HEADER.size:
        return False
    checksum: int = _HEADER.unpack(data[: _HEADER.size])[1]
    return mask(crc32c(data[:8])) == checksum


def _data(path: str, file, header: bytes, left: int, number: int, offset: int) -> bytes:
    what = f"record {number} (at byte {offset}) "
    if offset == 0:
        regular_files.check_pointer(path, _HEADER.size + left)
    if offset == 0 and header.startswith(_GZIP):
        raise SourceError(
            path, "is compressed, which the API's input readers do not read", "unpack it"
        )
    if len(header) < _HEADER.size:
        raise SourceError(
            path, what + "is truncated: the file ends inside its length", _WRITE_AGAIN
        )
    length, checksum = _HEADER.unpack(header)
    if mask(crc32c(header[:8])) != checksum:
        raise SourceError(
            path,
            what
            + (
                "is damaged: the checksum of its length is wrong"
                if offset
                else "has no record's header"
            ),
            _WRITE_AGAIN
            if offset
            else "give a TFRecord file, or annotations as .json, .xml or .csv",
        )
    # Asked before reading: a length is believed only as far as there is a file.
    if length + _FOOTER.size > left:
        raise SourceError(
            path,
            what
            + f"is truncated: it has {length} bytes, and the file {max(0, left - _FOOTER.size)} "
            "more",
            _WRITE_AGAIN,
        )
    data, footer = file.read(length), file.read(_FOOTER.size)
    if len(data) < length or len(footer) < _FOOTER.size:
        raise SourceError(path, what + "is truncated: the file became shorter", _WRITE_AGAIN)
    if mask(crc32c(data)) != _FOOTER.unpack(footer)[0]:
        raise SourceError(
            path, what + "is damaged: the checksum of its data is wrong", _WRITE_AGAIN
        )
    return data
