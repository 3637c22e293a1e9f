"""Models that the API's builders refuse."""

import numpy as np

from broken_setups.files import png, set_of
from broken_setups.setup import BASE, CHECKPOINT

_LOSSES = "      classification_loss { weighted_sigmoid {} }\n"
_MINER = "      hard_example_miner {}\n"
_HYPERPARAMS = """{
      initializer { truncated_normal_initializer { stddev: 0.01 } }
    }"""
MASK_RCNN = f"""\
model {{
  faster_rcnn {{
    num_classes: 8
    number_of_stages: 3
    image_resizer {{ fixed_shape_resizer {{ height: 160 width: 160 }} }}
    feature_extractor {{ type: "faster_rcnn_inception_v2" first_stage_features_stride: 16 }}
    first_stage_anchor_generator {{
      grid_anchor_generator {{ scales: [0.25, 0.5] aspect_ratios: [1.0, 2.0] }}
    }}
    first_stage_box_predictor_conv_hyperparams {_HYPERPARAMS}
    initial_crop_size: 14
    maxpool_kernel_size: 2
    maxpool_stride: 2
    second_stage_box_predictor {{
      mask_rcnn_box_predictor {{
        predict_instance_masks: true
        fc_hyperparams {_HYPERPARAMS}
        conv_hyperparams {_HYPERPARAMS}
      }}
    }}
    second_stage_post_processing {{ score_converter: SOFTMAX }}
  }}
}}
"""
_SSD = BASE[: BASE.index("train_config")]


def _two_stages():
    """A Faster R-CNN's variables, without a mask head."""
    first = "FirstStageFeatureExtractor/InceptionV2/Conv2d_1a_7x7/depthwise_weights"
    shapes = {
        "FirstStageBoxPredictor/ClassPredictor": (1, 1, 1, 8),
        "FirstStageBoxPredictor/BoxEncodingPredictor": (1, 1, 1, 16),
        "SecondStageBoxPredictor/ClassPredictor": (1, 9),
        "SecondStageBoxPredictor/BoxEncodingPredictor": (1, 32),
    }
    out = {
        first: np.full((7, 7, 3, 8), 0.01, np.float32),
        first.replace("depthwise", "pointwise"): np.full((1, 1, 24, 64), 0.01, np.float32),
    }
    for name, shape in shapes.items():
        out[name + "/weights"] = np.full(shape, 0.01, np.float32)
        out[name + "/biases"] = np.zeros(shape[-1], np.float32)
    return out


def _of_two_stages(one, model=MASK_RCNN):
    """The same with a Mask R-CNN, and records with masks."""
    one.change(_SSD, model).checkpoint(_two_stages())
    masks = [png(8, 8, channels=1)]
    return one.train_on(set_of(mask=masks)).evaluate_on(set_of(mask=masks))


