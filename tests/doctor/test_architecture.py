"""What doctor says of a feature extractor and the images it is given."""

import pytest
from changed_configs import codes

SIDES = ("image_resizer.fixed_shape_resizer.height", "image_resizer.fixed_shape_resizer.width")


@pytest.mark.parametrize(
    "family, least",
    [
        ("ssd_mobilenet_v1", 33),
        ("ssd_resnet50_fpn", 129),
        ("ssd_pnasnet", 3),
        ("faster_rcnn_inception_v2", 33),
        ("faster_rcnn_resnet50", 33),
        ("faster_rcnn_pnas", 3),
    ],
)
def test_images_that_an_extractor_refuses(family, least):
    assert "IMAGE_SMALL" in codes(family, dict.fromkeys(SIDES, least - 1))
    assert "IMAGE_SMALL" not in codes(family, dict.fromkeys(SIDES, least))


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
    found = codes(family, changes)
    assert found & {"ANCHORS_OUTSIDE", "ANCHORS_EMPTY"} == ({code} if code else set())
