"""The framing of records, by another reader of the same description; TensorFlow's own judges it in
tests/stock/test_records.py."""

import random
import struct

import annotations
import handmade
import mutations
import pytest
import thorough

from graphfix.errors import SourceError
from graphfix.formats import tfrecord


def expected(data):
    """The records before any damage, and whether there is some."""
    records, at = [], 0
    while at < len(data):
        length = data[at : at + 8]
        if len(data) - at < 12 or data[at + 8 : at + 12] != checksum(length):
            return records, False
        end = at + 12 + struct.unpack("<Q", length)[0]
        if end + 4 > len(data) or data[end : end + 4] != checksum(data[at + 12 : end]):
            return records, False
        records.append((len(records), at, data[at + 12 : end]))
        at = end + 4
    return records, True


def checksum(data):
    return struct.pack("<I", handmade.masked(data))


def read(path):
    records = []
    try:
        records.extend(tfrecord.read_records(str(path)))
    except SourceError:
        return records, False
    return records, True


@pytest.mark.parametrize("block", [16, 37, 200, 1 << 19])
def test_records_are_the_same_wherever_a_block_ends(tmp_path, monkeypatch, block):
    monkeypatch.setattr(tfrecord, "_BLOCK", block)
    chance, path = random.Random(block), tmp_path / "x.record"
    for _ in range(thorough.rounds(40, 3000)):
        sizes = [chance.choice((0, 1, 3, 20, 100, 500)) for _ in range(chance.randrange(6))]
        data = b"".join(
            annotations.record(bytes(chance.randrange(256) for _ in range(size))) for size in sizes
        )
        if chance.random() < 0.7:
            data = mutations.mutate_bytes(chance, data)
        path.write_bytes(data)
        records, whole = expected(data)
        assert read(path) == (records, whole)
        places = [offset for _, offset, _ in records]
        assert list(tfrecord.read_at(str(path), places)) == [one for _, _, one in records]


def test_a_file_that_becomes_shorter(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord, "_BLOCK", 16)
    path = tmp_path / "x.record"
    path.write_bytes(annotations.record(b"x" * 100) * 3)
    records = tfrecord.read_records(str(path))
    assert next(records)[2] == b"x" * 100
    with open(str(path), "r+b") as file:
        file.truncate(150)
    with pytest.raises(SourceError, match="became shorter"):
        list(records)


@pytest.mark.parametrize("offset", [1, 116, 1000])
def test_a_place_where_no_record_is_any_more(tmp_path, offset):
    path = tmp_path / "x.record"
    path.write_bytes(annotations.record(b"x" * 100))
    with pytest.raises(SourceError, match="changed while it was read"):
        list(tfrecord.read_at(str(path), [offset]))


def pieces_of(path, size):
    """The records of all pieces, in their order, and whether all were sound up to the first that
    was not."""
    records = []
    for piece in tfrecord.cut(str(path), size):
        try:
            for number, offset, block, start, end in tfrecord.read_frames(str(path), piece):
                records.append((number, offset, block[start:end]))
        except SourceError:
            return records, False
    return records, True


@pytest.mark.parametrize("lengths", [40, 300, 1 << 16])
def test_pieces_have_the_records_of_the_whole(tmp_path, monkeypatch, lengths):
    monkeypatch.setattr(tfrecord, "_LENGTHS", lengths)
    monkeypatch.setattr(tfrecord, "_BLOCK", 64)
    chance, path, several = random.Random(lengths), tmp_path / "x.record", 0
    for _ in range(thorough.rounds(150, 5000)):
        sizes = [chance.choice((0, 1, 3, 20, 100, 500)) for _ in range(chance.randrange(12))]
        data = b"".join(annotations.record(bytes(size)) for size in sizes)
        if chance.random() < 0.5:
            data = mutations.mutate_bytes(chance, data)
        path.write_bytes(data)
        size = chance.choice((1, 50, 400))
        assert pieces_of(path, size) == read(path) == expected(data)
        pieces = tfrecord.cut(str(path), size)
        several += len(pieces) > 2
        for piece in pieces[:-1]:
            assert size <= piece.end - piece.offset < size + 516
    assert several > 20
