"""Other anchors in the graph of a first stage, whose images have any size.

The stock API's grid generator computes the heights and the widths of the anchors at a location from
constants alone, [anchors] each.  Both are laid over the feature map's locations alike: a Reshape to
[1, 1, anchors], a Tile by the map's size, and one Pack that joins the two.  That Pack is found from
the box coder; its two sides have to be those of the config, and constants with the new ones take
their place.

Another number of anchors is written in the shapes that these Reshapes and the Tiles of the grid's
centres take, and, in some revisions, as a factor of the total that an Assert holds against the
anchors.  Everything between the heads or the generator and the first suppression is looked at: an
operation that is not listed, or a shape that tells more than a pair or a box, is not understood.
"""

from typing import Any, List, NamedTuple, Optional, Set, Tuple

import numpy as np

from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.evaluate import evaluate
from graphfix.formats.graphdef.graph import Graph, Input, read_input
from graphfix.formats.graphdef.nodes import Node
from graphfix.graph_rewrite.axis_types import NotUnderstood
from graphfix.graph_rewrite.vectors import Vectors, unused

GENERATOR = "grid_anchor_generator"
_SUPPRESSION = "NonMaxSuppression"
_CODER = ("Mul", "Add", "AddV2", "Sub")
_ALONG = ("BiasAdd", "Identity", "Add", "AddV2")
# Computed in float32, in another order.
_SAME = 1e-5
# Operations that take any number of anchors, but for the inputs in _SIZES, an attribute
# element_shape, and what _TOTAL compares.
_INDIFFERENT = {
    "Identity",
    "Shape",
    "StridedSlice",
    "Pack",
    "Unpack",
    "ExpandDims",
    "Squeeze",
    "Transpose",
    "ConcatV2",
    "Split",
    "Add",
    "AddV2",
    "Sub",
    "Mul",
    "RealDiv",
    "Exp",
    "Minimum",
    "Maximum",
    "Softmax",
    "Sigmoid",
    "Greater",
    "Where",
    "Cast",
    "Gather",
    "GatherV2",
    "Fill",
    "Range",
    "All",
    "Assert",
    "TensorArrayV3",
    "TensorArrayScatterV3",
    "TensorArrayReadV3",
    "Enter",
    "Exit",
    "Merge",
    "Switch",
    "NextIteration",
    "LoopCond",
    "Less",
    "LogicalAnd",
    "Conv2D",
    "BiasAdd",
}
# And those that take a vector of sizes, as which input.
_SIZES = {"Reshape": 1, "Tile": 1, "Slice": 2}
# The numbers that a row may have: one, a pair (height and width, background and object), a box.
_WIDTHS = (1, 2, 4)
_TOTAL = "Equal"


class _Side(NamedTuple):
    """Heights or widths: the tensor, its value, and the Reshape that reads it."""

    source: Input
    value: np.ndarray
    reshape: Any


def replace_grid(
    graph: Graph, heads: List[Tuple[Any, int]], old: AnchorSpec, new: AnchorSpec
) -> Set[str]:
    """Puts the anchors of `new` in the place of those of `old`.

    `heads` are the operations that multiply by the first stage's kernels, each with the numbers it
    gives for an anchor.  Returns what nothing may need any more: the nodes that computed the old
    anchors' sides.

    Raises:
      NotUnderstood: the graph is not as described above.
      ValueError: nothing in the graph looks like these anchors, or they change otherwise than in
        shape and number.
    """
    if {old.generator, new.generator} != {GENERATOR} or len(old.maps) != 1:
        raise ValueError(f"has the anchors of another generator than {GENERATOR}")
    before, after = old.maps[0], new.maps[0]
    if (before.stride, before.offset) != (after.stride, after.offset):
        raise ValueError("places its anchors elsewhere than the new strides and offsets do")
    consumers = graph.consumers()
    late = _below(
        graph,
        consumers,
        [name for name, node in graph.nodes.items() if node.op.startswith(_SUPPRESSION)],
        set(),
    )
    codes = _below(graph, consumers, [node.name for node, _ in heads], late)
    pack, sides = _find(graph, codes, len(before.sizes))
    for side, wanted in zip(sides, zip(*before.sizes)):
        if not np.allclose(side.value, wanted, rtol=_SAME, atol=0):
            raise NotUnderstood(pack, "what it joins is not the anchors of the config")
    computation = {
        name
        for name, one in graph.ancestors([side.source.name for side in sides]).items()
        if one.op != "Const"
    }
    if len(before.sizes) != len(after.sizes):
        _recount(graph, consumers, heads, sides, late, len(before.sizes), len(after.sizes))
    for side, values in zip(sides, zip(*after.sizes)):
        name = graph.nodes[side.source.name].name + "/anchors"
        side.reshape.input[0] = _constant(graph, name, np.array(values, np.float32), dtypes.FLOAT32)
    return computation


