"""Padding as TensorFlow's SAME."""

import pytest

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import torch

from graphfix.torch import layers


@pytest.mark.parametrize("window", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_gives_a_cell_for_each_stride(window, stride):
    for size in range(1, 30):
        before, behind = layers.same_padding(size, window, stride)
        assert 0 <= behind - before <= 1
        assert (size + before + behind - window) // stride + 1 == -(-size // stride)


def test_pooling_counts_no_padding():
    x = torch.ones(1, 1, 5, 4)
    assert torch.equal(layers.average_pool(x, 3), x)
    assert torch.equal(layers.max_pool(-x, 3, 2), -torch.ones(1, 1, 3, 2))
