"""What doctor says of a first stage's anchors that cross the image's edge, or have no area in it.

The stock API of 2019-07 says the same of each case (the loss of a batch in training).
"""

import pytest
import repository
from changed_configs import codes
from google.protobuf import text_format

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.formats.schema import message_class
from graphfix.pipeline_config import schema_history

RECORDS = f"{repository.TESTDATA}/shapes/val.record"  # 160 x 160 pixels
FIXED = "fixed_shape_resizer {{ height: {} width: {} }}"
KEPT = "keep_aspect_ratio_resizer {{ min_dimension: {} max_dimension: {} }}"


def is_outside(resizer, grid, more="", train=""):
    kind = message_class("graphfix.pipeline.TrainEvalPipelineConfig")
    text = f"""
        model {{
          faster_rcnn {{
            image_resizer {{ {resizer} }}
            feature_extractor {{
              type: "faster_rcnn_resnet50" first_stage_features_stride: 16
            }}
            first_stage_anchor_generator {{ grid_anchor_generator {{ {grid} }} }}
            {more}
          }}
        }}
        {train}
    """
    text_format.Parse(text, kind())
    options = Options("2019-07", schema_history.schema("2019-07"), ("model_main",), {})
    found = diagnosis.run_checks(text.encode(), "pipeline.config", options).findings
    return [one.message for one in found if one.code == "ANCHORS_OUTSIDE"]


@pytest.mark.parametrize(
    "side, grid, outside",
    [
        ((128, 128), "scales: 0.5", False),
        ((128, 128), "scales: 0.504", True),
        ((128, 128), "scales: 0.5 height_offset: 8 width_offset: 8", True),
        ((128, 128), "scales: 0.4375 height_offset: 8 width_offset: 8", False),
        ((64, 64), "scales: [1.0, 0.25]", False),
        ((64, 256), "scales: 0.5 aspect_ratios: 4", False),
        ((63, 256), "scales: 0.5 aspect_ratios: 4", True),
        ((128, 128), "scales: 0.5 height_stride: 0", True),
    ],
)
def test_images_of_one_size(side, grid, outside):
    grid += "" if "ratios" in grid else " aspect_ratios: 1"
    assert bool(is_outside(FIXED.format(*side), grid)) == outside
    assert not is_outside(FIXED.format(*side), grid, "clip_anchors_to_image: true")


@pytest.mark.parametrize(
    "sides, records, augmented, outside",
    [
        ((96, 200), RECORDS, "", True),  # the pictures are squares
        ((128, 200), RECORDS, "", False),
        # Cropped, they may be of any size, and without any there is none to look at.
        ((96, 200), RECORDS, "random_crop_image {}", False),
        ((96, 200), "none", "", False),
        ((96, 127), "none", "", True),
    ],
)
def test_images_whose_size_varies(sides, records, augmented, outside):
    train = f'train_input_reader {{ tf_record_input_reader {{ input_path: "{records}" }} }}'
    if augmented:
        train += f" train_config {{ data_augmentation_options {{ {augmented} }} }}"
    grid = "scales: 0.5 aspect_ratios: 1"
    assert bool(is_outside(KEPT.format(*sides), grid, train=train)) == outside


SSD, TWO_STAGES = "ssd_mobilenet_v1", "faster_rcnn_resnet50"
GRID = "first_stage_anchor_generator.grid_anchor_generator."
# (family, changes, doctor's finding where the API refuses them), as judge_parts.py found
ANCHORS = (
    (TWO_STAGES, {GRID + "scales": [0.25]}, None),
    (TWO_STAGES, {GRID + "scales": [0.25, 33]}, None),
    (TWO_STAGES, {GRID + "scales": [33]}, "ANCHORS_OUTSIDE"),
    (TWO_STAGES, {GRID + "scales": [33], "clip_anchors_to_image": True}, None),
    (TWO_STAGES, {GRID + "height_stride": 1}, "ANCHORS_OUTSIDE"),
    (TWO_STAGES, {GRID + "height_stride": -1}, "ANCHORS_OUTSIDE"),
    (TWO_STAGES, {GRID + "width_stride": 0}, "ANCHORS_OUTSIDE"),
    (TWO_STAGES, {GRID + "width_stride": 0, GRID + "width_offset": 64}, None),
    (TWO_STAGES, {GRID + "height_stride": -16, GRID + "height_offset": 112}, None),
    (TWO_STAGES, {GRID + "height_stride": 33}, "ANCHORS_EMPTY"),
    (TWO_STAGES, {GRID + "scales": [0.25, 0]}, "ANCHORS_EMPTY"),
    (TWO_STAGES, {GRID + "scales": [0.25, -0.5]}, None),
    (TWO_STAGES, {GRID + "aspect_ratios": [1, 0]}, "ANCHORS_EMPTY"),
    (TWO_STAGES, {GRID + "aspect_ratios": [1, -0.5]}, "ANCHORS_EMPTY"),
    (SSD, {"anchor_generator.ssd_anchor_generator.aspect_ratios": [1, 0]}, None),
)


@pytest.mark.parametrize("family, changes, code", ANCHORS)
def test_anchors_of_a_changed_config(family, changes, code):
    found = codes(family, changes)
    assert found & {"ANCHORS_OUTSIDE", "ANCHORS_EMPTY"} == ({code} if code else set())
