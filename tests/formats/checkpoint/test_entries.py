"""Slice keys in ordered code, and numbers, against codes worked out by hand and handmade.py."""

import handmade
import pytest

from graphfix.formats import checksum
from graphfix.formats.checkpoint import entries, varint

# From the description: n bytes of code begin with n one bits and a zero; what is negative is the
# complement of its own complement's code.
ORDERED = {
    0: "80",
    1: "81",
    63: "bf",
    64: "c040",
    8191: "dfff",
    8192: "e02000",
    (1 << 20) - 1: "efffff",
    1 << 20: "f0100000",
    (1 << 27) - 1: "f7ffffff",
    1 << 27: "f808000000",
    (1 << 34) - 1: "fbffffffff",
    1 << 34: "fc0400000000",
    1 << 41: "fe020000000000",
    1 << 48: "ff01000000000000",
    1 << 55: "ff8080000000000000",
    (1 << 62) - 1: "ffbfffffffffffffff",
    1 << 62: "ffc04000000000000000",
    (1 << 63) - 1: "ffc07fffffffffffffff",
    -1: "7f",
    -64: "40",
    -65: "3fbf",
    -8192: "2000",
    -8193: "1fdfff",
    -(1 << 62): "004000000000000000",
    -(1 << 63): "003f8000000000000000",
}


def proto(ranges):
    made = entries.entry_class()().slices.add()
    for one in ranges:
        extent = made.extent.add()
        if one is not None:
            extent.start, extent.length = one
    return made


@pytest.mark.parametrize("value", sorted(ORDERED))
def test_ordered_code(value):
    expected = bytes.fromhex(ORDERED[value])
    assert handmade.ordered_signed(value) == expected
    key = entries.slice_key("n", proto([(value, value)]))
    assert key == b"\0n\0\1" + b"\1\1" + expected + expected


def test_ordered_code_keeps_order():
    values = sorted(
        sign * ((1 << bits) + more) for bits in range(62) for sign in (-1, 1) for more in (-1, 0, 1)
    )
    keys = [entries.slice_key("n", proto([(value, 0)])) for value in values]
    assert [key for _, key in sorted(zip(values, keys))] == sorted(keys)


@pytest.mark.parametrize(
    "name", ["n", "a/b", "", "\0", "a\0\0b", "\u00ff", "\u07ff\uffff", "x" * 300]
)
@pytest.mark.parametrize(
    "ranges",
    [[], [None], [None, (3, 7), None], [(0, 5)], [(1 << 40, 1 << 50)] * 3, [None] * 300],
    ids=["scalar", "whole", "middle", "explicit", "large", "many"],
)
def test_slice_keys(name, ranges):
    if len(ranges) > 255:
        tail = b"".join(handmade.ordered_signed(0) + handmade.ordered_signed(-1) for _ in ranges)
        expected = handmade.slice_key(name.encode(), [])[:-1] + b"\2\x01\x2c" + tail
    else:
        expected = handmade.slice_key(name.encode(), ranges)
    assert entries.slice_key(name, proto(ranges)) == expected


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, (1 << 32) - 1, 1 << 32, (1 << 64) - 1])
def test_varints(value):
    data = handmade.varint(value)
    assert varint.encode(value) == data
    assert varint.decode(b"x" + data + b"y", 1) == (value, 1 + len(data))
    for size in range(len(data)):
        with pytest.raises(ValueError):
            varint.decode(data[:size], 0)


def test_checksums():
    assert handmade.crc32c(b"123456789") == 0xE3069283  # RFC 3720's polynomial, its check value
    assert checksum.crc32c(b"123456789") == 0xE3069283
    for data in (b"", b"a", bytes(32), b"\xff" * 32, b"123456789"):
        assert checksum.mask(checksum.crc32c(data)) == handmade.masked(data)
        assert checksum.unmask(handmade.masked(data)) == checksum.crc32c(data)
