"""graph_import/anchors.py: generators come back from the nodes that the API's function makes of
them.

The nodes are made here by hand after that function (`tile_anchors`); the sizes in them are this
test's own arithmetic.
"""

import numpy as np
import pytest
from handgraphs import Tiles

from graphfix.detectors.anchor_generators import describe_anchors
from graphfix.graph_import.anchors import infer_anchors
from graphfix.graph_import.config_text import render
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised
from graphfix.pipeline_config.anchor_generators import parse_anchors


def inferred(made, image=None):
    return infer_anchors(GraphEvidence(made.graph(), {}), image)


def ssd(made, scales, ratios, image, *, reduced=True, between=1.0, stride=None, base=(1.0, 1.0)):
    """The maps of an ssd_anchor_generator."""
    for layer, (scale, after) in enumerate(zip(scales, list(scales[1:]) + [1.0])):
        pairs = [(scale, ratio) for ratio in ratios]
        if between:
            pairs.append(((scale * after) ** 0.5, between))
        if layer == 0 and reduced:
            pairs = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        cells = [8 >> layer or 1] * 2
        step = (
            [1.0 / cells[axis] for axis in range(2)]
            if stride is None
            else [stride[layer] / image[axis] for axis in range(2)]
        )
        made.tile(
            f"MultipleGridAnchorGenerator/map{layer}/",
            [one for one, _ in pairs],
            [ratio for _, ratio in pairs],
            [base[axis] * min(image) / image[axis] for axis in range(2)],
            step,
            [one / 2 for one in step],
            cells,
        )
    return made


def test_evenly_spaced_scales(image=(160.0, 160.0)):
    found = inferred(ssd(Tiles(), [0.2, 0.575, 0.95], [1.0, 2.0, 0.3333], image), image)
    assert (
        "\n".join(render(found.fields[0].value)).split()
        == (
            "num_layers: 3 min_scale: 0.2 max_scale: 0.95 aspect_ratios: 1.0 aspect_ratios: 2.0 "
            "aspect_ratios: 0.3333"
        ).split()
    )
    assert found.per_map == (3, 4, 4)


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(scales=[0.1, 0.3, 0.4]), "scales: 0.1 scales: 0.3 scales: 0.4"),
        (dict(reduced=False), "reduce_boxes_in_lowest_layer: false"),
        (dict(between=0.0), "interpolated_scale_aspect_ratio: 0.0"),
        (dict(between=2.0), "interpolated_scale_aspect_ratio: 2.0"),
        (
            dict(stride=[16, 32, 64]),
            "height_stride: 16 height_stride: 32 height_stride: 64 "
            "width_stride: 16 width_stride: 32 width_stride: 64 height_offset: 8",
        ),
        (dict(base=(0.5, 2.0)), "base_anchor_height: 0.5 base_anchor_width: 2.0"),
    ],
)
def test_the_settings_of_an_ssd_generator(options, words):
    image = (120.0, 240.0)
    settings = dict(dict(scales=[0.2, 0.5, 0.8], ratios=[1.0, 2.0], image=image), **options)
    found = inferred(ssd(Tiles(), **settings), image)
    text = " ".join("\n".join(render(found.fields)).split())
    assert words in text
    # And all sizes are the graph's, by the formulas of model/anchors.
    _, message = parse_anchors(text.encode(), "anchors")
    spec = describe_anchors(message, "anchors", image)
    for one, tiles in zip(spec.maps, found.maps):
        for (height, width), scale, ratio in zip(one.sizes, tiles.scales, tiles.ratios):
            assert np.isclose(height, scale / ratio**0.5 * tiles.base[0], rtol=1e-5)
            assert np.isclose(width, scale * ratio**0.5 * tiles.base[1], rtol=1e-5)


def test_a_grid():
    found = inferred(
        Tiles().tile(
            "GridAnchorGenerator/",
            [0.25, 0.5] * 3,
            [0.5, 0.5, 1.0, 1.0, 2.0, 2.0],
            (256, 128),
            (16, 8),
            (0, 4),
            (5, 5),
        )
    )
    assert " ".join("\n".join(render(found.fields[0].value)).split()) == (
        "height: 256 width: 128 height_stride: 16 width_stride: 8 height_offset: 0 width_offset: 4 "
        "scales: 0.25 scales: 0.5 aspect_ratios: 0.5 aspect_ratios: 1.0 aspect_ratios: 2.0"
    )
    assert found.per_map == (6,)


def multiscale(levels, anchor_scale=4.0):
    made = Tiles()
    for number, level in enumerate(levels):
        step = (2.0**level,) * 2
        made.tile(
            f"MultiscaleGridAnchorGenerator/Grid_{number}/",
            [1.0, 2.0**0.5] * 2,
            [1.0, 1.0, 2.0, 2.0],
            (anchor_scale * step[0],) * 2,
            step,
            (0.0, 0.0),
            (4, 4),
        )
    return made


def test_levels():
    found = inferred(multiscale([3, 4, 5]))
    assert " ".join("\n".join(render(found.fields[0].value)).split()) == (
        "min_level: 3 max_level: 5 anchor_scale: 4.0 aspect_ratios: 1.0 aspect_ratios: 2.0 "
        "scales_per_octave: 2 normalize_coordinates: false"
    )


@pytest.mark.parametrize(
    "made, words",
    [
        (multiscale([3, 5]), "differ between levels"),
        (
            Tiles().tile(
                "GridAnchorGenerator/",
                [0.25, 0.5, 1.0],
                [1.0, 1.0, 2.0],
                (256, 256),
                (16, 16),
                (0, 0),
                (5, 5),
            ),
            "all combinations",
        ),
        (ssd(Tiles(), [0.2, 0.5], [1.0, 2.0], (99.0, 99.0), stride=[7.5, 15]), "whole number"),
        (Tiles().value("c", 1.0).node("MultipleGridAnchorGenerator/Sqrt", "Sqrt", "c"), "0 ranges"),
        (Tiles().value("c", 1.0), "none of the anchor generators"),
    ],
)
def test_other_anchors_are_refused(made, words):
    with pytest.raises(Unrecognised) as caught:
        inferred(made, (99.0, 99.0))
    assert words in str(caught.value)
