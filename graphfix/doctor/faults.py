"""What is wrong with an image, and with a box: (kind, detail) each; the kinds are those of doctor's
checks, and two that are no faults, but would explain one."""

import math
from typing import Any, List, Optional, Tuple

from graphfix.formats.image_header import GIF, JPEG, PNG, Header, name_other

AS_SIZE, OTHER_SIDE = "box may be x, y, width, height", "box may be divided by the other side"
SLACK = 1e-3  # of an image's side
HUGE = 12000000  # pixels
_SPELLINGS = {"jpg": JPEG}
# What the API takes for a fraction at most, and from where a coordinate is one of pixels: whole
# numbers from 2 on, others from 10 on.  Between them are fractions of a wrong image size.
_MOST_FRACTION, _WHOLE_PIXELS, _PIXELS = 1.1, 2.0, 10.0
Size = Tuple[int, int]
Faults = List[Tuple[str, str]]
_Box = Tuple[float, ...]


def image_faults(
    encoded: Any, header: Optional[Header], stated: Size, form: bytes
) -> Tuple[Optional[Size], Faults]:
    """The (height, width) of an encoded image, None where it is unknown, and what is wrong with it.

    `stated` and `form` are the size and the format that the record says.
    """
    faults: Faults = []
    stated_size = stated if min(stated) > 1 else None
    if header is None:
        faults.append(("IMAGE_UNREADABLE", name_other(bytes(encoded[:64]))))
        return stated_size, faults
    if not header.complete:
        faults.append(("IMAGE_CUT", header.format.upper()))
    if header.format == GIF:
        faults.append(("IMAGE_GIF", ""))
    size = (header.height, header.width)
    if not min(size):
        return stated_size, faults
    text = form.decode("utf-8", "replace")
    if _SPELLINGS.get(text.lower(), text.lower()) != header.format:
        told = f"image/format is '{text}', but the image is {header.format.upper()}"
        faults.append(("IMAGE_FORMAT", told))
    if stated_size and stated != size:
        told = f"image/height and image/width are {stated[0]} x {stated[1]}, but the image is "
        told += f"{size[0]} x {size[1]}"
        faults.append(("IMAGE_TURNED" if stated == size[::-1] else "IMAGE_SIZE", told))
    if header.format == JPEG and header.channels == 4:
        faults.append(("IMAGE_CMYK", ""))
    elif header.format in (JPEG, PNG) and header.channels in (1, 2):
        faults.append(("IMAGE_GRAY", ""))
    if size[0] * size[1] > HUGE:
        faults.append(("IMAGE_HUGE", f"{size[0]} x {size[1]}"))
    return size, faults


def box_faults(box: _Box, size: Optional[Size]) -> Tuple[bool, Faults]:
    """Whether a box (ymin, xmin, ymax, xmax) of an image has a size, and what is wrong with it."""
    top, left, bottom, right = box
    low, high = min(box), max(box)
    shown = f"ymin {top:.4g}, xmin {left:.4g}, ymax {bottom:.4g}, xmax {right:.4g}"
    if not math.isfinite(sum(box)):  # min and max pass over NaN
        return False, [("BOX_NO_NUMBER", shown)]
    if high > _PIXELS or (high >= _WHOLE_PIXELS and all(edge == int(edge) for edge in box)):
        return False, [("BOX_PIXELS", shown)]
    faults: Faults = []
    if high > _MOST_FRACTION:
        faults.append(("BOX_FAR", shown))
    if bottom < top or right < left:
        # What widths and heights in place of the far corner would look like.
        if low >= 0 and top + bottom <= 1 + SLACK and left + right <= 1 + SLACK:
            faults.append((AS_SIZE, ""))
        faults.append(("BOX_INVERTED", shown))
        return False, faults
    if low < -SLACK or high > 1 + SLACK:
        if size and _other_side(box, size):
            faults.append((OTHER_SIDE, ""))
        faults.append(("BOX_OUTSIDE", shown))
    if bottom == top or right == left:
        faults.append(("BOX_EMPTY", shown))
        return False, faults
    return True, faults


def _other_side(box: _Box, size: Size) -> bool:
    """Whether a box lies in its image if x was divided by the height, or y by the width."""
    ratio = size[0] / float(size[1])
    y, x = max(box[0], box[2]), max(box[1], box[3])
    return min(box) >= 0 and (
        (x > 1 and x * ratio <= 1 + SLACK and y <= 1)
        or (y > 1 and y / ratio <= 1 + SLACK and x <= 1)
    )
