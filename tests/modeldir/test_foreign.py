"""Paths that mean no detector of TensorFlow 1: each is named as what it is, whatever the verb."""

import os
import shutil

import builders
import handmade
import pytest
import repository

from graphfix.errors import SourceError
from graphfix.formats import regular_files
from graphfix.modeldir import foreign
from graphfix.modeldir.names import CHECKPOINT, CONFIG, FROZEN
from graphfix.modeldir.openers import open_source

DETECTOR = repository.DETECTOR
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"

# A name, what the file begins with, a word of what it is.
FILES = [
    ("a.h5", b"\x89HDF\r\n\x1a\n", "Keras"),
    ("no_suffix", b"\x89HDF\r\n\x1a\n", "Keras"),
    ("a.pb", b"\x89HDF\r\n\x1a\n", "Keras"),
    ("a.keras", b"PK\x03\x04", "Keras"),
    ("a.tflite", b"", "empty"),
    ("a.tflite", b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
    ("no_suffix", b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
    ("a.onnx", b"\x08\x07\x12", "ONNX"),
    ("a.pth", b"PK\x03\x04", "PyTorch"),
    ("a.xml", b"<net>", "OpenVINO"),
    ("a.mlmodel", b"\x08", "Core ML"),
    ("a.engine", b"ptrt", "TensorRT"),
    ("a.tar.gz", b"<!DOCTYPE html>", "web page"),
    ("a.pb", b"\n<html>", "web page"),
    ("a.rar", b"Rar!\x1a\x07\0", "RAR"),
    ("a.7z", b"7z\xbc\xaf\x27\x1c", "7z"),
    ("a.tar.bz2", b"BZh91AY", "bzip2"),
    ("a.tar.xz", b"\xfd7zXZ\0", "xz"),
    ("map.pbtxt", b"# classes\nitem {", "label map"),
    ("a.jpg", b"\xff\xd8\xff\xe0", "picture"),
    ("a.record", b"\x12", "TFRecords"),
    ("events.out.tfevents.15.host", b"\x18", "TensorBoard"),
    ("a.tar.gz", POINTER, "Git LFS"),
    ("a.zip", POINTER, "Git LFS"),
    ("a.pb", POINTER, "Git LFS"),
    ("no_suffix", POINTER, "Git LFS"),
]


@pytest.mark.parametrize("name, data, word", FILES)
def test_files(tmp_path, name, data, word):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SourceError) as error:
        open_source(str(path))
    (problem,) = error.value.problems
    assert problem.subject == str(path) and word in problem.message and problem.remedy


def test_every_kind_is_among_them():
    known = [word for _, _, word in FILES]
    for kind in foreign.KINDS:
        assert any(word in kind.what for word in known) or kind.what == "a Zstandard archive"


@pytest.mark.parametrize("path", ["https://host/a.tar.gz", "gs://bucket/model", "S3://b/c"])
def test_urls(path):
    with pytest.raises(SourceError, match="is a URL"):
        open_source(path)


def test_what_is_misspelled_is_suggested(tmp_path):
    shutil.copytree(DETECTOR, str(tmp_path / "my_detector"))
    for wrong, right in (
        ("my_detectr", "my_detector"),
        ("My_Detector", "my_detector"),
        ("my_detector/model.cpkt", "my_detector/model.ckpt"),
        ("my_detector/frozen_inference_grpah.pb", "my_detector/" + FROZEN),
        ("my_detetcor/model.ckpt", "my_detector"),
    ):
        with pytest.raises(SourceError) as error:
            open_source(str(tmp_path / wrong))
        (problem,) = error.value.problems
        assert problem.subject == str(tmp_path / wrong) and problem.message == "does not exist"
        assert problem.remedy.startswith(f"did you mean {tmp_path / right}"), problem
    with pytest.raises(SourceError, match="check the path"):
        open_source(str(tmp_path / "completely" / "else"))


@pytest.mark.parametrize(
    "name", [CHECKPOINT + ".index", CHECKPOINT + ".data-00000-of-00001", CONFIG]
)
def test_a_pointer_in_place_of_any_file(tmp_path, name):
    model = tmp_path / "model"
    shutil.copytree(DETECTOR, str(model))
    (model / name).write_bytes(POINTER)
    with pytest.raises(SourceError) as error:
        open_source(str(model))
    (problem,) = error.value.problems
    assert problem.subject == str(model / name) and "git lfs pull" in problem.remedy


def test_what_is_longer_is_no_pointer(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(POINTER + bytes(1024))
    regular_files.check_pointer(str(path), path.stat().st_size)
    with pytest.raises(SourceError):
        regular_files.check_pointer(str(path), 1024)


def object_based(prefix):
    """An index as TensorFlow 2 writes it, with its first key."""
    os.makedirs(os.path.dirname(prefix), exist_ok=True)
    entry = handmade.entry(7, (), size=2)
    pairs = [(b"", handmade.header()), (b"_CHECKPOINTABLE_OBJECT_GRAPH", entry), (b"a/b", entry)]
    with open(prefix + ".index", "wb") as file:
        file.write(handmade.plain_table(pairs))


def test_models_of_tensorflow_2(tmp_path):
    object_based(str(tmp_path / "a" / "ckpt-12"))
    object_based(str(tmp_path / "b" / "checkpoint" / "ckpt-0"))
    os.mkdir(str(tmp_path / "b" / "saved_model"))
    for path in ("a", "a/ckpt-12", "a/ckpt-12.index", "b", "b/checkpoint"):
        with pytest.raises(SourceError) as error:
            open_source(str(tmp_path / path))
        (problem,) = error.value.problems
        assert "TensorFlow 2" in problem.message and "TF1" in problem.remedy
    (tmp_path / "c").mkdir()
    for name in ("saved_model.pb", "keras_metadata.pb"):
        (tmp_path / "c" / name).write_bytes(b"\x08\x01")
    with pytest.raises(SourceError, match="Keras"):
        open_source(str(tmp_path / "c"))


VERBS = {
    "inspect": lambda path, top: ["inspect", path],
    "plan": lambda path, top: ["plan", path, "--num_classes", "2"],
    "convert": lambda path, top: [
        "convert",
        path,
        "--num_classes",
        "2",
        "--output_directory",
        top / "out",
    ],
    "thaw": lambda path, top: ["thaw", path, "--output_directory", top / "out"],
    "diff": lambda path, top: ["diff", path, path],
}


@pytest.mark.parametrize("verb", sorted(VERBS))
@pytest.mark.parametrize("name, data, word", [FILES[1], FILES[6], FILES[-1]])
def test_every_verb_names_it(graphfix, tmp_path, verb, name, data, word):
    path = tmp_path / name
    path.write_bytes(data)
    done = graphfix(*VERBS[verb](path, tmp_path))
    assert done.code == 3 and done.out == "", done
    assert done.err.startswith(f"graphfix: {path}: ") and word in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_batch_names_it(graphfix, tmp_path):
    (tmp_path / "a.h5").write_bytes(FILES[0][1])
    text = 'model { source: "a.h5" target { num_classes: 2 } }'
    recipe = builders.write(tmp_path, "recipe.txt", text)
    done = graphfix("batch", recipe, "--output_directory", tmp_path / "out")
    assert done.code == 1 and "is a Keras model" in done.out


def test_a_checkpoint_is_never_taken_for_another_kind(tmp_path):
    """What a shard begins with is a matter of chance."""
    model = tmp_path / "model"
    shutil.copytree(DETECTOR, str(model))
    for name in (CHECKPOINT + ".data-00000-of-00001", CHECKPOINT + ".meta"):
        (model / name).write_bytes(b"\x1f\x8b" + b"\x89HDF")
        with pytest.raises(SourceError) as error:
            open_source(str(model / name))
        assert "truncated" in str(error.value)
