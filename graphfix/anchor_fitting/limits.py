"""How large anchors may become: no larger than the image.

Published anchors reach out of it, too: 0.95 of an image with an aspect ratio of 3 is 1.6 images
wide, and generators whose maps share their aspect ratios cannot change one without the others.  So
a side that is longer than the image's at present may stay so, but becomes no longer than it is.
Where anchors are other ones (of another number, or made of other ratios and scales), all are at
most as large as the image.
"""

from typing import Any, List, Sequence, Tuple

import numpy as np

from graphfix.anchor_fitting.coverage import SSD_GENERATOR
from graphfix.detectors.anchor_generators import AnchorSpec

SLACK = 1e-6  # of a logarithm, the error of float32


def image_limit(spec: AnchorSpec, images: np.ndarray) -> np.ndarray:
    """(height, width) that no anchor exceeds, in the unit of the spec's sizes: the largest image's.

    `images`: sizes of images, [N, 2].
    """
    images = np.asarray(images, np.float64)
    if spec.generator == SSD_GENERATOR:
        images = images / images.min(axis=1, keepdims=True)
    return images.max(axis=0)


def larger_than(spec: AnchorSpec, limit: np.ndarray) -> int:
    """How many anchors of a location are higher or wider than a limit."""
    return sum(
        bool((np.log(np.asarray(size) / limit) > SLACK).any())
        for one in spec.maps
        for size in one.sizes
    )


class Limits:
    """The largest sides that anchors may have in place of the present ones."""

    def __init__(self, present: AnchorSpec, limit: np.ndarray):
        self.image = limit
        self.sides = np.concatenate([np.maximum(one.sizes, limit) for one in present.maps])

    def excess(self, spec: AnchorSpec, replaced: bool) -> Tuple[float, List[np.ndarray]]:
        """By how much each anchor of each map is too large, as a logarithm; at most 0 where not.
        The largest of these, and all.

        `replaced`: each is in the place of a present one.
        """
        sizes = np.array([size for one in spec.maps for size in one.sizes])
        excess = np.log(sizes / (self.sides if replaced else self.image)).max(axis=1)
        parts, start = [], 0
        for one in spec.maps:
            parts.append(excess[start : start + len(one.sizes)])
            start += len(one.sizes)
        return float(excess.max()), parts


def shrunk(
    vector: np.ndarray,
    groups: Sequence[Tuple[int, Sequence[Tuple[int, int]]]],
    excess: Sequence[Any],
    margin: float,
) -> np.ndarray:
    """A vector whose scales are smaller by what their anchors (map, number) are too large."""
    out = vector.copy()
    for place, anchors in groups:
        most = max(excess[level][number] for level, number in anchors)
        if most > SLACK:
            out[place] -= most + margin
    return out
