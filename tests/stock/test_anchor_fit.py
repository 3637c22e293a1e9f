"""What fitting anchors builds on, as the stock API has it: feature maps, and which boxes the
matcher gives an anchor."""

import json
import os
import subprocess

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
import tensorflow.compat.v1 as tf
import thorough
from google.protobuf import text_format
from object_detection.builders import (
    anchor_generator_builder,
    image_resizer_builder,
    matcher_builder,
)
from object_detection.core import box_list, region_similarity_calculator
from object_detection.protos import anchor_generator_pb2, image_resizer_pb2, matcher_pb2

from graphfix.anchor_fitting.coverage import FeatureMaps, best_overlaps
from graphfix.anchor_fitting.data import box_set, gather
from graphfix.anchor_fitting.objective import described
from graphfix.datasets.boxes import ImageBoxes
from graphfix.detectors.feature_maps import map_shapes
from graphfix.formats.schema import message_class
from graphfix.pipeline_config.resizers import constant_size, resized

SIZES = [(480, 640), (333, 500), (1000, 40), (299, 300), (31, 17), (600, 600)]
RESIZERS = [
    "fixed_shape_resizer { height: 300 width: 200 }",
    "keep_aspect_ratio_resizer { min_dimension: 60 max_dimension: 102 }",
    "keep_aspect_ratio_resizer { min_dimension: 64 max_dimension: 64 pad_to_max_dimension: true }",
    "identity_resizer {}",
    "conditional_shape_resizer { size_threshold: 299 }",
    "conditional_shape_resizer { condition: SMALLER size_threshold: 301 }",
]


@pytest.mark.parametrize("text", RESIZERS)
def test_sizes_are_the_stock_resizers(text):
    stock = text_format.Parse(text, image_resizer_pb2.ImageResizer())
    ours = text_format.Parse(text, message_class("graphfix.pipeline.ImageResizer")())
    scaled, padded = resized(ours, np.array(SIZES))
    with tf.Graph().as_default(), tf.Session() as session:
        image = tf.placeholder(tf.float32, [None, None, 3])
        answer = image_resizer_builder.build(stock)(image)
        answer = [tf.shape(answer[0])[:2], answer[-1][:2]]
        for size, one, other in zip(SIZES, scaled, padded):
            whole, true = session.run(answer, {image: np.zeros(size + (3,))})
            assert (true.tolist(), whole.tolist()) == (one.tolist(), other.tolist()), size
            assert constant_size(ours) in (None, tuple(whole.tolist()))


HYPERPARAMS = """conv_hyperparams { regularizer { l2_regularizer {} } initializer {
truncated_normal_initializer {} } batch_norm {} } override_base_feature_extractor_hyperparams: true"""  # noqa: E501


# In each era the first three in every run.
MAPS = {
    "2019-07": [
        ('type: "ssd_mobilenet_v1" num_layers: 5', [299, 475]),
        ('type: "ssd_inception_v3"', [300, 320]),
        ('type: "ssd_mobilenet_v1_fpn" fpn { min_level: 3 max_level: 6 }', [320, 640]),
        ('type: "embedded_ssd_mobilenet_v1"', [256, 256]),
        ('type: "ssd_mobilenet_v2"', [299, 475]),
        ('type: "ssd_pnasnet"', [300, 300]),
        ('type: "ssd_resnet50_v1_fpn" fpn { min_level: 3 max_level: 7 }', [320, 640]),
    ],
    "2021": [
        ('type: "ssd_mobilenet_v3_small"', [300, 420]),
        ('type: "ssd_mobiledet_gpu"', [320, 321]),
        ('type: "ssd_mobilenet_v1_ppn"', [300, 420]),
        ('type: "ssd_mobilenet_v3_large"', [320, 320]),
        ('type: "ssd_mobilenet_edgetpu"', [320, 300]),
        ('type: "ssd_mobilenet_v2_mnasfpn" fpn { min_level: 3 max_level: 6 }', [320, 320]),
        ('type: "ssd_mobiledet_cpu"', [300, 420]),
        ('type: "ssd_mobiledet_dsp"', [320, 321]),
        ('type: "ssd_mobiledet_edgetpu"', [300, 420]),
    ],
}


