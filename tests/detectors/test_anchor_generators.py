"""detectors/anchor_generators.py: shapes, counts and refusals; the stock builders: tests/stock."""

import pytest
from google.protobuf import text_format

from graphfix.detectors.anchor_generators import anchor_boxes, describe_anchors
from graphfix.errors import SourceError
from graphfix.formats.schema import message_class


def spec(text, image=None, api=None):
    message = text_format.Parse(text, message_class("graphfix.pipeline.AnchorGenerator")())
    return describe_anchors(message, "c.config", image, api=api)


@pytest.mark.parametrize(
    "text, counts",
    [
        ("ssd_anchor_generator { aspect_ratios: [1, 2, 0.5, 3, 0.3333] }", (3, 6, 6, 6, 6, 6)),
        (
            "ssd_anchor_generator { num_layers: 2 aspect_ratios: [1, 2] "
            "reduce_boxes_in_lowest_layer: false }",
            (3, 3),
        ),
        (
            "ssd_anchor_generator { num_layers: 2 aspect_ratios: [1, 2] "
            "interpolated_scale_aspect_ratio: 0 }",
            (3, 2),
        ),
        ("ssd_anchor_generator { num_layers: 1 scales: 0.5 aspect_ratios: 1 }", (3,)),
        ("grid_anchor_generator { scales: [1, 2, 4, 8] aspect_ratios: [1, 2, 3] }", (12,)),
        ("multiscale_anchor_generator { aspect_ratios: [1, 2, 0.5] }", (6,) * 5),
        (
            "flexible_grid_anchor_generator { anchor_grid { base_sizes: [8, 9] aspect_ratios: [1, "
            "2] } "
            "anchor_grid { base_sizes: 16 aspect_ratios: 1 } }",
            (2, 1),
        ),
    ],
)
def test_counts(text, counts):
    assert spec(text).per_map == counts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssd_anchor_generator { num_layers: 1 aspect_ratios: 1 }",
        "ssd_anchor_generator { num_layers: 0 }",
        "ssd_anchor_generator { num_layers: 2000000000 aspect_ratios: 1 }",
        "ssd_anchor_generator { num_layers: 3 scales: [0.1, 0.2] aspect_ratios: 1 }",
        "ssd_anchor_generator { num_layers: 2 aspect_ratios: -1 }",
        "ssd_anchor_generator { num_layers: 2 aspect_ratios: 0 }",
        "ssd_anchor_generator { num_layers: 2 aspect_ratios: nan }",
        "ssd_anchor_generator { num_layers: 2 aspect_ratios: 1 height_stride: 8 width_stride: 8 }",
        "grid_anchor_generator { scales: 1 }",
        "grid_anchor_generator { scales: -1 aspect_ratios: 1 }",
        "multiscale_anchor_generator { min_level: 7 max_level: 3 aspect_ratios: 1 }",
        "multiscale_anchor_generator { max_level: 2000000000 aspect_ratios: 1 }",
        "multiscale_anchor_generator { scales_per_octave: 0 aspect_ratios: 1 }",
        "flexible_grid_anchor_generator { anchor_grid { base_sizes: [8, 9] aspect_ratios: 1 } }",
    ],
)
def test_settings_that_cannot_be_built_are_refused(text):
    with pytest.raises(SourceError) as caught:
        spec(text)
    assert caught.value.problems[0].subject == "c.config"


def test_order_of_a_grid_is_scales_first():
    (one,) = spec(
        "grid_anchor_generator { scales: [1, 2] aspect_ratios: [1, 4] height: 100 width: 100 }"
    ).maps
    assert one.sizes == ((100, 100), (200, 200), (50, 200), (100, 400))


def test_boxes_run_along_rows_and_lie_around_the_middle_of_cells():
    (one,) = spec(
        "ssd_anchor_generator { num_layers: 1 scales: 0.5 aspect_ratios: 1 "
        "reduce_boxes_in_lowest_layer: false interpolated_scale_aspect_ratio: 0 }",
        (100, 100),
    ).maps
    boxes = anchor_boxes(one, "ssd_anchor_generator", (1, 2), (100, 100))
    assert boxes.tolist() == [[25, 0, 75, 50], [25, 50, 75, 100]]


def test_an_oblong_image_makes_ssd_anchors_square_in_pixels():
    one = spec(
        "ssd_anchor_generator { num_layers: 2 aspect_ratios: 1 "
        "reduce_boxes_in_lowest_layer: false }",
        (100, 200),
    ).maps[0]
    height, width = one.sizes[0]
    assert height * 100 == pytest.approx(width * 200)


@pytest.mark.parametrize("api, offset", [("2019-07", 0.0), ("2021-06", 4.0), (None, 4.0)])
def test_a_pyramids_anchors_in_images_whose_size_varies(api, offset):
    text = "multiscale_anchor_generator { max_level: 3 aspect_ratios: 1 }"
    assert spec(text, api=api).maps[0].offset == (offset, offset)
    assert spec(text, (320.0, 320.0), api).maps[0].offset == (4.0, 4.0)


def test_until_2017_10_an_ssds_anchors_took_no_account_of_the_images_shape():
    text = "ssd_anchor_generator { num_layers: 2 aspect_ratios: 1 }"
    old, new = (spec(text, (150.0, 300.0), api).maps[0].sizes[0] for api in ("2017-10", "2017-11"))
    assert old == pytest.approx((0.1, 0.1)) and new == pytest.approx((0.1, 0.05))
