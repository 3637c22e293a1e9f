"""The `checkpoint` file: which checkpoint of a directory is the latest.

A CheckpointState (tensorflow/python/training/checkpoint_state.proto) as protobuf text.  Paths
are relative to the directory, so that it may be moved or mounted elsewhere; TensorFlow also takes
absolute ones.  Where TensorFlow cannot parse the file, it says so in its log and trains anew.
"""

import os
from typing import Optional

from graphfix.errors import SourceError
from graphfix.formats.regular_files import read_file
from graphfix.formats.textproto import FLOAT, IDENTIFIER, INTEGER, STRING, Document, Scalar, quote
from graphfix.modeldir.names import CHECKPOINT_STATE

_LATEST = "model_checkpoint_path"
_PATHS = (_LATEST, "all_model_checkpoint_paths")
_TIMES = ("all_model_checkpoint_timestamps", "last_preserved_timestamp")
_REMEDY = 'remove the file, or write model_checkpoint_path: "..."'


def state_text(name: str) -> str:
    """The state that names the checkpoint `name`, and no other."""
    return f"model_checkpoint_path: {quote(name)}\nall_model_checkpoint_paths: {quote(name)}\n"


def write_state(directory: str, name: str) -> None:
    """Makes the checkpoint `name` (relative to `directory`) its latest and only one."""
    with open(os.path.join(directory, CHECKPOINT_STATE), "wb") as file:
        file.write(state_text(name).encode())


def read_state(path: str) -> Optional[str]:
    """The latest checkpoint that a state file names, as tf.train.get_checkpoint_state has it; None
    where it names none, at which TensorFlow stops.

    Raises:
      SourceError: it cannot be read, or is not a CheckpointState.
    """
    document = Document.parse(read_file(path), subject=path)
    if document.text != document.without_bom().text:
        raise SourceError(path, "begins with a byte order mark", _REMEDY)
    latest = None
    for field in document.root.fields:
        if field.name not in _PATHS + _TIMES:
            raise SourceError(
                field.where, f"a state file has no field '{field.name[:60]}'", _REMEDY
            )
        if field.listed and not field.name.startswith("all_"):
            raise SourceError(field.where, f"{field.name} takes one value", _REMEDY)
        for value in field.values:
            if not (_is_path if field.name in _PATHS else _is_time)(value):
                raise SourceError(field.where, f"{field.name} takes another kind of value", _REMEDY)
            if field.name == _LATEST:
                latest = value.value
    return os.path.join(os.path.dirname(path), latest) if latest else None


def _is_path(value) -> bool:
    return isinstance(value, Scalar) and value.kind == STRING and isinstance(value.value, str)


def _is_time(value) -> bool:
    """Whether a value is a number to TensorFlow's parser, which takes no hexadecimal one here."""
    if not isinstance(value, Scalar):
        return False
    if value.kind == IDENTIFIER:
        return value.value.lower() in ("inf", "infinity", "nan")
    return value.kind in (FLOAT, INTEGER) and "x" not in value.raw.lower()