@pytest.mark.parametrize("era", sorted(MAPS))
def test_cells_are_the_stock_extractors(era, stock_python, tmp_path):
    cases = [
        (f"{text} depth_multiplier: 0.25 min_depth: 8 {HYPERPARAMS}", image)
        for text, image in thorough.cases(MAPS[era][:3], MAPS[era][3:])
    ]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    subprocess.run(
        [
            stock_python(era),
            os.path.join(judging.HERE, "map_oracle.py"),
            str(tmp_path / "cases.json"),
            str(tmp_path / "found.json"),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    for (text, image), wanted in zip(cases, json.loads((tmp_path / "found.json").read_text())):
        ours = text_format.Parse(
            f"feature_extractor {{ {text} }}", message_class("graphfix.pipeline.Ssd")()
        )
        found = [shape[0].tolist() for shape in map_shapes(ours, "ssd", np.array([image]))]
        assert wanted and found == wanted, text


def test_recall_is_the_stock_matchers():
    """Each box alone: whether the matcher gives it an anchor, and the best IoU of all anchors."""
    text = (
        "ssd_anchor_generator { num_layers: 6 min_scale: 0.15 max_scale: 0.9 aspect_ratios: "
        "[1, 2, 0.5] }"
    )
    image, threshold = (300, 420), 0.45
    stock = anchor_generator_builder.build(
        text_format.Parse(text, anchor_generator_pb2.AnchorGenerator())
    )
    matcher = matcher_builder.build(
        text_format.Parse(
            f"argmax_matcher {{ matched_threshold: {threshold:g} unmatched_threshold: "
            f"{threshold:g} }}",
            matcher_pb2.Matcher(),
        )
    )
    body = text_format.Parse(
        'feature_extractor { type: "ssd_mobilenet_v1" }', message_class("graphfix.pipeline.Ssd")()
    )
    shapes = [tuple(map(int, shape[0])) for shape in map_shapes(body, "ssd", np.array([image]))]
    random = np.random.RandomState(0)
    boxes = np.sort(random.rand(150, 2, 2) ** 2, 1).reshape(-1, 4)
    with tf.Graph().as_default(), tf.Session() as session:
        anchors = stock.generate(shapes, im_height=image[0], im_width=image[1])
        anchors = box_list.BoxList(tf.concat([one.get() for one in anchors], 0))
        box = tf.placeholder(tf.float32, [1, 4])
        similarity = region_similarity_calculator.IouSimilarity().compare(
            box_list.BoxList(box), anchors
        )
        asked = tf.reduce_max(similarity), matcher.match(similarity).num_matched_columns()
        answers = [session.run(asked, {box: [one]}) for one in boxes]
    resizer = text_format.Parse(
        "fixed_shape_resizer { height: 300 width: 420 }",
        message_class("graphfix.pipeline.ImageResizer")(),
    )
    images = [ImageBoxes("it", None, [tuple(one) for one in boxes], [1] * len(boxes))]
    found, _ = box_set(gather(images, resizer, {}), "it")
    message = text_format.Parse(text, message_class("graphfix.pipeline.AnchorGenerator")())
    best = best_overlaps(
        found, described(message, "it", None), FeatureMaps(body, "ssd", False), threshold
    )
    np.testing.assert_allclose(best.iou, [one for one, _ in answers], rtol=0, atol=1e-5)
    matched = np.array([count > 0 for _, count in answers])
    assert 20 < matched.sum() < 130
    np.testing.assert_array_equal(best.iou >= threshold, matched)
    assert np.concatenate(best.matched).sum() <= sum(count for _, count in answers)
