"""Parts that the API builds and only another kind of model can use, as judge_parts.py found."""

import pytest
from changed_configs import REMOVED, codes

SSD = "ssd_mobilenet_v1"
CASES = (
    ({"box_predictor.mask_rcnn_box_predictor": None}, "PART_OF_OTHER_MODEL"),
    ({"box_predictor.rfcn_box_predictor": None}, "PART_OF_OTHER_MODEL"),
    ({"box_predictor.weight_shared_convolutional_box_predictor": None}, None),
    ({"box_coder.keypoint_box_coder": None}, "PART_OF_OTHER_MODEL"),
    ({"box_coder.mean_stddev_box_coder": None}, None),
    ({"loss.localization_loss.l1_localization_loss": None}, "PART_OF_OTHER_MODEL"),
    ({"loss.localization_loss.weighted_giou": None}, None),
    ({"loss.localization_loss.weighted_iou": None}, "SETTINGS_AT_ODDS"),
    ({"loss.classification_loss.weighted_dice_classification_loss": None}, "SETTINGS_AT_ODDS"),
    ({"loss.classification_loss.penalty_reduced_logistic_focal_loss": None}, None),
)


@pytest.mark.parametrize(
    "predictor", ["convolutional_box_predictor", "weight_shared_convolutional_box_predictor"]
)
def test_a_predictor_of_one_stage_in_the_second(predictor):
    changes = {"second_stage_box_predictor." + predictor: None}
    assert "PART_OF_OTHER_MODEL" in codes("faster_rcnn_resnet50", changes, "2021-06")
    assert "PART_OF_OTHER_MODEL" not in codes("faster_rcnn_resnet50", {}, "2021-06")


@pytest.mark.parametrize("changes, code", CASES)
def test_a_part_of_another_model(changes, code):
    found = codes(SSD, changes, "2021-06") & {"PART_OF_OTHER_MODEL", "SETTINGS_AT_ODDS"}
    assert found == ({code} if code else set())


@pytest.mark.parametrize(
    "loss",
    ["localization_loss.weighted_iou", "classification_loss.weighted_dice_classification_loss"],
)
def test_without_a_miner_these_losses_run(loss):
    changes = {"loss." + loss: None, "loss.hard_example_miner": REMOVED}
    assert "SETTINGS_AT_ODDS" not in codes(SSD, changes, "2021-06")
