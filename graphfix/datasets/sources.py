"""Boxes of whatever files are named: paths, patterns as the API's input readers take them
(`x.record-?????-of-00010`), directories of XML files."""

import os
from typing import Callable, Dict, Iterator, List, Optional, Sequence

from graphfix.datasets.boxes import ImageBoxes
from graphfix.datasets.coco import read_coco
from graphfix.datasets.table import read_table
from graphfix.datasets.tf_example import read_examples
from graphfix.datasets.voc import read_voc
from graphfix.errors import SourceError
from graphfix.formats import regular_files, wildcards
from graphfix.formats.tfrecord import WHOLE, Piece, cut


def _one(path: str) -> Iterator[ImageBoxes]:
    yield read_voc(path)


# By the name's end; everything else is taken for TFRecords, which have any name.
READERS: Dict[str, Callable[[str], Iterator[ImageBoxes]]] = {
    ".json": read_coco,
    ".xml": _one,
    ".csv": read_table,
}


def read_piece(path: str, piece: Piece = WHOLE) -> Iterator[ImageBoxes]:
    """The boxes of a file, or of a piece of one of TFRecords.

    Raises:
      NoBoxes: its records have no keys of boxes.
      SourceError: it is damaged, or of another kind.
    """
    reader = _reader(path)
    return read_examples(path, piece) if reader is None else reader(path)


def pieces_of(path: str, size: int) -> List[Piece]:
    """Pieces of a file, of about `size` bytes each; one, if it is not of TFRecords."""
    return cut(path, size) if _reader(path) is None else [WHOLE]


def _reader(path: str) -> Optional[Callable[[str], Iterator[ImageBoxes]]]:
    return READERS.get(os.path.splitext(path)[1].lower())


def find_all(names: Sequence[str]) -> List[str]:
    """The files that names mean.  All are looked for before one is read: a misspelled one is not
    found out after minutes of reading.

    Raises:
      SourceError: a name means no file.
    """
    budget = wildcards.Budget()
    return [path for name in names for path in find_files(name, budget)]


def find_files(name: str, budget: Optional[wildcards.Budget] = None) -> List[str]:
    """The files that a path, a pattern or a directory means, sorted.

    Raises:
      SourceError: there are none, or a pattern would have to look at too many.
    """
    if os.path.isdir(name):
        found = sorted(
            os.path.join(name, one) for one in os.listdir(name) if one.lower().endswith(".xml")
        )
        if not found:
            raise SourceError(
                name,
                "is a directory without XML files",
                "name the records in it, as a pattern or one by one",
            )
        return found
    if os.path.exists(name):
        return [name]
    found = [
        path for path in wildcards.find(name, budget or wildcards.Budget()) if os.path.isfile(path)
    ]
    if not found:
        message, remedy = regular_files.missing(name)
        raise SourceError(name, f"{message}, and no file matches it as a pattern", remedy)
    return found
