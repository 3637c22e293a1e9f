"""What a path is that means no detector of TensorFlow 1: its kind, and what to do instead.

`KINDS` has files by what they begin with, else by how their names end; what else a path may be
stands below.
"""

import glob
import os
import re
from typing import Callable, NamedTuple, NoReturn, Optional, Tuple

from graphfix.errors import SourceError
from graphfix.formats import regular_files
from graphfix.formats.archive import INSTEAD_OF_TF2
from graphfix.modeldir.names import CHECKPOINT_STATE
from graphfix.modeldir.search import indexes, is_other_file, prefix_of

# The key under which TensorFlow 2 stores the objects of a checkpoint; the first in its index.
_OBJECTS = b"_CHECKPOINTABLE_OBJECT_GRAPH"
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_HEAD = 512
_SAME = "give the detector's TensorFlow 1 checkpoint, frozen graph or SavedModel"
_CONVERTED = "give the checkpoint or frozen graph that it was converted from"
_UNPACK = "unpack it, and name the directory"


class Kind(NamedTuple):
    """A kind of file: what it is, what to do, how its names end, and whether it is one by what it
    begins with (None: nothing tells)."""

    what: str
    remedy: str
    suffixes: Tuple[str, ...] = ()
    begins: Optional[Callable[[bytes], bool]] = None


def _magic(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


KINDS = (
    Kind("a Keras model (HDF5)", _SAME, (".h5", ".hdf5"), _magic(b"\x89HDF\r\n\x1a\n")),
    Kind("a Keras model", _SAME, (".keras",)),
    Kind(
        "a TensorFlow Lite model, which has no variables any more",
        _CONVERTED + "; graphfix convert takes the model itself to fewer classes",
        (".tflite",),
        lambda head: head[4:8] == b"TFL3",
    ),
    Kind("an ONNX model", _CONVERTED, (".onnx",)),
    Kind("a PyTorch model", _SAME, (".pt", ".pth")),
    Kind("an OpenVINO model", _CONVERTED, (".xml", ".bin")),
    Kind("a Core ML model", _CONVERTED, (".mlmodel",)),
    Kind("a TensorRT engine", _CONVERTED, (".engine", ".plan", ".trt", ".uff")),
    Kind(
        "a web page, which a download gave in place of the file",
        "download the file again, from its own address",
        (".html", ".htm"),
        lambda head: head.lstrip().lower().startswith((b"<!doctype html", b"<html")),
    ),
    Kind("a RAR archive", _UNPACK, (".rar",), _magic(b"Rar!\x1a\x07")),
    Kind("a 7z archive", _UNPACK, (".7z",), _magic(b"7z\xbc\xaf\x27\x1c")),
    Kind("a bzip2 archive", _UNPACK, (".bz2", ".tbz2"), _magic(b"BZh")),
    Kind("an xz archive", _UNPACK, (".xz", ".txz"), _magic(b"\xfd7zXZ\x00")),
    Kind("a Zstandard archive", _UNPACK, (".zst",), _magic(b"\x28\xb5\x2f\xfd")),
    Kind(
        "a label map",
        "give the model as SOURCE, and the label map with --label_map_path",
        (),
        lambda head: re.match(rb"(\s*#.*\n)*\s*item\s*:?\s*\{", head) is not None,
    ),
    Kind("a picture", _SAME, (".jpg", ".jpeg", ".png"), _magic(b"\x89PNG\r\n", b"\xff\xd8\xff")),
    Kind("a file of TFRecords", _SAME, (".record", ".tfrecord", ".tfrecords")),
)


def refuse(path: str) -> None:
    """Raises SourceError for what is no model of TensorFlow 1, naming what it is."""
    _refuse_url(path)
    _refuse_missing(path)
    if os.path.isdir(path) and not indexes(path):
        _refuse_directory(path)
    elif is_other_file(path):
        _refuse_file(path)


def refuse_index(path: str, index: bytes) -> None:
    """Raises SourceError where a checkpoint's index is one of TensorFlow 2."""
    if _OBJECTS in index:
        raise SourceError(path, "is an object-based checkpoint of TensorFlow 2", INSTEAD_OF_TF2)


def _refuse_url(path: str) -> None:
    """Raises SourceError for the address of something that is not on this machine."""
    match = _URL.match(path)
    if not match or os.path.exists(path):
        return
    web = match.group(1).lower() in ("http", "https", "ftp", "file")
    raise SourceError(
        path,
        "is a URL, and graphfix reads files",
        "download it and name the file, or give the URL in a recipe of graphfix batch"
        if web
        else "copy it to this machine, and name the copy",
    )


def _refuse_missing(path: str) -> None:
    """Raises SourceError, with names that are like it, for a path at which there is nothing."""
    if os.path.lexists(path) or glob.glob(glob.escape(prefix_of(path)) + ".*"):
        return
    remedy = (
        "check the path: name a model's directory, or a checkpoint's prefix, such as DIR/model.ckpt"
    )
    raise SourceError(path, *regular_files.missing(path, remedy))


def _refuse_file(path: str) -> None:
    """Raises SourceError for a file that is of another kind than graphfix opens."""
    if not os.path.isfile(path):
        return
    try:
        head = regular_files.read(path, _HEAD)
    except OSError as error:
        raise regular_files.unreadable(path, error) from None
    regular_files.refuse_pointer(path, head)
    if not head:
        raise SourceError(path, "is empty", "download or copy the file again")
    name = os.path.basename(path).lower()
    if ".tfevents." in name:
        _refuse_kind(path, Kind("a log for TensorBoard", "give the checkpoint beside it"))
    for kind in KINDS:
        if kind.begins and kind.begins(head):
            _refuse_kind(path, kind)
    for kind in KINDS:
        if name.endswith(kind.suffixes):
            _refuse_kind(path, kind)


def _refuse_directory(path: str) -> None:
    """Raises SourceError for a directory of a model that graphfix does not open."""
    objects = sorted(glob.glob(os.path.join(glob.escape(path), CHECKPOINT_STATE, "ckpt-*.index")))
    if objects:
        raise SourceError(
            path,
            f"is a model of TensorFlow 2: {os.path.relpath(objects[0], path)} is an object-based "
            "checkpoint",
            INSTEAD_OF_TF2,
        )
    if os.path.exists(os.path.join(path, "keras_metadata.pb")):
        raise SourceError(path, "is a SavedModel of Keras (TensorFlow 2)", INSTEAD_OF_TF2)
    if os.path.exists(os.path.join(path, "model.json")) and glob.glob(
        os.path.join(glob.escape(path), "*shard*.bin")
    ):
        raise SourceError(path, "is a model of TensorFlow.js", _CONVERTED)


def _refuse_kind(path: str, kind: Kind) -> NoReturn:
    raise SourceError(path, f"is {kind.what}", kind.remedy)
