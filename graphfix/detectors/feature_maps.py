"""The feature maps that a config's anchors are placed on: how many there are, and of how many
cells.

Measured by building the stock API's feature extractors.  Each map of an SSD has half the rows and
columns of the one before, rounded up; the first is one of the stride in FIRST, and there are
`num_layers` of them.  An FPN has a map for each level from `min_level` to `max_level`, of stride
2^level.  Inception v3 does not pad, and so its first three maps are smaller.  The first stage of
Faster R-CNN has one map, of `first_stage_features_stride`.
"""

from typing import List, Tuple

import numpy as np

from graphfix.detectors.families import FASTER_RCNN
from graphfix.errors import SourceError

FIRST = 16
LAYERS = 6
# Types that differ: how many maps they have where `num_layers` does not count.
COUNTED = {"embedded_ssd_mobilenet_v1": 5, "ssd_mobilenet_v1_ppn": 6}
FPN = ("_fpn", "_fpn_keras", "_mnasfpn")


def _levels(extractor) -> Tuple[int, int]:
    return extractor.fpn.min_level, extractor.fpn.max_level


def map_count(body, meta: str) -> int:
    """How many feature maps the model of a config has."""
    extractor = body.feature_extractor
    if meta == FASTER_RCNN:
        return 1
    if extractor.type.endswith(FPN):
        low, high = _levels(extractor)
        return high - low + 1
    return COUNTED.get(extractor.type, extractor.num_layers)


def check_maps(count: int, body, meta: str, subject: str) -> None:
    """Raises SourceError, naming `subject`, where anchors are for another number of maps."""
    wanted = map_count(body, meta)
    if count != wanted:
        raise SourceError(
            subject,
            f"places anchors on {count} feature maps, but "
            f"{body.feature_extractor.type or 'the model'} has {wanted}",
            "give as many layers, levels or grids as there are feature maps",
        )


def map_shapes(body, meta: str, images: np.ndarray) -> List[np.ndarray]:
    """Rows and columns of every feature map, float64 [N, 2] each, for images of sizes [N, 2]."""
    extractor = body.feature_extractor
    if meta == FASTER_RCNN:
        return [np.ceil(images / max(1, body.feature_extractor.first_stage_features_stride))]
    padded = max(1, extractor.pad_to_multiple)
    images = np.ceil(images / padded) * padded
    if extractor.type.endswith(FPN):
        low, high = _levels(extractor)
        return [np.ceil(images / 2**level) for level in range(low, high + 1)]
    if extractor.type == "ssd_inception_v3":
        shapes = _inception_v3(images)
    else:
        shapes = [np.ceil(images / FIRST)]
    while len(shapes) < map_count(body, meta):
        shapes.append(np.ceil(shapes[-1] / 2))
    return [np.maximum(shape, 1) for shape in shapes[: map_count(body, meta)]]


def _inception_v3(images: np.ndarray) -> List[np.ndarray]:
    """Mixed_5d, Mixed_6e and Mixed_7c: windows of 3 (and one padded, and of 1), where nothing is
    padded when the step is 2."""

    def step(size):
        return np.floor((size - 3) / 2) + 1

    first = step(step(step(images) - 2) - 2)
    second = step(first)
    return [first, second, step(second)]
