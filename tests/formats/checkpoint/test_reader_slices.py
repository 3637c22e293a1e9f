"""Partitioned variables: slices joined, and every way that they do not fit."""

import handmade
import numpy as np
import pytest
from bundle_cases import NAMES, fixed, save

from graphfix.errors import SourceError
from graphfix.formats.checkpoint import reader, stored_bytes


def partitioned(name, dtype, whole, parts, extra=(), shards=1):
    """Index pairs and shard bytes of a tensor in parts: (ranges, shape, shard)."""
    pairs = [
        (b"", handmade.header(shards=shards)),
        (name.encode(), handmade.entry(dtype, whole, slices=[one[0] for one in parts])),
    ]
    data = [b""] * shards
    for at, (ranges, sizes, number) in enumerate(parts):
        piece = fixed(dtype, sizes, at + 3)
        key = handmade.slice_key(name.encode(), ranges)
        pairs.append(
            (
                key,
                handmade.entry(
                    dtype,
                    sizes,
                    shard=number,
                    offset=len(data[number]),
                    size=len(piece.data),
                    crc=piece.crc,
                ),
            )
        )
        data[number] += piece.data
    unique = dict(pairs)
    unique.update(extra)
    return handmade.plain_table(list(unique.items())), data


SLICED = {
    "along the first axis": ((5, 2), [([(0, 2), None], (2, 2), 0), ([(2, 3), None], (3, 2), 0)]),
    "along the last axis": ((2, 5), [([None, (0, 4)], (2, 4), 0), ([None, (4, 1)], (2, 1), 0)]),
    "listed back to front": ((5, 2), [([(4, 1), None], (1, 2), 0), ([(0, 4), None], (4, 2), 0)]),
    "in shards": ((6,), [([(at, 2)], (2,), at // 2) for at in (0, 2, 4)]),
    "one slice, all of it": ((3,), [([None], (3,), 0)]),
    "the same, spelled out": ((3,), [([(0, 3)], (3,), 0)]),
    "a slice of nothing": ((3,), [([(0, 2)], (2,), 0), ([(2, 0)], (0,), 0), ([(2, 1)], (1,), 0)]),
    "of nothing": ((4, 0), [([(0, 1), None], (1, 0), 0), ([(1, 3), None], (3, 0), 0)]),
    "far out": (
        (1 << 40, 0),
        [([(0, 1 << 39), None], (1 << 39, 0), 0), ([(1 << 39, 1 << 39), None], (1 << 39, 0), 0)],
    ),
}


@pytest.mark.parametrize("name", ["v", "a\0b\u00ff/\uffff"])
@pytest.mark.parametrize("case", sorted(SLICED))
@pytest.mark.parametrize("dtype", [1, 14])
def test_joins_slices(case, dtype, name, prefix):
    whole, parts = SLICED[case]
    index, data = partitioned(name, dtype, whole, parts, shards=3 if case == "in shards" else 1)
    save(prefix, index, *data)
    view = reader.open_bundle(prefix)[name]
    assert (view.meta.shape, view.meta.dtype.name, view.extent) == (whole, NAMES[dtype], None)
    expected = np.zeros(int(np.prod(whole)), view.load().dtype).reshape(whole)
    for at, (ranges, sizes, _) in enumerate(parts):
        where = tuple(
            slice(None) if one is None else slice(one[0], one[0] + one[1]) for one in ranges
        )
        piece = np.frombuffer(fixed(dtype, sizes, at + 3).data, expected.dtype)
        expected[where] = piece.reshape(sizes)
    assert view.load().tobytes() == expected.tobytes()
    stored_bytes.check(view)


def test_damage_in_a_slice_names_the_tensor(prefix):
    index, data = partitioned("v", 1, *SLICED["along the first axis"])
    save(prefix, index, data[0][:-1] + b"\x01")
    view = reader.open_bundle(prefix)["v"]
    for read in (stored_bytes.check, lambda view: view.load()):
        with pytest.raises(SourceError, match="tensor 'v' is damaged"):
            read(view)


WRONG_SLICES = {
    # What a sum of sizes does not see: the same slice twice, and a hole of the same size.
    "overlap and gap": ((4,), [([(0, 2)], (2,), 0), ([(1, 2)], (2,), 0)], "gaps, overlap"),
    "twice the same": ((4,), [([(0, 2)], (2,), 0), ([(0, 2)], (2,), 0)], "overlap"),
    "gap": ((5,), [([(0, 2)], (2,), 0), ([(3, 2)], (2,), 0)], "gaps"),
    "short": ((5,), [([(0, 2)], (2,), 0), ([(2, 2)], (2,), 0)], "gaps"),
    "not from the beginning": ((3,), [([(1, 2)], (2,), 0)], "gaps"),
    "whole twice": ((2,), [([None], (2,), 0), ([(0, 2)], (2,), 0)], "overlap"),
    "along both axes": (
        (2, 2),
        [
            ([(0, 1), (0, 2)], (1, 2), 0),
            ([(1, 1), (0, 1)], (1, 1), 0),
            ([(1, 1), (1, 1)], (1, 1), 0),
        ],
        "several axes",
    ),
    "along both axes, the first one covered": (
        (2, 2),
        [([(0, 1), (0, 2)], (1, 2), 0), ([(1, 1), (0, 1)], (1, 1), 0)],
        "several axes",
    ),
    "past the end": ((3,), [([(0, 2)], (2,), 0), ([(2, 2)], (2,), 0)], "outside its shape"),
    "negative start": ((3,), [([(-1, 4)], (4,), 0)], "outside its shape"),
    "negative length": ((3,), [([(0, 3)], (3,), 0), ([(3, -2)], (1,), 0)], "outside its shape"),
    "other rank": ((3,), [([None, None], (3, 1), 0)], "another rank"),
    "other shape": ((3,), [([(0, 3)], (1, 3), 0)], "another type or shape"),
}


@pytest.mark.parametrize("case", sorted(WRONG_SLICES))
def test_refuses_slices(case, prefix):
    whole, parts, message = WRONG_SLICES[case]
    index, data = partitioned("v", 1, whole, parts)
    save(prefix, index, *data)
    with pytest.raises(SourceError, match=message) as refused:
        reader.open_bundle(prefix)
    assert "'v'" in str(refused.value)


@pytest.mark.parametrize(
    "extra, message",
    [
        ({handmade.slice_key(b"v", [(0, 2)]): handmade.entry(3, (2,), size=8)}, "another type"),
        (
            {handmade.slice_key(b"w", [(0, 2)]): handmade.entry(1, (2,), size=8)},
            "belongs to no tensor",
        ),
        ({handmade.slice_key(b"v", [(0, 2)]): b"\x0a\x7f"}, "cannot be parsed"),
        ({b"v": handmade.entry(1, (4,), slices=[[(0, 2)], [(2, 2)], [(4, 0)]])}, "lacks a slice"),
        ({b"v": handmade.entry(7, (4,), slices=[[(0, 2)], [(2, 2)]])}, "cannot join"),
    ],
)
def test_refuses_slice_entries(extra, message, prefix):
    index, data = partitioned("v", 1, (4,), [([(0, 2)], (2,), 0), ([(2, 2)], (2,), 0)], extra=extra)
    save(prefix, index, *data)
    with pytest.raises(SourceError, match=message):
        reader.open_bundle(prefix)
