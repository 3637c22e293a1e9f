"""Boxes of COCO's JSON: {"images": [...], "annotations": [...], "categories": [...]}.

An annotation's `bbox` is x, y, width and height in pixels.  Annotations of crowds count, as they
do in records that the API's script makes of such a file.

The file is read in pieces, one element of an array at a time (COCO's own has 800 MB, most of it
outlines), and twice: images may stand behind annotations.
"""

import io
import json
from json.decoder import JSONDecodeError
from typing import Any, Dict, Iterator, Sequence, Tuple

from graphfix.datasets.boxes import ImageBoxes
from graphfix.errors import SourceError
from graphfix.formats import regular_files

_PIECE = 1 << 20
_MOST = 64 << 20  # characters that one element may have
_SPACE = " \t\r\n"
_BEHIND = tuple(_SPACE + ",:]}")
_REMEDY = "give COCO's instances JSON: images, annotations with bbox, categories"


def read_coco(path: str) -> Iterator[ImageBoxes]:
    """The box of every annotation.

    Raises:
      SourceError: it is not JSON, or not COCO's.
    """
    sizes: Dict[Any, Tuple[int, int]] = {}
    names: Dict[Any, str] = {}
    seen = set()
    for key, number, value in _elements(path, ("images", "categories", "annotations")):
        seen.add(key)
        where = f"{path}: {key}[{number}]"
        if key == "images":
            size = tuple(_number(value, name, where) for name in ("height", "width"))
            if not all(1 <= side <= 1 << 24 for side in size):
                raise SourceError(
                    where, f"has no size: height {size[0]:g}, width {size[1]:g}", _REMEDY
                )
            sizes[_key(value, "id", where)] = (int(size[0]), int(size[1]))
        elif key == "categories":
            names[_key(value, "id", where)] = str(_field(value, "name", where))
    if "annotations" not in seen:
        raise SourceError(path, "has no annotations", _REMEDY)
    for _, number, value in _elements(path, ("annotations",)):
        where = f"{path}: annotations[{number}]"
        image, category = (_key(value, name, where) for name in ("image_id", "category_id"))
        if image not in sizes:
            raise SourceError(where, f"is of image {image}, which is not among the images", _REMEDY)
        left, top, width, height = _bbox(value, where)
        rows, columns = sizes[image]
        yield ImageBoxes(
            where,
            sizes[image],
            [(top / rows, left / columns, (top + height) / rows, (left + width) / columns)],
            [names.get(category, category if isinstance(category, int) else None)],
            image,
        )


def _field(value: Any, name: str, where: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        raise SourceError(where, f"has no {name}", _REMEDY)
    return value[name]


def _key(value: Any, name: str, where: str) -> Any:
    key = _field(value, name, where)
    if not isinstance(key, (int, str)):
        raise SourceError(where, f"has a {name} that is not a number or a text", _REMEDY)
    return key


def _number(value: Any, name: str, where: str) -> float:
    return _float(_field(value, name, where), name, where)


def _float(number: Any, name: str, where: str) -> float:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise SourceError(where, f"has a {name} that is not a number", _REMEDY)
    try:
        return float(number)
    except OverflowError:
        return float("inf")


def _bbox(value: Any, where: str) -> Sequence[float]:
    bbox = _field(value, "bbox", where)
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise SourceError(where, "has a bbox that is not [x, y, width, height]", _REMEDY)
    return [_float(number, "bbox", where) for number in bbox]


def _elements(path: str, wanted: Sequence[str]) -> Iterator[Tuple[str, int, Any]]:
    """(key, index, element) of the arrays at these keys of the outermost object."""
    try:
        with io.TextIOWrapper(regular_files.open_file(path), encoding="utf-8-sig") as file:
            for key, number, value in _Reader(file).elements():
                if key in wanted:
                    yield key, number, value
    except OSError as error:
        raise regular_files.unreadable(path, error) from None
    except UnicodeDecodeError:
        raise SourceError(path, "is not JSON: it is not UTF-8", _REMEDY) from None
    except (ValueError, RecursionError) as error:  # ValueError: also a number of too many digits
        raise SourceError(
            path,
            "is not JSON: %s"
            % (
                "it nests too deeply"
                if isinstance(error, RecursionError)
                else getattr(error, "msg", error)
            ),
            _REMEDY,
        ) from None


class _Reader:
    """Reads a JSON object piece by piece."""

    def __init__(self, file):
        self.file = file
        self.text = ""
        self.at = 0
        self.ended = False
        self.decoder = json.JSONDecoder()

    def elements(self) -> Iterator[Tuple[str, int, Any]]:
        """(key, index, element) of every array of the object."""
        self.expect("{")
        while not self.take("}"):
            key = self.value()
            if not isinstance(key, str):
                raise JSONDecodeError("a key is not a text", "", 0)
            self.expect(":")
            if self.take("["):
                number = 0
                while not self.take("]"):
                    yield key, number, self.value()
                    number += 1
                    if self.peek() != "]":
                        self.expect(",")
            else:
                self.value()
            if self.peek() != "}":
                self.expect(",")
        if self.peek():
            raise JSONDecodeError("something follows the end", "", 0)

    def more(self) -> None:
        """Another piece, as large as what it was too little with."""
        if len(self.text) - self.at > _MOST:
            raise JSONDecodeError(f"a value goes on for {_MOST} characters", "", 0)
        piece = self.file.read(max(_PIECE, len(self.text) - self.at))
        self.text, self.at = self.text[self.at :] + piece, 0
        self.ended = not piece

    def peek(self) -> str:
        """The next character that is not a space; "" at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in _SPACE:
                self.at += 1
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def take(self, character: str) -> bool:
        if self.peek() != character:
            return False
        self.at += 1
        return True

    def expect(self, character: str) -> None:
        if not self.take(character):
            raise JSONDecodeError(
                f"{repr(self.peek()) if self.peek() else 'the end'} where '{character}' should "
                "stand",
                "",
                0,
            )

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
                # What ends with the piece may go on in the next: 1 and 1.5.
                if self.ended or self.text[end : end + 1] in _BEHIND:
                    self.at = end
                    return value
            except JSONDecodeError:
                if self.ended:
                    raise
            self.more()