def _below(graph: Graph, consumers: Any, names: List[str], stop: Set[str]) -> Set[str]:
    """What depends on the data of some nodes, themselves included."""
    found: Set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found and name not in stop:
            found.add(name)
            pending += [
                reader.name
                for reader, position in consumers[name]
                if not read_input(reader.input[position]).control
            ]
    return found


def _find(graph: Graph, codes: Set[str], count: int) -> Tuple[Any, List[_Side]]:
    """The Pack of heights and widths that the box coder depends on, and the two."""
    operands = [
        one.name
        for name in codes
        if graph.nodes[name].op in _CODER
        for one in map(read_input, graph.nodes[name].input)
        if not one.control
    ]
    found = []
    for node in graph.ancestors(operands).values():
        if node.op == "Pack" and len(node.input) == 2:
            sides = list(filter(None, (_side(graph, read_input(x), count) for x in node.input)))
            if len(sides) == 2:
                found.append((node, sides))
    if len(found) != 1:
        raise ValueError(f"has {len(found)} nodes that look like its anchors' heights and widths")
    return found[0]


def _side(graph: Graph, tiled: Input, count: int) -> Optional[_Side]:
    tile = graph.nodes[tiled.name]
    reshape = graph.nodes[read_input(tile.input[0]).name] if tile.op == "Tile" else tile
    if reshape.op != "Reshape":
        return None
    source = read_input(reshape.input[0])
    value = evaluate(graph, source.name, source.port)
    if value is None or value.dtype != np.float32 or value.shape != (count,):
        return None
    return _Side(source, value, reshape)


def _recount(
    graph: Graph,
    consumers: Any,
    heads: List[Tuple[Any, int]],
    sides: List[_Side],
    late: Set[str],
    count: int,
    wanted: int,
) -> None:
    """Changes whatever counts the anchors at a location; or raises NotUnderstood."""
    vectors = Vectors(graph, consumers)
    rows = [reshape for node, width in heads for reshape in _rows(consumers, vectors, node, width)]
    laid: List[Any] = []
    for source in {read_input(side.reshape.input[1]): side for side in sides}:
        laid += _lay(graph, consumers, source, [side.reshape for side in sides], count, wanted)
    # The sides' own Tiles repeat by the map's size, which is not theirs to tell.
    known = {node.name for node in laid} | {
        reader.name
        for side in sides
        for reader, _ in consumers[side.reshape.name]
        if reader.op == "Tile"
    }
    part = _below(graph, consumers, [node.name for node in rows + laid], late)
    for name in part:
        node = graph.nodes[name]
        if node.op == _TOTAL:
            for position, text in enumerate(node.input[:2]):
                if read_input(text).name not in part:
                    _change_total(graph, consumers, node, position, count, wanted)
        elif node.op in _SIZES:
            if name not in known:
                _check_sizes(vectors, node)
        elif node.op not in _INDIFFERENT:
            raise NotUnderstood(node, "it is not known whether it depends on the number of anchors")
        if "element_shape" in node.attr and not _is_row(
            [dim.size for dim in node.attr["element_shape"].shape.dim]
        ):
            raise NotUnderstood(node, "it spells out a shape that may count anchors")


def _rows(consumers: Any, vectors: Vectors, head: Any, width: int) -> List[Any]:
    """The Reshapes that give each anchor of a head a row: [images, -1, ...], `width` numbers."""
    pending, found = [head], []
    while pending:
        node = pending.pop()
        for reader, position in consumers[node.name]:
            if reader.op in _ALONG and position == 0:
                pending.append(reader)
            elif reader.op == "Reshape" and position == 0:
                sizes = [one.value for one in vectors.read(read_input(reader.input[1])) or ()]
                if (
                    len(sizes) < 3
                    or sizes[0] not in (None, 1)
                    or sizes[1] != -1
                    or None in sizes[2:]
                    or int(np.prod(sizes[2:])) != width
                ):
                    raise NotUnderstood(reader, "it spells out how many boxes there are")
                found.append(reader)
            elif reader.op != "Shape":
                raise NotUnderstood(
                    reader,
                    "it reads a head, and it is not known whether it "
                    "depends on the number of anchors",
                )
    return found


