"""Kernels for maps of a single row or column, on which OpenCV's depthwise convolution is wrong."""

import numpy as np
import pytest

from graphfix.exporting.opencv import text_graph
from graphfix.exporting.opencv.map_sizes import MapSizes
from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.schema import message_class


def convolution(stride=1, padding=b"SAME", op="DepthwiseConv2dNative", rate=1):
    node = message_class("graphfix.graph.NodeDef")(name="it", op=op)
    node.attr["strides"].list.i.extend([1, stride, stride, 1])
    node.attr["dilations"].list.i.extend([1, rate, rate, 1])
    node.attr["padding"].s = padding
    return node


def padded(data, weights):
    """A depthwise convolution of stride 1 with padding; (height, width, channels) each."""
    ways = [((side - 1) // 2, side - 1 - (side - 1) // 2) for side in weights.shape[:2]]
    data = np.pad(data, [*ways, (0, 0)], mode="constant")
    height, width = (side - less + 1 for side, less in zip(data.shape, weights.shape[:2]))
    return np.array(
        [
            [
                (data[y : y + weights.shape[0], x : x + weights.shape[1]] * weights).sum((0, 1))
                for x in range(width)
            ]
            for y in range(height)
        ]
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (4, 1), (1, 2)])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 3), (2, 2)])
def test_the_trimmed_kernel_computes_the_same(size, kernel):
    random = np.random.RandomState(0)
    weights = random.randn(*kernel, 6, 1).astype(np.float32)
    data = random.randn(*size, 6).astype(np.float32)
    found = MapSizes("image", size).trimmed(convolution(), ["image", "weights"], weights)
    assert [side for side, here in zip(found.shape, size) if here == 1] == [1] * size.count(1)
    assert np.allclose(padded(data, found[..., 0]), padded(data, weights[..., 0]), atol=1e-6)


@pytest.mark.parametrize(
    "size, node",
    [
        ((2, 2), convolution()),
        (None, convolution()),
        ((1, 1), convolution(op="Conv2D")),
        ((1, 1), convolution(padding=b"VALID")),
    ],
)
def test_no_other_kernel_is_touched(size, node):
    weights = np.ones((3, 3, 6, 1), np.float32)
    assert MapSizes("image", size).trimmed(node, ["image", "weights"], weights) is None


@pytest.mark.parametrize(
    "node, kernel, wanted",
    [
        (convolution(), (3, 3), (7, 10)),
        (convolution(2), (3, 3), (4, 5)),
        (convolution(2, b"VALID"), (3, 3), (3, 4)),
        (convolution(1, b"VALID", rate=2), (3, 3), (3, 6)),
        (message_class("graphfix.graph.NodeDef")(name="it", op="Relu6"), None, (7, 10)),
    ],
)
def test_sizes_are_tensorflows(node, kernel, wanted):
    sizes = MapSizes("image", (7, 10))
    sizes.add(node, ["image"], kernel)
    assert sizes._sizes["it"] == wanted


@pytest.mark.parametrize("side, trimmed", [(2, True), (8, False)])
def test_the_network_has_the_kernel_of_its_map(side, trimmed):
    """Two layers: the first halves the map, the second is on what is left."""
    graph_def = message_class("graphfix.graph.GraphDef")()
    weights = np.arange(18, dtype=np.float32).reshape(3, 3, 2, 1)
    graph_def.node.add(name="Preprocessor/sub", op="Sub")
    constants.set_value(graph_def.node.add(name="w", op="Const"), weights, dtypes.FLOAT32)
    before = "Preprocessor/sub"
    for name, stride in (("first", 2), ("second", 1)):
        node = graph_def.node.add()
        node.CopyFrom(convolution(stride))
        node.name = name
        node.input.extend([before, "w"])
        before = name
    walk = text_graph.Walk(Graph(graph_def, "it"), "it", (side, side))
    walk.node("second")
    first, second = walk.nodes
    assert first.inputs[1] == "w"
    assert (second.inputs[1] != "w") == trimmed
    if trimmed:
        assert walk.folded[second.inputs[1]].ravel().tolist() == weights[1, 1].ravel().tolist()
