"""The feature maps that a config's anchors are placed on: how many there are, and of how many
cells.

Measured by building the stock API's feature extractors.  Each map of an SSD has half the rows and
columns of the one before, rounded up, and there are `num_layers` of them, unless the extractor has
a number of its own; its file also has the stride of the first one, or the windows that lead to the
maps where they are not padded (extractors/loader.py).  An FPN has a map for each level from
`min_level` to `max_level`, of stride 2^level.  The first stage of Faster R-CNN has one map, of
`first_stage_features_stride`.
"""

from typing import Iterator, List, Tuple

import numpy as np

from graphfix.detectors.extractors.facts import Steps
from graphfix.detectors.extractors.loader import described_extractor, find_extractor
from graphfix.detectors.families import FASTER_RCNN
from graphfix.errors import SourceError


def _levels(extractor) -> Tuple[int, int]:
    return extractor.fpn.min_level, extractor.fpn.max_level


def map_count(body, meta: str) -> int:
    """The number of feature maps of a config's model."""
    extractor = body.feature_extractor
    if meta == FASTER_RCNN:
        return 1
    known = find_extractor(extractor.type)
    if known is not None and known.has_pyramid:
        low, high = _levels(extractor)
        return high - low + 1
    if known is not None and known.map_count is not None:
        return known.map_count
    return extractor.num_layers


def check_maps(count: int, body, meta: str, subject: str) -> None:
    """Raises SourceError, naming `subject`, if anchors are for another number of maps."""
    wanted = map_count(body, meta)
    if count != wanted:
        raise SourceError(
            subject,
            f"places anchors on {count} feature maps, but "
            f"{body.feature_extractor.type or 'the model'} has {wanted}",
            "give as many layers, levels or grids as there are feature maps",
        )


def map_shapes(body, meta: str, images: np.ndarray) -> List[np.ndarray]:
    """Rows and columns of every feature map, float64 [N, 2] each, for images of sizes [N, 2].

    Raises:
      SourceError: the feature extractor is not known.
    """
    extractor = body.feature_extractor
    if meta == FASTER_RCNN:
        return [np.ceil(images / max(1, body.feature_extractor.first_stage_features_stride))]
    padded = max(1, extractor.pad_to_multiple)
    images = np.ceil(images / padded) * padded
    known = described_extractor(extractor.type, "feature_extractor")
    if known.has_pyramid:
        low, high = _levels(extractor)
        return [np.ceil(images / 2**level) for level in range(low, high + 1)]
    shapes = list(_unpadded(known.unpadded, images)) or [np.ceil(images / known.first_stride)]
    while len(shapes) < map_count(body, meta):
        shapes.append(np.ceil(shapes[-1] / 2))
    return [np.maximum(shape, 1) for shape in shapes[: map_count(body, meta)]]


def _unpadded(maps: Tuple[Steps, ...], sizes: np.ndarray) -> Iterator[np.ndarray]:
    """The sizes of feature maps where no window extends over the edge."""
    for steps in maps:
        for window, stride in steps:
            sizes = np.floor((sizes - window) / stride) + 1
        yield sizes
