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
from typing import Iterable, Iterator, List, Tuple

from graphfix.bundle import checksum, snappy, varint
from graphfix.errors import SourceError

MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5
_BLOCK_SIZE = 256 * 1024
_REMEDY = "download or copy the file again"

Pair = Tuple[bytes, bytes]
Handle = Tuple[int, int]


def read(data: bytes, subject: str) -> Iterator[Pair]:
    """Yields the (key, value) pairs of the table in `data`, in key order.

    Raises:
      SourceError: naming `subject`, when `data` is no whole, undamaged table.
    """
    try:
        previous = None
        for pair in _pairs(data):
            if previous is not None and pair[0] <= previous:
                raise ValueError("holds keys out of order")
            previous = pair[0]
            yield pair
    except ValueError as error:
        raise SourceError(subject, "the checkpoint index %s" % error, _REMEDY) from None


def _pairs(data: bytes) -> Iterator[Pair]:
    if len(data) < _FOOTER:
        raise ValueError("is truncated: %d bytes, fewer than its footer" % len(data))
    footer = data[-_FOOTER:]
    magic, = struct.unpack("<Q", footer[-8:])
    if magic != MAGIC:
        raise ValueError("does not end in a string table's magic number: it is truncated, or "
                         "no checkpoint index")
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
        for pair in _entries(_block(data, handle)):
            yield pair


def _handle(data: bytes, position: int) -> Tuple[Handle, int]:
    offset, position = varint.decode(data, position)
    size, position = varint.decode(data, position)
    return (offset, size), position


def _block(data: bytes, handle: Handle) -> bytes:
    offset, size = handle
    end = offset + size
    if end + _TRAILER > len(data) - _FOOTER:
        raise ValueError("is truncated: it refers to byte %d of %d" % (end, len(data)))
    contents = data[offset:end]
    kind = data[end]
    stored, = struct.unpack_from("<I", data, end + 1)
    if checksum.crc32c(data[offset:end + 1]) != checksum.unmask(stored):
        raise ValueError("is damaged: the checksum of its block at byte %d is wrong" % offset)
    if kind == 1:
        return snappy.decompress(contents)
    if kind != 0:
        raise ValueError("has a block of unknown compression %d" % kind)
    return contents


def _entries(contents: bytes) -> Iterator[Pair]:
    if len(contents) < 4:
        raise ValueError("has a block without restart points")
    restarts, = struct.unpack_from("<I", contents, len(contents) - 4)
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
        key = key[:shared] + contents[position:position + unshared]
        position += unshared
        yield key, contents[position:position + length]
        position += length


def write(pairs: Iterable[Pair]) -> bytes:
    """The table of `pairs`, which must come in strictly increasing key order."""
    out = bytearray()
    index = []  # type: List[Pair]
    block = []  # type: List[Pair]
    size = 0
    last = None
    for key, value in pairs:
        if last is not None and key <= last:
            raise ValueError("keys must increase: %r after %r" % (key, last))
        if size >= _BLOCK_SIZE:
            index.append((_separator(last, key), _append(out, _encode(block, 16))))
            block, size = [], 0
        # The reader's estimate, by which TensorFlow's builder closes a block, is the encoded
        # size; re-encoding for each entry would be quadratic, so it is added up here.
        size += _entry_size(block, key, value)
        block.append((key, value))
        last = key
    if block:
        index.append((_successor(last), _append(out, _encode(block, 16))))
    metaindex = _append(out, _encode([], 16))
    footer = metaindex + _append(out, _encode(index, 1))
    return bytes(out) + footer.ljust(_FOOTER - 8, b"\0") + struct.pack("<Q", MAGIC)


def _append(out: bytearray, contents: bytes) -> bytes:
    handle = varint.encode(len(out)) + varint.encode(len(contents))
    body = contents + b"\0"
    out += body + struct.pack("<I", checksum.mask(checksum.crc32c(body)))
    return handle


def _shared(previous: bytes, key: bytes) -> int:
    count = 0
    for one, other in zip(previous, key):
        if one != other:
            break
        count += 1
    return count


def _entry(shared: int, key: bytes, value: bytes) -> bytes:
    head = varint.encode(shared) + varint.encode(len(key) - shared) + varint.encode(len(value))
    return head + key[shared:] + value


def _entry_size(block: List[Pair], key: bytes, value: bytes) -> int:
    if len(block) % 16 == 0:
        # The restart points' count is there from the start; each point adds its own 4 bytes.
        return len(_entry(0, key, value)) + (8 if not block else 4)
    return len(_entry(_shared(block[-1][0], key), key, value))


def _encode(pairs: List[Pair], interval: int) -> bytes:
    out = bytearray()
    restarts = [0]
    previous = b""
    for number, (key, value) in enumerate(pairs):
        if number % interval == 0:
            shared = 0
            if number:
                restarts.append(len(out))
        else:
            shared = _shared(previous, key)
        out += _entry(shared, key, value)
        previous = key
    return bytes(out) + struct.pack("<%dI" % (len(restarts) + 1), *(restarts + [len(restarts)]))


def _separator(last: bytes, following: bytes) -> bytes:
    """The shortest key not before `last` and before `following` that LevelDB's rule finds."""
    at = _shared(last, following)
    if at < min(len(last), len(following)):
        if last[at] < 0xFF and last[at] + 1 < following[at]:
            return last[:at] + bytes([last[at] + 1])
    return last


def _successor(last: bytes) -> bytes:
    """A short key not before `last`."""
    for at, byte in enumerate(last):
        if byte != 0xFF:
            return last[:at] + bytes([byte + 1])
    return last
