"""detectors/box_coders.py: recoded for a new anchor, an encoding is the same box as for the old."""

import math
import random

import pytest
from google.protobuf import text_format

from graphfix.detectors import box_coders
from graphfix.detectors.box_coders import Coder, PlacedAnchor, recode
from graphfix.errors import SourceError
from graphfix.formats.schema import message_class

CASES = (
    (Coder(box_coders.FASTER_RCNN, (10.0, 11.0, 5.0, 6.0)), 4),
    (Coder(box_coders.KEYPOINT, (10.0, 11.0, 5.0, 6.0), 2), 8),
    (Coder(box_coders.SQUARE, (10.0, 9.0, 5.0)), 3),
    (Coder(box_coders.MEAN_STDDEV, (100.0,)), 4),
)


def decode(coder, code, anchor):
    """As the stock coders' _decode has it."""
    (y, x), (h, w), scales = anchor.centre, anchor.size, coder.scales
    if coder.kind == box_coders.MEAN_STDDEV:
        corners = (y - h / 2, x - w / 2, y + h / 2, x + w / 2)
        return [t / scales[0] + corner for t, corner in zip(code, corners)]
    if coder.kind == box_coders.SQUARE:
        side = math.sqrt(h * w)
        return [
            code[0] / scales[0] * side + y,
            code[1] / scales[1] * side + x,
            side * math.exp(code[2] / scales[2]),
        ]
    box = [
        code[0] / scales[0] * h + y,
        code[1] / scales[1] * w + x,
        h * math.exp(code[2] / scales[2]),
        w * math.exp(code[3] / scales[3]),
    ]
    for point in range(coder.keypoints):
        box += [code[4 + 2 * point] / scales[0] * h + y, code[5 + 2 * point] / scales[1] * w + x]
    return box


@pytest.mark.parametrize("coder, size", CASES, ids=[coder.kind for coder, _ in CASES])
def test_the_box_stays(coder, size):
    rng = random.Random(coder.kind)
    for _ in range(100):
        old, new = (
            PlacedAnchor((rng.random(), rng.random()), (rng.random() + 0.1, rng.random() + 0.1))
            for _ in range(2)
        )
        code = [rng.gauss(0, 2) for _ in range(size)]
        changes = recode(coder, old, new)
        assert len(changes) == size
        moved = [a * t + b for t, (a, b) in zip(code, changes)]
        assert decode(coder, moved, new) == pytest.approx(decode(coder, code, old), abs=1e-12)


@pytest.mark.parametrize("coder, size", CASES, ids=[coder.kind for coder, _ in CASES])
def test_the_same_anchor_changes_nothing(coder, size):
    anchor = PlacedAnchor((0.3, 0.4), (0.2, 0.7))
    assert recode(coder, anchor, anchor) == ((1.0, 0.0),) * size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "faster_rcnn_box_coder { y_scale: 0 }",
        "mean_stddev_box_coder { stddev: 0 }",
        "square_box_coder { length_scale: nan }",
    ],
)
def test_a_coder_that_cannot_decode_is_refused(text):
    message = text_format.Parse(text, message_class("graphfix.pipeline.BoxCoder")())
    with pytest.raises(SourceError):
        box_coders.read_coder(message, "c.config")
