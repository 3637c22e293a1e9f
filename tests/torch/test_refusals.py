"""What is not built is refused, by its name."""

import os
import re

import detectors
import pytest
import repository

from graphfix.detectors.config_heads import expected_heads
from graphfix.torch import refusals

BUILT = {
    "faster_rcnn_inception_v2",
    "faster_rcnn_resnet101",
    "faster_rcnn_resnet152",
    "faster_rcnn_resnet50",
    "faster_rcnn_shared_boxes",
    "mask_rcnn",
    "mask_rcnn_agnostic",
    "mask_rcnn_fixed_width",
    "mask_rcnn_resnet50",
    "mask_rcnn_upsample",
    "ssd_fpn_no_background",
    "ssd_fpn_shared_tower",
    "ssd_inception_v2",
    "ssd_layers_before_predictor",
    "ssd_mobilenet_v1",
    "ssd_mobilenet_v1_fpn",
    "ssd_mobilenet_v1_half",
    "ssd_mobilenet_v1_ppn",
    "ssd_mobilenet_v2",
    "ssd_mobilenet_v2_fpnlite",
    "ssd_no_background",
    "ssd_one_feature_map",
    "ssd_resnet101_fpn",
    "ssd_resnet50_fpn",
    "ssd_resnet50_ppn",
    "ssd_softmax",
    "ssdlite_mobilenet_v2",
}


def refused(text):
    message = detectors.message_of(text)
    family = expected_heads(message, {}, config="pipeline.config")[0].name
    return [f"{one.subject} {one.message}" for one in refusals.problems(message, family)]


def families():
    return sorted(
        name[: -len(".config")]
        for name in os.listdir(repository.FAMILIES)
        if name.endswith(".config")
    )


def test_exactly_these_families_are_built():
    assert {name for name in families() if not refused(detectors.config_of(name))} == BUILT


@pytest.mark.parametrize(
    "pattern, new, what",
    [
        ("score_converter:", "calibration_config {} score_converter:", "calibration_config is set"),
        (
            "score_threshold",
            "use_class_agnostic_nms: true score_threshold",
            "use_class_agnostic_nms is true",
        ),
        ("score_threshold", "soft_nms_sigma: 0.5 score_threshold", "soft_nms_sigma is 0.5"),
        ("faster_rcnn_box_coder {[^}]*}", "square_box_coder {}", "box_coder is square_box_coder"),
        ("weighted_smooth_l1", "weighted_iou", "localization_loss is weighted_iou"),
        (
            "height: 128 width: 128",
            "height: 9 width: 9 resize_method: AREA",
            "fixed_shape_resizer.resize_method is 3",
        ),
        ("iou_similarity", "ioa_similarity", "similarity_calculator is ioa_similarity"),
        ("num_classes:", "use_confidences_as_targets: true num_classes:", "as_targets is true"),
    ],
)
def test_a_setting_is_refused_by_its_name(pattern, new, what):
    (found,) = refused(detectors.config_of("ssd_mobilenet_v1", (pattern, new)))
    assert what in found and found.startswith("model.ssd.")


@pytest.mark.parametrize(
    "family, pattern, new",
    [
        ("ssd_mobilenet_v1", r"(height): 128 width: 128", r"\1: 0 width: 9"),
        ("ssd_mobilenet_v1", r"(max_total_detections): \d+", r"\1: -1"),
        ("faster_rcnn_resnet50", r"(max_total_detections): \d+", r"\1: 0"),
        ("faster_rcnn_resnet50", r"(initial_crop_size): \d+", r"\1: 0"),
    ],
)
def test_a_number_that_is_not_positive_is_told(family, pattern, new):
    (found,) = refused(detectors.config_of(family, (pattern, new)))
    assert re.search(r"\.\w+ is (0|-1), and not positive", found)


def test_an_extractor_and_a_meta_architecture_are_refused_by_their_names():
    assert "is ssd_mobilenet_v1_keras" in refused(detectors.config_of("ssd_mobilenet_v1_keras"))[0]
    assert "that of R-FCN" in refused(detectors.config_of("rfcn_resnet50"))[0]
    assert "is faster_rcnn_nas" in refused(detectors.config_of("faster_rcnn_nas"))[0]
    assert "quantization" in refused(detectors.config_of("ssd_mobilenet_v1_quantized"))[0]


@pytest.mark.parametrize(
    "family, pattern, new, what",
    [
        ("mask_rcnn", "number_of_stages: 3", "number_of_stages: 2", "is 2 with predict_instance"),
        ("mask_rcnn", "number_of_stages: 3", "number_of_stages: 1", "is 1 with predict_instance"),
        ("faster_rcnn_resnet50", "num_classes", "number_of_stages: 3 num_classes", "is 3 without"),
        (
            "mask_rcnn",
            "faster_rcnn_inception_v2",
            "faster_rcnn_inception_resnet_v2",
            "type is faster_rcnn_inception_resnet_v2",
        ),
        ("mask_rcnn", "predict_inst", "predict_keypoints: true predict_inst", "predict_keypoints"),
    ],
)
def test_of_stages_and_masks(family, pattern, new, what):
    (found,) = refused(detectors.config_of(family, (pattern, new)))
    assert what in found and found.startswith("model.faster_rcnn.")
