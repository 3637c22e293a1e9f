"""Other anchors in a first stage's graph; stock/test_frozen.py runs one beside the exporter's."""

import itertools

import numpy as np
import pytest
from handgraphs import Made

from graphfix.detectors.anchor_generators import AnchorSpec, MapAnchors
from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.evaluate import evaluate
from graphfix.graph_rewrite.anchors import replace_anchors
from graphfix.graph_rewrite.axis_types import NotUnderstood
from graphfix.graph_rewrite.grid_anchors import replace_grid

OLD = ((64.0, 128.0), (32.0, 64.0), (90.0, 45.0))
ANCHORS = "corners"
INT32 = dtypes.BY_NAME["int32"]


def spec(sizes, stride=(16.0, 8.0), generator="grid_anchor_generator"):
    return AnchorSpec(generator, (MapAnchors(tuple(sizes), stride, (0.0, 4.0)),))


class FirstStage(Made):
    """A region proposal network from its heads to its suppression."""

    def packed(self, name, *inputs, axis=0):
        self.node(name, "Pack", *inputs)
        self.message.node[-1].attr["N"].i = len(inputs)
        self.message.node[-1].attr["axis"].i = axis
        return self

    def sliced(self, name, source, place):
        for part, number in (("/begin", place), ("/end", place + 1), ("/step", 1)):
            self.value(name + part, [number], "int32")
        self.node(name, "StridedSlice", source, name + "/begin", name + "/end", name + "/step")
        self.message.node[-1].attr["shrink_axis_mask"].i = 1
        return self

    def joined(self, name, *inputs, axis=0):
        self.value(name + "/axis", axis, "int32").node(
            name, "ConcatV2", *inputs + (name + "/axis",)
        )
        self.message.node[-1].attr["N"].i = len(inputs)
        return self

    def generator(self):
        self.value("half", 0.5).value("one", [1], "int32").value("pair", [-1, 2], "int32")
        self.node("map", "Shape", "features").sliced("rows", "map", 1).sliced("columns", "map", 2)
        self.value("first", 0, "int32").value("by", 1, "int32")
        self.packed("multiples", "rows", "columns", "by")
        for axis, (side, count) in enumerate((("height", "rows"), ("width", "columns"))):
            self.value(side + "/base", [size[axis] / 2 for size in OLD]).value(side + "/two", 2.0)
            self.node(side, "Mul", side + "/base", side + "/two")
            self.value(side + "/shape/ones", [1, 1], "int32").value(side + "/count", [3], "int32")
            self.joined(side + "/shape", side + "/shape/ones", side + "/count")
            self.node(side + "/row", "Reshape", side, side + "/shape")
            self.node(side + "/tile", "Tile", side + "/row", "multiples")
            # Centres: [rows, columns, 1], tiled by the anchors.
            self.node(side + "/range", "Range", "first", count, "by")
            self.node(side + "/number", "Cast", side + "/range")
            self.message.node[-1].attr["DstT"].type = dtypes.FLOAT32.number
            self.value(side + "/stride", (16.0, 8.0)[axis]).value(
                side + "/offset", (0.0, 4.0)[axis]
            )
            self.node(side + "/far", "Mul", side + "/number", side + "/stride")
            self.node(side + "/centre", "AddV2", side + "/far", side + "/offset")
            self.value(side + "/axes", [[-1, 1, 1], [1, -1, 1]][axis], "int32")
            self.node(side + "/line", "Reshape", side + "/centre", side + "/axes")
            self.packed(side + "/over", *([("by", "columns", "by"), ("rows", "by", "by")][axis]))
            self.node(side + "/grid", "Tile", side + "/line", side + "/over")
            self.node(side + "/centres", "Tile", side + "/grid", side + "/shape")
        self.packed("sides", "height/tile", "width/tile", axis=3)
        self.packed("middles", "height/centres", "width/centres", axis=3)
        self.node("sizes", "Reshape", "sides", "pair").node("centres", "Reshape", "middles", "pair")
        self.node("halves", "Mul", "half", "sizes").node("low", "Sub", "centres", "halves")
        self.node("high", "AddV2", "centres", "halves").joined(ANCHORS, "low", "high", axis=1)
        # The total, held against what there is.
        self.value("per", 3, "int32").node("row", "Mul", "per", "rows")
        self.node("all", "Mul", "row", "columns").value("none", 0, "int32")
        self.node("total", "AddV2", "none", "all").node("found", "Shape", ANCHORS)
        self.sliced("number", "found", 0).node("same", "Equal", "total", "number")
        self.node("check", "Assert", "same", "total")
        return self.node("checked", "Identity", ANCHORS, "^check")

    def heads(self):
        self.value("free", -1, "int32").value("four", 4, "int32").value("two", 2, "int32")
        self.node("batch", "Placeholder")
        for head, row in (("box", ("by", "four")), ("object", ("two",))):
            self.node(head, "Conv2D", "features", head + "/weights")
            self.packed(head + "/shape", "batch", "free", *row)
            self.node(head + "/rows", "Reshape", head, head + "/shape")
        self.value("boxed", [-1, 4], "int32").node("codes", "Reshape", "box/rows", "boxed")
        self.node("decoded", "Mul", "codes", "checked").node("scores", "Softmax", "object/rows")
        return self.node("chosen", "NonMaxSuppressionV3", "decoded", "scores")


