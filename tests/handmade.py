"""Checkpoint files made by hand from the format's description, for tests.

An encoder of its own: nothing here comes from graphfix, so that a mistake in its reader is not
hidden by the same mistake in its writer.  It is slow, lays blocks out any way a test wants, and
writes whatever nonsense it is told to, with correct checksums.
"""

import struct

MAGIC = 0xDB4775248B80FB57

_CRC = []
for _byte in range(256):
    for _ in range(8):
        _byte = _byte >> 1 ^ (0x82F63B78 if _byte & 1 else 0)
    _CRC.append(_byte)


def crc32c(data):
    """The plain CRC-32C, byte by byte."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked(data):
    """The masked CRC-32C, as TensorFlow stores it."""
    bits = f"{crc32c(data):032b}"
    return (int(bits[-15:] + bits[:-15], 2) + 0xA282EAD8) % (1 << 32)


def varint(value):
    groups = []
    while True:
        groups.append(value % 128)
        value //= 128
        if not value:
            return bytes(group + 128 for group in groups[:-1]) + bytes(groups[-1:])


# Protocol Buffers: a field is its number and wire type, then its value.


def number(field, value):
    """A varint field; negative values as 64-bit two's complement."""
    return varint(field << 3) + varint(value % (1 << 64))


def fixed32(field, value):
    return varint(field << 3 | 5) + struct.pack("<I", value)


def message(field, data):
    """A length-delimited field."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def header(shards=1, endianness=0, producer=1, min_consumer=0):
    """A BundleHeaderProto; zeros are left out, as proto3 does."""
    version = (number(1, producer) if producer else b"") + (
        number(2, min_consumer) if min_consumer else b""
    )
    return (
        (number(1, shards) if shards else b"")
        + (number(2, endianness) if endianness else b"")
        + message(3, version)
    )


def shape(sizes):
    """A TensorShapeProto."""
    return b"".join(message(2, number(1, size) if size else b"") for size in sizes)


def extents(ranges):
    """A TensorSliceProto of (start, length) pairs; None stands for a whole dimension."""
    return b"".join(
        message(
            1, b"" if one is None else (number(1, one[0]) if one[0] else b"") + number(2, one[1])
        )
        for one in ranges
    )


def entry(dtype, sizes, shard=0, offset=0, size=0, crc=0, slices=()):
    """A BundleEntryProto; `crc` is the masked checksum."""
    out = number(1, dtype) + message(2, shape(sizes))
    for field, value in ((3, shard), (4, offset), (5, size)):
        out += number(field, value) if value else b""
    out += fixed32(6, crc) if crc else b""
    return out + b"".join(message(7, extents(one)) for one in slices)


# The ordered code of slice keys.


def ordered_signed(value):
    """As many 1 bits as the code has bytes, a 0, the value; of a negative one all bits flipped."""
    positive = value if value >= 0 else -1 - value
    width = 1
    while positive >= 1 << 7 * width - 1:
        width += 1
    bits = "1" * width + "0" + f"{positive:0{7 * width - 1}b}"
    code = int(bits, 2)
    if value < 0:
        code = (1 << 8 * width) - 1 - code
    return code.to_bytes(width, "big")


def slice_key(name, ranges):
    """The key of a slice of the tensor `name` (bytes)."""
    key = b"\0"
    for byte in name:
        key += {0: b"\0\xff", 255: b"\xff\0"}.get(byte, bytes([byte]))
    key += b"\0\1"
    key += bytes([1, len(ranges)]) if ranges else b"\0"
    for one in ranges:
        start, length = (0, -1) if one is None else one
        key += ordered_signed(start) + ordered_signed(length)
    return key


# The string table.


def block(pairs, interval=16, share=True):
    """A block's contents: every `interval`-th entry is a restart point."""
    out, restarts, previous = b"", [], b""
    for at, (key, value) in enumerate(pairs):
        shared = 0
        if at % interval == 0:
            restarts.append(len(out))
        elif share:
            while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        previous = key
    restarts = restarts or [0]
    return out + b"".join(struct.pack("<I", at) for at in restarts + [len(restarts)])


def literal(data):
    """A Snappy stream of literals only."""
    out = varint(len(data))
    for at in range(0, len(data), 60):
        piece = data[at : at + 60]
        out += bytes([(len(piece) - 1) << 2]) + piece
    return out


def table(blocks, index_key=None, kinds=None, metaindex=None, index=None):
    """A table of blocks' contents.

    Args:
      blocks: (last key, contents) of each data block, contents as they are stored.
      index_key: what the index block says of a last key; the key itself by default.
      kinds: the compression byte of each block; 0 by default.
      metaindex: contents of the metaindex block; an empty one by default.
      index: a function from the handles to the index block's contents.
    """
    out = b""
    handles = []

    def put(contents, kind=0):
        nonlocal out
        handle = varint(len(out)) + varint(len(contents))
        body = contents + bytes([kind])
        out += body + struct.pack("<I", masked(body))
        return handle

    for at, (key, contents) in enumerate(blocks):
        handles.append(
            (index_key(key) if index_key else key, put(contents, kinds[at] if kinds else 0))
        )
    footer = put(block([]) if metaindex is None else metaindex)
    footer += put(index(handles) if index else block(handles, interval=1))
    return out + footer + bytes(40 - len(footer)) + struct.pack("<Q", MAGIC)


def successor(key):
    """What TensorFlow's builder says of the last block's last key."""
    for at, byte in enumerate(key):
        if byte != 0xFF:
            return key[:at] + bytes([byte + 1])
    return key


def plain_table(pairs):
    """The table TensorFlow makes of pairs that fit one block of 256 KiB."""
    pairs = sorted(pairs)
    return table([(pairs[-1][0], block(pairs))], index_key=successor)


def split_table(pairs, size, interval=16, share=True, snappy=False):
    """A table of blocks of `size` pairs each, laid out as asked."""
    pairs = sorted(pairs)
    parts = [pairs[at : at + size] for at in range(0, len(pairs), size)]
    contents = [block(part, interval, share) for part in parts]
    return table(
        [(part[-1][0], literal(data) if snappy else data) for part, data in zip(parts, contents)],
        kinds=[int(snappy)] * len(parts),
    )
