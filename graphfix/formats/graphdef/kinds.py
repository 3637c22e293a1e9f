"""Tells graphs' files from others; without what reads them, which few runs need."""

import os
import re

from graphfix.formats import regular_files

SAVED_MODEL_PB = "saved_model.pb"
# What a GraphDef as text begins with, after comments.
_TEXT, _HEAD = re.compile(rb"(\s*#.*\n)*\s*node\s*:?\s*[{<]"), 4096


def is_saved_model(path: str) -> bool:
    return os.path.lexists(os.path.join(path, SAVED_MODEL_PB))


def is_text(path: str) -> bool:
    """Whether a file begins as a GraphDef does that is written as text."""
    try:
        return _TEXT.match(regular_files.read(path, _HEAD)) is not None
    except OSError:
        return False
