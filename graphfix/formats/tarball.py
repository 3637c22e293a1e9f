"""Reads a tar archive, plain or gzipped, from its first byte to its last, and checks all of it.

gzip (RFC 1952): members, one after the other; zeros may follow, nothing else.  A member ends with
the CRC-32 and the size of what it unpacks to.  zlib checks both, and a header's CRC-16.

tar (POSIX.1-2017, pax; and what GNU tar adds): blocks of 512 bytes.  A member is a header and its
content, padded to full blocks.  Of a header's fields these matter:

      0  name[100]
    124  size[12]     octal, or (GNU) 0x80 and a binary number
    148  chksum[8]    octal: the sum of the header's bytes, with spaces in the place of this field
    156  type         "0", "7" or NUL: a file; "5": a directory, which has no content
    257  magic[6]     "ustar" and NUL where there is a prefix
    345  prefix[155]  what comes before the name, and a slash

The content of a type "x" (Solaris: "X") has records "LENGTH KEY=VALUE\\n" for the next member, that
of "g" for all that follow; "path" and "size" matter.  "L" has the next member's name (GNU), "K"
that of what it links to.  A block of zeros ends the archive; zeros may follow, nothing else.

tar has no checksum for content: a plain archive's is taken as it is.
"""

import re
import zlib
from typing import BinaryIO, Dict, Iterator, NamedTuple

GZIP = b"\x1f\x8b"
MAGIC = b"ustar"  # at byte 257
FILE, DIRECTORY, SPARSE, LINK = "0", "5", "S", "2"
_FILES = "\0", "0", "7"
# Links, devices, directories, pipes: they have no content, whatever their size says.
_BARE = "1", "2", "3", "4", DIRECTORY, "6"
_EXTENDED, _GLOBAL, _NAME, _LINK = ("x", "X"), "g", "L", "K"
_BLOCK = 512
# What follows a gzip member is copied, so it is read in small pieces.
_COMPRESSED, _CHUNK = 1 << 15, 1 << 20
# bgzip makes one of every 64 KiB.
_MOST_GZIP_MEMBERS = 100000
# Bytes of one extended header, which is read in one piece, and of all.
_MOST_EXTENDED, _MOST_EXTENDED_TOGETHER = 1 << 20, 1 << 24
_OCTAL = re.compile(rb" *([0-7]*) *\Z")
_DECIMAL = re.compile(rb"[0-9]{1,19}\Z")
_RECORD = re.compile(rb"([0-9]{1,7}) ([^=]+)=")


class Damaged(ValueError):
    """Not a complete archive; the message says why."""


class TooLarge(ValueError):
    """It goes on for longer than allowed."""


class Member(NamedTuple):
    """A member: its name, its type (FILE for every kind of file), its size, and its content piece
    by piece, for as long as no other member is asked for."""

    name: str
    type: str
    size: int
    content: Iterator[memoryview]


def members(file: BinaryIO, *, most_bytes: int, most_headers: int) -> Iterator[Member]:
    """The members of an archive.  When the last was given, all of the file was read and checked.

    Raises:
      Damaged: it is not an archive, or is truncated or damaged.
      TooLarge: it unpacks to more bytes, or has more headers, or has enormous ones.
    """
    blocks = _Blocks(file, most_bytes)
    always: Dict[bytes, bytes] = {}
    ahead: Dict[bytes, bytes] = {}
    extended = 0
    for _ in range(most_headers + 1):
        header = blocks.take(_BLOCK)
        if not any(header):
            if ahead:
                raise Damaged("it ends behind a header that belongs to a member")
            blocks.end()
            return
        kind, size = _checked(header, blocks.offset - _BLOCK)
        if kind in _EXTENDED + (_GLOBAL, _NAME, _LINK):
            extended += size
            if size > _MOST_EXTENDED or extended > _MOST_EXTENDED_TOGETHER:
                raise TooLarge(f"a header of {size} bytes")
            text = blocks.take(size)
            blocks.take(-size % _BLOCK)
            if kind == _NAME:
                ahead[b"path"] = text.split(b"\0")[0]
            elif kind != _LINK:
                (always if kind == _GLOBAL else ahead).update(_records(text))
            continue
        said = dict(always)
        said.update(ahead)
        ahead = {}
        member = _member(header, kind, size, said, blocks)
        yield member
        for _piece in member.content:
            pass
        if member.type not in _BARE:
            blocks.take(-member.size % _BLOCK)
    raise TooLarge(f"more than {most_headers} headers")


