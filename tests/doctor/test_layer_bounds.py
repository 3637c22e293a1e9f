"""Numbers of which no layer can be made."""

import pytest
from changed_configs import codes

SSD, TWO_STAGES, RFCN = "ssd_mobilenet_v1", "faster_rcnn_resnet50", "rfcn_resnet50"
SHARED, MASKS = "ssd_mobilenet_v2_fpnlite", "mask_rcnn_resnet50"
# (family, path in the model, value, whether the API refuses it)
CASES = (
    (SSD, "feature_extractor.depth_multiplier", 0.0, True),
    (SSD, "feature_extractor.depth_multiplier", 0.3, False),
    ("ssd_mobilenet_v1_keras", "feature_extractor.depth_multiplier", 0.0, False),
    (SSD, "feature_extractor.pad_to_multiple", 0, True),
    (SSD, "feature_extractor.pad_to_multiple", -1, False),
    (SSD, "box_predictor.convolutional_box_predictor.kernel_size", 0, True),
    (SSD, "box_predictor.convolutional_box_predictor.kernel_size", 33, False),
    (SSD, "box_predictor.convolutional_box_predictor.dropout_keep_probability", 0.0, True),
    (SSD, "box_predictor.convolutional_box_predictor.dropout_keep_probability", 1.0, False),
    (SSD, "box_predictor.convolutional_box_predictor.box_code_size", 3, True),
    (SHARED, "box_predictor.weight_shared_convolutional_box_predictor.depth", 0, True),
    (SSD, "loss.hard_example_miner.iou_threshold", 1.5, True),
    (SSD, "loss.hard_example_miner.num_hard_examples", -1, False),
    (SSD, "post_processing.batch_non_max_suppression.max_detections_per_class", -1, True),
    (SSD, "post_processing.batch_non_max_suppression.max_detections_per_class", 0, False),
    (TWO_STAGES, "initial_crop_size", 0, True),
    (TWO_STAGES, "initial_crop_size", 1, True),  # the pool is of two
    (TWO_STAGES, "initial_crop_size", 2, False),
    (RFCN, "initial_crop_size", 0, False),
    (TWO_STAGES, "maxpool_kernel_size", 33, True),
    (TWO_STAGES, "maxpool_stride", 0, True),
    (TWO_STAGES, "maxpool_stride", 33, False),
    (TWO_STAGES, "first_stage_atrous_rate", 0, True),
    (TWO_STAGES, "first_stage_box_predictor_kernel_size", -1, True),
    (TWO_STAGES, "first_stage_box_predictor_depth", 0, True),
    (TWO_STAGES, "second_stage_batch_size", 0, True),
    (TWO_STAGES, "second_stage_batch_size", 1, False),
    (TWO_STAGES, "num_classes", 0, True),
    (SSD, "num_classes", 0, True),
    (TWO_STAGES, "first_stage_minibatch_size", -1, False),
    (TWO_STAGES, "second_stage_box_predictor.mask_rcnn_box_predictor.box_code_size", 3, True),
    (MASKS, "second_stage_box_predictor.mask_rcnn_box_predictor.mask_height", 0, True),
    (TWO_STAGES, "second_stage_box_predictor.mask_rcnn_box_predictor.mask_height", 0, False),
    (RFCN, "second_stage_box_predictor.rfcn_box_predictor.num_spatial_bins_height", 5, True),
    (RFCN, "second_stage_box_predictor.rfcn_box_predictor.num_spatial_bins_height", 2, False),
    (RFCN, "second_stage_box_predictor.rfcn_box_predictor.depth", 0, True),
)


@pytest.mark.parametrize("family, path, value, refused", CASES)
def test_a_number_of_which_no_layer_can_be_made(family, path, value, refused):
    assert ("LAYER_IMPOSSIBLE" in codes(family, {path: value})) == refused


@pytest.mark.parametrize("field", ["num_classes", "second_stage_batch_size"])
def test_one_stage_has_no_use_for_numbers_of_the_second(field):
    assert "LAYER_IMPOSSIBLE" not in codes(TWO_STAGES, {field: 0, "number_of_stages": 1})
