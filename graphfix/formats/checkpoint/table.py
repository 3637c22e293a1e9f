"""The sorted string table a checkpoint's index is: reader and writer.

Layout (TensorFlow 1.15, core/lib/io/table_builder.cc and format.cc; LevelDB's with another
magic number and block size):

    data block ...  metaindex block  index block  footer

* A block is its contents, one byte of compression (0 none, 1 Snappy) and the masked CRC-32C of
  both, 4 bytes little-endian.
* Contents are entries, then the offsets of the restart points (uint32 each), then their count.
  An entry is three varints - bytes of key shared with the previous key, bytes of key that
  follow, bytes of value - and those bytes.  At a restart point nothing is shared.
* The index block has one entry a data block: a key not before the block's last, and a handle
  (offset and size of the contents, two varints).  Checkpoints leave the metaindex empty.
* The footer is 48 bytes: the handles of metaindex and index, zeros up to 40, the magic number.

The writer makes the same bytes as TensorFlow's for the same pairs: blocks of 256 KiB, a restart
every 16 entries (every entry in the index block), shortened keys in the index block, no
compression (releases before 1.1 could not read it).
"""

import struct
from typing import Iterable, Iterator, Optional, Tuple

from graphfix.errors import SourceError
from graphfix.formats import checksum
from graphfix.formats.checkpoint import snappy, varint

MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5
_BLOCK_SIZE = 256 * 1024
# Prefix compression and Snappy let a small hostile file expand to more than fits into memory.
# The index of 100,000 tensors, more than anybody has, unfolds to some 15 MiB.
_MAX_UNFOLDED = 64 << 20
_REMEDY = "download or copy the file again"

Pair = Tuple[bytes, bytes]
Handle = Tuple[int, int]


def read(data: bytes, subject: str) -> Iterator[Pair]:
    """Yields the (key, value) pairs of the table in `data`, in key order.

    Raises:
      SourceError: naming `subject`, when `data` is not a complete, undamaged table.
    """
    unfolded = 0
    previous = None
    try:
        for key, value in _pairs(data):
            if previous is not None and key <= previous:
                raise ValueError("has keys out of order")
            unfolded += len(key) + len(value)
            if unfolded > _MAX_UNFOLDED:
                raise ValueError("unfolds to more than any checkpoint index has")
            previous = key
            yield key, value
    except ValueError as error:
        raise SourceError(subject, f"the checkpoint index {error}", _REMEDY) from None


def _pairs(data: bytes) -> Iterator[Pair]:
    if len(data) < _FOOTER:
        raise ValueError(f"is truncated: {len(data)} bytes, fewer than its footer")
    footer = data[-_FOOTER:]
    (magic,) = struct.unpack("<Q", footer[-8:])
    if magic != MAGIC:
        raise ValueError(
            "does not end in a string table's magic number: it is truncated, or no checkpoint index"
        )
    _, position = _handle(footer, 0)
    index, _ = _handle(footer, position)
    floor = 0
    for _, value in _entries(_block(data, index)):
        handle, _ = _handle(value, 0)
        # Blocks follow each other; one that goes back would be read more than once, and a
        # small hostile file could then unfold without end.
        if handle[0] < floor:
            raise ValueError("has overlapping blocks")
        floor = handle[0] + handle[1]
        yield from _entries(_block(data, handle))


def _handle(data: bytes, position: int) -> Tuple[Handle, int]:
    offset, position = varint.decode(data, position)
    size, position = varint.decode(data, position)
    return (offset, size), position


def _block(data: bytes, handle: Handle) -> bytes:
    offset, size = handle
    end = offset + size
    if end + _TRAILER > len(data) - _FOOTER:
        raise ValueError(f"is truncated: it refers to byte {end} of {len(data)}")
    contents = data[offset:end]
    kind = data[end]
    (stored,) = struct.unpack_from("<I", data, end + 1)
    if checksum.crc32c(data[offset : end + 1]) != checksum.unmask(stored):
        raise ValueError(f"is damaged: the checksum of its block at byte {offset} is wrong")
    if kind == 1:
        return snappy.decompress(contents, _MAX_UNFOLDED)
    if kind != 0:
        raise ValueError(f"has a block of unknown compression {kind}")
    return contents


