"""crop_and_resize, cell by cell, as TensorFlow's kernel does it."""

import numpy as np
import pytest

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import torch

from graphfix.torch.cropping import crop_and_resize, pasted


def cropped(features, box, size):
    channels, height, width = features.shape
    found = np.zeros((channels, *size), np.float32)
    for row in range(size[0]):
        for column in range(size[1]):
            y, x = (
                low * (side - 1) + step * (high - low) * (side - 1) / (cells - 1)
                if cells > 1
                else 0.5 * (low + high) * (side - 1)
                for low, high, side, cells, step in (
                    (box[0], box[2], height, size[0], row),
                    (box[1], box[3], width, size[1], column),
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


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 5), (1, 4), (6, 3)])
def test_each_cell(size):
    random = np.random.RandomState(sum(size))
    features = random.standard_normal((2, 3, 6, 9)).astype(np.float32)
    low = random.uniform(-0.2, 0.7, (2, 4, 2))
    boxes = np.concatenate([low, low + random.uniform(0, 0.5, low.shape)], -1).astype(np.float32)
    boxes[0, 0] = 0
    found = crop_and_resize(torch.from_numpy(features), torch.from_numpy(boxes), size)
    assert found.shape == (8, 3, *size)
    wanted = [cropped(features[image], box, size) for image in range(2) for box in boxes[image]]
    assert np.allclose(found, wanted, atol=1e-5)


def test_masks_are_pasted_into_their_boxes():
    random = np.random.RandomState(4)
    low = random.uniform(0, 0.6, (5, 2))
    boxes = np.concatenate([low, low + random.uniform(0.1, 0.3, low.shape)], -1).astype(np.float32)
    masks = random.uniform(0.1, 1, (5, 4, 3)).astype(np.float32)
    found = pasted(torch.from_numpy(masks), torch.from_numpy(boxes), (30, 40)).numpy()
    # The centre of the image's first pixel is at 0, that of the last at 1.
    y, x = (np.arange(side) / (side - 1) for side in (30, 40))
    for one, box, mask in zip(found, boxes, masks):
        inside = (((y >= box[0]) & (y <= box[2]))[:, None], ((x >= box[1]) & (x <= box[3]))[None])
        assert ((one > 0) == (inside[0] & inside[1])).all()
        row, column = int(round((box[0] + box[2]) / 2 * 29)), int(round(box[1] * 39)) + 1
        place = np.array([y[row] - box[0], x[column] - box[1]]) / (box[2:] - box[:2]) * [3, 2]
        top, left = np.floor(place).astype(int)
        part = place - [top, left]
        weights = np.outer([1 - part[0], part[0]], [1 - part[1], part[1]])
        wanted = (weights * mask[top : top + 2, left : left + 2]).sum()
        assert np.isclose(one[row, column], wanted, atol=1e-5)
    nothing = torch.zeros(0, 4, 3), torch.zeros(0, 4)
    assert pasted(*nothing, (30, 40)).shape == (0, 30, 40)