def first_stage():
    made = FirstStage().node("features", "Placeholder").constant("box/weights", [1, 1, 8, 12])
    return made.constant("object/weights", [1, 1, 8, 6]).generator().heads().graph()


def replaced(graph, sizes, **settings):
    gone = replace_grid(
        graph,
        [(graph.nodes["box"], 4), (graph.nodes["object"], 2)],
        spec(OLD),
        spec(sizes, **settings),
    )
    graph.prune(["chosen"])
    assert not gone & set(graph.nodes)
    return graph


def laid(graph, rows, columns):
    """The anchors for a map of some size, and the total that they are held against."""
    constants.set_value(graph.nodes["map"], np.array([1, rows, columns, 8]), dtypes.INT64)
    graph.nodes["map"].op = "Const"
    del graph.nodes["map"].input[:]
    for name in ("rows", "columns"):
        value = evaluate(graph, name)
        node = graph.nodes[name]
        del node.input[:]
        node.op = "Const"
        constants.set_value(node, value.astype(np.int32), INT32)
    return evaluate(graph, ANCHORS), evaluate(graph, "total")


def by_hand(sizes, rows, columns):
    return np.array(
        [
            (
                16 * row - height / 2,
                8 * column + 4 - width / 2,
                16 * row + height / 2,
                8 * column + 4 + width / 2,
            )
            for row, column, (height, width) in itertools.product(
                range(rows), range(columns), sizes
            )
        ]
    )


@pytest.mark.parametrize(
    "sizes",
    [
        OLD,
        ((50.0, 60.0), (33.0, 66.0), (80.0, 20.0)),
        ((8.0, 9.0),),
        ((50.0, 60.0), (33.0, 66.0), (80.0, 20.0), (7.0, 5.0), (100.0, 101.0)),
    ],
)
def test_a_map_of_any_size_has_the_new_anchors(sizes):
    graph = replaced(first_stage(), sizes)
    found, total = laid(graph, 3, 5)
    assert found.dtype == np.float32 and found.shape == (15 * len(sizes), 4)
    assert np.abs(found - by_hand(sizes, 3, 5)).max() < 1e-4
    assert total == 15 * len(sizes)


def test_the_graph_before_has_the_old_ones():
    found, total = laid(first_stage(), 2, 3)
    assert np.abs(found - by_hand(OLD, 2, 3)).max() < 1e-4 and total == 18


def set_to(name, value, dtype=INT32):
    return lambda graph: constants.set_value(graph.nodes[name], np.array(value, dtype.numpy), dtype)


def rewired(name, position, source):
    def change(graph):
        graph.nodes[name].input[position] = source

    return change


def operation(name, op):
    def change(graph):
        graph.nodes[name].op = op

    return change


def added(name, op, *inputs):
    def change(graph):
        graph.nodes[name] = graph.graph_def.node.add(name=name, op=op, input=inputs)

    return change


