"""What the pairs of a checkpoint's index mean.

Keys and values (TensorFlow 1.15, core/util/tensor_bundle/tensor_bundle.cc, core/protobuf/
tensor_bundle.proto):

* the empty key: a BundleHeaderProto - number of shards, byte order, format version;
* a tensor's name: a BundleEntryProto - type, shape, shard, offset, size, masked CRC-32C;
* for a tensor saved in parts ("partitioned variable"), its name's entry has the list of
  slices and no bytes, and each slice has an entry of its own under an ordered-code key
  (core/lib/strings/ordered_code.cc) made of 0, the name, the rank, and each dimension's start
  and length, where a whole dimension is 0 and -1.

A string tensor's bytes are its elements' lengths (varints), a masked checksum of those lengths,
and the elements; the checksum in its entry covers the lengths as uint32, or uint64 beyond 4 GiB,
then the rest as it stands.  A variant tensor's are, for each element, its length (varint), a
serialized VariantTensorDataProto, and the masked checksum of everything so far; the lengths
count as uint64 in it.
"""

import struct
from typing import Iterable, List

from graphfix.formats import checksum
from graphfix.formats.checkpoint import varint
from graphfix.formats.schema import message_class

PRODUCER = 1
LITTLE_ENDIAN = 0
SLICE_KEY_START = b"\0"


def header_class():
    return message_class("graphfix.tensorflow.BundleHeaderProto")


def entry_class():
    return message_class("graphfix.tensorflow.BundleEntryProto")


def slice_key(name: str, slice_proto) -> bytes:
    """The key of one slice of the tensor `name`; `slice_proto` is a TensorSliceProto."""
    # Ordered code escapes the byte ff too, which UTF-8 does not have.
    escaped = name.encode().replace(b"\0", b"\0\xff")
    out = bytearray(SLICE_KEY_START + escaped + b"\0\1")
    rank = len(slice_proto.extent)
    width = (rank.bit_length() + 7) // 8
    out += bytes([width]) + rank.to_bytes(width, "big")
    for extent in slice_proto.extent:
        whole = extent.WhichOneof("has_length") is None
        out += _signed(0 if whole else extent.start)
        out += _signed(-1 if whole else extent.length)
    return bytes(out)


def _signed(value: int) -> bytes:
    """Ordered code of a signed integer: the more bytes, the more leading one bits."""
    width = (value if value >= 0 else ~value).bit_length() // 7 + 1
    header = (0xFF << (8 - width) & 0xFF if width <= 8 else 0xFF) << 8
    if width > 8:
        header |= 0xFF << (16 - width) & 0xFF
    if width == 1:
        return bytes([(value & 0xFF) ^ 0x80])
    bits = value & ((1 << 8 * width) - 1)
    return (bits ^ header << 8 * (width - 2)).to_bytes(width, "big")


def string_bytes(values: Iterable[bytes]) -> bytes:
    """How a string tensor of these elements is stored."""
    values = tuple(values)
    crc = 0
    for one in values:
        crc = checksum.crc32c(_length(one), crc)
    return (
        b"".join(varint.encode(len(one)) for one in values)
        + struct.pack("<I", checksum.mask(crc))
        + b"".join(values)
    )


def strings(data: bytes, count: int) -> List[bytes]:
    """The elements of a string tensor that is stored as `data`.

    Raises:
      ValueError: `data` is not `count` strings, or the checksum of their lengths is wrong.
    """
    string_checksum(data, count)
    lengths, position = [], 0
    for _ in range(count):
        length, position = varint.decode(data, position)
        lengths.append(length)
    position += 4
    out = []
    for length in lengths:
        out.append(data[position : position + length])
        position += length
    return out


def _length(value: bytes) -> bytes:
    return struct.pack("<I" if len(value) < 1 << 32 else "<Q", len(value))


def string_checksum(data: bytes, count: int) -> int:
    """The plain CRC-32C of a string tensor of `count` elements stored as `data`.

    Raises:
      ValueError: `data` is not `count` strings, or the checksum of their lengths is wrong.
    """
    lengths = []
    position = 0
    for _ in range(count):
        length, position = varint.decode(data, position)
        lengths.append(length)
    crc = 0
    for length in lengths:
        crc = checksum.crc32c(struct.pack("<I" if length < 1 << 32 else "<Q", length), crc)
    if len(data) != position + 4 + sum(lengths):
        raise ValueError("its strings do not add up to its size")
    if data[position : position + 4] != struct.pack("<I", checksum.mask(crc)):
        raise ValueError("its strings' lengths do not match their checksum")
    return checksum.crc32c(data[position:], crc)


def variant_checksum(data: bytes, count: int) -> int:
    """The plain CRC-32C of a variant tensor of `count` elements stored as `data`.

    Raises:
      ValueError: `data` is not `count` variants, or a checksum among them is wrong.
    """
    crc = position = 0
    for _ in range(count):
        length, position = varint.decode(data, position)
        crc = checksum.crc32c(struct.pack("<Q", length), crc)
        crc = checksum.crc32c(data[position : position + length], crc)
        position += length
        stored = data[position : position + 4]
        if stored != struct.pack("<I", checksum.mask(crc)):
            raise ValueError("its elements do not match their checksums")
        crc = checksum.crc32c(stored, crc)
        position += 4
    if position != len(data):
        raise ValueError("its elements do not add up to its size")
    return crc
