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
