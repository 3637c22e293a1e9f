"""FlatBuffers, by a schema that is data: files of TensorFlow Lite."""

import os
from typing import Any

from graphfix.formats import regular_files

_SUFFIX = ".tflite"


def is_lite(path: Any) -> bool:
    """Whether a path leads to a file of TensorFlow Lite, by its identifier or else its name."""
    if not isinstance(path, (str, os.PathLike)) or not os.path.isfile(path):
        return False
    name = os.fspath(path)
    if not isinstance(name, str):
        return False
    try:
        return regular_files.read(name, 8)[4:] == b"TFL3" or name.lower().endswith(_SUFFIX)
    except OSError:
        return False
