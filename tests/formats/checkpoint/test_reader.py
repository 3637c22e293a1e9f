"""Handmade checkpoints opened: values, checksums, slices, and every way to be wrong."""

import os
import time

import handmade
import numpy as np
import pytest
from bundle_cases import CASES, FIXED, LAYOUTS, NAMES, SIZES, lay, save

from graphfix.errors import SourceError
from graphfix.formats.checkpoint import reader, stored_bytes


def shard(prefix, number=0, count=1):
    return f"{prefix}.data-{number:05d}-of-{count:05d}"


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("case", sorted(CASES))
def test_reads(case, layout, prefix):
    tensors = CASES[case]
    index, shards = LAYOUTS[layout](tensors)
    save(prefix, index, *shards)
    store = reader.open_bundle(prefix)
    assert list(store) == sorted(tensors, key=str.encode)
    for name, expected in tensors.items():
        view = store[name]
        assert (view.meta.name, view.meta.dtype.name, view.meta.shape) == (
            name,
            NAMES[expected.dtype],
            expected.shape,
        )
        extent = view.extent
        with open(extent.path, "rb") as file:
            file.seek(extent.offset)
            assert file.read(extent.length) == expected.data
        stored_bytes.check(view)
        if expected.dtype in SIZES:
            value = view.load()
            assert value.shape == expected.shape and value.tobytes() == expected.data
            assert value.dtype.itemsize == SIZES[expected.dtype]
        else:
            with pytest.raises(SourceError, match="has no array form"):
                view.load()


@pytest.mark.parametrize("dtype, name, size", FIXED)
def test_values_mean_what_their_bytes_do(dtype, name, size, prefix):
    """2 and 1, or True and False, as NumPy spells that type."""
    spelled = {"bfloat16": b"\0\x40\x80\x3f", "bool": b"\1\0"}
    plain = name[1:] if name.startswith(("qint", "quint")) else name
    data = spelled[name] if name in spelled else np.array([2, 1], plain).tobytes()
    pairs = [
        (b"", handmade.header()),
        (b"x", handmade.entry(dtype, (2,), size=2 * size, crc=handmade.masked(data))),
    ]
    save(prefix, handmade.plain_table(pairs), data)
    value = reader.open_bundle(prefix)["x"].load()
    if name == "bfloat16":
        assert value.dtype == np.uint16
        assert (value.astype(np.uint32) << 16).view(np.float32).tolist() == [2, 1]
    else:
        assert value.dtype == np.dtype(plain)
        assert value.tolist() == ([True, False] if name == "bool" else [2, 1])


# Partitioned variables.


# What an index may not say.


def entries(**fields):
    """An index with one tensor, and its 24 bytes of data."""
    given = dict(dtype=1, sizes=(2, 3), size=24)
    given.update(fields)
    return [(b"", handmade.header()), (b"x", handmade.entry(**given))]


