"""The anchors of graphs, against what their configs mean: made by hand, and published."""

import glob
import os

import pytest
import zoo
from handgraphs import Made, Tiles

from graphfix.detectors.anchor_generators import describe_anchors
from graphfix.detectors.anchor_order import order_of
from graphfix.detectors.families import ANCHOR_FIELD
from graphfix.formats.graphdef import node_scan, skeleton
from graphfix.graph_import.graph_anchors import Unrecognised, graph_anchors, padded_layers
from graphfix.pipeline_config.anchor_generators import parse_anchors
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.resizers import constant_size

CASES = {
    "ssd": (
        "MultipleGridAnchorGenerator",
        "ssd_anchor_generator { num_layers: 3 aspect_ratios: [1, 2, 0.5] base_anchor_width: 2 }",
        (200.0, 400.0),
    ),
    "strides": (
        "MultipleGridAnchorGenerator",
        "ssd_anchor_generator { num_layers: 2 aspect_ratios: [1, 2] height_stride: [16, 32] "
        "width_stride: [16, 32] }",
        (320.0, 320.0),
    ),
    "grid": (
        "GridAnchorGenerator",
        "grid_anchor_generator { scales: [0.25, 1] aspect_ratios: [0.5, 1, 2] width: 128 }",
        None,
    ),
    "multiscale": (
        "MultiscaleGridAnchorGenerator",
        "multiscale_anchor_generator { min_level: 3 max_level: 5 aspect_ratios: [1, 2] "
        "scales_per_octave: 2 }",
        (320.0, 320.0),
    ),
    "flexible": (
        "FlexibleGridAnchorGenerator",
        "flexible_grid_anchor_generator { anchor_grid { base_sizes: [40, 60] aspect_ratios: [1, 2] "
        "height_stride: 16 width_stride: 16 height_offset: 8 width_offset: 8 } }",
        (320.0, 320.0),
    ),
}


def laid(name, reverse=False, prefix=""):
    """A case's generator as the API lays it: the graph, and what its config means."""
    scope, text, image = CASES[name]
    spec = describe_anchors(parse_anchors(text.encode(), "a")[1], "a", image)
    made = Tiles()
    for number, one in enumerate(spec.maps):
        sizes = list(one.sizes)
        if reverse:
            sizes.reverse()
        unit = image if scope.startswith("Multiple") else (1.0, 1.0)
        cells = [4 >> number, 4 >> number]
        stride = one.stride and [a / b for a, b in zip(one.stride, unit)]
        stride = stride or [1.0 / side for side in cells]
        offset = one.offset and [a / b for a, b in zip(one.offset, unit)]
        offset = offset or [side / 2 for side in stride]
        made.tile(
            f"{prefix}{scope}/map{number}/",
            [(height * width) ** 0.5 for height, width in sizes],
            [width / height for height, width in sizes],
            (1.0, 1.0),
            stride,
            offset,
            cells,
        )
    return made.graph(), spec, image


@pytest.mark.parametrize("prefix", ["", "clone_0/"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_every_generator(name, reverse, prefix):
    graph, spec, image = laid(name, reverse, prefix)
    order = order_of(graph_anchors(graph.nodes, image), spec)
    assert order is not None and bool(order) == reverse


def test_a_graph_without_anchors_tells_nothing():
    assert graph_anchors(Made().node("image", "Placeholder").graph().nodes, None) is None


def test_another_form_is_not_recognised():
    made = Made().constant("GridAnchorGenerator/x", (3,))
    made.node("GridAnchorGenerator/y", "Sqrt", "GridAnchorGenerator/x")
    with pytest.raises(Unrecognised):
        graph_anchors(made.graph().nodes, None)


def published():
    found = [
        os.path.dirname(path)
        for pattern in ("*/*.meta", "*/*/*.meta")
        for path in glob.glob(os.path.join(zoo.DIRECTORY, pattern))
    ]
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason="no files of published models"))]
    return [pytest.param(path, id=os.path.basename(path)) for path in sorted(found)]


@pytest.mark.parametrize("directory", published())
def test_published_graphs_lay_what_their_configs_mean(directory):
    """All but the one of before 2017-11, whose order is that of then."""
    (meta,) = glob.glob(os.path.join(directory, "*.meta"))
    (config,) = glob.glob(os.path.join(directory, "*.config"))
    with open(config, "rb") as file:
        message = parse_config(file.read(), config).message
    body = getattr(message.model, message.model.WhichOneof("model"))
    image = constant_size(body.image_resizer)
    generator = getattr(body, ANCHOR_FIELD[message.model.WhichOneof("model")])
    nodes = node_scan.read_nodes(meta, skeleton.META_GRAPH)
    old = os.path.basename(directory) == "old_anchor_order"
    found = graph_anchors(nodes, image)
    assert (
        order_of(found, describe_anchors(generator, config, image, api="2017-10" if old else None))
        == ()
    )
    assert bool(order_of(found, describe_anchors(generator, config, image))) == old
    assert len(padded_layers(nodes)[1]) == (4 if old else 0)
