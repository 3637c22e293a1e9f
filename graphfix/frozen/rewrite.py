"""Rewrites a frozen graph for new classes, without running it.

The heads' constants become the converted checkpoint's; every shape, size and count that depends
on the number of classes is found by following the class axis (`axes`) and changed; the branches
of an unrolled suppression are removed or copied (`branches`).  Inputs and outputs keep their
names.  A graph that is not understood whole is refused by naming the node.
"""

from typing import Any, List

from graphfix.errors import SourceError
from graphfix.frozen.axes import Tracker
from graphfix.frozen.branches import Branches
from graphfix.frozen.terms import ANY, CLASS, SLOT, NotUnderstood
from graphfix.graphdef import constants
from graphfix.graphdef.graph import Graph, read_input
from graphfix.model.describe import HeadSpec, ModelSpec
from graphfix.model.families import KERNEL, LEAVES
from graphfix.tensors import TensorStore

_KERNEL_INPUT = {"Conv2D": 1, "MatMul": 1, "DepthwiseConv2dNative": 1}
_REMEDY = "report the graph's origin; the checkpoint can be converted all the same"


def rewrite(graph: Graph, model: ModelSpec, classes: int, outgoing: TensorStore, *, subject: str
            ) -> None:
    """Makes `graph`, which is `model` frozen, a graph of `classes` classes with the values of
    `outgoing`.

    Raises:
      SourceError: naming `subject` and the node that was not understood; the graph is then half
        changed, and no more to be used.
    """
    outputs = [name for name, found in graph.consumers().items() if not found]
    try:
        tracker = Tracker(graph, model.classes, classes)
        for head in model.heads:
            if head.class_axis:
                for node in _products(graph, head):
                    tracker.start(node.name, _axes(node, head))
        tracker.run()
        branches = Branches(graph, tracker.selections, model.classes)
        tracker.vectors.apply()
        for name, attribute, (axis, size) in tracker.attributes:
            graph.nodes[name].attr[attribute].shape.dim[axis].size = size
        branches.resize(classes)
    except (NotUnderstood, ValueError) as error:
        raise SourceError(subject, "cannot be rewritten: %s" % error, _REMEDY) from None
    for name, view in outgoing.items():
        node = graph.nodes.get(name)
        if node is not None and constants.is_constant(node):
            _set(node, view)
    graph.prune(name for name in outputs if name in graph.nodes)
    for node in graph.nodes.values():
        # Shapes that somebody noted down are of the old classes.
        node.attr.pop("_output_shapes", None)


def _set(node, view) -> None:
    if view.meta.dtype.name == "string":
        return
    value = view.load()
    before = constants.value_of(node)
    if before.shape != value.shape or before.tobytes() != value.tobytes():
        constants.set_value(node, value, view.meta.dtype)


def _products(graph: Graph, head: HeadSpec) -> List[Any]:
    """The operations that multiply by a head's kernel."""
    kernel = next(name for name in head.tensors if LEAVES[name.rsplit("/", 1)[-1]][0] == KERNEL)
    consumers = graph.consumers()
    if kernel not in graph.nodes:
        raise ValueError("there is no constant '%s'" % kernel)
    pending, found = [kernel], []
    while pending:
        name = pending.pop()
        for node, position in consumers[name]:
            if _KERNEL_INPUT.get(node.op) == position:
                found.append(node)
            elif node.op in ("Identity", "Enter") or (
                    node.op.startswith("FakeQuant") and position == 0):
                pending.append(node.name)
            else:
                raise NotUnderstood(node, "it reads the kernel '%s', but does not multiply by it"
                                    % kernel)
    if not found:
        raise ValueError("nothing multiplies by '%s'" % kernel)
    return found


def _axes(node, head: HeadSpec):
    factors = tuple({"slot": SLOT if head.background else CLASS, "class": CLASS}.get(
        axis.kind, axis.size) for axis in head.layout.axes)
    leading = 1 if node.op == "MatMul" else 3
    return ((ANY,),) * leading + (factors,)
