"""Which sizes of images an FPN's feature maps can be added for, in the API of 2019-07."""

import pytest
from changed_configs import codes

WIDTH = "image_resizer.fixed_shape_resizer.width"
PADDED = "feature_extractor.use_explicit_padding"


@pytest.mark.parametrize(
    "family, changes, refused",
    [
        ("ssd_mobilenet_v1_fpn", {WIDTH: 300}, True),
        ("ssd_mobilenet_v1_fpn_keras", {WIDTH: 300}, True),
        ("ssd_mobilenet_v2_fpn_keras", {WIDTH: 300}, True),
        ("ssd_mobilenet_v2_fpn_keras", {WIDTH: 320}, False),
        ("ssd_mobilenet_v2_fpn_keras", {WIDTH: 300, PADDED: True}, False),
    ],
)
def test_maps_that_are_not_twice_the_next(family, changes, refused):
    assert ("FPN_IMAGE_SIZE" in codes(family, changes)) == refused
