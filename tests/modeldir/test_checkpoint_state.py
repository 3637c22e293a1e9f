"""State files: read as TensorFlow reads them."""

import os

import pytest
import thorough
from state_files import NONE, RECORDED, STOPS

from graphfix.errors import SourceError
from graphfix.modeldir.checkpoint_state import read_state, write_state
from graphfix.modeldir.names import CHECKPOINT_STATE


def ours(directory, data):
    path = os.path.join(directory, CHECKPOINT_STATE)
    with open(path, "wb") as file:
        file.write(data)
    try:
        found = read_state(path)
    except SourceError:
        return NONE
    return found.replace(directory, "D") if found else STOPS


@pytest.mark.parametrize("data, wanted", RECORDED)
def test_it_reads_as_tensorflow_does(data, wanted, tmp_path):
    assert ours(str(tmp_path), data) == wanted


@pytest.mark.parametrize("name", ["model.ckpt", 'j\u00fcrgen "x"/model.ckpt\\7', "a\n"])
def test_it_reads_what_it_writes(name, tmp_path):
    write_state(str(tmp_path), name)
    assert read_state(str(tmp_path / CHECKPOINT_STATE)) == str(tmp_path) + "/" + name


@pytest.mark.parametrize(
    "piece", thorough.sampled([b"\n", b'model_checkpoint_path: "a', b"#", b"\\", b"a:", b" "], 3)
)
def test_any_length_takes_time_in_proportion(piece, tmp_path):
    assert ours(str(tmp_path), piece * (1000000 // len(piece))) in (STOPS, NONE)


@pytest.mark.parametrize("piece, count", [(b"\n", 20 << 20), (b"\xff", 1), (b"a { ", 1000)])
def test_what_is_no_state_file(piece, count, tmp_path):
    assert ours(str(tmp_path), piece * count) is NONE
