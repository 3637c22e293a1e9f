"""Detections over a picture, as inline SVG: what a model found, before and after, side by side.

The picture is embedded once and shown twice.  A class has one colour on both sides: the source's
classes take theirs from the new class they are carried to, and those that are carried nowhere
are grey.  What a class that was never trained finds means nothing: it is counted, not drawn.
"""

import base64
import html
from typing import Callable, Dict, Iterable, Sequence, Tuple

from graphfix.process.console import escaped
from graphfix.report.report import Detection, MapAnchorsChange, Picture, Report

# Lower scores stay in report.json, but a picture full of guesses shows nothing.
THRESHOLD = 0.3

# Far apart for people of any colour vision, on light pictures and dark ones (after Okabe and Ito).
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#0072b2", "#9b6dff")
GREY = "#8a8f98"
_ANCHOR_SIDE = 150

Naming = Callable[[int], str]


def plain(value: str) -> str:
    """HTML of one line of plain text, whatever characters it has."""
    return html.escape(escaped(value))


def pictures(report: Report, contents: Dict[str, bytes]) -> str:
    """All pictures of a report; `contents` has the JPEG files' bytes by `Picture.file`."""
    new = {one.id: one for one in report.plan.classes}

    def new_name(number: int) -> str:
        return new[number].display_name if number in new and new[number].name else f"class {number}"

    before, after = colours(report)
    untrained = {one.id for one in report.plan.classes if not one.sources}
    parts = []
    for number, one in enumerate(report.pictures, 1):
        found = drawn(one.after)
        trained = [row for row in found if row.class_id not in untrained]
        parts.append(
            _picture(
                f"picture-{number}",
                one,
                contents[one.file],
                (
                    ("Before: the source", drawn(one.before), before, report.source_name),
                    ("After: the converted model", trained, after, new_name),
                ),
                len(found) - len(trained),
            )
        )
    return "\n".join(parts)


def anchors(maps: Sequence[MapAnchorsChange]) -> str:
    """The anchors of each feature map about one centre, before (dashed) and after."""
    parts = ["<div class=anchors>"]
    for number, one in enumerate(maps):
        most = max(side for size in one.before + one.after for side in size)
        rows = []
        for sizes, style in (
            (one.before, f"stroke='{GREY}' stroke-dasharray='4 3'"),
            (one.after, f"stroke='{PALETTE[-2]}'"),
        ):
            for height, width in sizes:
                high, wide = (_ANCHOR_SIDE * side / most for side in (height, width))
                rows.append(
                    f"<rect x='{_ANCHOR_SIDE / 2 - wide / 2 + 2:.1f}' "
                    f"y='{_ANCHOR_SIDE / 2 - high / 2 + 2:.1f}' width='{wide:.1f}' "
                    f"height='{high:.1f}' {style}/>"
                )
        parts.append(
            "<figure><svg viewBox='0 0 %d %d' width=%d height=%d fill='none' role=img "
            "aria-label='anchors of map %d'>%s</svg><figcaption>map %d: %d, now %d"
            "</figcaption></figure>"
            % (
                (_ANCHOR_SIDE + 4,) * 4
                + (number, "".join(rows), number, len(one.before), len(one.after))
            )
        )
    return "".join(parts) + "</div>"


def colours(report: Report) -> Tuple[Dict[int, str], Dict[int, str]]:
    """The colours of the source's classes that are carried, and of the new model's, by id."""
    before: Dict[int, str] = {}
    after: Dict[int, str] = {}
    for number, one in enumerate(report.plan.classes):
        after[one.id] = PALETTE[number % len(PALETTE)]
        for source in one.sources:
            before.setdefault(source, after[one.id])
    return before, after


def _picture(key: str, picture: Picture, data: bytes, sides, untrained: int) -> str:
    size = f"width='{picture.width}' height='{picture.height}'"
    parts = [
        (
            "<figure class=pictures><svg class=store width=0 height=0 aria-hidden=true><defs>"
            f"<image id='{key}' {size} "
            f"href='data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}'/></defs></svg><div class=pair>"
        )
    ]
    for title, shown, colour, name in sides:
        listed = ", ".join(f"{name(one.class_id)} {round(100 * one.score)}%" for one in shown)
        parts.append(
            "<div><p class=side>%s</p><svg viewBox='0 0 %d %d' role=img aria-label='%s'>"
            "<use href='#%s'/>%s</svg></div>"
            % (
                plain(title),
                picture.width,
                picture.height,
                plain(f"{title}: {listed or 'no detections'}"),
                key,
                "".join(_boxes(picture, shown, colour, name)),
            )
        )
    parts.append(
        "</div><figcaption>%s: %d before, %d after%s.</figcaption></figure>"
        % (
            plain(picture.name),
            len(sides[0][1]),
            len(sides[1][1]),
            f", and {untrained} of classes that are not trained yet" if untrained else "",
        )
    )
    return "".join(parts)


def drawn(found: Iterable[Detection]) -> Sequence[Detection]:
    """Those worth drawing, the surest last, so that it lies on top."""
    return sorted((one for one in found if one.score >= THRESHOLD), key=lambda one: one.score)


def _boxes(picture: Picture, found: Sequence[Detection], colour: Dict[int, str], name: Naming):
    # All sizes follow the picture's, which is scaled to the page's width.
    unit = max(picture.width, picture.height) / 100.0
    labels = []
    for one in found:
        top, left, bottom, right = (min(max(edge, 0.0), 1.0) for edge in one.box)
        left, right = left * picture.width, right * picture.width
        top, bottom = top * picture.height, bottom * picture.height
        paint = colour.get(one.class_id, GREY)
        place = f"x='{left:.1f}' y='{top:.1f}' width='{max(right - left, 0.0):.1f}' height='{max(bottom - top, 0.0):.1f}'"
        yield f"<rect {place} fill=none stroke='#000' stroke-opacity='.55' stroke-width='{unit * 1.6:.2f}'/>"
        yield f"<rect {place} fill=none stroke='{paint}' stroke-width='{unit * 0.9:.2f}'/>"
        labels.append(
            _label(
                picture, unit, left, top, paint, f"{name(one.class_id)} {round(100 * one.score)}%"
            )
        )
    # Above all boxes: what a label says matters more than where another box's edge runs.
    yield from labels


def _label(picture: Picture, unit: float, left: float, top: float, paint: str, text: str) -> str:
    height = unit * 5.4
    width = min(unit * (2.5 * len(text) + 1.6), picture.width)
    left = min(max(left - unit * 0.45, 0.0), picture.width - width)
    top = max(top - height, 0.0)
    # textLength holds whatever font there is to the width that was reckoned with.
    return (
        f"<rect x='{left:.1f}' y='{top:.1f}' width='{width:.1f}' height='{height:.1f}' "
        f"fill='{paint}'/>"
        f"<text x='{left + unit * 0.8:.1f}' y='{top + unit * 4.0:.1f}' "
        f"font-size='{unit * 4.2:.2f}' textLength='{width - unit * 1.6:.1f}' "
        f"lengthAdjust=spacingAndGlyphs>{plain(text)}</text>"
    )
