"""What doctor says of a feature extractor and the images it is given."""

import changed_configs
import pytest
from google.protobuf import text_format

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.formats.schema import message_class
from graphfix.pipeline_config import schema_history


def codes(meta, kind, side):
    message = message_class("graphfix.pipeline.TrainEvalPipelineConfig")()
    body = getattr(message.model, meta)
    body.feature_extractor.type = kind
    body.image_resizer.fixed_shape_resizer.height = side
    body.image_resizer.fixed_shape_resizer.width = side
    options = Options("2019-07", schema_history.schema("2019-07"), ("model_main",), {})
    text = text_format.MessageToString(message).encode()
    found = diagnosis.run_checks(text, "pipeline.config", options).findings
    return {one.code for one in found}


@pytest.mark.parametrize(
    "meta, kind, least",
    [
        ("ssd", "ssd_mobilenet_v1", 33),
        ("ssd", "ssd_resnet50_v1_fpn", 129),
        ("ssd", "ssd_pnasnet", 3),
        ("faster_rcnn", "faster_rcnn_inception_v2", 33),
        ("faster_rcnn", "faster_rcnn_resnet50", 33),
        ("faster_rcnn", "faster_rcnn_pnas", 3),
    ],
)
def test_images_that_an_extractor_refuses(meta, kind, least):
    assert "IMAGE_SMALL" in codes(meta, kind, least - 1)
    assert "IMAGE_SMALL" not in codes(meta, kind, least)


SSD, TWO_STAGES = "ssd_mobilenet_v1", "faster_rcnn_resnet50"
GRID = "first_stage_anchor_generator.grid_anchor_generator."
# (family, changes, doctor's finding where the API refuses them), as judge_parts.py found
ANCHORS = (
    (TWO_STAGES, {GRID + "scales": [0.25]}, None),
    (TWO_STAGES, {GRID + "scales": [0.25, 33]}, None),
    (TWO_STAGES, {GRID + "scales": [33]}, "ANCHORS_OUTSIDE"),
    (TWO_STAGES, {GRID + "scales": [33], "clip_anchors_to_image": True}, None),
    (TWO_STAGES, {GRID + "height_stride": 1}, "ANCHORS_OUTSIDE"),
    (TWO_STAGES, {GRID + "height_stride": 33}, "ANCHORS_EMPTY"),
    (TWO_STAGES, {GRID + "scales": [0.25, 0]}, "ANCHORS_EMPTY"),
    (TWO_STAGES, {GRID + "scales": [0.25, -0.5]}, None),
    (TWO_STAGES, {GRID + "aspect_ratios": [1, 0]}, "ANCHORS_EMPTY"),
    (TWO_STAGES, {GRID + "aspect_ratios": [1, -0.5]}, "ANCHORS_EMPTY"),
    (SSD, {"anchor_generator.ssd_anchor_generator.aspect_ratios": [1, 0]}, None),
)


@pytest.mark.parametrize("family, changes, code", ANCHORS)
def test_anchors_outside_of_the_image(family, changes, code):
    found = changed_configs.codes(family, changes)
    assert found & {"ANCHORS_OUTSIDE", "ANCHORS_EMPTY"} == ({code} if code else set())