WRONG = {
    "no header": ([(b"x", handmade.entry(1, (6,), size=24))], "lacks its header"),
    "header that is none": ([(b"", b"\x0a\x7f")], "its header cannot be parsed"),
    "big-endian": ([(b"", handmade.header(endianness=1))], "big-endian machine"),
    "of the future": ([(b"", handmade.header(min_consumer=2))], "another format version"),
    "not for this version": (
        [
            (
                b"",
                handmade.number(1, 1)
                + handmade.message(3, handmade.number(1, 9) + handmade.number(3, 1)),
            )
        ],
        "another format version",
    ),
    "no shards": ([(b"", handmade.header(shards=0))], "claims 0 shards"),
    "negative shards": ([(b"", handmade.header(shards=-1))], "claims -1 shards"),
    "endless shards": ([(b"", handmade.header(shards=(1 << 31) - 1))], "claims 2147483647 shards"),
    "entry that is none": (
        [(b"", handmade.header()), (b"x", b"\x0a\x7f")],
        "the entry of tensor 'x' cannot be parsed",
    ),
    "entry of groups in groups": (
        [(b"", handmade.header()), (b"x", b"\x0b" * 3000)],
        "the entry of tensor 'x' cannot be parsed",
    ),
    "dimension's name not UTF-8": (
        [
            (b"", handmade.header()),
            (b"x", handmade.message(2, handmade.message(2, handmade.message(2, b"\xff")))),
        ],
        "the entry of tensor 'x' cannot be parsed",
    ),
    "empty entry": ([(b"", handmade.header()), (b"x", b"")], "unknown type 0"),
    "unknown type": (entries(dtype=99), "'x' the unknown type 99"),
    "a reference": (entries(dtype=101), "unknown type 101"),
    "name not UTF-8": ([(b"", handmade.header()), (b"\xff", handmade.entry(1, ()))], "not UTF-8"),
    "negative dimension": (entries(sizes=(-1, 6)), "no definite shape"),
    "unknown rank": (
        [
            (b"", handmade.header()),
            (b"x", handmade.number(1, 1) + handmade.message(2, handmade.number(3, 1))),
        ],
        "no definite shape",
    ),
    "too few bytes": (entries(size=20), "20 bytes where its type and shape take 24"),
    "too many bytes": (entries(sizes=(2, 2)), "24 bytes where its type and shape take 16"),
    "no bytes": (entries(size=0), "0 bytes where"),
    "2^62 elements": (entries(sizes=(1 << 62,)), "impossible shape"),
    "2^124 elements": (entries(sizes=(1 << 62, 1 << 62)), "impossible shape"),
    "2^64 bytes, which 64 bits make 0": (
        entries(sizes=(1 << 31, 1 << 31), size=0),
        "impossible shape",
    ),
    "empty, but for what is left": (
        entries(sizes=(1 << 62, 0, 1 << 62), size=0),
        "impossible shape",
    ),
    "endless dimensions": (entries(sizes=(1,) * 10000), "10000 dimensions"),
    "shard that is not there": (entries(shard=1), "in shard 1 of 1"),
    "negative shard": (entries(shard=-1), "in shard -1 of 1"),
    "beyond the shard": (entries(offset=1), "is truncated: tensor 'x' should lie at bytes 1 to 25"),
    "far beyond the shard": (entries(offset=(1 << 63) - 1), "is truncated"),
    "negative offset": (entries(offset=-1), "at byte -1, 24 bytes long"),
    "negative size": (entries(dtype=7, size=-24), "at byte 0, -24 bytes long"),
    "two in one place": (
        entries() + [(b"y", handmade.entry(1, (6,), size=24))],
        "overlapping tensors: up to 'y' they take 48 bytes of 24",
    ),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_refuses(case, prefix):
    pairs, message = WRONG[case]
    save(prefix, handmade.plain_table(pairs), bytes(24))
    with pytest.raises(SourceError, match=message) as refused:
        reader.open_bundle(prefix)
    (problem,) = refused.value.problems
    assert problem.subject in (prefix + ".index", shard(prefix)) and problem.remedy


def test_missing_files(prefix):
    index, shards = LAYOUTS["three shards with gaps"](CASES["shared prefixes"])
    with pytest.raises(SourceError, match=r"model.ckpt.index: does not exist"):
        reader.open_bundle(prefix)
    save(prefix, index, *shards)
    os.remove(shard(prefix, 1, 3))
    with pytest.raises(SourceError, match="data-00001-of-00003: cannot be read"):
        reader.open_bundle(prefix)
    os.mkdir(shard(prefix, 1, 3))
    with pytest.raises(SourceError):
        for view in reader.open_bundle(prefix).values():
            stored_bytes.check(view)
    os.remove(prefix + ".index")
    os.mkdir(prefix + ".index")
    with pytest.raises(SourceError, match="cannot be read"):
        reader.open_bundle(prefix)


def test_an_index_of_any_size_is_not_read(prefix):
    with open(prefix + ".index", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(SourceError, match="larger than any checkpoint index"):
        reader.open_bundle(prefix)


def test_v1_checkpoint(prefix):
    """A V1 checkpoint is one string table without an .index."""
    with open(prefix, "wb") as file:
        file.write(handmade.plain_table([(b"", b"\x0a\0")]))
    with pytest.raises(SourceError, match=r"is a V1 checkpoint.*SaverDef.V2"):
        reader.open_bundle(prefix)
    with open(prefix, "wb") as file:
        file.write(b"something else")
    with pytest.raises(SourceError, match="is a file, but not a checkpoint"):
        reader.open_bundle(prefix)


def test_unreadable_v1_checkpoint(prefix, monkeypatch):
    with open(prefix, "wb"):
        pass

    def refuse(path, **_):  # chmod would not keep root out
        raise PermissionError(13, "denied")

    monkeypatch.setattr(reader.regular_files, "open_file", refuse)
    with pytest.raises(SourceError, match=r"model.ckpt: cannot be read"):
        reader.open_bundle(prefix)


def test_opening_reads_no_data(prefix):
    """A shard that holds nothing (a sparse file) serves as well."""
    pairs, data = lay(CASES["shared prefixes"])
    save(prefix, handmade.plain_table(pairs), b"")
    with open(shard(prefix), "wb") as file:
        file.truncate(len(data))
    os.chmod(shard(prefix), 0)
    assert len(reader.open_bundle(prefix)) == 60


@pytest.mark.slow
def test_a_hundred_thousand_tensors(prefix):
    empty = handmade.entry(1, (0,))
    pairs = [(b"", handmade.header())] + [
        (b"scope/layer_%06d/weights" % at, empty) for at in range(100000)
    ]
    save(prefix, reader.table.write(pairs), b"")
    started = time.process_time()
    assert len(reader.open_bundle(prefix)) == 100000
    assert time.process_time() - started < 15, "opening takes time out of proportion"
