"""Checkpoints written, byte by byte against handmade ones, by every way bytes can be copied."""

import errno
import os
import subprocess
import sys

import handmade
import numpy as np
import pytest
import repository
import thorough
from bundle_cases import CASES, SIZES, fixed, lay, save, strings

from graphfix.errors import SourceError
from graphfix.formats import checksum, extents, tensors
from graphfix.formats.checkpoint import reader, stored_bytes, writer
from graphfix.formats.dtypes import BY_NUMBER
from graphfix.formats.tensors import Extent, TensorMeta, TensorStore, TensorView


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """What is synced, and when, has a test of its own."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def written(store, directory):
    """The index and the shard that `store` is written as, in a directory that holds only them."""
    directory.mkdir()
    writer.write_bundle(store, str(directory / "m"))
    assert sorted(os.listdir(str(directory))) == ["m.data-00000-of-00001", "m.index"]
    return content(str(directory / "m.index")), content(str(directory / "m.data-00000-of-00001"))


def expected(tensors_by_name):
    pairs, data = lay(tensors_by_name)
    return handmade.plain_table(pairs), data


def in_memory(name, one):
    dtype = BY_NUMBER[one.dtype]
    value = np.frombuffer(one.data, dtype.numpy or "<u2").reshape(one.shape)
    return TensorView(TensorMeta(name, dtype, one.shape), lambda: value)


def no_copy_file_range(monkeypatch):
    monkeypatch.delattr(os, "copy_file_range", raising=False)


def refused_copy_file_range(monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)


WAYS = {
    "the best there is": lambda monkeypatch: None,
    "no copy_file_range": no_copy_file_range,
    "copy_file_range refused": refused_copy_file_range,
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_values_from_memory(case, tmp_path):
    made = {name: one for name, one in CASES[case].items() if one.dtype in SIZES}
    store = TensorStore(in_memory(name, one) for name, one in made.items())
    assert written(store, tmp_path / "out") == expected(made)


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("case", sorted(CASES))
def test_kept_bytes(case, way, tmp_path, monkeypatch):
    """A checkpoint that is opened and written comes out the same, whatever its types."""
    index, data = expected(CASES[case])
    save(str(tmp_path / "source"), index, data)
    WAYS[way](monkeypatch)
    store = reader.open_bundle(str(tmp_path / "source"))
    assert written(store, tmp_path / "out") == (index, data)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_kept_bytes_in_small_chunks(way, tmp_path, monkeypatch):
    monkeypatch.setattr(extents, "_CHUNK", 7)
    monkeypatch.setattr(extents, "_KERNEL_CHUNK", 11)
    test_kept_bytes("shared prefixes", way, tmp_path, monkeypatch)


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="CPython before 3.8, or no Linux")
def test_the_kernel_copies_what_keeps_its_place_within_a_block(tmp_path, monkeypatch):
    made = {"b": fixed(4, (9000,), 1), "d": fixed(4, (9000,), 2), "f": fixed(4, (9000,), 3)}
    save(str(tmp_path / "source"), *expected(made))
    copied = []

    def watched(inside, outside, count):
        copied.append((os.lseek(inside, 0, os.SEEK_CUR), os.lseek(outside, 0, os.SEEK_CUR), count))
        return copy_file_range(inside, outside, count)

    copy_file_range = os.copy_file_range
    monkeypatch.setattr(os, "copy_file_range", watched)
    store = reader.open_bundle(str(tmp_path / "source"))
    new = {"a": fixed(4, (8192,), 4), "c": fixed(4, (1,), 5), "e": fixed(4, (4095,), 6)}
    mixed = TensorStore(list(store.values()) + [in_memory(name, one) for name, one in new.items()])
    assert written(mixed, tmp_path / "out") == expected(dict(made, **new))
    assert copied == [(0, 8192, 9000), (18000, 30288, 9000)]


def test_kept_bytes_are_not_decoded(tmp_path):
    """Nor checked: the recorded checksum goes along, and damage shows when the copy is checked."""
    one = fixed(1, (8,))
    save(str(tmp_path / "source"), *expected({"x": one}))
    store = reader.open_bundle(str(tmp_path / "source"))
    damaged = b"damaged!" + one.data[8:]
    save(str(tmp_path / "source"), expected({"x": one})[0], damaged)
    index, data = written(store, tmp_path / "out")
    assert (index, data) == (expected({"x": one})[0], damaged)
    with pytest.raises(SourceError, match="tensor 'x' is damaged"):
        stored_bytes.check(reader.open_bundle(str(tmp_path / "out" / "m"))["x"])


def test_mixture_of_sources(tmp_path):
    """Kept, changed, renamed and added tensors of two files, from three shards and memory."""
    made = {"b": fixed(1, (3,), 5), "d": fixed(3, (2, 2), 6), "c": strings((2,), [b"x", b"yz"])}
    pairs = [(b"", handmade.header(shards=2))]
    shards = [b"--", b"---"]
    for number, name in ((1, "b"), (0, "c"), (1, "d")):
        one = made[name]
        pairs.append(
            (
                name.encode(),
                handmade.entry(
                    one.dtype,
                    one.shape,
                    shard=number,
                    offset=len(shards[number]),
                    size=len(one.data),
                    crc=one.crc,
                ),
            )
        )
        shards[number] += one.data
    save(str(tmp_path / "one"), handmade.plain_table(pairs), *shards)
    other = {"e": fixed(14, (5,), 9)}
    save(str(tmp_path / "two"), *expected(other))
    one = reader.open_bundle(str(tmp_path / "one"))
    two = reader.open_bundle(str(tmp_path / "two"))
    renamed = TensorView(TensorMeta("z", one["b"].meta.dtype, (3,)), one["b"].load, one["b"].extent)
    store = TensorStore(
        [
            one["d"],
            renamed,
            two["e"],
            one["c"],
            one["b"],
            tensors.constant("a", BY_NUMBER[9], np.int64(7)),
        ]
    )
    seven = (7).to_bytes(8, "little")
    everything = dict(
        made,
        e=other["e"],
        z=made["b"],
        a=fixed(9, ())._replace(data=seven, crc=handmade.masked(seven)),
    )
    assert written(store, tmp_path / "out") == expected(everything)


def test_only_neighbours_are_copied_together(tmp_path):
    """Bytes between two tensors are left behind; places in different files are no neighbours."""
    made = {name: fixed(4, (4,), seed) for seed, name in enumerate("abcd")}
    views = []
    for name, file_name, offset in (
        ("a", "one", 0),
        ("b", "one", 6),
        ("c", "one", 10),
        ("d", "two", 14),
    ):
        path = str(tmp_path / file_name)
        with open(path, "ab") as file:
            file.truncate(offset)
            file.write(made[name].data)
        extent = Extent(path, offset, 4, checksum.unmask(made[name].crc))
        views.append(TensorView(TensorMeta(name, BY_NUMBER[4], (4,)), None, extent))
    assert written(TensorStore(views), tmp_path / "out") == expected(made)


def test_joined_slices_are_written_whole(tmp_path):
    halves = [fixed(1, (2, 1), 1), fixed(1, (2, 2), 2)]
    ranges = [[None, (0, 1)], [None, (1, 2)]]
    pairs = [(b"", handmade.header()), (b"v", handmade.entry(1, (2, 3), slices=ranges))]
    at = 0
    for half, where in zip(halves, ranges):
        pairs.append(
            (
                handmade.slice_key(b"v", where),
                handmade.entry(1, half.shape, offset=at, size=len(half.data), crc=half.crc),
            )
        )
        at += len(half.data)
    save(str(tmp_path / "source"), handmade.plain_table(pairs), halves[0].data + halves[1].data)
    left, right = halves[0].data, halves[1].data
    joined = left[:4] + right[:8] + left[4:] + right[8:]
    whole = halves[0]._replace(shape=(2, 3), data=joined, crc=handmade.masked(joined))
    store = reader.open_bundle(str(tmp_path / "source"))
    assert written(store, tmp_path / "out") == expected({"v": whole})


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.arange(6, dtype=np.float32).reshape(3, 2).T,
        np.arange(12, dtype=np.float32).reshape(2, 6)[:, ::2],
        np.arange(6, dtype=np.float64).reshape(2, 3),
        np.broadcast_to(np.float32(1), (2, 3)),
    ],
    ids=["big-endian", "column-major", "strided", "another type", "broadcast"],
)
def test_arrays_of_any_layout(value, tmp_path):
    view = TensorView(TensorMeta("x", BY_NUMBER[1], value.shape), lambda: value)
    data = np.ascontiguousarray(value, "<f4").tobytes()
    same = fixed(1, value.shape)._replace(data=data, crc=handmade.masked(data))
    assert written(TensorStore([view]), tmp_path / "out") == expected({"x": same})


def test_space_is_reserved_for_exactly_what_is_written(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        extents,
        "_call_linux",
        lambda name, file, *arguments: asked.append(
            (name, os.path.basename(file.name), arguments[-1])
        ),
    )
    save(str(tmp_path / "source"), *expected({"a": strings((2,), [b"x", b"yz"])}))
    kept = reader.open_bundle(str(tmp_path / "source"))["a"]
    made = TensorView(TensorMeta("b", BY_NUMBER[1], (3,)), lambda: np.zeros(3, np.float32))
    _, data = written(TensorStore([kept, made]), tmp_path / "out")
    name, file, length = asked[0]
    assert (name, file, length.value) == ("fallocate", "m.data-00000-of-00001", len(data))
    assert [name for name, *_ in asked[1:]] == ["sync_file_range"]


def test_no_index_without_data(tmp_path):
    """Where a value cannot be had there is no index, so nothing that looks like a checkpoint."""

    def damaged():
        raise SourceError("x", "is damaged", "nothing")

    view = TensorView(TensorMeta("x", BY_NUMBER[1], (1,)), damaged)
    with pytest.raises(SourceError):
        writer.write_bundle(TensorStore([view]), str(tmp_path / "m"))
    assert not os.path.exists(str(tmp_path / "m.index"))


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_source_that_is_gone_or_shorter(way, tmp_path, monkeypatch):
    WAYS[way](monkeypatch)
    path = str(tmp_path / "source")
    view = TensorView(TensorMeta("x", BY_NUMBER[4], (10,)), lambda: 0, Extent(path, 5, 10, 0))
    with pytest.raises(SourceError, match="source: does not exist"):
        writer.write_bundle(TensorStore([view]), str(tmp_path / "m"))
    with open(path, "wb") as file:
        file.write(bytes(12))
    with pytest.raises(SourceError, match="source: became shorter"):
        writer.write_bundle(TensorStore([view]), str(tmp_path / "m"))
    assert not os.path.exists(str(tmp_path / "m.index"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full to fill")
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "made"])
def test_a_full_disk_is_an_oserror(kept, tmp_path):
    """Not a fault of the source; whoever publishes says so."""
    with open(str(tmp_path / "source"), "wb") as file:
        file.write(bytes(100))
    os.symlink("/dev/full", str(tmp_path / "m.data-00000-of-00001"))
    value = np.zeros(100, np.uint8)
    view = TensorView(
        TensorMeta("x", BY_NUMBER[4], (100,)),
        lambda: value,
        Extent(str(tmp_path / "source"), 0, 100, 0) if kept else None,
    )
    with pytest.raises(OSError) as failed:
        writer.write_bundle(TensorStore([view]), str(tmp_path / "m"))
    assert failed.value.errno == errno.ENOSPC
    assert not os.path.exists(str(tmp_path / "m.index"))


_MEASURE = """
import os, resource, sys
sys.path[:0] = [%(package)r]
from graphfix.formats import checksum
from graphfix.formats.checkpoint import reader, stored_bytes, writer
from graphfix.formats.dtypes import BY_NUMBER
from graphfix.formats.tensors import Extent, TensorMeta, TensorStore, TensorView
import numpy as np
if %(plain)r and hasattr(os, "copy_file_range"):
    del os.copy_file_range
