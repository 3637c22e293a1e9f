"""Box coders: how a box encoding and an anchor become a box, and how to encode it for another
anchor.

With an anchor's centre (y, x) and size (h, w), as the stock coders decode:

    faster_rcnn  centre = t / scale * size + anchor's centre;  size = anchor's size * exp(t / scale)
    keypoint     the same, and every keypoint like a centre
    square       l = sqrt(h * w):  centre = t / scale * l + anchor's;  side = l * exp(t / scale)
    mean_stddev  corner = t * stddev + anchor's corner

All are affine in the encoding t, so that for another anchor at the same location t' = a * t + b
gives the very same box; `recode` computes a and b.  A region proposal network always has the
faster_rcnn coder with scales 10, 10, 5, 5, and so has the second stage.
"""

import dataclasses
import math
from typing import Any, List, NamedTuple, Tuple

from graphfix.errors import SourceError

FASTER_RCNN = "faster_rcnn_box_coder"
KEYPOINT = "keypoint_box_coder"
SQUARE = "square_box_coder"
MEAN_STDDEV = "mean_stddev_box_coder"


@dataclasses.dataclass(frozen=True)
class Coder:
    """A coder: kind, scales (y, x, height, width; square: y, x, length; mean_stddev: 1 / stddev),
    and keypoints a box has."""

    kind: str
    scales: Tuple[float, ...]
    keypoints: int = 0


FIRST_STAGE = Coder(FASTER_RCNN, (10.0, 10.0, 5.0, 5.0))


def read_coder(message, subject: str) -> Coder:
    """The coder of a BoxCoder message.

    Raises:
      SourceError: naming `subject`, for one that the stock API does not build.
    """
    kind = message.WhichOneof("box_coder_oneof")
    given: Any = getattr(message, kind) if kind else None
    scales: Tuple[float, ...]
    if kind in (FASTER_RCNN, KEYPOINT):
        scales = (given.y_scale, given.x_scale, given.height_scale, given.width_scale)
    elif kind == SQUARE:
        scales = (given.y_scale, given.x_scale, given.length_scale)
    elif kind == MEAN_STDDEV:
        scales = (1.0 / given.stddev if given.stddev else 0.0,)
    else:
        raise SourceError(subject, "has no box coder", "add a box_coder block")
    if not all(0 < scale < float("inf") for scale in scales):
        raise SourceError(
            subject, f"has a {kind} with scales that are not positive", "give it positive ones"
        )
    return Coder(kind, scales, given.num_keypoints if kind == KEYPOINT else 0)


class PlacedAnchor(NamedTuple):
    """An anchor: centre and size, (y, x) and (height, width) in one unit."""

    centre: Tuple[float, float]
    size: Tuple[float, float]


def recode(coder: Coder, old: PlacedAnchor, new: PlacedAnchor) -> Tuple[Tuple[float, float], ...]:
    """(a, b) for each number t of an encoding, so that a * t + b on `new` is the box of t on
    `old`."""
    moved = [one - other for one, other in zip(old.centre, new.centre)]
    if coder.kind == MEAN_STDDEV:
        corners = [
            centre - side / 2 * half
            for centre, side, half in (
                (moved[axis], old.size[axis] - new.size[axis], sign)
                for sign in (1, -1)
                for axis in (0, 1)
            )
        ]
        return tuple((1.0, corner * coder.scales[0]) for corner in corners)
    if coder.kind == SQUARE:
        before, after = (math.sqrt(one.size[0] * one.size[1]) for one in (old, new))
        return tuple(
            (before / after, coder.scales[axis] * moved[axis] / after) for axis in (0, 1)
        ) + ((1.0, coder.scales[2] * math.log(before / after)),)
    centres = [
        (old.size[axis] / new.size[axis], coder.scales[axis] * moved[axis] / new.size[axis])
        for axis in (0, 1)
    ]
    sides = [
        (1.0, coder.scales[2 + axis] * math.log(old.size[axis] / new.size[axis])) for axis in (0, 1)
    ]
    out: List[Tuple[float, float]] = centres + sides
    return tuple(out + centres * coder.keypoints)
