"""pipeline_config/resizers.py against the image resizers of every revision of the stock API."""

import json
import os
import subprocess

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
from google.protobuf import text_format

from graphfix.formats.schema import message_class
from graphfix.pipeline_config.resizers import constant_size, resized

# Small images, for the sake of time: rounding goes wrong on any side that does not divide.
SMALL = [
    "fixed_shape_resizer { height: 30 width: 20 }",
    "fixed_shape_resizer { height: 30 width: 20 convert_to_grayscale: true }",
    "keep_aspect_ratio_resizer { min_dimension: 60 max_dimension: 102 }",
    "keep_aspect_ratio_resizer { min_dimension: 61 max_dimension: 61 }",
    "keep_aspect_ratio_resizer { min_dimension: 7 max_dimension: 97 }",
    "keep_aspect_ratio_resizer { min_dimension: 64 max_dimension: 64 pad_to_max_dimension: true }",
    "keep_aspect_ratio_resizer { min_dimension: 33 max_dimension: 71 pad_to_max_dimension: true }",
    "identity_resizer {}",
    "conditional_shape_resizer { size_threshold: 49 }",
    "conditional_shape_resizer { size_threshold: 20 condition: GREATER }",
    "conditional_shape_resizer { size_threshold: 41 condition: SMALLER }",
    "conditional_shape_resizer { size_threshold: 77 condition: SMALLER }",
    "pad_to_multiple_resizer { multiple: 32 }",
    "pad_to_multiple_resizer { multiple: 7 }",
]
SMALL_SIZES = sorted(
    {(height, width) for height in range(11, 97, 5) for width in range(12, 113, 7)}
    | {(side, side) for side in range(8, 90, 3)}
    | {(33, 50), (50, 33), (90, 91), (100, 40), (13, 110)}
)
USUAL = [
    "keep_aspect_ratio_resizer { min_dimension: 600 max_dimension: 1024 }",
    "keep_aspect_ratio_resizer { "
    "min_dimension: 640 max_dimension: 640 pad_to_max_dimension: true }",
    "conditional_shape_resizer { size_threshold: 299 }",
    "conditional_shape_resizer { size_threshold: 300 }",
    "conditional_shape_resizer { condition: SMALLER size_threshold: 501 }",
]
USUAL_SIZES = [
    (333, 500),
    (500, 333),
    (480, 640),
    (427, 640),
    (600, 901),
    (299, 300),
    (448, 700),
    (582, 40),
]
# What a revision does not have: the first two know fewer fields.
LACKS = {
    "2019-04": ("conditional_shape_resizer", "pad_to_multiple_resizer"),
    "2019-07": ("pad_to_multiple_resizer",),
    "2021": (),
}


@pytest.mark.parametrize("era", judging.ERAS)
def test_sizes_are_the_stock_resizers(era, stock_python, tmp_path):
    cases = [(text, SMALL_SIZES) for text in SMALL] + [(text, USUAL_SIZES) for text in USUAL]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    subprocess.run(
        [
            stock_python(era),
            os.path.join(judging.HERE, "resizer_oracle.py"),
            str(tmp_path / "cases.json"),
            str(tmp_path / "found.json"),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    answers = json.loads((tmp_path / "found.json").read_text())
    lacked = [text for (text, _), answer in zip(cases, answers) if isinstance(answer, str)]
    assert lacked == [text for text, _ in cases if text.startswith(LACKS[era])]
    for (text, sizes), answer in zip(cases, answers):
        if text in lacked:
            continue
        ours = text_format.Parse(text, message_class("graphfix.pipeline.ImageResizer")())
        scaled, padded = resized(ours, np.array(sizes))
        for size, one, other, wanted in zip(sizes, scaled.tolist(), padded.tolist(), answer):
            assert [one, other] == wanted, (text, size)
            assert constant_size(ours) in (None, tuple(wanted[1])), text
