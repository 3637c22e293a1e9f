"""A tensor's bytes in a handmade checkpoint: every kind of damage is found, and named."""

import os

import handmade
import pytest
from bundle_cases import CASES, LAYOUTS, SIZES, fixed, lay, save, strings, variants

from graphfix.errors import SourceError
from graphfix.formats import extents
from graphfix.formats.checkpoint import reader, stored_bytes


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model.ckpt")


def shard(prefix, number=0, count=1):
    return f"{prefix}.data-{number:05d}-of-{count:05d}"


@pytest.mark.parametrize("case", sorted(CASES))
def test_damage_names_the_tensor(case, prefix):
    tensors = CASES[case]
    pairs, data = lay(tensors)
    save(prefix, handmade.plain_table(pairs), data)
    store = reader.open_bundle(prefix)
    for damaged in sorted(tensors, key=str.encode):
        extent = store[damaged].extent
        if not extent.length:
            continue
        first, last = extent.offset, extent.offset + extent.length - 1
        for place in {first, (first + last) // 2, last}:
            broken = bytearray(data)
            broken[place] ^= 0x10
            with open(shard(prefix), "wb") as file:
                file.write(broken)
            for name in tensors:
                if name != damaged and place == first:
                    stored_bytes.check(store[name])
            for read in [stored_bytes.check] + [lambda view: view.load()] * (
                tensors[damaged].dtype in SIZES
            ):
                with pytest.raises(SourceError) as refused:
                    read(store[damaged])
                (problem,) = refused.value.problems
                assert problem.subject == shard(prefix)
                assert f"tensor '{damaged}' is damaged" in problem.message
                assert "download or copy" in problem.remedy


@pytest.mark.parametrize(
    "make, values, message",
    [
        (strings, [b"ab", b"c"], "lengths do not match"),
        (variants, [b"ab", b"c"], "elements do not match"),
    ],
)
def test_inner_checksums(make, values, message, prefix):
    """TensorFlow checks them, so a file that lies in them alone is no good to it."""
    good = make((2,), values)
    crc_of = {7: reader.entries.string_checksum, 21: reader.entries.variant_checksum}[good.dtype]
    assert crc_of(good.data, 2) == reader.checksum.unmask(good.crc)
    place = 2 if make is strings else 3
    broken = bytearray(good.data)
    broken[place] ^= 1
    with pytest.raises(ValueError, match=message):
        crc_of(bytes(broken), 2)
    for count in (1, 3, 1 << 62):
        with pytest.raises(ValueError):
            crc_of(good.data, count)
    for size in range(len(good.data)):
        with pytest.raises(ValueError):
            crc_of(good.data[:size], 2)


def test_a_shard_that_shrinks_while_it_is_read(prefix):
    index, shards = LAYOUTS["as TensorFlow lays it"]({"a": fixed(1, (4,)), "b": fixed(1, (4,))})
    save(prefix, index, *shards)
    store = reader.open_bundle(prefix)
    save(prefix, index, shards[0][:20])
    stored_bytes.check(store["a"])
    for read in (stored_bytes.check, lambda view: view.load()):
        with pytest.raises(SourceError, match="became shorter"):
            read(store["b"])
    os.remove(shard(prefix))
    with pytest.raises(SourceError, match="does not exist"):
        stored_bytes.check(store["a"])


def test_checks_in_bounded_chunks(prefix, monkeypatch):
    """Chunk borders do not matter to what is read or checked."""
    index, shards = LAYOUTS["as TensorFlow lays it"]({"a": fixed(4, (5,)), "b": fixed(4, (1003,))})
    save(prefix, index, *shards)
    for size in (1, 7, 1003, 5000):
        monkeypatch.setattr(extents, "_CHUNK", size)
        view = reader.open_bundle(prefix)["b"]
        stored_bytes.check(view)
        assert view.load().tobytes() == shards[0][5:]