def cases(case):
    """Yields the cases; `case(name, code of the first finding)` begins one."""
    yield case("no_matcher", "CHOICE_MISSING").change(
        "{ argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.5 "
        "force_match_for_each_row: true } }",
        "{}",
    )
    yield (
        case("regularizer_below_zero", "REGULARIZER_NEGATIVE")
        .change(
            "min_depth: 16\n      conv_hyperparams {\n        activation: RELU_6\n"
            "        regularizer { l2_regularizer { weight: 4e-5",
            "min_depth: 16\n      conv_hyperparams {\n        activation: RELU_6\n"
            "        regularizer { l2_regularizer { weight: -4e-5",
        )
        .fixable()
    )
    yield case("groups_of_few_channels", "GROUP_NORM_UNEVEN").change(
        "batch_norm { decay: 0.97 center: true scale: true epsilon: 0.001 train: true }\n"
        "      }\n      override_base",
        "group_norm {}\n      }\n      override_base",
    )
    yield case("no_classification_loss", "CHOICE_MISSING").cut(_LOSSES)
    yield (
        case("suppression_in_percent", "VALUE_OUT_OF_BOUNDS")
        .change("iou_threshold: 0.6", "iou_threshold: 60")
        .fixable()
    )
    yield (
        case("more_detections_of_a_class", "SETTINGS_AT_ODDS")
        .change("iou_threshold: 0.6", "iou_threshold: 0.6 max_total_detections: 50")
        .fixable()
    )
    yield (
        case("scores_divided_by_zero", "LOGIT_SCALE")
        .change("iou_threshold: 0.6 }", "iou_threshold: 0.6 } logit_scale: 0")
        .fixable()
    )
    yield (
        case("initializer_below_zero", "INITIALIZER_FACTOR")
        .change(
            "          initializer { truncated_normal_initializer { stddev: 0.03 } }",
            "          initializer { variance_scaling_initializer { factor: -1 } }",
        )
        .fixable()
    )
    yield (
        case("thresholds_exchanged", "SETTINGS_AT_ODDS")
        .change("unmatched_threshold: 0.5", "unmatched_threshold: 0.6")
        .fixable()
    )
    yield (
        case("focal_loss_and_miner", "SETTINGS_AT_ODDS")
        .change(_LOSSES, _LOSSES.replace("sigmoid", "sigmoid_focal") + _MINER)
        .fixable()
    )
    yield (
        case("overlap_loss_and_miner", "SETTINGS_AT_ODDS")
        .change("weighted_smooth_l1 {}", "weighted_iou {}")
        .change(_LOSSES, _LOSSES + _MINER)
        .fixable()
    )
    yield case("keypoints_coded", "PART_OF_OTHER_MODEL").change(
        "faster_rcnn_box_coder { y", "keypoint_box_coder { y"
    )
    yield (
        case("in_place_updates_and_quantization", "SETTINGS_AT_ODDS")
        .change('"ssd_mobilenet_v1"', '"ssd_mobilenet_v3_small"')
        .change("  ssd {", "  ssd {\n    inplace_batchnorm_update: true")
        .change("train_config {", "graph_rewriter { quantization {} }\ntrain_config {")
        .cut(f"  {CHECKPOINT}\n")
        .flag("--target_api", "2021-06")
        .fixable()
    )
    yield case("pad_of_one_side", "AUGMENTATION_REFUSED").change(
        "random_horizontal_flip {}", "random_pad_image { min_image_height: 200 }"
    )
    yield case("crops_in_percent", "AUGMENTATION_REFUSED").change(
        "random_horizontal_flip {}", "random_crop_image { min_area: 10 max_area: 100 }"
    )
    yield (
        case("jpeg_of_any_quality", "CHANNELS_UNKNOWN")
        .flag("--target_api", "2021-06")
        .change("random_horizontal_flip {}", "random_jpeg_quality {}")
    )
    yield case("gray_in_training_alone", "CHANNELS_DIFFER").change(
        "random_horizontal_flip {}", "rgb_to_gray {}"
    )
    yield case("anchors_below_zero", "ANCHORS_SIZELESS").change("min_scale: 0.2", "min_scale: -0.2")
    yield case("images_of_32_pixels", "IMAGE_SMALL").change(
        "height: 160 width: 160", "height: 32 width: 32"
    )
    yield (
        case("five_layers_of_anchors", "ANCHOR_MAPS")
        .change("num_layers: 6", "num_layers: 5")
        .fixable()
    )
    yield (
        case("anchors_reduced_for_a_shared_predictor", "ANCHORS_UNEQUAL")
        .change("      convolutional_box", "      weight_shared_convolutional_box")
        .cut("        use_dropout: false\n")
        .fixable()
    )
    maskless = MASK_RCNN.replace("predict_instance_masks: true", "")
    two_stages = maskless.replace("number_of_stages: 3", "number_of_stages: 2")
    for name, code, model in (
        ("stride_of_32", "EXTRACTOR_OPTION", two_stages.replace("stride: 16", "stride: 32")),
        (
            "quantized_two_stages",
            "SETTINGS_AT_ODDS",
            two_stages + "graph_rewriter { quantization {} }\n",
        ),
        ("third_stage_without_masks", "SETTINGS_AT_ODDS", maskless),
        (
            "anchors_of_another_stride",
            "ANCHOR_STRIDE",
            two_stages.replace("scales:", "height_stride: 8 width_stride: 8 scales:"),
        ),
    ):
        yield case(name, code).change(_SSD, model).cut(f"  {CHECKPOINT}\n").fixable()
    yield (
        case("anchors_larger_than_images", "ANCHORS_OUTSIDE")
        .change(_SSD, two_stages.replace("[0.25, 0.5]", "[1.0, 2.0]"))
        .cut(f"  {CHECKPOINT}\n")
    )
    far = two_stages.replace("scales:", "height_stride: 33 scales:")
    yield (
        case("anchors_beyond_the_image", "ANCHORS_EMPTY").change(_SSD, far).cut(f"  {CHECKPOINT}\n")
    )
    yield (
        case("resizer_of_multiples", "IMAGE_RESIZER")
        .flag("--target_api", "2021-06")
        .change(
            "fixed_shape_resizer { height: 160 width: 160 }",
            "pad_to_multiple_resizer { multiple: 32 }",
        )
    )
    yield _of_two_stages(case("masks_not_loaded", "MASKS_NOT_LOADED")).fixable()
    converter = "score_converter: SOFTMAX"
    nms = "batch_non_max_suppression { %s }\n      " + converter
    for name, code, old, new in (
        ("mask_head_new", "MASK_HEAD_NEW", "", ""),
        ("masks_left_behind", "MASKS_NOT_AUGMENTED", "", ""),
        (
            "masks_that_no_detection_has",
            "MASKS_PADDED",
            converter,
            nms % "max_detections_per_class: 10",
        ),
        ("masks_of_sure_finds", "MASKS_UNFOUND", converter, nms % "score_threshold: 1.0"),
        ("masks_of_likely_finds", "MASKS_MAY_BE_UNFOUND", converter, nms % "score_threshold: 0.3"),
        (
            "masks_made_larger_by_python_2",
            "PYTHON_3",
            "predict_instance_masks: true",
            "predict_instance_masks: true convolve_then_upsample_masks: true",
        ),
    ):
        with_masks = _of_two_stages(case(name, code), MASK_RCNN.replace(old, new))
        for reader in ("train_input_reader {\n", "eval_input_reader {\n"):
            with_masks.change(
                reader, reader + "  load_instance_masks: true\n  mask_type: PNG_MASKS\n"
            )
        if "UNFOUND" in code:
            with_masks.flag("--target_api", "2019-03")
            with_masks.change("pascal_voc_detection_metrics", "coco_mask_metrics")
        if code == "MASKS_NOT_AUGMENTED":
            with_masks.change("random_horizontal_flip {}", "ssd_random_crop_pad {}")
        yield with_masks
    yield case("kernel_of_none", "LAYER_IMPOSSIBLE").change("kernel_size: 1", "kernel_size: 0")
    yield case("images_of_many_sizes", "IMAGES_VARY").change(
        "fixed_shape_resizer { height: 160 width: 160 }",
        "keep_aspect_ratio_resizer { min_dimension: 160 max_dimension: 320 }",
    )
