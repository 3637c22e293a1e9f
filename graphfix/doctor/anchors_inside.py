"""Whether a first stage's anchors lie in the image.

While Faster R-CNN trains, it drops each anchor that crosses the image's edge, unless
`clip_anchors_to_image` is set; the matcher stops where none is left.  In evaluation it clips
anchors to the image, and drops those without an area, but not their predictions
(meta_architectures/faster_rcnn_meta_arch.py, `_remove_invalid_anchors_and_predictions`;
core/matcher.py).
"""

from typing import Iterator, Optional

import numpy as np

from graphfix.detectors.anchor_generators import MapAnchors, anchor_boxes
from graphfix.detectors.families import ANCHOR_FIELD, FASTER_RCNN
from graphfix.detectors.feature_maps import map_shapes
from graphfix.doctor.architecture import GRID, SOME_SIZE, laid_anchors
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.image_sizes import entering
from graphfix.doctor.record_notes import TRAIN
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, count
from graphfix.pipeline_config.resizers import constant_size

# Pixels: what is just at the edge lies inside, however it was computed.
_ROUNDED = 1e-6


def _empty(setup: Setup) -> Iterator[Symptom]:
    spec = laid_anchors(setup) if setup.meta == FASTER_RCNN else None
    if spec is None or spec.generator != GRID:
        return
    body = setup.body
    if body.use_static_shapes and body.use_static_shapes_for_eval:
        return  # then it keeps them
    image = constant_size(body.image_resizer) or SOME_SIZE
    rows, columns = map_shapes(body, FASTER_RCNN, np.array([image]))[0][0].astype(int)
    boxes = anchor_boxes(spec.maps[0], GRID, (rows, columns), image)
    sides = np.clip(boxes[:, 2:], 0, image) - np.clip(boxes[:, :2], 0, image)
    # As the API compares: what is no number is not above 0.
    empty = ~(sides.prod(axis=1) > 0)
    if empty.any():
        yield Symptom(
            setup.where("model", FASTER_RCNN, ANCHOR_FIELD[FASTER_RCNN], GRID),
            f"{count(int(empty.sum()), 'anchor')} of {len(boxes)} have no area in the image",
        )


def _outside(setup: Setup) -> Iterator[Symptom]:
    if setup.meta != FASTER_RCNN or setup.body.clip_anchors_to_image:
        return
    spec, _ = setup.anchors()
    images = _images(setup)
    if spec is None or spec.generator != GRID or images is None:
        return
    (anchors,) = spec.maps
    if not anchors.sizes or anchors.stride is None:
        return
    without = ~_kept(setup, anchors, images)
    if without.any():
        height, width = images[without][0]
        least = min(anchors.sizes, key=np.prod)
        yield Symptom(
            setup.where("model", FASTER_RCNN, ANCHOR_FIELD[FASTER_RCNN], GRID),
            f"every anchor crosses the edge of an image of {width:g} x {height:g} pixels; the "
            f"smallest is {least[1]:.0f} x {least[0]:.0f}",
        )


def _images(setup: Setup) -> Optional[np.ndarray]:
    """(height, width) in pixels [N, 2] of the images that enter the network, as far as is known:
    of those of the records, or the largest there can be."""
    sizes = entering(setup, TRAIN)
    if sizes is not None and len(sizes):
        return sizes
    keep = setup.body.image_resizer.keep_aspect_ratio_resizer
    return np.array([[keep.max_dimension] * 2]) if keep.max_dimension else None


def _kept(setup: Setup, anchors: MapAnchors, images: np.ndarray) -> np.ndarray:
    """bool [N]: whether an anchor lies within the image."""
    (cells,) = map_shapes(setup.body, FASTER_RCNN, images)
    kept = np.zeros(len(images), bool)
    for size in anchors.sizes:
        within = np.ones(len(images), bool)
        for axis in range(2):
            # Of the places at which an anchor is, the first one that is not too near the edge that
            # they start from.
            start, step = (anchors.offset or (0, 0))[axis], (anchors.stride or (1, 1))[axis]
            half = size[axis] / 2
            last = images[:, axis] - half
            nearest = half if step >= 0 else last
            first = np.maximum(np.ceil((nearest - start) / step), 0) if step else 0
            at = start + first * step
            within &= (first < cells[:, axis]) & (at >= half - _ROUNDED) & (at <= last + _ROUNDED)
        kept |= within
    return kept


CONFIG = (
    Check(
        "ANCHORS_EMPTY",
        ERROR,
        "In evaluation Faster R-CNN drops anchors without an area in the image, but not their "
        'predictions, and stops ("weights can not be broadcast to values").',
        "write positive scales and aspect_ratios, and the features' strides",
        _empty,
    ),
)
CHECKS = (
    Check(
        "ANCHORS_OUTSIDE",
        ERROR,
        "In training Faster R-CNN drops each anchor that crosses the image's edge, and stops at an "
        'image that has no other ("Reduction axis 1 is empty in shape").',
        "write smaller scales, larger images, or clip_anchors_to_image: true",
        _outside,
    ),
)
