"""A class for each box, where a graph of one class has none to choose.

With several classes, a two-stage detector's exporter chooses one of each proposal's boxes and of
each detection's masks: row i * classes + class[i].  With one, it only drops the class axis.  A
graph that grows from one class gets the nodes that choose:

* `raw_detection_boxes`, from 2019-04 on, are those of the class with the highest logit;
* `detection_masks` are those of the class that was detected.
"""

from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.evaluate import evaluate
from graphfix.formats.graphdef.graph import Graph, read_input, write_input
from graphfix.formats.graphdef.nodes import Node
from graphfix.graph_rewrite.axis_types import CHANNEL, CLASS, Axes, NotUnderstood
from graphfix.graph_rewrite.vectors import unused

# What a head ends with: R-FCN's, with the votes of an image after an image.
_HEADS = ("BiasAdd", "Mean", "TensorArrayGatherV3")
_INT, _FLOAT = BY_NAME["int32"].number, BY_NAME["float32"].number


def choose(graph: Graph, node: Any, axes: Axes, states: Any, classes: int) -> None:
    """Has `node`, which drops the class axis of the `axes` it takes, take those of one of `classes`
    classes.  `states` are the axes of all tensors.

    Raises:
      NotUnderstood: it is neither proposals' boxes nor detections' masks, or it is not known how
        their classes are told.
    """
    if node.op == "Squeeze" and len(axes) == 4 and axes[2:] == ((CLASS,), (4,)):
        _choose_boxes(graph, node, axes, states, classes)
    elif node.op == "Reshape" and len(axes) == 4 and axes[1] == (CLASS,):
        _choose_masks(graph, node, axes, classes)
    else:
        raise NotUnderstood(node, "it takes the axis of the only class away")


def _choose_boxes(graph: Graph, squeeze: Any, axes: Axes, states: Any, classes: int) -> None:
    logits = _logits(graph, states, axes[:2])
    if len(logits) != 1:
        raise NotUnderstood(
            squeeze,
            f"it takes the axis of the only class away, and {len(logits)} tensors look like "
            "the logits of the proposals",
        )
    made = _Maker(graph, squeeze)
    scores = made(
        "StridedSlice",
        [write_input(*logits[0]), made.ints([0, 0, 1]), made.ints([0, 0, 0]), made.ints([1, 1, 1])],
        {"T": _FLOAT, "Index": _INT},
    )
    graph.nodes[scores].attr["begin_mask"].i = 3
    graph.nodes[scores].attr["end_mask"].i = 7
    best = made("ArgMax", [scores, made.ints(2)], {"T": _FLOAT, "Tidx": _INT, "output_type": _INT})
    boxes = made.rows(squeeze.input[0], [4], best, classes)
    shape = made("Shape", [best], {"T": _INT, "out_type": _INT})
    whole = made("ConcatV2", [shape, made.ints([4]), made.ints(0)], {"T": _INT, "Tidx": _INT})
    graph.nodes[whole].attr["N"].i = 2
    squeeze.op = "Reshape"
    squeeze.attr.clear()
    squeeze.attr["T"].type, squeeze.attr["Tshape"].type = _FLOAT, _INT
    squeeze.input[:] = [boxes, whole]


def _choose_masks(graph: Graph, reshape: Any, axes: Axes, classes: int) -> None:
    sizes = [axis[0] if len(axis) == 1 else None for axis in axes[2:]]
    numbers = _numbers(graph)
    if None in sizes or numbers is None:
        raise NotUnderstood(
            reshape, "it takes the axis of the only class away, and it is not known whose it is"
        )
    made = _Maker(graph, reshape)
    number = made("Cast", [numbers], {"SrcT": _FLOAT, "DstT": _INT})
    reshape.input[0] = made.rows(reshape.input[0], sizes, number, classes)


def _numbers(graph: Graph) -> Optional[str]:
    """The classes of the detections, counted from 0: what the output adds 1 to."""
    node = graph.nodes.get("detection_classes")
    while node is not None and node.op == "Identity":
        node = graph.inputs(node)[0]
    if node is None or node.op not in ("Add", "AddV2"):
        return None
    value = evaluate(graph, read_input(node.input[1]).name)
    return node.input[0] if value is not None and value.size == 1 and value == 1 else None


def _logits(graph: Graph, states: Any, rows: Axes) -> List[Tuple[str, int]]:
    """The tensors [*rows, class channels] that only Reshapes part from the head."""
    found = []
    for (name, port), axes in states.items():
        node = graph.nodes[name]
        if node.op == "Reshape" and axes == rows + ((CHANNEL,),):
            before = graph.inputs(node)[0]
            while before.op in ("Reshape", "Squeeze", "Identity"):
                before = graph.inputs(before)[0]
            if before.op in _HEADS:
                found.append((name, port))
    return found


class _Maker:
    """Adds nodes that are called after another."""

    def __init__(self, graph: Graph, like: Any):
        self._graph, self._like = graph, like

    def __call__(self, operation: str, inputs: Sequence[str], types: Any) -> str:
        node = Node(unused(self._graph, f"{self._like.name}/of_one_class/{operation}"), operation)
        node.input.extend(inputs)
        for name, number in types.items():
            node.attr[name].type = number
        self._graph.nodes[node.name] = node
        return node.name

    def rows(self, source: str, sizes: List[Any], number: str, classes: int) -> str:
        """Of `source`, with rows of `sizes` for each box and class, those of the class `number`."""
        flat = self("Reshape", [number, self.ints([-1])], {"T": _INT, "Tshape": _INT})
        count = self("Size", [flat], {"T": _INT, "out_type": _INT})
        box = self("Range", [self.ints(0), count, self.ints(1)], {"Tidx": _INT})
        first = self("Mul", [box, self.ints(classes)], {"T": _INT})
        row = self("Add", [first, flat], {"T": _INT})
        rows = self("Reshape", [source, self.ints([-1, *sizes])], {"T": _FLOAT, "Tshape": _INT})
        return self("Gather", [rows, row], {"Tparams": _FLOAT, "Tindices": _INT})

    def ints(self, value: Any) -> str:
        name = self("Const", [], {})
        constants.set_value(self._graph.nodes[name], np.array(value, "<i4"), BY_NAME["int32"])
        return name
