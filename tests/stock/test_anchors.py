"""Anchors as the stock builders place them."""

import json
import os
import subprocess

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
from google.protobuf import text_format

from graphfix.detectors.anchor_generators import anchor_boxes, describe_anchors
from graphfix.formats.schema import message_class

ORACLE = os.path.join(judging.HERE, "anchor_oracle.py")
SSD_SHAPES = [[19, 19], [10, 10], [5, 5], [3, 3], [2, 2], [1, 1]]


def case(config, shapes, image, pixels=False, varies=False):
    """`varies`: the API learns the image's size when the graph runs."""
    return dict(config=config, shapes=shapes, image=image, pixels=pixels, varies=varies)


CASES = [
    case("ssd_anchor_generator { aspect_ratios: [1, 2, 0.5, 3, 0.3333] }", SSD_SHAPES, [300, 300]),
    case(
        "ssd_anchor_generator { num_layers: 3 scales: [0.1, 0.3, 0.5] aspect_ratios: [1, 2.5] "
        "base_anchor_height: 0.7 base_anchor_width: 1.1 reduce_boxes_in_lowest_layer: false "
        "interpolated_scale_aspect_ratio: 0 }",
        [[5, 9], [3, 5], [2, 3]],
        [320, 560],
    ),
    case(
        "ssd_anchor_generator { num_layers: 2 aspect_ratios: [1, 2.5] height_stride: [16, 32] "
        "width_stride: [16, 32] height_offset: [3, 4] width_offset: [5, 6] }",
        [[5, 9], [3, 5]],
        [100, 300],
    ),
    case(
        "ssd_anchor_generator { num_layers: 2 aspect_ratios: [1, 2.5] height_stride: [16, 32] "
        "width_stride: [16, 32] }",
        [[5, 9], [3, 5]],
        [100, 300],
    ),
    case(
        "ssd_anchor_generator { num_layers: 2 aspect_ratios: [1, 2.5] width_stride: [16, 32] "
        "width_offset: 5 }",
        [[5, 9], [3, 5]],
        [100, 300],
    ),
    case(
        "grid_anchor_generator { scales: [0.25, 0.5, 1, 2] aspect_ratios: [0.5, 1, 2] }",
        [[38, 63]],
        [600, 1000],
        pixels=True,
    ),
    case(
        "grid_anchor_generator { scales: [0.25, 0.5] aspect_ratios: [0.5, 1, 2] height: 128 "
        "width: 64 height_stride: 8 width_stride: 16 height_offset: 4 width_offset: 3 }",
        [[38, 63]],
        [600, 1000],
        pixels=True,
    ),
    case(
        "multiscale_anchor_generator { aspect_ratios: [1, 2, 0.5] }",
        [[80, 80], [40, 40], [20, 20], [10, 10], [5, 5]],
        [640, 640],
    ),
    case(
        "multiscale_anchor_generator { max_level: 5 anchor_scale: 3.3 scales_per_octave: 3 "
        "aspect_ratios: [1, 2, 0.5, 7] }",
        [[38, 38], [19, 19], [10, 10]],
        [300, 300],
    ),
    case(
        "multiscale_anchor_generator { max_level: 4 normalize_coordinates: false "
        "aspect_ratios: 1 }",
        [[38, 38], [19, 19]],
        [300, 300],
        pixels=True,
    ),
    case(
        "flexible_grid_anchor_generator { anchor_grid { base_sizes: [32, 50] "
        "aspect_ratios: [1, 0.5] height_stride: 16 width_stride: 16 height_offset: 8 "
        "width_offset: 4 } anchor_grid { base_sizes: 90 aspect_ratios: 2 height_stride: 32 "
        "width_stride: 32 } }",
        [[20, 20], [10, 10]],
        [320, 320],
    ),
    case(
        "multiscale_anchor_generator { max_level: 4 aspect_ratios: 1 }",
        [[40, 60], [20, 30]],
        [320, 480],
        varies=True,
    ),
]
MONTHS = {"2019-04": "2019-03", "2019-07": "2019-07", "2021": "2021-06"}
# What an era's API cannot do itself: strides under Python 3, and a generator it does not have yet.
CANNOT = {"2019-04": {2, 3, 10}, "2019-07": {2, 3}, "2021": set()}


@pytest.mark.parametrize("era", judging.ERAS)
def test_anchors_are_the_stock_builders(era, stock_python, tmp_path):
    cases, result = tmp_path / "cases.json", tmp_path / "result.json"
    cases.write_text(json.dumps(CASES))
    subprocess.run(
        [stock_python(era), ORACLE, str(cases), str(result)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    answers = json.loads(result.read_text())
    assert {number for number, one in enumerate(answers) if isinstance(one, str)} == CANNOT[era]
    for one, answer in zip(CASES, answers):
        if isinstance(answer, str):
            continue
        message = text_format.Parse(
            one["config"], message_class("graphfix.pipeline.AnchorGenerator")()
        )
        image = tuple(map(float, one["image"]))
        spec = describe_anchors(message, "case", None if one["varies"] else image, api=MONTHS[era])
        unit = np.ones(4) if one["pixels"] else np.array(image * 2)
        for anchors, shape, stock in zip(spec.maps, one["shapes"], answer):
            ours = anchor_boxes(anchors, spec.generator, tuple(shape), image) / unit
            # float32 there, float64 here: a millionth of the image's side.
            limit = 1e-6 * (max(image) if one["pixels"] else 1)
            np.testing.assert_allclose(ours, stock, rtol=0, atol=limit)
