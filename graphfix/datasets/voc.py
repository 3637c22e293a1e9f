"""Boxes of Pascal VOC's annotations: an XML file for every image.

`annotation/size` has the image's width and height; every `annotation/object` a `name` and a
`bndbox` of xmin, ymin, xmax, ymax in pixels, which become parts of the sides as the API's script
has them: divided by width and height.
"""

from xml.etree import ElementTree

from graphfix.datasets.boxes import ImageBoxes
from graphfix.errors import SourceError
from graphfix.formats import regular_files

_MOST = 16 << 20
_REMEDY = "give Pascal VOC's annotations: size, and objects with name and bndbox"
_EDGES = ("ymin", "xmin", "ymax", "xmax")


def read_voc(path: str) -> ImageBoxes:
    """The boxes of an annotation file.

    Raises:
      SourceError: it is not XML, or not Pascal VOC's.
    """
    try:
        data = regular_files.read(path, _MOST + 1)
    except OSError as error:
        raise regular_files.unreadable(path, error) from None
    # Such files define no entities, and a few lines of entities can stand for gigabytes.
    if len(data) > _MOST or b"<!" in data.replace(b"<!--", b""):
        raise SourceError(
            path,
            f"is not an annotation file: it has more than {_MOST} bytes, or definitions",
            _REMEDY,
        )
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise SourceError(path, f"is not XML: {error}", _REMEDY) from None
    width, height = (_number(root, "size/" + name, path) for name in ("width", "height"))
    if not (1 <= width <= 1 << 24 and 1 <= height <= 1 << 24):
        raise SourceError(path, f"gives the image a size of {width:g} by {height:g}", _REMEDY)
    boxes: list = []
    classes: list = []
    for number, item in enumerate(root.findall("object")):
        where = f"{path}: object {number}"
        ymin, xmin, ymax, xmax = (_number(item, "bndbox/" + edge, where) for edge in _EDGES)
        boxes.append((ymin / height, xmin / width, ymax / height, xmax / width))
        classes.append((item.findtext("name") or "").strip() or None)
    return ImageBoxes(path, (int(height), int(width)), boxes, classes)


def _number(element, name: str, where: str) -> float:
    try:
        return float(element.findtext(name, ""))
    except ValueError:
        raise SourceError(where, f"has no number as {name}", _REMEDY) from None
