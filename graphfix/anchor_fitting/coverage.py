"""How well a generator's anchors cover boxes, where the model really places them.

An anchor shape stands at every cell of its map's grid, so of all its placements the best for a
box is found without trying them: the intersection is a product of an overlap in y and one in x,
each the smaller the farther the two centres are apart; so it is the one at the nearest row and the
nearest column of the grid.  With d the distance of the centres, the overlap of sides a and b is
min(a, b, (a + b) / 2 - d), or 0.

The best anchor that a grid allows at all is found the same way.  For a box of side h whose nearest
centre is d away, and any anchor in the other direction, the IoU rises up to a side of h - 2d (all
of the anchor in the box), is monotone from there to h + 2d (all of the box in the anchor: both the
overlap and the union are linear), and falls behind it; so one of these two, in each direction.

A first stage trains only with anchors that lie inside the image (`inside`): then only those rows
and columns count whose anchor does.
"""

import dataclasses
from typing import Any, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.anchor_fitting.data import BoxSet
from graphfix.detectors.anchor_generators import AnchorSpec, Pair
from graphfix.detectors.feature_maps import map_shapes

_CHUNK = 1 << 15  # boxes at once: the arrays stay in a processor's cache
_ROUNDING = 1e-4  # pixels, the error of float32
SSD_GENERATOR = "ssd_anchor_generator"


@dataclasses.dataclass(frozen=True)
class FeatureMaps:
    """The network's feature maps: those of `body`, the message of its meta-architecture `meta`, and
    whether only anchors `inside` the image count."""

    body: object
    meta: str
    inside: bool


@dataclasses.dataclass(frozen=True)
class _Axes:
    """A map's grid under the boxes of a chunk, y and x; the arrays are [N] or [1]."""

    stride: Tuple
    offset: Tuple
    last: Tuple


class GridOverlaps:
    """Boxes and the grids of all maps under them; `overlaps` computes IoUs with anchor shapes.

    Sizes of anchors are pixels, or parts of the image's shorter side for `ssd_anchor_generator`
    (described without an image), whose anchors scale with it.
    """

    def __init__(self, part: BoxSet, spec: AnchorSpec, maps: FeatureMaps):
        self.boxes = np.ascontiguousarray(part.boxes.T)
        self.images = part.images.astype(np.float64)
        self.area = self.boxes[2] * self.boxes[3]
        self.inside = maps.inside
        self.unit = (
            self.images.min(axis=1).astype(np.float32)
            if spec.generator == SSD_GENERATOR
            else np.float32([1])
        )
        self.grids = []
        for one, shape in zip(spec.maps, map_shapes(maps.body, maps.meta, self.images)):
            stride = one.stride or tuple((self.images / shape).T)
            offset = one.offset or tuple(step / 2 for step in stride)
            self.grids.append(
                _Axes(
                    *(
                        tuple(np.atleast_1d(np.float32(value)) for value in pair)
                        for pair in (stride, offset, tuple((shape - 1).T))
                    )
                )
            )
        # Of each map, in y and x, of each box.
        self.distances = np.array(
            [[self._distance(grid, axis, None) for axis in (0, 1)] for grid in self.grids]
        )

    def overlaps(self, map_number: int, size: Any) -> np.ndarray:
        """The best IoU of each box with an anchor of a size, over its placements on a map: [N].

        `size`: (height, width) in units; columns of A heights and widths give [A, N].
        """
        sides = [np.asarray(side, np.float32) * self.unit for side in size]
        return self._overlaps(
            sides, [self._nearest(map_number, axis, side) for axis, side in enumerate(sides)]
        )

    def overlaps_of(self, anchors: Sequence[Tuple[int, Pair]]) -> np.ndarray:
        """The same for several anchors, (map's number, size) each: [A, N]."""
        columns = np.array([size for _, size in anchors], np.float32).T[:, :, None]
        sides = [side * self.unit for side in columns]
        levels = [level for level, _ in anchors]
        if not self.inside:
            return self._overlaps(sides, [self.distances[levels, axis] for axis in (0, 1)])
        distances = [
            np.stack([self._nearest(*one) for one in zip(levels, [axis] * len(levels), side)])
            for axis, side in enumerate(sides)
        ]
        return self._overlaps(sides, distances)

    def _nearest(self, map_number: int, axis: int, side: np.ndarray) -> np.ndarray:
        if self.inside:
            return self._distance(self.grids[map_number], axis, side)
        return self.distances[map_number][axis]

    def _overlaps(self, sides: Sequence[np.ndarray], distances: Sequence[np.ndarray]) -> np.ndarray:
        both: Any = None
        for axis, (side, distance) in enumerate(zip(sides, distances)):
            own = self.boxes[2 + axis]
            shared = (own + side) * np.float32(0.5)
            shared -= distance
            np.minimum(shared, own, out=shared)
            np.minimum(shared, side, out=shared)
            np.maximum(shared, 0, out=shared)
            both = shared if both is None else np.multiply(both, shared, out=both)
        whole = self.area + sides[0] * sides[1]
        whole -= both
        return np.divide(both, whole, out=both)

    def possible(self, map_number: int) -> np.ndarray:
        """The best IoU of each box with any anchor on a map, of whatever size: [N]."""
        own = self.boxes[2:]
        best = np.zeros(len(self.area), np.float32)
        sides = [
            [np.maximum(own[axis] + sign * distance, 0) for sign in (2, -2)]
            for axis, distance in enumerate(self.distances[map_number])
        ]
        for high in sides[0]:
            for wide in sides[1]:
                both = np.minimum(high, own[0]) * np.minimum(wide, own[1])
                np.maximum(best, both / (self.area + high * wide - both), out=best)
        return best

    def _distance(self, grid: _Axes, axis: int, side: Optional[np.ndarray]) -> np.ndarray:
        """From each box's centre to the nearest of the grid's; infinite where there is none."""
        stride, offset, high = grid.stride[axis], grid.offset[axis], grid.last[axis]
        low = np.float32(0)
        if side is not None:
            limit = self.images[:, axis].astype(np.float32)
            low = np.maximum(0, np.ceil((side / 2 - offset - _ROUNDING) / stride))
            high = np.minimum(high, np.floor((limit - side / 2 - offset + _ROUNDING) / stride))
        index = np.rint((self.boxes[axis] - offset) / stride)
        distance = np.abs(self.boxes[axis] - (np.clip(index, low, high) * stride + offset))
        return distance if side is None else np.where(low > high, np.float32(np.inf), distance)


