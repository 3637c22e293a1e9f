"""From images to what the network takes: resizing, padding and scaling as TensorFlow 1 does them.

TensorFlow 1's bilinear resizing takes pixel i of the result from i * (old size / new size), without
half-pixel centres, and so is not torch.nn.functional.interpolate.
"""

from typing import Any, Callable, Iterable, List, NamedTuple, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from graphfix.errors import RequestError
from graphfix.pipeline_config.resizers import resized

# Floats beyond these are pixels of 0 to 255, or normalized; augmentations go only a little beyond
# 0 and 1.
_LEAST, _MOST = -1, 8


class Batch(NamedTuple):
    """Resized images [N, 3, height, width], the size of each before and after resizing, and the
    size that padding gave it."""

    images: Tensor
    before: List[Tuple[int, int]]
    after: List[Tuple[int, int]]

    @property
    def size(self) -> Tuple[int, int]:
        return self.images.shape[2], self.images.shape[3]


def batch_of(images: Any, resizer: Any, prepare: Callable[[Tensor], Tensor]) -> Batch:
    """The batch of a list of images [3, height, width], or of a tensor of them: of floats from 0 to
    1, or of bytes.  `prepare` is what is done to pixels of 0 to 255 before they are resized.

    Raises:
      RequestError: an image is of another type, or images would have several sizes in one batch.
    """
    made, before, after = [], [], []
    for number, image in enumerate(images if isinstance(images, Iterable) else ()):
        why = _odd(image)
        if why:
            raise RequestError(
                f"images[{number}]", why, "give RGB images as torchvision's detectors take them"
            )
        pixels = image * 255.0 if image.is_floating_point() else image.float()
        size = (int(image.shape[1]), int(image.shape[2]))
        scaled, padded = (
            (int(one[0, 0]), int(one[0, 1])) for one in resized(resizer, np.array([size]))
        )
        made.append(_padded(bilinear(prepare(pixels.float()), scaled), padded, resizer))
        before.append(size)
        after.append(scaled)
    if len({one.shape for one in made}) != 1:
        raise RequestError(
            "images",
            "are of several sizes once they are resized" if made else "are none",
            "give one image at a time, or images of one size"
            if made
            else "give a list of at least one image",
        )
    return Batch(torch.stack(made), before, after)


def _odd(image: Any) -> str:
    """What is wrong with an image, nothing if it is one."""
    if not isinstance(image, Tensor) or image.ndim != 3 or image.shape[0] != 3:
        return "is no tensor of the shape [3, height, width]"
    if not (image.shape[1] and image.shape[2]):
        return "has no pixels"
    if image.dtype != torch.uint8 and not image.is_floating_point():
        return f"is of {image.dtype}, and not of bytes or floats"
    if image.is_floating_point() and not torch.compiler.is_compiling():
        low, high = (float(one) for one in image.detach().aminmax())
        if not _LEAST <= low <= high <= _MOST:  # or one of them is no number
            return f"has pixels of {low:g} to {high:g}, where floats are of 0 to 1, not normalized"
    return ""


def bilinear(image: Tensor, size: Tuple[int, int], *, aligned: bool = False) -> Tensor:
    """tf.image.resize_images of an image [.., height, width]; `aligned`: corners stay corners."""
    for axis, wanted in ((-1, size[1]), (-2, size[0])):
        if image.shape[axis] != wanted:
            image = _along(image, axis, wanted, aligned)
    return image


def nearest(image: Tensor, size: Tuple[int, int]) -> Tensor:
    """tf.image.resize_nearest_neighbor of an image [.., height, width]."""
    for axis, wanted in ((-1, size[1]), (-2, size[0])):
        old = image.shape[axis]
        place = np.floor(_cells(old, wanted)).astype(np.int64)
        index = torch.from_numpy(np.minimum(place, old - 1)).to(image.device)
        image = image.index_select(axis, index)
    return image


def _cells(old: int, wanted: int, aligned: bool = False) -> np.ndarray:
    """Where each of `wanted` cells lies among the old ones."""
    before, after = (old - 1, wanted - 1) if aligned and wanted > 1 else (old, wanted)
    return np.arange(wanted, dtype=np.float32) * (np.float32(before) / np.float32(after))


def _along(image: Tensor, axis: int, wanted: int, aligned: bool) -> Tensor:
    old = image.shape[axis]
    place = _cells(old, wanted, aligned)
    low = np.minimum(np.floor(place).astype(np.int64), old - 1)
    high = np.minimum(low + 1, old - 1)
    part = torch.from_numpy(place - low.astype(np.float32)).to(image)
    part = part if axis == -1 else part[:, None]
    before, behind = (
        image.index_select(axis, torch.from_numpy(index).to(image.device)) for index in (low, high)
    )
    return before + (behind - before) * part


def _padded(image: Tensor, size: Tuple[int, int], resizer: Any) -> Tensor:
    rows, columns = size[0] - image.shape[1], size[1] - image.shape[2]
    if not (rows or columns):
        return image
    values = list(resizer.keep_aspect_ratio_resizer.per_channel_pad_value) or [0.0] * 3
    return torch.stack(
        [
            functional.pad(channel, (0, columns, 0, rows), value=value)
            for channel, value in zip(image, values)
        ]
    )


def scaled(images: Tensor, means: Sequence[float]) -> Tensor:
    """Pixels of 0 to 255 as the base network takes them."""
    if means:
        return images - images.new_tensor(means)[:, None, None]
    return (2.0 / 255.0) * images - 1.0


def padded_to_multiple(images: Tensor, multiple: int) -> Tensor:
    rows, columns = (-side % multiple if multiple > 1 else 0 for side in images.shape[2:])
    return functional.pad(images, (0, columns, 0, rows)) if rows or columns else images
