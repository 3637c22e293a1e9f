"""Boxes of a CSV table: a row for every box, under the usual header
filename,width,height,class,xmin,ymin,xmax,ymax; in any order, with others between them.

Coordinates are pixels.
"""

import csv
import io
from typing import Iterator

from graphfix.datasets.boxes import ImageBoxes
from graphfix.errors import SourceError
from graphfix.formats import regular_files

_FILE = "filename"
COLUMNS = ("width", "height", "class", "xmin", "ymin", "xmax", "ymax")
_REMEDY = "give a table with the header filename," + ",".join(COLUMNS)


def read_table(path: str) -> Iterator[ImageBoxes]:
    """The box of every row.

    Raises:
      SourceError: it is not such a table.
    """
    try:
        with io.TextIOWrapper(
            regular_files.open_file(path), encoding="utf-8-sig", newline=""
        ) as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                raise SourceError(
                    path, f"has no column {', '.join(missing)} in its first line", _REMEDY
                )
            places = [header.index(name) for name in COLUMNS]
            named = header.index(_FILE) if _FILE in header else len(header)
            for row in rows:
                if row:
                    box = _box(row, places, f"{path}: line {rows.line_num}")
                    yield box._replace(
                        picture=row[named].strip() or None if named < len(row) else None
                    )
    except OSError as error:
        raise regular_files.unreadable(path, error) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(path, f"is not a CSV table: {error}", _REMEDY) from None


def _box(row, places, where: str) -> ImageBoxes:
    if len(row) <= max(places):
        raise SourceError(where, f"has {len(row)} cells, fewer than the header", _REMEDY)
    width, height, name, xmin, ymin, xmax, ymax = (row[place] for place in places)
    try:
        size = float(height), float(width)
        edges = float(ymin), float(xmin), float(ymax), float(xmax)
    except ValueError:
        raise SourceError(
            where, "has a cell that should be a number and is none", _REMEDY
        ) from None
    if not all(1 <= side <= 1 << 24 for side in size):
        raise SourceError(where, f"gives the image a size of {size[1]:g} by {size[0]:g}", _REMEDY)
    return ImageBoxes(
        where,
        (int(size[0]), int(size[1])),
        [(edges[0] / size[0], edges[1] / size[1], edges[2] / size[0], edges[3] / size[1])],
        [name.strip() or None],
    )
