"""The manifest: what it records is read back, and what is not a valid one is refused."""

import dataclasses
import hashlib
import json
import os
import random

import builders
import pytest

from graphfix.errors import SourceError
from graphfix.formats import checksum
from graphfix.modeldir import manifest, measuring


@pytest.fixture
def out(tmp_path):
    directory = str(tmp_path / "out")
    builders.write_model(directory)
    builders.write(os.path.join(directory, "saved_model"), "saved_model.pb", b"x" * 3000001)
    builders.write(directory, os.fsdecode(b"na\xefve \xe2\x82\xac"), "x")
    os.mkdir(os.path.join(directory, "saved_model", "variables"))
    return directory


def test_it_is_read_back_as_it_was_written(out):
    written, measured = manifest.write(out, made_of={"a": [1]})
    assert manifest.read_manifest(out) == written and not measured.problems
    assert written.directories == ("saved_model", "saved_model/variables")
    assert len(written.checkpoints["model.ckpt"]) == 200
    assert measuring.measure(out).files == written.files


def test_figures_are_those_of_the_bytes(out):
    written, _ = manifest.write(out)
    data = b"x" * 3000001
    total = sum(int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8))
    row = written.files["saved_model/saved_model.pb"]
    assert row == measuring.Content(3000001, checksum.crc32c(data), total % 2**64)
    assert row == measuring.content_of(data)
    value = builders.read_checkpoint(os.path.join(out, "model.ckpt"))
    name = "BoxPredictor_0/ClassPredictor/weights"
    data = value[name].tobytes()
    assert written.checkpoints["model.ckpt"][name] == measuring.Tensor(
        "float32", value[name].shape, checksum.crc32c(data), checksum.sum64(data)
    )


def test_bytes_behind_the_tensors_are_noticed(out):
    with open(os.path.join(out, "model.ckpt.data-00000-of-00001"), "ab") as file:
        file.write(b"x")
    (problem,) = measuring.measure(out).problems
    assert problem.message == "has bytes that belong to no tensor"


def test_any_change_of_its_text_that_means_something_is_refused(out):
    written, _ = manifest.write(out)
    path = os.path.join(out, "manifest.json")
    with open(path, "rb") as file:
        text = file.read()
    chance, refused = random.Random(5), 0
    for _ in range(400):
        changed = bytearray(text)
        changed[chance.randrange(len(text))] = chance.randrange(256)
        builders.write(out, "manifest.json", bytes(changed))
        try:
            assert manifest.read_manifest(out) == written, changed
        except SourceError as error:
            refused += 1
            assert error.problems[0].subject == path
    assert refused > 300


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../out", "a/../../b", "a//b", ".", "", "a/./b", "a\0"]
)
@pytest.mark.parametrize("part", ["files", "pending", "directories", "checkpoints"])
def test_paths_that_lead_out_are_refused_even_with_a_right_checksum(tmp_path, path, part):
    row = measuring.Content(1, 2, 3)
    parts = dict(files={}, directories=(), checkpoints={}, pending={})
    parts[part] = {
        "files": {path: row},
        "pending": {path: row},
        "directories": (path,),
        "checkpoints": {path: {}},
    }[part]
    builders.write(tmp_path, "manifest.json", manifest.Manifest(**parts).to_json())
    with pytest.raises(SourceError) as caught:
        manifest.read_manifest(str(tmp_path))
    assert "is not a valid manifest of graphfix (ValueError: a path" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.update(format=2),
        lambda data: data.pop("files"),
        lambda data: data["files"]["a"].update(size=-1),
        lambda data: data["files"]["a"].update(size="1"),
        lambda data: data["files"]["a"].update(crc32c="no"),
        lambda data: data.update(model=3),
        lambda data: data.update(made_of=[]),
        lambda data: data.update(checkpoints={"m": {"t": {}}}),
        lambda data: data.update(
            checkpoints={"m": {"t": {"dtype": 1, "shape": [], "crc32c": "1", "sum64": "1"}}}
        ),
    ],
)
def test_what_has_a_right_checksum_and_makes_no_sense(tmp_path, change):
    text = manifest.Manifest({"a": measuring.Content(1, 2, 3)}, (), {}).to_json()
    data = json.loads(text)
    data.pop("checksum")
    change(data)
    body = json.dumps(data)[1:]
    builders.write(
        tmp_path,
        "manifest.json",
        f'{{"checksum": "{hashlib.sha256(body.encode()).hexdigest()}",\n{body}',
    )
    with pytest.raises(SourceError) as caught:
        manifest.read_manifest(str(tmp_path))
    assert "manifest" in caught.value.problems[0].message


def test_a_link_is_no_manifest(out, tmp_path):
    manifest.write(out)
    path = os.path.join(out, "manifest.json")
    os.rename(path, str(tmp_path / "there"))
    os.symlink(str(tmp_path / "there"), path)
    with pytest.raises(SourceError):
        manifest.read_manifest(out)
    assert manifest.read_manifest(str(tmp_path)) is None


def test_pending_contents_round_trip(out):
    written, _ = manifest.write(out)
    pending = dataclasses.replace(written, pending={"report.json": measuring.content_of(b"new")})
    builders.write(out, "manifest.json", pending.to_json())
    assert manifest.read_manifest(out) == pending


def test_threads_give_what_one_gives(out, monkeypatch):
    alone = measuring.measure(out).checkpoints
    monkeypatch.setattr(measuring, "_WORTH_A_THREAD", 0)
    assert measuring.measure(out).checkpoints == alone
    with open(os.path.join(out, "model.ckpt.data-00000-of-00001"), "rb+") as file:
        file.seek(1000)
        file.write(b"\xff\xff\xff\xff\xff\xff\xff\xff")
    found = measuring.measure(out)
    (problem,) = found.problems
    assert "is damaged" in problem.message and len(found.checkpoints["model.ckpt"]) == 199


def test_what_ends_a_thread_ends_the_measuring(out, monkeypatch):
    monkeypatch.setattr(measuring, "_WORTH_A_THREAD", 0)

    def fails(view, extents):
        raise MemoryError()

    monkeypatch.setattr(measuring.stored_bytes, "measure", fails)
    with pytest.raises(MemoryError):
        measuring.measure(out)
