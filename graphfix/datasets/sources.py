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
from graphfix.formats import wildcards


def _one(path: str) -> Iterator[ImageBoxes]:
    yield read_voc(path)


# By the name's end; everything else is taken for TFRecords, which have any name.
READERS: Dict[str, Callable[[str], Iterator[ImageBoxes]]] = {
    ".json": read_coco,
    ".xml": _one,
    ".csv": read_table,
}


def read_boxes(names: Sequence[str]) -> Iterator[ImageBoxes]:
    """The boxes of all files that names mean, a file at a time.

    Raises:
      SourceError: a name means no file, or a file is damaged or of another kind.
    """
    # All names first: a misspelled one is not found out after minutes of reading.
    budget = wildcards.Budget()
    for path in [path for name in names for path in find_files(name, budget)]:
        reader = READERS.get(os.path.splitext(path)[1].lower(), read_examples)
        yield from reader(path)


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
        raise SourceError(
            name, "does not exist, and no file matches it as a pattern", "check the path"
        )
    return found
