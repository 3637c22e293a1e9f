"""Files written to the disk itself, and put in the place of others."""

import os

import pytest

from graphfix.formats import durable


@pytest.fixture
def synced(monkeypatch):
    """What was synced: (inode, its size then)."""
    found = []
    original = os.fsync

    def fsync(handle):
        found.append((os.fstat(handle).st_ino, os.fstat(handle).st_size))
        original(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_all_files_of_a_directory_are_synced(tmp_path, synced):
    (tmp_path / "within").mkdir()
    made = {tmp_path / "a": b"12345", tmp_path / "within" / "b": b"12"}
    for path, data in made.items():
        path.write_bytes(data)
    durable.sync_files(str(tmp_path))
    assert sorted(synced) == sorted(
        (os.stat(str(path)).st_ino, len(data)) for path, data in made.items()
    )


def test_a_directory_is_synced(tmp_path, synced):
    durable.sync_directory(str(tmp_path))
    assert [inode for inode, _ in synced] == [os.stat(str(tmp_path)).st_ino]


def test_a_file_takes_the_place_of_another_once_it_is_synced(tmp_path, synced):
    path, part = tmp_path / "a", tmp_path / "part"
    path.write_bytes(b"old")
    with durable.replacing(str(path), str(part)) as file:
        file.write(b"newer")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"newer" and not part.exists()
    assert synced == [(os.stat(str(path)).st_ino, 5)]


@pytest.mark.parametrize("fails", ["write", "fsync", "replace"])
def test_what_fails_leaves_the_old_file(tmp_path, monkeypatch, fails):
    path, part = tmp_path / "a", tmp_path / "part"
    path.write_bytes(b"old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    if fails != "write":
        monkeypatch.setattr(os, fails, fail)
    with pytest.raises(OSError), durable.replacing(str(path), str(part)) as file:
        file.write(b"newer")
        if fails == "write":
            fail()
    assert path.read_bytes() == b"old" and not part.exists()


def test_a_part_of_another_is_left_alone(tmp_path):
    (tmp_path / "part").write_bytes(b"another's")
    with pytest.raises(FileExistsError):
        with durable.replacing(str(tmp_path / "a"), str(tmp_path / "part")):
            pass
    assert (tmp_path / "part").read_bytes() == b"another's" and not (tmp_path / "a").exists()