def chunks(
    boxes: BoxSet, spec: AnchorSpec, maps: FeatureMaps
) -> Iterator[Tuple[slice, GridOverlaps]]:
    """All boxes with the grids under them, a few thousand at a time."""
    for start in range(0, len(boxes), _CHUNK):
        where = slice(start, start + _CHUNK)
        yield where, GridOverlaps(boxes.part(where), spec, maps)


@dataclasses.dataclass(frozen=True)
class Best:
    """Of each box: its best IoU with any anchor (float32 [N]), and with any map's anchor that had
    the box's own size (`possible`): no sizes do better on these grids.

    Of each anchor of each map: its best IoU with any box, how many boxes reach the threshold with
    it, and of how many it is the best.
    """

    iou: np.ndarray
    possible: np.ndarray
    reached: List[np.ndarray]
    matched: List[np.ndarray]
    best_of: List[np.ndarray]


def best_overlaps(boxes: BoxSet, spec: AnchorSpec, maps: FeatureMaps, threshold: float) -> Best:
    """The overlaps of every box with every anchor."""
    iou, possible = (np.zeros(len(boxes), np.float32) for _ in range(2))
    counts = [
        [np.zeros(count, kind) for count in spec.per_map]
        for kind in (np.float32, np.int64, np.int64)
    ]
    reached, matched, best_of = counts
    for where, placed in chunks(boxes, spec, maps):
        best, own = iou[where], possible[where]
        of = np.full(len(best), -1, np.int32)
        number = 0
        for level, one in enumerate(spec.maps):
            np.maximum(own, placed.possible(level), out=own)
            for anchor, size in enumerate(one.sizes):
                found = placed.overlaps(level, size)
                reached[level][anchor] = max(reached[level][anchor], found.max())
                matched[level][anchor] += np.count_nonzero(found >= threshold)
                of[found > best] = number
                np.maximum(best, found, out=best)
                number += 1
        first = 0
        for level, count in enumerate(spec.per_map):
            best_of[level] += np.bincount(of[of >= 0], minlength=sum(spec.per_map))[
                first : first + count
            ]
            first += count
    return Best(iou, possible, reached, matched, best_of)
