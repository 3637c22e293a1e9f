"""Other anchors in the graph of a detector whose images have a fixed size.

The stock API computes the anchors inside the graph, from constants alone where the image's size is
fixed.  They are found from the box coder: where the codes of the box heads are scaled and shifted
by what comes from one tensor [anchors, 4], which is laid out for each image of a batch (ExpandDims,
Tile).  That tensor's value has to be the model's anchors as this package computes them; then one
constant with the new anchors takes the place of the whole computation.

The heads hold as many anchors at a location as their constants say, unless a Reshape spells out
how many boxes a map has, as exporters did until 2018; such a graph is not changed to another number
of anchors.
"""

from typing import Any, List, Optional, Set, Tuple

import numpy as np

from graphfix.detectors.anchor_generators import AnchorSpec, Pair, anchor_boxes
from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.evaluate import evaluate
from graphfix.formats.graphdef.graph import Graph, Input, read_input
from graphfix.formats.graphdef.nodes import Node
from graphfix.graph_rewrite import tflite
from graphfix.graph_rewrite.axis_types import NotUnderstood
from graphfix.graph_rewrite.vectors import Vectors, unused

# What lies between a box coder and the anchors as they are laid out.
_ON_THE_WAY = {
    "Add": (0, 1),
    "AddV2": (0, 1),
    "Sub": (0, 1),
    "Mul": (0, 1),
    "RealDiv": (0, 1),
    "Unpack": (0,),
    "Transpose": (0,),
    "Reshape": (0,),
    "Tile": (0,),
    "Identity": (0,),
}
_SCALES = ("Mul", "Add", "AddV2", "Sub")
# Between a head's product and the Reshape that gives each box a row.
_TO_RESHAPE = (
    "BiasAdd",
    "Identity",
    "Add",
    "AddV2",
    "FakeQuantWithMinMaxVars",
    "Maximum",
    "Minimum",
)
# Of the image's side: in float32, computed in another order.
_SAME = 1e-5


def replace_anchors(
    graph: Graph, boxes: List[Any], others: List[Any], old: AnchorSpec, new: AnchorSpec, image: Pair
) -> Set[str]:
    """Puts the anchors of `new` in the place of those of `old`.

    `boxes` are the operations that multiply by the box heads' kernels, `others` those of the other
    heads, `image` the size of the resized images in pixels.  Returns what nothing may need any
    more: the nodes that computed the old anchors.

    Raises:
      NotUnderstood: the graph's anchors are not found, or are not those of `old`.
      ValueError: nothing in the graph looks like anchors.
    """
    consumers = graph.consumers()
    centred = tflite.anchors(graph)
    source = centred or _find(graph, consumers, boxes)
    node = graph.nodes[source.name]
    value = evaluate(graph, source.name, source.port)
    if centred and value is not None:
        value = tflite.corners(value)
    scale = np.asarray(image + image, np.float64)
    shapes = None if value is None else _map_shapes(value, old.per_map)
    if shapes is None or not np.allclose(
        value, _placed(old, shapes, image) / scale, rtol=0, atol=_SAME
    ):
        raise NotUnderstood(node, "its value is not the anchors of the config")
    if new.per_map != old.per_map:
        for product in boxes + others:
            _check_free(graph, consumers, product)
    computation = {
        name for name, one in graph.ancestors([source.name]).items() if one.op != "Const"
    }
    made = Node(unused(graph, node.name + "/anchors"), "Const")
    placed = _placed(new, shapes, image) / scale
    constants.set_value(
        made, (tflite.centred(placed) if centred else placed).astype(np.float32), dtypes.FLOAT32
    )
    graph.nodes[made.name] = made
    for reader, position in consumers[source.name]:
        if read_input(reader.input[position]) == source:
            reader.input[position] = made.name
    return computation


def _placed(spec: AnchorSpec, shapes: List[Tuple[int, int]], image: Pair) -> np.ndarray:
    return np.concatenate(
        [anchor_boxes(one, spec.generator, shape, image) for one, shape in zip(spec.maps, shapes)]
    )


def _find(graph: Graph, consumers: Any, products: List[Any]) -> Input:
    """The tensor of all anchors, read by the ExpandDims that gives it an axis for the batch."""
    below: Set[str] = set()
    pending = [node.name for node in products]
    found: Any = {}
    while pending:
        name = pending.pop()
        if name in below:
            continue
        below.add(name)
        # The anchors are laid out for as many images as the codes are of, but depend on no code.
        pending += [node.name for node, _ in consumers[name] if node.op != "Shape"]
    for name in graph.nodes:
        node = graph.nodes[name]
        if name in below and node.op in _SCALES:
            for one in map(read_input, node.input):
                if not one.control and one.name not in below:
                    found.update(dict.fromkeys(_laid_out(graph, one)))
    candidates = [one for one in found if _is_boxes(evaluate(graph, one.name, one.port))]
    if len(candidates) != 1:
        raise ValueError(
            f"has {len(candidates)} tensors that look like its anchors, computed from constants "
            "alone"
        )
    return candidates[0]


def _is_boxes(value: Optional[np.ndarray]) -> bool:
    return (
        value is not None and value.dtype == np.float32 and value.ndim == 2 and value.shape[1] == 4
    )


def _laid_out(graph: Graph, start: Input) -> List[Input]:
    """What the ExpandDims behind an operand give an axis."""
    pending, seen, found = [start], set(), []
    while pending:
        one = pending.pop()
        node = graph.nodes[one.name]
        if node.name in seen:
            continue
        seen.add(node.name)
        if node.op == "ExpandDims":
            found.append(read_input(node.input[0]))
        else:
            pending += [read_input(node.input[place]) for place in _ON_THE_WAY.get(node.op, ())]
    return found


def _map_shapes(value: np.ndarray, per_map: Any) -> Any:
    """(rows, columns) of each feature map, read off the centres of its anchors; None where they
    are no grids."""
    centres = (value[:, :2].astype(np.float64) + value[:, 2:]) / 2
    out, start = [], 0
    for count in per_map:
        first = centres[start::count]
        if not len(first):
            return None
        columns = 1
        while (
            columns < len(first)
            and abs(first[columns][0] - first[0][0]) < _SAME
            and first[columns][1] > first[columns - 1][1] + _SAME
        ):
            columns += 1
        rows = 1
        while (
            (rows + 1) * columns <= len(first)
            and abs(first[rows * columns][1] - first[0][1]) < _SAME
            and first[rows * columns][0] > first[(rows - 1) * columns][0] + _SAME
        ):
            rows += 1
        out.append((rows, columns))
        start += rows * columns * count
    return out if start == len(value) else None


def _check_free(graph: Graph, consumers: Any, product: Any) -> None:
    """Whether a head's Reshape leaves it to the graph how many boxes there are."""
    vectors = Vectors(graph, consumers)
    pending = [product]
    while pending:
        node = pending.pop()
        for reader, position in consumers[node.name]:
            if reader.op in _TO_RESHAPE and position == 0:
                pending.append(reader)
            elif reader.op == "Reshape" and position == 0:
                elements = vectors.read(read_input(reader.input[1]))
                if elements is None or -1 not in [one.value for one in elements]:
                    raise NotUnderstood(reader, "it spells out how many boxes a feature map has")
            elif reader.op not in ("Shape",):
                raise NotUnderstood(
                    reader,
                    "it reads a head, and it is not known whether it "
                    "depends on the number of anchors",
                )