def _checked(header: bytes, offset: int):
    """The type and size in a header whose checksum is right."""
    told = _number(header[148:156], offset)
    covered = header[:148] + b" " * 8 + header[156:]
    unsigned = sum(covered)
    # Some old programs took bytes for signed.
    if told != unsigned and told != unsigned - 256 * sum(one > 127 for one in covered):
        raise Damaged(f"the header at byte {offset} does not match its checksum")
    return chr(header[156]), _number(header[124:136], offset)


def _number(field: bytes, offset: int) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    match = _OCTAL.match(field.split(b"\0")[0])
    if not match:
        raise Damaged(f"the header at byte {offset} is damaged")
    return int(match.group(1) or b"0", 8)


def _member(
    header: bytes, kind: str, size: int, said: Dict[bytes, bytes], blocks: "_Blocks"
) -> Member:
    name = header[:100].split(b"\0")[0]
    if header[257:263] == b"ustar\0" and header[345]:
        name = header[345:500].split(b"\0")[0] + b"/" + name
    name = said.get(b"path", name)
    if b"size" in said:
        if not _DECIMAL.match(said[b"size"]):
            raise Damaged(f"an extended header has the size {said[b'size']!r}")
        size = int(said[b"size"])
    if kind in _FILES:
        kind = DIRECTORY if name.endswith(b"/") else FILE
    if any(key.startswith(b"GNU.sparse.") for key in said):
        kind = SPARSE
    if kind not in _BARE and size > blocks.left:
        raise TooLarge(f"a member of {size} bytes")
    return Member(
        name.rstrip(b"/").decode("utf-8", "surrogateescape"),
        kind,
        size,
        iter(()) if kind in _BARE else blocks.pieces(size),
    )


def _records(text: bytes) -> Dict[bytes, bytes]:
    found = {}
    start = 0
    while start < len(text):
        match = _RECORD.match(text, start)
        end = start + int(match.group(1)) if match else 0
        if not match or not match.end() < end <= len(text) or text[end - 1 : end] != b"\n":
            raise Damaged("an extended header is damaged")
        found[match.group(2)] = text[match.end() : end - 1]
        start = end
    return found


class _Blocks:
    """The unpacked bytes of an archive.  `offset` is how many were taken, `left` how many more
    there may be."""

    def __init__(self, file: BinaryIO, most: int):
        self.offset, self.left = 0, most
        self._chunks = _unpacked(file)
        self._buffer = memoryview(b"")

    def pieces(self, count: int) -> Iterator[memoryview]:
        """The next `count` bytes."""
        while count:
            if not self._buffer and not self._fill():
                raise Damaged(f"it is cut off, after {self.offset} bytes")
            piece = self._buffer[:count]
            self._buffer = self._buffer[len(piece) :]
            self.offset += len(piece)
            self.left -= len(piece)
            count -= len(piece)
            yield piece

    def take(self, count: int) -> bytes:
        return b"".join(self.pieces(count))

    def end(self) -> None:
        """Reads what is left, which must be zeros."""
        while self._buffer or self._fill():
            piece = self.take(len(self._buffer))
            if piece.count(0) != len(piece):
                raise Damaged("something follows its end")

    def _fill(self) -> bool:
        self._buffer = memoryview(next(self._chunks, b""))
        if len(self._buffer) > self.left:
            raise TooLarge("more bytes than allowed")
        return bool(self._buffer)


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file, unpacked if gzipped."""
    data = _read(file, _COMPRESSED)
    if data[:2] == GZIP:
        yield from _gunzipped(file, data)
        return
    while data:
        yield data
        data = _read(file, _CHUNK)


def _gunzipped(file: BinaryIO, data: bytes) -> Iterator[bytes]:
    for _ in range(_MOST_GZIP_MEMBERS):
        unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while not unzip.eof:
            data = data or _read(file, _COMPRESSED)
            try:
                chunk = unzip.decompress(data, _CHUNK)
            except zlib.error as error:
                raise Damaged(f"its gzip data is damaged: {error}") from None
            if chunk:
                yield chunk
            elif not data and not unzip.eof:
                raise Damaged("its gzip data is cut off")
            data = unzip.unconsumed_tail
        data = unzip.unused_data or _read(file, _COMPRESSED)
        if not data[:1].strip(b"\0"):
            break
    else:
        raise TooLarge(f"more than {_MOST_GZIP_MEMBERS} gzip members")
    while data:
        if data.count(0) != len(data):
            raise Damaged("something follows its gzip data")
        data = _read(file, _COMPRESSED)


def _read(file: BinaryIO, count: int) -> bytes:
    try:
        return file.read(count)
    except OSError as error:
        raise Damaged(f"it cannot be read: {error.strerror}") from None
