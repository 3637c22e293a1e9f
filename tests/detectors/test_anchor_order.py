"""Orders of anchors: found by their shapes, and undone again."""

import random

import pytest

from graphfix.detectors.anchor_generators import AnchorSpec, MapAnchors, describe_anchors
from graphfix.detectors.anchor_order import difference, in_order, order_of
from graphfix.pipeline_config.anchor_generators import parse_anchors

SSD = "ssd_anchor_generator { num_layers: %d min_scale: 0.2 max_scale: 0.95 aspect_ratios: %s %s }"
SIX = "[1.0, 2.0, 0.5, 3.0, 0.3333]"


def described(layers=6, ratios=SIX, more="", api=None, text=None):
    text = text or SSD % (layers, ratios, more)
    return describe_anchors(parse_anchors(text.encode(), "a")[1], "a", (300.0, 300.0), api=api)


@pytest.mark.parametrize(
    "arguments, order",
    [
        ({}, ((0, 1, 2),) + ((0, 2, 3, 4, 5, 1),) * 5),
        ({"more": "reduce_boxes_in_lowest_layer: false"}, ((0, 2, 3, 4, 5, 1),) * 6),
        ({"ratios": "[0.5, 1.0, 2.0]", "layers": 2}, ((0, 1, 2), (0, 1, 3, 2))),
        ({"ratios": "[2.0, 1.0]", "layers": 2}, ()),
        # An API of that time had no interpolated anchor then, so that these are no model's of it.
        ({"ratios": "[2.0, 0.5]"}, None),
        ({"more": "interpolated_scale_aspect_ratio: 0"}, None),
        (
            {"text": SSD % (1, SIX, "scales: 0.4 reduce_boxes_in_lowest_layer: false")},
            ((0, 2, 3, 4, 5, 1),),
        ),
        ({"text": "grid_anchor_generator { scales: [0.5, 1] aspect_ratios: [1, 2] }"}, ()),
        (
            {
                "text": "multiscale_anchor_generator { min_level: 3 max_level: 4 "
                "aspect_ratios: [1, 2] scales_per_octave: 2 }"
            },
            (),
        ),
    ],
)
def test_the_order_until_2017_10(arguments, order):
    now, then = described(**arguments), described(api="2017-10", **arguments)
    assert order_of(then, now) == order
    assert described(api="2017-11", **arguments) == now


def test_any_order_is_found_and_undone():
    rng = random.Random(0)
    wanted = described()
    for _ in range(50):
        maps = []
        for one in wanted.maps:
            sizes = [
                tuple(side * (1 + rng.uniform(-3e-6, 3e-6)) for side in size) for size in one.sizes
            ]
            rng.shuffle(sizes)
            maps.append(MapAnchors(tuple(sizes), one.stride, one.offset))
        trained = AnchorSpec(wanted.generator, tuple(maps))
        order = order_of(trained, wanted)
        found = in_order(wanted, order)
        assert [one.sizes for one in found.maps] == [
            tuple(pytest.approx(size, rel=1e-5) for size in one.sizes) for one in trained.maps
        ]


def test_equal_anchors_stay_where_they_are():
    twice = AnchorSpec("g", (MapAnchors(((1.0, 1.0), (2.0, 1.0), (1.0, 1.0)), None, None),))
    assert order_of(twice, twice) == ()
    other = AnchorSpec("g", (MapAnchors(((1.0, 1.0), (1.0, 1.0), (2.0, 1.0)), None, None),))
    assert order_of(other, twice) == ((0, 2, 1),)


@pytest.mark.parametrize(
    "trained, told",
    [
        (described(more="base_anchor_width: 2"), "of the image's side (height x width)"),
        (described(ratios="[1.0, 2.0]"), "3/3/3/3/3/3 at a location of the feature maps"),
        (described(text="grid_anchor_generator { scales: 1 aspect_ratios: 1 }"), "those of a grid"),
        (described(layers=5), "3/6/6/6/6 at"),
        (
            described(more="height_stride: [9, 9, 9, 9, 9, 9] width_stride: [9, 9, 9, 9, 9, 9]"),
            "strides",
        ),
    ],
)
def test_others_are_no_order(trained, told):
    wanted = described(more="height_stride: [8, 8, 8, 8, 8, 8] width_stride: [8, 8, 8, 8, 8, 8]")
    assert order_of(trained, wanted) is None
    assert told in difference(trained, wanted)
