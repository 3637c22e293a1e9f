"""What TensorFlow 1 and PyTorch call the same tensor, and how each lays it out.

A scope is a module: `a/b/weights` is `a.b.weight`.  Leaves:

    TensorFlow                        PyTorch                         layout
    weights           [H, W, I, O]    weight            [O, I, H, W]
    weights           [I, O]          weight            [O, I]
    pointwise_weights [H, W, I, O]    pointwise_weight  [O, I, H, W]
    depthwise_weights [H, W, I, M]    depthwise_weight  [I * M, 1, H, W]
    biases                            bias
    BatchNorm/gamma, beta             BatchNorm.weight, bias
    BatchNorm/moving_mean             BatchNorm.running_mean
    BatchNorm/moving_variance         BatchNorm.running_var
"""

from typing import Tuple

import numpy as np

LEAVES = {
    "weights": "weight",
    "depthwise_weights": "depthwise_weight",
    "pointwise_weights": "pointwise_weight",
    "biases": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
DEPTHWISE = "depthwise_weights"


def torch_name(variable: str) -> str:
    """The name in a state dict of a variable whose leaf is one of LEAVES."""
    scope, _, leaf = variable.rpartition("/")
    return ".".join(scope.split("/") + [LEAVES[leaf]])


def to_torch(variable: str, value: np.ndarray) -> np.ndarray:
    """A variable's value as PyTorch lays it out."""
    if value.ndim == 2:
        return np.ascontiguousarray(value.T)
    if value.ndim != 4:
        return value
    if variable.endswith(DEPTHWISE):
        height, width, channels, multiplier = value.shape
        moved = value.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
    else:
        moved = value.transpose(3, 2, 0, 1)
    return np.ascontiguousarray(moved)


def to_tensorflow(variable: str, value: np.ndarray, shape: Tuple[int, ...]) -> np.ndarray:
    """The value of a variable of `shape`, from PyTorch's layout."""
    if len(shape) == 2:
        return np.ascontiguousarray(value.T)
    if len(shape) != 4:
        return value
    if variable.endswith(DEPTHWISE):
        height, width, channels, multiplier = shape
        moved = value.reshape(channels, multiplier, height, width).transpose(2, 3, 0, 1)
    else:
        moved = value.transpose(2, 3, 1, 0)
    return np.ascontiguousarray(moved)


def torch_shape(variable: str, shape: Tuple[int, ...]) -> Tuple[int, ...]:
    """The shape that a variable of `shape` has in PyTorch."""
    if len(shape) != 4:
        return shape[::-1]
    if variable.endswith(DEPTHWISE):
        return (shape[2] * shape[3], 1, shape[0], shape[1])
    return (shape[3], shape[2], shape[0], shape[1])