def _entries(contents: bytes) -> Iterator[Pair]:
    if len(contents) < 4:
        raise ValueError("has a block without restart points")
    (restarts,) = struct.unpack_from("<I", contents, len(contents) - 4)
    end = len(contents) - 4 * (restarts + 1)
    if end < 0:
        raise ValueError("has a block with more restart points than bytes")
    position = 0
    key = b""
    while position < end:
        shared, position = varint.decode(contents, position)
        unshared, position = varint.decode(contents, position)
        length, position = varint.decode(contents, position)
        if shared > len(key) or position + unshared + length > end:
            raise ValueError("has an entry that overruns its block")
        key = key[:shared] + contents[position : position + unshared]
        position += unshared
        yield key, contents[position : position + length]
        position += length


def write(pairs: Iterable[Pair]) -> bytes:
    """The table of `pairs`, which must come in strictly increasing key order."""
    out = bytearray()
    index = _Block(1)
    block = _Block(16)
    last: Optional[bytes] = None
    for key, value in pairs:
        if last is not None and key <= last:
            raise ValueError(f"keys must increase: {key!r} after {last!r}")
        if last is not None and block.size >= _BLOCK_SIZE:
            index.add(_separator(last, key), _append(out, block))
            block = _Block(16)
        block.add(key, value)
        last = key
    if last is not None:
        index.add(_successor(last), _append(out, block))
    footer = _append(out, _Block(16)) + _append(out, index)
    return bytes(out) + footer.ljust(_FOOTER - 8, b"\0") + struct.pack("<Q", MAGIC)


class _Block:
    """A block in the making, with a restart point every `interval` entries."""

    def __init__(self, interval: int):
        self._interval = interval
        self._entries = bytearray()
        self._restarts = [0]
        self._count = 0
        self._last = b""

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._count % self._interval:
            shared = _shared(self._last, key)
        elif self._count:
            self._restarts.append(len(self._entries))
        self._entries += (
            varint.encode(shared)
            + varint.encode(len(key) - shared)
            + varint.encode(len(value))
            + key[shared:]
            + value
        )
        self._count += 1
        self._last = key

    @property
    def size(self) -> int:
        """Bytes of its contents."""
        return len(self._entries) + 4 * (len(self._restarts) + 1)

    def contents(self) -> bytes:
        tail = self._restarts + [len(self._restarts)]
        return bytes(self._entries) + struct.pack(f"<{len(tail)}I", *tail)


def _append(out: bytearray, block: _Block) -> bytes:
    """Adds a block to a table, and gives its handle."""
    contents = block.contents()
    handle = varint.encode(len(out)) + varint.encode(len(contents))
    body = contents + b"\0"
    out += body + struct.pack("<I", checksum.mask(checksum.crc32c(body)))
    return handle


def _shared(one: bytes, two: bytes) -> int:
    """Length of the prefix two keys share."""
    count = 0
    for left, right in zip(one, two):
        if left != right:
            break
        count += 1
    return count


def _separator(last: bytes, following: bytes) -> bytes:
    """The shortest key not before `last` and before `following` that LevelDB's rule finds."""
    at = _shared(last, following)
    if at < min(len(last), len(following)) and last[at] < 0xFF and last[at] + 1 < following[at]:
        return last[:at] + bytes([last[at] + 1])
    return last


def _successor(last: bytes) -> bytes:
    """A short key not before `last`."""
    for at, byte in enumerate(last):
        if byte != 0xFF:
            return last[:at] + bytes([byte + 1])
    return last
