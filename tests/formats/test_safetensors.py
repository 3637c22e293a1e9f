"""safetensors: written and read, and refused where it is damaged."""

import json
import os

import numpy as np
import pytest

from graphfix.errors import SourceError
from graphfix.formats import dtypes, safetensors
from graphfix.formats.tensors import TensorStore, constant


def store():
    random = np.random.RandomState(0)
    return TensorStore(
        [
            constant("b.weight", dtypes.FLOAT32, random.standard_normal((2, 3)).astype("f4")),
            constant("a", dtypes.INT64, np.array(7)),
            constant("empty", dtypes.FLOAT32, np.zeros((0, 4), np.float32)),
        ]
    )


@pytest.fixture
def path(tmp_path):
    with open(tmp_path / "x.safetensors", "wb") as file:
        safetensors.write(file, store(), {"format": "pt"})
    return tmp_path / "x.safetensors"


def test_what_is_written_is_read(path):
    found, metadata = safetensors.read(str(path))
    assert metadata == {"format": "pt"}
    assert list(found) == list(store())
    for name, view in store().items():
        assert found[name].meta == view.meta
        assert found[name].load().tobytes() == view.load().tobytes()


def test_its_own_library_reads_it(path):
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed here")
    found = library.load_file(str(path))
    assert set(found) == set(store())
    for name, view in store().items():
        assert np.array_equal(found[name], view.load()) and found[name].shape == view.meta.shape


def test_the_library_s_files_are_read(path):
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed here")
    library.save_file({name: view.load() for name, view in store().items()}, str(path))
    found, _ = safetensors.read(str(path))
    for name, view in store().items():
        assert np.array_equal(found[name].load(), view.load())


def header(**entries):
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


def twice(entry):
    text = f'{{"a": {json.dumps(entry)}, "a": {json.dumps(entry)}}}'.encode()
    return len(text).to_bytes(8, "little") + text


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "header is longer"),
        (b"\xff" * 12, "header is longer"),
        ((2).to_bytes(8, "little") + b"[]", "no JSON object"),
        ((4).to_bytes(8, "little") + b"{no}", "no safetensors file"),
        (header(a={"dtype": "F32"}), "lacks dtype"),
        (header(a=dict(ENTRY, dtype="F3")) + bytes(8), "of type 'F3'"),
        (header(a=dict(ENTRY, dtype=["F32"])) + bytes(8), r"of type \['F32'\]"),
        (twice(ENTRY) + bytes(8), "a name twice"),
        (header(a=dict(ENTRY, shape=[3])) + bytes(8), "not where its header says"),
        (header(a=dict(ENTRY, shape=[-2])) + bytes(8), "no number of bytes"),
        (header(a=dict(ENTRY, shape=[True])) + bytes(8), "no number of bytes"),
        (header(a=ENTRY) + bytes(7), "not where its header says"),
        (header(a=ENTRY) + bytes(9), "1 bytes follow"),
        (header(a=ENTRY, b=ENTRY) + bytes(16), "not where its header says"),
    ],
)
def test_damage_is_refused(tmp_path, data, what):
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=what):
        safetensors.read(str(path))


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        safetensors.read(str(tmp_path))
    with pytest.raises(SourceError, match="does not exist"):
        safetensors.read(str(tmp_path / "x"))
    os.mkfifo(tmp_path / "pipe")  # which nobody writes to: opening it would wait
    with pytest.raises(SourceError, match="a FIFO, not a regular file"):
        safetensors.read(str(tmp_path / "pipe"))


def test_what_git_lfs_has_not_fetched_is_told(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(SourceError, match="Git LFS pointer"):
        safetensors.read(str(path))
