"""tf.image.crop_and_resize: the features within boxes, bilinearly.

A box's corners are the centres of the corner cells of its crop, in parts of the map's corner cells'
centres; what lies outside of the map is 0.
"""

import torch
from torch import Tensor


def crop_and_resize(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Crops [images * n, channels, size, size] of features [images, channels, height, width] and
    boxes [images, n, 4] in parts of the image."""
    images, channels, height, width = features.shape
    count = boxes.shape[1]
    rows, columns = (
        _places(boxes[..., axis], boxes[..., axis + 2], side, size)
        for axis, side in ((0, height), (1, width))
    )
    low_y, high_y, part_y, in_y = rows
    low_x, high_x, part_x, in_x = columns
    flat = features.reshape(images, channels, height * width)

    def taken(y: Tensor, x: Tensor) -> Tensor:
        place = (y[..., :, None] * width + x[..., None, :]).reshape(images, 1, -1)
        return flat.gather(2, place.expand(-1, channels, -1)).reshape(
            images, channels, count, size, size
        )

    part_x, part_y = part_x[:, None, :, None, :], part_y[:, None, :, :, None]
    left, right = taken(low_y, low_x), taken(low_y, high_x)
    top = left + (right - left) * part_x
    left, right = taken(high_y, low_x), taken(high_y, high_x)
    bottom = left + (right - left) * part_x
    found = top + (bottom - top) * part_y
    inside = (in_y[..., :, None] & in_x[..., None, :])[:, None]
    found = torch.where(inside, found, torch.zeros_like(found))
    return found.transpose(1, 2).reshape(images * count, channels, size, size)


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
