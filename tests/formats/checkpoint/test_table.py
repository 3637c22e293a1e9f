"""The string table: handmade ones read, written ones compared byte by byte with handmade ones."""

import struct

import handmade
import pytest
import zoo

from graphfix.errors import SourceError
from graphfix.formats.checkpoint import table

PAIRS = [(b"", b"header")] + [
    (
        b"FeatureExtractor/%03d/%s" % (at // 3, (b"beta", b"gamma", b"weights")[at % 3]),
        b"value %d" % at * (at % 5),
    )
    for at in range(60)
]
CASES = {
    "many": PAIRS,
    "one": PAIRS[:1],
    "a restart's worth": PAIRS[:16],
    "and one more": PAIRS[:17],
    "nothing shared": [(bytes([at]), b"") for at in range(0, 250, 7)],
    "keys of ff": [(b"\xff" * size, b"v") for size in range(1, 5)],
    "prefixes of each other": [(b"a" * size, b"v" * size) for size in range(40)],
    "a long value": [(b"k", b"v" * 100000), (b"l", b"w")],
}
LAYOUTS = {
    "as TensorFlow lays it": handmade.plain_table,
    "restart at every entry": lambda pairs: handmade.split_table(pairs, 1000, interval=1),
    "restart at every other": lambda pairs: handmade.split_table(pairs, 1000, interval=2),
    "no restart but the first": lambda pairs: handmade.split_table(pairs, 1000, interval=1000),
    "prefixes written out": lambda pairs: handmade.split_table(pairs, 1000, share=False),
    "a block for each pair": lambda pairs: handmade.split_table(pairs, 1),
    "blocks of seven": lambda pairs: handmade.split_table(pairs, 7),
    "Snappy": lambda pairs: handmade.split_table(pairs, 5, snappy=True),
}


def read(data):
    return list(table.read(data, "it"))


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("case", sorted(CASES))
def test_reads(case, layout):
    assert read(LAYOUTS[layout](CASES[case])) == CASES[case]


@pytest.mark.parametrize("case", sorted(CASES))
def test_writes(case):
    assert table.write(CASES[case]) == handmade.plain_table(CASES[case])


def test_without_pairs():
    assert read(table.write([])) == []


@pytest.mark.slow
def test_writes_blocks_of_256_kib():
    """A block ends with the entry by which it reaches 256 KiB, with what its restart points take;
    the index block says the shortest key between its last and the next block's first."""
    pairs = [(b"tensor/%05d" % at, b"x" * 90) for at in range(9000)]
    parts, rest = [], pairs
    while len(handmade.block(rest)) >= 256 * 1024:
        low, high = 0, len(rest)  # so many are too few, so many are enough
        while high - low > 1:
            middle = (low + high) // 2
            if len(handmade.block(rest[:middle])) < 256 * 1024:
                low = middle
            else:
                high = middle
        parts.append(rest[:high])
        rest = rest[high:]
    parts.append(rest)
    assert len(parts) == 4
    keys = {
        parts[at][-1][0]: handmade_separator(parts[at][-1][0], parts[at + 1][0][0])
        for at in range(3)
    }
    keys[pairs[-1][0]] = handmade.successor(pairs[-1][0])
    expected = handmade.table(
        [(one[-1][0], handmade.block(one)) for one in parts], index_key=keys.get
    )
    assert table.write(pairs) == expected
    assert read(expected) == pairs


def handmade_separator(last, following):
    """Of the keys from `last` up to, not including, `following`: LevelDB's, tried one by one."""
    for size in range(1, len(last)):
        if last[size - 1] < 255:
            key = last[: size - 1] + bytes([last[size - 1] + 1])
            if last[:size] != following[:size] and last < key < following:
                return key
    return last


@pytest.mark.parametrize(
    "last, following, key",
    [
        (b"abc1", b"abd", b"abc1"),  # c + 1 is d: no shorter key is before "abd"
        (b"abcdef", b"abzz", b"abd"),
        (b"ab", b"abc", b"ab"),
        (b"a\xff", b"c", b"b"),
        (b"a\xfe", b"a\xff", b"a\xfe"),
        (b"a\xffx", b"b", b"a\xffx"),
    ],
)
def test_separators(last, following, key):
    """Index keys, by way of a table whose first block is full."""
    pairs = [(last, b"x" * (256 << 10)), (following, b"")]
    blocks = [
        (key, handmade.block(pairs[:1])),
        (handmade.successor(following), handmade.block(pairs[1:])),
    ]
    assert table.write(pairs) == handmade.table(blocks)


@pytest.mark.parametrize(
    "pairs", [[(b"b", b""), (b"a", b"")], [(b"a", b""), (b"a", b"")]], ids=["falling", "equal"]
)
def test_refuses_to_write_keys_out_of_order(pairs):
    with pytest.raises(ValueError, match="keys must increase"):
        table.write(pairs)


def test_every_truncation_is_refused():
    data = handmade.split_table(PAIRS[:20], 7)
    for size in range(len(data)):
        with pytest.raises(SourceError):
            read(data[:size])


def test_no_flipped_bit_changes_what_is_read():
    """It is refused, but in the metaindex, for which the reader has no use, and in the footer
    where its numbers mean the same."""
    data = handmade.split_table(PAIRS[:10], 4)
    metaindex = handmade.block([]) + b"\0"
    at = data.index(metaindex + struct.pack("<I", handmade.masked(metaindex)))
    free = set(range(at, at + len(metaindex) + 4)) | set(range(len(data) - 48, len(data)))
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            try:
                pairs = read(bytes(changed))
            except SourceError:
                continue
            assert place in free and pairs == PAIRS[:10]


BLOCK = handmade.block(PAIRS[:3])


def bad_handle(offset, size):
    """A table whose index says the one block lies somewhere else."""
    return handmade.table(
        [(b"x", BLOCK)],
        index=lambda handles: handmade.block(
            [(b"x", handmade.varint(offset) + handmade.varint(size))], 1
        ),
    )


BROKEN = {
    "empty file": (b"", "0 bytes, fewer than its footer"),
    "no magic": (b"x" * 100, "magic number"),
    "overlapping blocks": (
        handmade.table(
            [(b"x", BLOCK), (b"y", handmade.block(PAIRS[3:6]))],
            index=lambda handles: handmade.block([handles[0], (b"y", handles[0][1])], 1),
        ),
        "overlapping blocks",
    ),
    "blocks back to front": (
        handmade.table(
            [(b"y", handmade.block([(b"y", b"")])), (b"x", handmade.block([(b"x", b"")]))],
            index=lambda handles: handmade.block(handles[::-1], 1),
        ),
        "overlapping blocks",
    ),
    "keys out of order in a block": (
        handmade.table([(b"x", handmade.block(PAIRS[2:0:-1]))]),
        "keys out of order",
    ),
    "a key twice": (
        handmade.table([(b"x", handmade.block([(b"x", b"1"), (b"x", b"2")]))]),
        "keys out of order",
    ),
    "keys out of order between blocks": (
        handmade.table(
            [(b"x", handmade.block([(b"b", b"")])), (b"y", handmade.block([(b"a", b"")]))]
        ),
        "keys out of order",
    ),
    "block beyond the end": (bad_handle(10, 1 << 40), "is truncated"),
    "block of 2^64": (bad_handle((1 << 64) - 1, 5), "is truncated"),
    "block in the footer": (bad_handle(0, 500), "is truncated"),
    "block elsewhere": (bad_handle(1, 20), "checksum of its block at byte 1 "),
    "unknown compression": (handmade.table([(b"x", BLOCK)], kinds=[2]), "unknown compression 2"),
    "no restart points": (handmade.table([(b"x", b"\0\0")]), "without restart points"),
    "restart points beyond the block": (
        handmade.table([(b"x", struct.pack("<I", 1 << 31))]),
        "more restart points than bytes",
    ),
    "shares more than there is": (
        handmade.table([(b"x", b"\x05\x01\0k" + struct.pack("<2I", 0, 1))]),
        "overruns its block",
    ),
    "value beyond the block": (
        handmade.table([(b"x", b"\0\x01\x7fk" + struct.pack("<2I", 0, 1))]),
        "overruns its block",
    ),
    "number without end": (
        handmade.table([(b"x", b"\xff" * 30 + struct.pack("<2I", 0, 1))]),
        "longer than 64 bits",
    ),
    "number past 64 bits": (
        handmade.table([(b"x", b"\xff" * 9 + b"\x7f" + struct.pack("<2I", 0, 1))]),
        "longer than 64 bits",
    ),
    "Snappy of nothing": (handmade.table([(b"x", b"")], kinds=[1]), "ends inside a number"),
    "Snappy bomb": (
        handmade.table([(b"x", handmade.varint(1 << 40) + b"\0a")], kinds=[1]),
        "expands to",
    ),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_refuses(case):
    data, message = BROKEN[case]
    with pytest.raises(SourceError, match=message) as refused:
        read(data)
    (problem,) = refused.value.problems
    assert problem.subject == "it" and problem.remedy


def test_keys_that_unfold_without_end_are_refused():
    """3 bytes of an entry repeat a key of a megabyte: 300 KB would become 100 GB."""
    entries = b"\0" + handmade.varint(1 << 20) + b"\0" + b"k" * (1 << 20)
    entries += b"".join(handmade.varint((1 << 20) + at) + b"\x01\0k" for at in range(1000))
    data = handmade_fast_table(entries + struct.pack("<2I", 0, 1))
    with pytest.raises(SourceError, match="unfolds to more"):
        read(data)


def handmade_fast_table(contents):
    """handmade.table, with the package's checksum for the megabyte."""
    slow = handmade.masked
    try:
        from graphfix.formats import checksum

        handmade.masked = lambda data: checksum.mask(checksum.crc32c(data))
        return handmade.table([(b"x", contents)])
    finally:
        handmade.masked = slow


@pytest.mark.parametrize("path", zoo.files("**/*.index"))
def test_published_indexes_written_again(path):
    """An index without compression comes out as the same bytes."""
    with open(path, "rb") as file:
        data = file.read()
    pairs = read(data)
    again = table.write(pairs)
    assert read(again) == pairs
    if "mobiledet_cpu" in path:
        assert len(again) > len(data)  # one of its blocks is compressed
    else:
        assert again == data