path = os.path.join(sys.argv[1], "source")
with open(path, "wb") as file:
    file.truncate(200 << 20)
crc = 0
for _ in range(100):
    crc = checksum.crc32c(bytes(1 << 20), crc)
views = [TensorView(TensorMeta(name, BY_NUMBER[4], (100 << 20,)), None,
                    Extent(path, at, 100 << 20, crc))
         for name, at in (("a", 0), ("c", 100 << 20))]
small = np.zeros(1000, np.uint8)
views.append(TensorView(TensorMeta("b", BY_NUMBER[4], (1000,)), lambda: small))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
writer.write_bundle(TensorStore(views), os.path.join(sys.argv[1], "m"))
for view in reader.open_bundle(os.path.join(sys.argv[1], "m")).values():
    stored_bytes.check(view)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB on Linux")
@pytest.mark.parametrize("plain", thorough.sampled([False, True], 2), ids=["kernel", "plain"])
@pytest.mark.slow
def test_memory_is_bounded(plain, tmp_path):
    """Copying and checking 200 MiB takes a few; a value of that size at once would take 100."""
    script = _MEASURE % {"package": repository.TOP, "plain": plain}
    out = subprocess.check_output([sys.executable, "-c", script, str(tmp_path)])
    assert int(out) < 20 << 10
    assert os.path.getsize(str(tmp_path / "m.data-00000-of-00001")) == (200 << 20) + 1000
    for name in ("source", "m.data-00000-of-00001"):
        os.remove(str(tmp_path / name))
