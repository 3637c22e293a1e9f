"""What is compared with the stock API: detectors by their titles in docs/torch.md, each a family of
tests/stock/families (or another that detectors.py knows) and edits of its config."""

import os

import detectors
import zoo

_PADDED = (
    r"fixed_shape_resizer \{[^}]*\}",
    "keep_aspect_ratio_resizer { min_dimension: 96 max_dimension: 128 pad_to_max_dimension: true }",
)
# Dilated convolutions in both stages.
_STRIDE_8 = (
    (r"first_stage_features_stride: 16", "first_stage_features_stride: 8"),
    (r"(height|width)_stride: 16", r"\1_stride: 8"),
    (r"(first_stage_nms_score)", r"first_stage_atrous_rate: 2 \1"),
)

ALL = {
    "the shapes detector of `testdata/`": (detectors.SHAPES,),
    f"layout of `{detectors.PUBLISHED}`": (detectors.PUBLISHED,),
    # Two images of 800x1067, 90 classes.
    f"layout of `{detectors.MASKS_PUBLISHED}`, full size": (
        detectors.MASKS_PUBLISHED,
        (r"score_threshold: 0.3\d+", "score_threshold: 0"),
        (r"(second_stage_localization_loss_weight)", r"second_stage_batch_size: 32 \1"),
    ),
    "SSD MobileNet v1": ("ssd_mobilenet_v1",),
    "SSD MobileNet v1, depth multiplier 0.5": ("ssd_mobilenet_v1_half",),
    "SSD MobileNet v1, explicit padding, padded images, other losses": (
        "ssd_mobilenet_v1",
        (
            r"fixed_shape_resizer \{[^}]*\}",
            "keep_aspect_ratio_resizer { min_dimension: 100 max_dimension: 150 "
            "pad_to_max_dimension: true per_channel_pad_value: [9, 99, 199] }",
        ),
        (r"(\n +type: )", r"\n use_explicit_padding: true pad_to_multiple: 32\1"),
        (r"loss_type: CLASSIFICATION", "loss_type: BOTH min_negatives_per_image: 3"),
        (
            r"(argmax_matcher \{.*)unmatched_threshold: 0.5",
            r"\1unmatched_threshold: 0.3 "
            "negatives_lower_than_unmatched: false",
        ),
        (r"score_converter: SIGMOID", "score_converter: SIGMOID logit_scale: 2.0"),
        (r"( num_classes:)", r" negative_class_weight: 0.5 normalize_loc_loss_by_codesize: true\1"),
        (r"(kernel_size: 1)", r"kernel_size: 3 box_encodings_clip_range { min: -0.4 max: 0.4 }"),
    ),
    "SSD MobileNet v2": ("ssd_mobilenet_v2",),
    "SSDLite MobileNet v2": ("ssdlite_mobilenet_v2",),
    "SSD Inception v2": ("ssd_inception_v2",),
    "SSD MobileNet v1 FPN": ("ssd_mobilenet_v1_fpn",),
    "SSD MobileNet v1 FPN, explicit padding, L2": (
        "ssd_mobilenet_v1_fpn",
        (r"(\n +type: )", r"\n use_explicit_padding: true\1"),
        (r"weighted_smooth_l1 \{\}", "weighted_l2 {}"),
        (r"(override_base_feature_extractor_hyperparams: true)", ""),
    ),
    "SSD MobileNet v2 FPNLite": ("ssd_mobilenet_v2_fpnlite",),
    "SSD MobileNet v2 FPN, not separable": (
        "ssd_mobilenet_v2_fpnlite",
        (r"use_depthwise: true", ""),
    ),
    "SSD ResNet 50 FPN (RetinaNet)": ("ssd_resnet50_fpn",),
    "SSD ResNet 101 FPN": ("ssd_resnet101_fpn",),
    "SSD ResNet 152 FPN": ("ssd_resnet101_fpn", (r"ssd_resnet101_v1_fpn", "ssd_resnet152_v1_fpn")),
    "SSD MobileNet v1 PPN": ("ssd_mobilenet_v1_ppn",),
    "SSD ResNet 50 PPN": ("ssd_resnet50_ppn",),
    "SSD, softmax": ("ssd_softmax",),
    "SSD, two layers before the predictor": ("ssd_layers_before_predictor",),
    "SSD, one feature map": ("ssd_one_feature_map",),
    "SSD, no background class": ("ssd_no_background",),
    "SSD FPN, no background class": ("ssd_fpn_no_background",),
    "SSD FPN, one tower for boxes and classes": ("ssd_fpn_shared_tower",),
    "Faster R-CNN ResNet 50": ("faster_rcnn_resnet50",),
    "Faster R-CNN ResNet 50, stride 8, dilated": (
        "faster_rcnn_resnet50",
        *_STRIDE_8,
        (r"score_converter: SOFTMAX", "score_converter: SIGMOID"),
        (
            r"(second_stage_localization_loss_weight)",
            r"second_stage_classification_loss { weighted_sigmoid {} } \1",
        ),
    ),
    "Faster R-CNN ResNet 101": ("faster_rcnn_resnet101",),
    "Faster R-CNN ResNet 152": ("faster_rcnn_resnet152",),
    "Faster R-CNN Inception v2": ("faster_rcnn_inception_v2",),
    "Faster R-CNN Inception v2, one box for all classes, padded images": (
        "faster_rcnn_shared_boxes",
        _PADDED,
    ),
    "Mask R-CNN Inception v2": ("mask_rcnn",),
    "Mask R-CNN Inception v2, mask layers of width 48": ("mask_rcnn_fixed_width",),
    "Mask R-CNN Inception v2, class-agnostic": ("mask_rcnn_agnostic",),
    "Mask R-CNN Inception v2, upsampled": ("mask_rcnn_upsample",),
    "Mask R-CNN Inception v2, class-agnostic, upsampled by 4 and 2": (
        "mask_rcnn_upsample",
        (r"mask_height: 14 mask_width: 14", "mask_height: 28 mask_width: 14"),
        (
            r"(convolve_then_upsample_masks: true)",
            r"\1 masks_are_class_agnostic: true mask_prediction_num_conv_layers: 3",
        ),
    ),
    "Mask R-CNN ResNet 50": ("mask_rcnn_resnet50",),
    # As the published ResNets are dilated; masks that are no squares, of normalized layers without
    # an activation.
    "Mask R-CNN ResNet 101, stride 8, dilated, oblong masks, padded images": (
        "mask_rcnn_resnet50",
        (r"faster_rcnn_resnet50", "faster_rcnn_resnet101"),
        *_STRIDE_8,
        (r"mask_height: 15 mask_width: 15", "mask_height: 21 mask_width: 9"),
        (r"num_conv_layers: 1", "num_conv_layers: 2"),
        (
            r"(conv_hyperparams \{\s+op: CONV)(?![\s\S]*conv_hyperparams)",
            r"\1 activation: NONE batch_norm { decay: 0.9 epsilon: 0.01 }",
        ),
        _PADDED,
        (
            r"(second_stage_localization_loss_weight)",
            r"second_stage_mask_prediction_loss_weight: 4 \1",
        ),
    ),
}


def is_there(title):
    """Whether the files that a detector is made from are here."""
    family = ALL[title][0]
    return family not in detectors.OF_ZOO or os.path.isdir(os.path.join(zoo.DIRECTORY, family))