def _lay(
    graph: Graph, consumers: Any, shape: Input, reshapes: List[Any], count: int, wanted: int
) -> List[Any]:
    """Changes [1, ..., anchors], by which the sides are reshaped and the centres tiled; gives who
    reads it."""
    node = graph.nodes[shape.name]
    value = evaluate(graph, shape.name, shape.port)
    if (
        count == 1
        or value is None
        or value.dtype != np.int32
        or value.tolist() != [1] * (value.size - 1) + [count]
    ):
        raise NotUnderstood(node, "it is not told which of its numbers counts the anchors")
    readers = [
        reader
        for reader, position in consumers[shape.name]
        if read_input(reader.input[position]) == shape
    ]
    made = _constant(
        graph,
        node.name + "/anchors",
        np.array([1] * (value.size - 1) + [wanted], np.int32),
        dtypes.BY_NAME["int32"],
    )
    for reader, position in consumers[shape.name]:
        if position != 1 or not (reader.op == "Tile" or any(reader is one for one in reshapes)):
            raise NotUnderstood(reader, "it takes a shape with the number of anchors")
        reader.input[position] = made
    return readers


def _check_sizes(vectors: Vectors, node: Any) -> None:
    elements = vectors.read(read_input(node.input[_SIZES[node.op]]))
    if elements is None or not _is_row([one.value for one in elements]):
        raise NotUnderstood(node, "it takes a size that may count anchors")


def _is_row(sizes: List[Optional[int]]) -> bool:
    """Whether the sizes that are told are a row's, and so none of them can count rows."""
    return int(np.prod([size for size in sizes if size is not None and size > 0])) in _WIDTHS


def _change_total(
    graph: Graph, consumers: Any, equal: Any, position: int, count: int, wanted: int
) -> None:
    """Changes the factor `count` of anchors * rows * columns, which the number of anchors has to
    equal."""
    path, factors, pending = {equal.name}, [], [(equal, position)]
    while pending:
        reader, place = pending.pop()
        node = graph.nodes[read_input(reader.input[place]).name]
        if node.op == "Const":
            factors.append((reader, place, node))
        elif node.name in path:
            raise NotUnderstood(node, "it is twice in the number of anchors")
        elif node.op == "Mul":
            path.add(node.name)
            pending += [(node, 0), (node, 1)]
        elif node.op in ("Add", "AddV2"):
            path.add(node.name)
            terms = [(node, at) for at in (0, 1) if not _is_zero(graph, node.input[at])]
            if len(terms) != 1:
                raise NotUnderstood(node, "it adds to the number of anchors")
            pending += terms
        elif node.op != "StridedSlice":
            raise NotUnderstood(node, "it is not known whether it depends on the number of anchors")
    for name in path - {equal.name}:
        for one, _ in consumers[name]:
            if one.name not in path and one.op != "Assert":
                raise NotUnderstood(one, "it reads what counts the anchors")
    values = [evaluate(graph, node.name) for _, _, node in factors]
    if (
        len(values) != 1
        or values[0] is None
        or values[0].dtype != np.int32
        or values[0].tolist() != count
        or factors[0][0].op != "Mul"
    ):
        raise NotUnderstood(equal, "it is not told which factor of the total counts the anchors")
    reader, place, node = factors[0]
    reader.input[place] = _constant(
        graph, node.name + "/anchors", np.array(wanted, np.int32), dtypes.BY_NAME["int32"]
    )


def _is_zero(graph: Graph, text: str) -> bool:
    value = evaluate(graph, *read_input(text)[:2])
    return value is not None and value.size == 1 and not value.any()


def _constant(graph: Graph, name: str, value: np.ndarray, dtype: Any) -> str:
    made = Node(unused(graph, name), "Const")
    constants.set_value(made, value, dtype)
    graph.nodes[made.name] = made
    return made.name