@pytest.mark.parametrize(
    "change, words",
    [
        (set_to("height/base", [32, 16, 46], dtypes.FLOAT32), "'sides': what it joins is not"),
        (lambda graph: graph.nodes["sides"].input.reverse(), "'sides': what it joins is not"),
        (operation("scores", "Mystery"), "'scores': it is not known"),
        (rewired("box/shape", 1, "four"), "'box/rows': it spells out"),
        (rewired("object/shape", 2, "four"), "'object/rows': it spells out"),
        (added("other", "Neg", "box"), "'other': it reads a head"),
        (added("other", "Neg", "width/shape"), "'other': it takes a shape"),
        (set_to("width/shape/ones", [1, 3]), "'width/shape': it is not told"),
        (set_to("boxed", [-1, 2, 4]), "'codes': it takes a size"),
        (set_to("boxed", [-1, 3, 4]), "'codes': it takes a size"),
        (rewired("codes", 1, "batch"), "'codes': it takes a size"),
        (set_to("per", 5), "'same': it is not told which factor"),
        (rewired("all", 1, "per"), "'same': it is not told which factor"),
        (set_to("per", 3, dtypes.FLOAT32), "'same': it is not told which factor"),
        (rewired("all", 1, "row"), "'row': it is twice"),
        (set_to("none", 1), "'total': it adds"),
        (rewired("all", 1, "batch"), "'batch': it is not known"),
        (added("other", "Neg", "row"), "'other': it reads what counts"),
    ],
)
def test_a_graph_that_is_not_understood_names_the_node(change, words):
    graph = first_stage()
    change(graph)
    with pytest.raises(NotUnderstood) as caught:
        replaced(graph, OLD[:2])
    assert words in str(caught.value)


def test_a_tensor_array_of_a_fixed_number_is_refused():
    graph = first_stage()
    graph.nodes["scores"].attr["element_shape"].shape.dim.add(size=45)
    with pytest.raises(NotUnderstood, match="'scores': it spells out a shape"):
        replaced(graph, OLD[:2])


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"stride": (8.0, 8.0)}, "elsewhere"),
        ({"generator": "flexible_grid_anchor_generator"}, "another generator"),
    ],
)
def test_what_changes_more_than_shapes_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        replaced(first_stage(), OLD, **settings)


def test_sides_that_follow_what_is_fed_are_not_found():
    graph = first_stage()
    graph.nodes["height/base"].op = "Placeholder"
    with pytest.raises(ValueError, match="0 nodes that look like"):
        replaced(graph, OLD)


def levels(sizes):
    """Three levels' anchors of an image that 128 pixels do not divide: offsets are 0 there."""
    return AnchorSpec(
        "multiscale_anchor_generator",
        tuple(
            MapAnchors(
                tuple((side * stride, width * stride) for side, width in sizes),
                (stride, stride),
                (0.0 if stride == 128 else stride / 2,) * 2,
            )
            for stride in (32.0, 64.0, 128.0)
        ),
    )


def test_levels_become_one_constant():
    """An SSD's, in parts of a 320x192 image."""

    def wanted(sizes):
        return np.array(
            [
                np.array(
                    [
                        y - height * stride / 2,
                        x - width * stride / 2,
                        y + height * stride / 2,
                        x + width * stride / 2,
                    ]
                )
                / (320, 192, 320, 192)
                for stride, rows, columns in ((32, 10, 6), (64, 5, 3), (128, 3, 2))
                for y, x, (height, width) in itertools.product(
                    [row * stride + (stride < 128) * stride / 2 for row in range(rows)],
                    [column * stride + (stride < 128) * stride / 2 for column in range(columns)],
                    sizes,
                )
            ]
        )

    before, after = [(4.0, 4.0), (2.0, 6.0)], [(3.0, 3.0), (2.0, 5.0), (5.0, 2.0)]
    made = FirstStage().node("features", "Placeholder").constant("box/weights", [1, 1, 8, 8])
    made.value("anchors", wanted(before)).value("zero", 0, "int32").value("free", -1, "int32")
    made.node("batch", "Placeholder").value("four", 4, "int32").value("by", 1, "int32")
    made.node("computed", "Identity", "anchors").node("one", "ExpandDims", "computed", "zero")
    made.packed("times", "batch", "by", "by").node("tiled", "Tile", "one", "times")
    made.node("box", "Conv2D", "features", "box/weights").packed("to", "batch", "free", "four")
    made.node("rows", "Reshape", "box", "to").node("decoded", "Mul", "rows", "tiled")
    graph = made.graph()
    gone = replace_anchors(
        graph, [graph.nodes["box"]], [], levels(before), levels(after), (320.0, 192.0)
    )
    assert gone == {"computed"}
    found = evaluate(graph, "one")
    assert found.shape == (1, 81 * 3, 4) and found.dtype == np.float32
    assert np.abs(found[0] - wanted(after)).max() < 1e-6
