"""Whether a model's parts fit, in the small configs that the stock API was asked about."""

import pytest
from changed_configs import codes

SSD, TWO_STAGES = "ssd_mobilenet_v1", "faster_rcnn_resnet50"
GRID = "first_stage_anchor_generator.grid_anchor_generator."
# (family, changes, whether the API refuses them), as tests/stock/judge_parts.py found
ANCHORS = (
    (TWO_STAGES, {GRID + "scales": [0.25]}, False),
    (TWO_STAGES, {GRID + "scales": [0.25, 33]}, False),
    (TWO_STAGES, {GRID + "scales": [33]}, True),
    (TWO_STAGES, {GRID + "scales": [33], "clip_anchors_to_image": True}, False),
    (TWO_STAGES, {GRID + "height_stride": 1}, True),
    (TWO_STAGES, {GRID + "height_stride": 33}, True),
    (TWO_STAGES, {GRID + "scales": [0.25, 0]}, True),
    (TWO_STAGES, {GRID + "scales": [0.25, -0.5]}, False),
    (TWO_STAGES, {GRID + "aspect_ratios": [1, 0]}, True),
    (TWO_STAGES, {GRID + "aspect_ratios": [1, -0.5]}, True),
    (SSD, {"anchor_generator.ssd_anchor_generator.aspect_ratios": [1, 0]}, False),
)


@pytest.mark.parametrize("family, changes, refused", ANCHORS)
def test_anchors_outside_of_the_image(family, changes, refused):
    assert ("ANCHORS_OUTSIDE" in codes(family, changes)) == refused
