"""tf.image.crop_and_resize: the features within boxes, bilinearly; and masks back into images.

A box's corners are the centres of the corner cells of its crop, in parts of the map's corner cells'
centres; what lies outside of the map is 0.
"""

from typing import Tuple

import torch
from torch import Tensor

_LEAST_SIDE = 1e-4


def crop_and_resize(features: Tensor, boxes: Tensor, size: Tuple[int, int]) -> Tensor:
    """Crops [images * n, channels, *size] of features [images, channels, height, width] and boxes
    [images, n, 4] in parts of the image."""
    images, channels, height, width = features.shape
    count = boxes.shape[1]
    rows, columns = (
        _places(boxes[..., axis], boxes[..., axis + 2], side, cells)
        for axis, side, cells in ((0, height, size[0]), (1, width, size[1]))
    )
    low_y, high_y, part_y, in_y = rows
    low_x, high_x, part_x, in_x = columns
    flat, cells = features.reshape(images, channels, height * width), count * size[0] * size[1]

    def taken(y: Tensor, x: Tensor) -> Tensor:
        place = (y[..., :, None] * width + x[..., None, :]).reshape(images, 1, cells)
        return flat.gather(2, place.expand(-1, channels, -1)).reshape(
            images, channels, count, *size
        )

    part_x, part_y = part_x[:, None, :, None, :], part_y[:, None, :, :, None]
    left, right = taken(low_y, low_x), taken(low_y, high_x)
    top = left + (right - left) * part_x
    left, right = taken(high_y, low_x), taken(high_y, high_x)
    bottom = left + (right - left) * part_x
    found = top + (bottom - top) * part_y
    inside = (in_y[..., :, None] & in_x[..., None, :])[:, None]
    found = torch.where(inside, found, torch.zeros_like(found))
    return found.transpose(1, 2).reshape(images * count, channels, *size)


def pasted(masks: Tensor, boxes: Tensor, size: Tuple[int, int]) -> Tensor:
    """Masks [n, *size] of an image, 0 outside of their boxes, of masks [n, height, width] within
    boxes [n, 4] in parts of the image: the API's reframe_box_masks_to_image_masks."""
    low, high = boxes[:, :2], boxes[:, 2:]
    sides = (high - low).clamp(min=_LEAST_SIDE)
    image = torch.cat([(0 - low) / sides, (1 - low) / sides], dim=1)
    # One after the other: what a mask takes on the way is several times the image.
    rows = [
        crop_and_resize(mask[None, None], own[None, None], size)[0]
        for mask, own in zip(masks, image)
    ]
    return torch.cat(rows) if rows else masks.new_zeros(0, *size)


def _places(low: Tensor, high: Tensor, side: int, size: int):
    """For each cell of a crop along an axis: the cells before and behind it, how far it is from the
    first, and whether it is within the map."""
    steps = torch.arange(size, device=low.device, dtype=low.dtype)
    if size > 1:
        step = (high - low)[..., None] * (side - 1) / (size - 1)
        place = low[..., None] * (side - 1) + steps * step
    else:
        place = 0.5 * (low + high)[..., None] * (side - 1)
    inside = (place >= 0) & (place <= side - 1)
    place = torch.where(inside, place, torch.zeros_like(place))
    before = place.floor()
    return before.long(), place.ceil().long(), place - before, inside
