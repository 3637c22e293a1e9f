"""Names and layouts: there and back."""

import numpy as np
import pytest

from graphfix.torch import names


@pytest.mark.parametrize(
    "variable, shape, name, other",
    [
        ("a/b/weights", (3, 5, 2, 7), "a.b.weight", (7, 2, 3, 5)),
        ("a/depthwise_weights", (3, 5, 4, 2), "a.depthwise_weight", (8, 1, 3, 5)),
        ("a/pointwise_weights", (1, 1, 8, 3), "a.pointwise_weight", (3, 8, 1, 1)),
        ("a/biases", (4,), "a.bias", (4,)),
        ("a/BatchNorm/feature_2/moving_variance", (4,), "a.BatchNorm.feature_2.running_var", (4,)),
    ],
)
def test_there_and_back(variable, shape, name, other):
    value = np.random.RandomState(0).standard_normal(shape).astype(np.float32)
    moved = names.to_torch(variable, value)
    assert (names.torch_name(variable), moved.shape) == (name, other)
    assert names.torch_shape(variable, shape) == other
    assert names.to_tensorflow(variable, moved, shape).tobytes() == value.tobytes()


def test_a_depthwise_channel_stays_with_its_input():
    """Channel 2 of a multiplier of 2 is the first filter of input 1."""
    value = np.arange(9 * 3 * 2, dtype=np.float32).reshape(3, 3, 3, 2)
    moved = names.to_torch("a/depthwise_weights", value)
    assert np.array_equal(moved[2, 0], value[:, :, 1, 0])
