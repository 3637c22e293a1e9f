"""Boxes [.., 4] as ymin, xmin, ymax, xmax: coding for anchors, and overlap."""

from typing import Any, List, Tuple

import numpy as np
import torch
from torch import Tensor

from graphfix.detectors.anchor_generators import anchor_boxes, describe_anchors
from graphfix.detectors.box_coders import Coder
from graphfix.pipeline_config.resizers import constant_size

# The numbers of a box, and of its encoding.
CODE = 4
_EPSILON = 1e-8
# What the API tells this generator of the image, it tells at run time.
_SEES_THE_IMAGE = "ssd_anchor_generator"


def anchors(body: Any, shapes: List[Tuple[int, int]], image: Tuple[int, int]) -> np.ndarray:
    """The anchors of all feature maps in parts of the image, float32 [N, 4]."""
    size = (float(image[0]), float(image[1]))
    generator = body.anchor_generator
    seen = generator.WhichOneof("anchor_generator_oneof") == _SEES_THE_IMAGE
    told = size if seen else constant_size(body.image_resizer)
    spec = describe_anchors(generator, "anchor_generator", told)
    boxes = np.concatenate(
        [anchor_boxes(one, spec.generator, shape, size) for one, shape in zip(spec.maps, shapes)]
    )
    return (boxes / (size * 2)).astype(np.float32)


def grid_anchors(generator: Any, shape: Tuple[int, int], image: Tuple[int, int]) -> np.ndarray:
    """The anchors of a first stage in pixels, float32 [N, 4]."""
    spec = describe_anchors(generator, "first_stage_anchor_generator")
    size = (float(image[0]), float(image[1]))
    return anchor_boxes(spec.maps[0], spec.generator, shape, size).astype(np.float32)


def centres(boxes: Tensor) -> Tuple[Tensor, Tensor]:
    """Centres (y, x) and sizes (height, width), [.., 2] each."""
    sizes = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + sizes / 2, sizes


def decode(coder: Coder, encodings: Tensor, anchor: Tensor) -> Tensor:
    """The boxes that encodings stand for on their anchors."""
    centre, size = centres(anchor)
    scales = encodings.new_tensor(coder.scales)
    moved = encodings[..., :4] / scales[:4]
    middle = moved[..., :2] * size + centre
    half = torch.exp(moved[..., 2:]) * size / 2
    return torch.cat([middle - half, middle + half], dim=-1)


def encode(coder: Coder, boxes: Tensor, anchor: Tensor) -> Tensor:
    """What a coder makes of boxes for their anchors."""
    (centre, size), (middle, extent) = centres(anchor), centres(boxes)
    size, extent = size + _EPSILON, extent + _EPSILON
    moved = torch.cat([(middle - centre) / size, torch.log(extent / size)], dim=-1)
    return moved * boxes.new_tensor(coder.scales)[:4]


def areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def intersections(some: Tensor, others: Tensor) -> Tensor:
    """[.., N, M] of [.., N, 4] and [.., M, 4]."""
    low = torch.maximum(some[..., :, None, :2], others[..., None, :, :2])
    high = torch.minimum(some[..., :, None, 2:], others[..., None, :, 2:])
    sides = (high - low).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def overlaps(some: Tensor, others: Tensor) -> Tensor:
    """Intersection over union, [N, M]; of boxes without an area 0."""
    shared = intersections(some, others)
    union = areas(some)[..., :, None] + areas(others)[..., None, :] - shared
    return torch.where(shared > 0, shared / union, torch.zeros_like(shared))


def clipped(boxes: Tensor, window: Tensor) -> Tensor:
    """Boxes within a window [4]."""
    low, high = window[:2].repeat(2), window[2:].repeat(2)
    return torch.maximum(torch.minimum(boxes, high), low)
