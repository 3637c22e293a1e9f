"""Lists of labels as TensorFlow Lite's applications read them: a name a line, the first for id 0.

A detector's ids are those of the label map less 1.  Older lists have a first line for the
background, ???, and their applications add 1.
"""

from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.errors import SourceError
from graphfix.exporting.tflite.model import LiteModel
from graphfix.pipeline_config.label_map import BACKGROUND, LabelMap, parse_classes
from graphfix.planning.classes import TargetClass

LABELS = "labels.txt"
_NO_CLASS = "???"
_SUFFIX = ".txt"


class Sidecar(NamedTuple):
    """A list of labels behind a model: its file's name, its first line where that is the
    background's, and the classes."""

    name: str
    first: Tuple[str, ...]
    labels: LabelMap


def labels_text(classes: Iterable[TargetClass], first: Sequence[str] = ()) -> bytes:
    """The list of classes, whose ids have no gaps."""
    lines = [*first, *(one.display_name or _NO_CLASS for one in classes)]
    return "".join(line + "\n" for line in lines).encode()


def packed_labels(model: LiteModel) -> List[Sidecar]:
    """The lists of the model's classes in the archive behind it."""
    found = (_sidecar(model, info.filename, data) for info, data in model.sidecars)
    return [one for one in found if one is not None]


def _sidecar(model: LiteModel, name: str, data: bytes) -> Optional[Sidecar]:
    if not name.lower().endswith(_SUFFIX):
        return None
    try:
        lines = data.decode("utf-8-sig").splitlines()
        labels = parse_classes(data, name).labels
    except (UnicodeDecodeError, SourceError):
        return None
    while lines and not lines[-1].strip():
        del lines[-1]
    more = len(lines) - model.classes
    begins = bool(lines) and lines[0].strip().lower() in (_NO_CLASS, BACKGROUND)
    if labels.max_id > model.classes or more not in ((0, 1) if begins else (0,)):
        return None
    return Sidecar(name, tuple(lines[:1]) if more else (), labels)
