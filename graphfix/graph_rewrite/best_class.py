"""The boxes of each proposal's best class, in the graph of a two-stage detector.

From 2019-04 on, the stock API exports `raw_detection_boxes`: of each proposal, the box of the class
with the highest logit.  Where there is one class, its exporter only squeezes the class axis away.
A graph that grows from one class gets the nodes that choose: with A the ArgMax of the logits behind
the background, row i * classes + A[i] of the boxes.
"""

from typing import Any, List, Sequence, Tuple

import numpy as np

from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Graph, write_input
from graphfix.graph_rewrite.axis_types import CHANNEL, CLASS, Axes, NotUnderstood
from graphfix.graph_rewrite.vectors import unused

_INT, _FLOAT = BY_NAME["int32"].number, BY_NAME["float32"].number


def choose_boxes(graph: Graph, squeeze: Any, axes: Axes, states: Any, classes: int) -> None:
    """Has what reads `squeeze`, which takes the class axis of `axes` away, read the box of the best
    of `classes` classes.  `states` are the axes of all tensors.

    Raises:
      NotUnderstood: these are no boxes of proposals, or it is not known where their logits are.
    """
    if len(axes) != 4 or axes[2] != (CLASS,) or axes[3] != (4,):
        raise NotUnderstood(squeeze, "it takes the axis of the only class away")
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
    flat = made("Reshape", [best, made.ints([-1])], {"T": _INT, "Tshape": _INT})
    count = made("Size", [flat], {"T": _INT, "out_type": _INT})
    number = made("Range", [made.ints(0), count, made.ints(1)], {"Tidx": _INT})
    first = made("Mul", [number, made.ints(classes)], {"T": _INT})
    row = made("Add", [first, flat], {"T": _INT})
    rows = made("Reshape", [squeeze.input[0], made.ints([-1, 4])], {"T": _FLOAT, "Tshape": _INT})
    boxes = made("Gather", [rows, row], {"Tparams": _FLOAT, "Tindices": _INT})
    shape = made("Shape", [best], {"T": _INT, "out_type": _INT})
    whole = made("ConcatV2", [shape, made.ints([4]), made.ints(0)], {"T": _INT, "Tidx": _INT})
    graph.nodes[whole].attr["N"].i = 2
    squeeze.op = "Reshape"
    squeeze.attr.clear()
    squeeze.attr["T"].type, squeeze.attr["Tshape"].type = _FLOAT, _INT
    squeeze.input[:] = [boxes, whole]


def _logits(graph: Graph, states: Any, rows: Axes) -> List[Tuple[str, int]]:
    """The tensors [*rows, class channels] that only Reshapes part from the head."""
    found = []
    for (name, port), axes in states.items():
        node = graph.nodes[name]
        if node.op == "Reshape" and axes == rows + ((CHANNEL,),):
            before = graph.inputs(node)[0]
            while before.op in ("Reshape", "Squeeze", "Identity"):
                before = graph.inputs(before)[0]
            if before.op in ("BiasAdd", "Mean"):
                found.append((name, port))
    return found


class _Maker:
    """Adds nodes that are called after another."""

    def __init__(self, graph: Graph, like: Any):
        self._graph, self._like = graph, like

    def __call__(self, operation: str, inputs: Sequence[str], types: Any) -> str:
        node = type(self._like)(
            name=unused(self._graph, f"{self._like.name}/best_class/{operation}"), op=operation
        )
        node.input.extend(inputs)
        for name, number in types.items():
            node.attr[name].type = number
        self._graph.nodes[node.name] = node
        return node.name

    def ints(self, value: Any) -> str:
        name = self("Const", [], {})
        constants.set_value(self._graph.nodes[name], np.array(value, "<i4"), BY_NAME["int32"])
        return name
