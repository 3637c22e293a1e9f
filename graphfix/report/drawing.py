"""What the report draws, as numbers: detections over a picture, before and after, and anchors.

The picture is embedded once and shown twice.  A class has the same colour on both sides: a class of
the source takes the colour of the new class it is carried to, and one that is carried nowhere is
grey.  Detections of a class that was never trained mean nothing: they are counted, not drawn.

Coordinates are texts, with as many decimals as the page shows.
"""

import base64
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

from graphfix.report.report import Detection, MapAnchorsChange, Picture, Report

# report.json has lower scores, too, but a picture full of guesses shows nothing.
THRESHOLD = 0.3

# Far apart for people of any colour vision, on light pictures and dark ones (after Okabe and Ito).
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2", "#9b6dff")
GREY = "#8a8f98"
_ANCHOR_SIDE, _MARGIN = 150, 2  # pixels

ClassName = Callable[[int], str]


class Box(NamedTuple):
    """An SVG rectangle."""

    x: str
    y: str
    width: str
    height: str
    colour: str


class BoxLabel(NamedTuple):
    """A filled box, the text in it, where that begins, and its length."""

    box: Box
    text: str
    x: str
    y: str
    length: str


class Side(NamedTuple):
    """One copy of a picture; `description` is for people who cannot see it."""

    title: str
    description: str
    boxes: Sequence[Box]
    labels: Sequence[BoxLabel]


class Drawing(NamedTuple):
    """A picture (base64 of a JPEG) and its two sides; sizes are in the picture's pixels."""

    key: str
    width: int
    height: int
    data: str
    outline: str
    stroke: str
    font_size: str
    sides: Sequence[Side]
    caption: str


class AnchorDrawing(NamedTuple):
    """The anchors of a feature map around one centre, in a square of `side` pixels."""

    side: int
    before: Sequence[Box]
    after: Sequence[Box]


def draw_pictures(report: Report, contents: Mapping[str, bytes]) -> List[Drawing]:
    """All pictures of a report; `contents` has the JPEG files' bytes by `Picture.file`."""
    new = {one.id: one for one in report.plan.classes}

    def new_name(number: int) -> str:
        return new[number].display_name if number in new and new[number].name else f"class {number}"

    before_colours, after_colours = colours(report)
    untrained = {one.id for one in report.plan.classes if not one.sources}
    drawings = []
    for number, one in enumerate(report.pictures, 1):
        unit = _unit(one)
        before, found = drawn(one.before), drawn(one.after)
        after = [row for row in found if row.class_id not in untrained]
        caption = f"{one.name}: {len(before)} before, {len(after)} after"
        if len(after) < len(found):
            caption += f", and {len(found) - len(after)} of classes that are not trained yet"
        drawings.append(
            Drawing(
                f"picture-{number}",
                one.width,
                one.height,
                base64.b64encode(contents[one.file]).decode("ascii"),
                outline=f"{unit * 1.6:.2f}",
                stroke=f"{unit * 0.9:.2f}",
                font_size=f"{unit * 4.2:.2f}",
                sides=(
                    _side(
                        "Before: the source", one, before, before_colours, report.plan.source_name
                    ),
                    _side("After: the converted model", one, after, after_colours, new_name),
                ),
                caption=caption + ".",
            )
        )
    return drawings


def draw_anchors(change: MapAnchorsChange) -> AnchorDrawing:
    """The anchors of one feature map, before and after."""
    most = max(edge for size in change.before + change.after for edge in size)
    centre = _ANCHOR_SIDE / 2 + _MARGIN

    def box(size: Tuple[float, float], colour: str) -> Box:
        height, width = (_ANCHOR_SIDE * edge / most for edge in size)
        return _box(centre - width / 2, centre - height / 2, width, height, colour)

    return AnchorDrawing(
        _ANCHOR_SIDE + 2 * _MARGIN,
        [box(size, GREY) for size in change.before],
        [box(size, PALETTE[-2]) for size in change.after],
    )


def colours(report: Report) -> Tuple[Dict[int, str], Dict[int, str]]:
    """The colours, by id, of the source's classes that are carried, and of the new classes."""
    before: Dict[int, str] = {}
    after: Dict[int, str] = {}
    for number, one in enumerate(report.plan.classes):
        after[one.id] = PALETTE[number % len(PALETTE)]
        for source in one.sources:
            before.setdefault(source, after[one.id])
    return before, after


def drawn(found: Iterable[Detection]) -> List[Detection]:
    """The detections worth drawing, by score, so that the surest lies on top."""
    return sorted((one for one in found if one.score >= THRESHOLD), key=lambda one: one.score)


def _unit(picture: Picture) -> float:
    """A length that all others follow: the page scales the picture to its own width."""
    return max(picture.width, picture.height) / 100.0


def _side(
    title: str,
    picture: Picture,
    found: Sequence[Detection],
    colour: Mapping[int, str],
    name: ClassName,
) -> Side:
    texts = [f"{name(one.class_id)} {round(100 * one.score)}%" for one in found]
    boxes, labels = [], []
    for one, text in zip(found, texts):
        top, left, bottom, right = (min(max(edge, 0.0), 1.0) for edge in one.box)
        left, right = left * picture.width, right * picture.width
        top, bottom = top * picture.height, bottom * picture.height
        paint = colour.get(one.class_id, GREY)
        boxes.append(_box(left, top, max(right - left, 0.0), max(bottom - top, 0.0), paint))
        labels.append(_label(picture, left, top, paint, text))
    return Side(title, f"{title}: {', '.join(texts) or 'no detections'}", boxes, labels)


def _box(x: float, y: float, width: float, height: float, colour: str) -> Box:
    return Box(f"{x:.1f}", f"{y:.1f}", f"{width:.1f}", f"{height:.1f}", colour)


def _label(picture: Picture, left: float, top: float, paint: str, text: str) -> BoxLabel:
    """The label above a box, moved into the picture where it would reach out of it."""
    unit = _unit(picture)
    height = unit * 5.4
    width = min(unit * (2.5 * len(text) + 1.6), picture.width)
    left = min(max(left - unit * 0.45, 0.0), picture.width - width)
    top = max(top - height, 0.0)
    return BoxLabel(
        _box(left, top, width, height, paint),
        text,
        x=f"{left + unit * 0.8:.1f}",
        y=f"{top + unit * 4.0:.1f}",
        length=f"{width - unit * 1.6:.1f}",
    )
