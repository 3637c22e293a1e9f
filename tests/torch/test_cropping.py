"""crop_and_resize, cell by cell, as TensorFlow's kernel does it."""

import numpy as np
import pytest

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import torch

from graphfix.torch.cropping import crop_and_resize


def cropped(features, box, size):
    channels, height, width = features.shape
    found = np.zeros((channels, size, size), np.float32)
    for row in range(size):
        for column in range(size):
            y, x = (
                low * (side - 1) + step * (high - low) * (side - 1) / (size - 1)
                if size > 1
                else 0.5 * (low + high) * (side - 1)
                for low, high, side, step in (
                    (box[0], box[2], height, row),
                    (box[1], box[3], width, column),
                )
            )
            if 0 <= y <= height - 1 and 0 <= x <= width - 1:
                top, left = int(np.floor(y)), int(np.floor(x))
                bottom, right = int(np.ceil(y)), int(np.ceil(x))
                for place, weight in (
                    ((top, left), (1 - y + top) * (1 - x + left)),
                    ((top, right), (1 - y + top) * (x - left)),
                    ((bottom, left), (y - top) * (1 - x + left)),
                    ((bottom, right), (y - top) * (x - left)),
                ):
                    found[:, row, column] += features[(slice(None), *place)] * weight
    return found


@pytest.mark.parametrize("size", [1, 2, 5])
def test_each_cell(size):
    random = np.random.RandomState(size)
    features = random.standard_normal((2, 3, 6, 9)).astype(np.float32)
    low = random.uniform(-0.2, 0.7, (2, 4, 2))
    boxes = np.concatenate([low, low + random.uniform(0, 0.5, low.shape)], -1).astype(np.float32)
    boxes[0, 0] = 0
    found = crop_and_resize(torch.from_numpy(features), torch.from_numpy(boxes), size)
    assert found.shape == (8, 3, size, size)
    wanted = [cropped(features[image], box, size) for image in range(2) for box in boxes[image]]
    assert np.allclose(found, wanted, atol=1e-5)
