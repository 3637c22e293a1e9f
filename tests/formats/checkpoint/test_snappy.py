"""Snappy streams made by hand: every kind of element, and every way to be wrong."""

import handmade
import pytest

from graphfix.formats.checkpoint import snappy

LONG = bytes(at % 251 for at in range(70000))


def stream(length, *elements):
    return handmade.varint(length) + b"".join(elements)


def literal(data, width=0):
    """A literal whose length is in the tag (0), or in 1 to 4 bytes after it."""
    size = len(data) - 1
    if not width:
        return bytes([size << 2]) + data
    return bytes([(59 + width) << 2]) + size.to_bytes(width, "little") + data


def copy(kind, size, offset):
    if kind == 1:
        return bytes([1 | size - 4 << 2 | offset >> 8 << 5, offset & 255])
    return bytes([kind | size - 1 << 2]) + offset.to_bytes({2: 2, 3: 4}[kind], "little")


STREAMS = {
    "nothing": (stream(0), b""),
    "literal": (stream(3, literal(b"abc")), b"abc"),
    "literal of 60": (stream(60, literal(LONG[:60])), LONG[:60]),
    "literal with 1 byte of length": (stream(200, literal(LONG[:200], 1)), LONG[:200]),
    "literal with 2 bytes of length": (stream(300, literal(LONG[:300], 2)), LONG[:300]),
    "literal with 3 bytes of length": (stream(70000, literal(LONG, 3)), LONG),
    "literal with 4 bytes of length": (stream(5, literal(b"abcde", 4)), b"abcde"),
    "copy with 1 byte of offset": (stream(8, literal(b"abcd"), copy(1, 4, 4)), b"abcdabcd"),
    "its longest": (stream(15, literal(b"abcd"), copy(1, 11, 4)), b"abcdabcdabcdabc"),
    "its farthest": (
        stream(2047 + 4, literal(LONG[:2047], 2), copy(1, 4, 2047)),
        LONG[:2047] + LONG[:4],
    ),
    "copy with 2 bytes of offset": (stream(6, literal(b"abcd"), copy(2, 2, 3)), b"abcdbc"),
    "its longest and farthest": (
        stream(65535 + 64, literal(LONG[:65535], 3), copy(2, 64, 65535)),
        LONG[:65535] + LONG[:64],
    ),
    "copy with 4 bytes of offset": (
        stream(70001, literal(LONG, 3), copy(3, 1, 70000)),
        LONG + LONG[:1],
    ),
    "a copy of what it makes": (stream(65, literal(b"a"), copy(2, 64, 1)), b"a" * 65),
    "an overlap that does not divide": (
        stream(12, literal(b"abc"), copy(2, 9, 2)),
        b"abcbcbcbcbcb",
    ),
    "copies of copies": (
        stream(16, literal(b"ab"), copy(1, 6, 2), copy(1, 8, 5)),
        b"abababab" + b"babab" + b"bab",
    ),
}
BROKEN = {
    "no bytes at all": (b"", "ends inside a number"),
    "literal cut short": (stream(3, b"\x08ab"), "ends inside a literal"),
    "literal's length cut short": (stream(50, b"\xf4\x2b"), "ends inside a literal"),
    "copy cut short": (stream(8, literal(b"abcd"), b"\x01"), "ends inside a copy"),
    "long copy cut short": (stream(8, literal(b"abcd"), b"\x0f\x04\0"), "ends inside a copy"),
    "copy from before the beginning": (
        stream(8, literal(b"abcd"), copy(2, 4, 5)),
        "before its beginning",
    ),
    "copy from nowhere": (stream(8, literal(b"abcd"), copy(2, 4, 0)), "before its beginning"),
    "copy first": (stream(4, copy(1, 4, 1)), "before its beginning"),
    "less than it claims": (stream(4, literal(b"abc")), "fewer than the 4 bytes"),
    "more than it claims": (stream(2, literal(b"abc")), "more than the 2 bytes"),
    "more in a copy": (stream(5, literal(b"a"), copy(2, 64, 1)), "more than the 5 bytes"),
    "more than Snappy can": (stream(1000, literal(b"a")), "more than Snappy can"),
    "more than the limit": (stream(100001, literal(LONG, 3)), "more than any checkpoint index"),
}


@pytest.mark.parametrize("case", sorted(STREAMS))
def test_expands(case):
    data, expected = STREAMS[case]
    assert snappy.decompress(data, 100000) == expected


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_refuses(case):
    data, message = BROKEN[case]
    with pytest.raises(ValueError, match=message):
        snappy.decompress(data, 100000)


@pytest.mark.parametrize("case", sorted(STREAMS))
def test_every_truncation_is_refused(case):
    data, _ = STREAMS[case]
    step = max(1, len(data) // 300)
    for size in range(0, len(data), step):
        with pytest.raises(ValueError):
            snappy.decompress(data[:size], 100000)
