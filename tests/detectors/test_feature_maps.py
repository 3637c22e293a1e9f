"""detectors/feature_maps.py; stock/test_anchor_fit.py has the stock extractors."""

import numpy as np
import pytest
from google.protobuf import text_format

from graphfix.detectors.feature_maps import check_maps, map_shapes
from graphfix.errors import SourceError
from graphfix.formats.schema import message_class


def body(text, meta="Ssd"):
    return text_format.Parse(text, message_class("graphfix.pipeline." + meta)())


@pytest.mark.parametrize(
    "text, image, rows",
    [
        ('type: "ssd_mobilenet_v2"', 300, [19, 10, 5, 3, 2, 1]),
        ('type: "ssd_mobilenet_v2"', 256, [16, 8, 4, 2, 1, 1]),
        ('type: "ssd_mobilenet_v1" num_layers: 4', 300, [19, 10, 5, 3]),
        ('type: "ssd_mobilenet_v1" pad_to_multiple: 32', 300, [20, 10, 5, 3, 2, 1]),
        ('type: "embedded_ssd_mobilenet_v1"', 256, [16, 8, 4, 2, 1]),
        ('type: "ssd_inception_v3"', 300, [35, 17, 8, 4, 2, 1]),
        ('type: "ssd_resnet50_v1_fpn"', 640, [80, 40, 20, 10, 5]),
        ('type: "ssd_mobilenet_v1_fpn" fpn { min_level: 4 max_level: 6 }', 320, [20, 10, 5]),
    ],
)
def test_rows(text, image, rows):
    shapes = map_shapes(
        body(f"feature_extractor {{ {text} }}"),
        "ssd",
        np.array([[image, 2 * image], [image, image]]),
    )
    assert [int(shape[0, 0]) for shape in shapes] == rows
    for shape in shapes:
        assert shape[0, 0] == shape[1, 0] == shape[1, 1]


def test_a_first_stage_has_one_map():
    (found,) = map_shapes(
        body("feature_extractor { first_stage_features_stride: 8 }", "FasterRcnn"),
        "faster_rcnn",
        np.array([[600, 1001]]),
    )
    assert found.tolist() == [[75, 126]]


def test_another_number_of_maps_is_refused():
    one = body('feature_extractor { type: "ssd_mobilenet_v1" }')
    check_maps(6, one, "ssd", "a.pbtxt")
    with pytest.raises(SourceError) as caught:
        check_maps(5, one, "ssd", "a.pbtxt")
    assert "on 5 feature maps, but ssd_mobilenet_v1 has 6" in str(caught.value)
