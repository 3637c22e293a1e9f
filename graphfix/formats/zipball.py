"""Reads a zip archive, all of it, and checks every member's CRC-32.

The format is PKWARE's APPNOTE; Python's zipfile reads it.  A zip has its directory at the end,
which is read in one piece: how large it is (field "size of the central directory" of the end
record, or of the one that precedes it in zip64) is looked at first.
"""

import os
import stat
import struct
import zipfile
import zlib
from typing import BinaryIO, Iterator

from graphfix.formats.tarball import DIRECTORY, FILE, LINK, Damaged, Member, TooLarge

_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _LONGEST_COMMENT, _LOCATOR_BYTES = 22, 0xFFFF, 20
_MOST_DIRECTORY = 16 << 20
_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    UnicodeDecodeError,
    struct.error,
    ValueError,
    OverflowError,
    OSError,
)


def members(file: BinaryIO, *, most_bytes: int, most_headers: int) -> Iterator[Member]:
    """The members of an archive.  When the last was given, all of them were read and checked.

    Raises:
      Damaged: it is not an archive, or is truncated or damaged.
      TooLarge: it unpacks to more bytes, or has more members.
    """
    if _directory_size(file) > _MOST_DIRECTORY:
        raise TooLarge("an enormous directory")
    try:
        archive = zipfile.ZipFile(file)
        infos = archive.infolist()
    except _DAMAGED as error:
        raise Damaged(_words(error)) from None
    if len(infos) > most_headers:
        raise TooLarge(f"more than {most_headers} members")
    left = most_bytes
    for info in infos:
        if info.flag_bits & _ENCRYPTED:
            raise Damaged(f"{info.filename!r} is encrypted")
        if info.file_size > left:
            raise TooLarge(f"a member of {info.file_size} bytes")
        left -= info.file_size
        member = Member(
            # Some programs of Windows write the names as Windows does.
            info.filename.replace("\\", "/").rstrip("/"),
            _kind(info),
            info.file_size,
            _content(archive, info),
        )
        yield member
        for _piece in member.content:
            pass


def _kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if info.filename.endswith(("/", "\\")):
        return DIRECTORY
    # Programs that are not of Unix leave the mode 0.
    return LINK if stat.S_IFMT(mode) not in (0, stat.S_IFREG) else FILE


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[memoryview]:
    taken = 0
    try:
        with archive.open(info) as file:
            while True:
                piece = file.read(_CHUNK)
                if not piece:
                    break
                taken += len(piece)
                yield memoryview(piece)
    except _DAMAGED as error:
        raise Damaged(_words(error)) from None
    if taken != info.file_size:
        raise Damaged(f"{info.filename!r} has {taken} bytes where {info.file_size} are told")


def _words(error: BaseException) -> str:
    return f"{error}" or "it is cut off"


def _directory_size(file: BinaryIO) -> int:
    """The size of the central directory, as the end record tells it."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _END_BYTES - _LONGEST_COMMENT - _LOCATOR_BYTES)
    file.seek(start)
    tail = file.read()
    file.seek(0)
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise Damaged("it is cut off: it has no directory at its end")
    if end >= _LOCATOR_BYTES and tail[end - _LOCATOR_BYTES :].startswith(_LOCATOR):
        (offset,) = struct.unpack_from("<Q", tail, end - _LOCATOR_BYTES + 8)
        file.seek(min(offset, size))
        record = file.read(56)
        file.seek(0)
        if len(record) == 56 and record.startswith(_END64):
            return int(struct.unpack_from("<Q", record, 40)[0])
    return int(struct.unpack_from("<L", tail, end + 12)[0])
