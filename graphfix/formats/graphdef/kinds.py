"""Tells graphs' files from others; without what reads them, which few runs need."""

import os
import re

from graphfix.formats import regular_files

SAVED_MODEL_PB = "saved_model.pb"
# What a SavedModel's directory may have: TensorFlow reads the second where there is no first.
SAVED_MODEL_FILES = (SAVED_MODEL_PB, "saved_model.pbtxt")
# What a GraphDef as text begins with, after comments.
_TEXT, _HEAD = re.compile(rb"(\s*#.*\n)*\s*node\s*:?\s*[{<]"), 4096


def is_saved_model(path: str) -> bool:
    return any(os.path.lexists(os.path.join(path, name)) for name in SAVED_MODEL_FILES)


def saved_model_file(directory: str) -> str:
    """The file of a SavedModel's directory, which may be text."""
    paths = [os.path.join(directory, name) for name in SAVED_MODEL_FILES]
    return next((path for path in paths if os.path.lexists(path)), paths[0])


def is_saved_model_text(path: str) -> bool:
    return os.path.basename(path) == SAVED_MODEL_FILES[1]


def is_text(path: str) -> bool:
    """Whether a file begins as a GraphDef does that is written as text."""
    try:
        return _TEXT.match(regular_files.read(path, _HEAD)) is not None
    except OSError:
        return False
