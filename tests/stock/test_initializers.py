"""New rows are drawn from the distribution that the stock API would initialize them with."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow.compat.v1", reason="TensorFlow 1.15 is not installed here")
pytest.importorskip("object_detection", reason="the stock API is not installed here")

from google.protobuf import text_format  # noqa: E402
from object_detection.builders import hyperparams_builder  # noqa: E402
from object_detection.protos import hyperparams_pb2  # noqa: E402

from graphfix.detectors.initializer import draw, for_tensor, read_initializer  # noqa: E402

GIVEN = [
    "truncated_normal_initializer { mean: 0.1 stddev: 0.03 }",
    "random_normal_initializer { mean: -0.2 stddev: 0.02 }",
] + [
    f"variance_scaling_initializer {{ factor: {factor:g} uniform: {uniform} mode: {mode} }}"
    for factor, uniform, mode in (
        (1, "true", "FAN_AVG"),
        (2, "true", "FAN_IN"),
        (1, "true", "FAN_OUT"),
        (1, "false", "FAN_AVG"),
        (2, "false", "FAN_IN"),
        (0.5, "false", "FAN_OUT"),
    )
]
# A convolution's and a fully connected layer's; of 57,600 numbers each, so that two samples of one
# distribution differ by less than 2% in their spread.
SHAPES = (3, 3, 64, 100), (320, 180)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("given", GIVEN)
def test_they_are_of_one_distribution(given, shape):
    message = text_format.Parse(f"initializer {{ {given} }}", hyperparams_pb2.Hyperparams())
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        stock = session.run(
            hyperparams_builder._build_initializer(message.initializer)(shape, tf.float32)
        )
    own = draw(for_tensor(read_initializer(message), shape), "a key", shape)
    assert own.shape == stock.shape
    spread = stock.std()
    assert own.std() == pytest.approx(spread, rel=0.02)
    assert own.mean() == pytest.approx(stock.mean(), abs=0.02 * spread)
    if "random_normal" not in given:
        # Both end at a sharp bound, and come close to it.
        assert np.abs(own - own.mean()).max() == pytest.approx(
            np.abs(stock - stock.mean()).max(), rel=0.02
        )
