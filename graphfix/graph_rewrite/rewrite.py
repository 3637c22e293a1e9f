"""Rewrites a frozen graph for new classes, without running it.

The heads' constants are gathered as the plan gathers the checkpoint's; every shape, size and
count that depends on the number of classes is found by following the class axis (`axes`) and
changed; the branches of an unrolled suppression are removed or copied (`branches`).  Inputs and
outputs keep their names.  A graph that is not understood whole is refused by naming the node.
"""

from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

import numpy as np

from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.detectors.channel_layout import ANCHOR, CLASS_AXIS, CLASS_CHANNEL
from graphfix.detectors.describe import HeadSpec, ModelSpec
from graphfix.detectors.families import BOX, FASTER_RCNN, KERNEL, LEAVES
from graphfix.errors import SourceError
from graphfix.formats.dtypes import BY_NUMBER
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.graphdef.nodes import Node, NodeCopy
from graphfix.formats.tensors import TensorStore
from graphfix.graph_rewrite.anchors import replace_anchors
from graphfix.graph_rewrite.axes import Tracker
from graphfix.graph_rewrite.axis_types import ANY, CHANNEL, CLASS, NotUnderstood
from graphfix.graph_rewrite.branches import Branches
from graphfix.graph_rewrite.grid_anchors import replace_grid
from graphfix.graph_rewrite.one_of_several import choose
from graphfix.planning import kernels
from graphfix.planning.edits import Edit, Gather, Stretch, Widen

# A checkpoint's tensors before and after a plan's edits.
Carried = Tuple[TensorStore, TensorStore]
_KERNEL_INPUT = {"Conv2D": 1, "MatMul": 1, "DepthwiseConv2dNative": 1}
_REMEDY = "report the graph's origin; the checkpoint can be converted all the same"


def rewrite(
    graph: Graph,
    model: ModelSpec,
    classes: int,
    edits: Iterable[Edit],
    *,
    subject: str,
    anchors: Optional[AnchorSpec] = None,
    carried: Optional[Carried] = None,
) -> Dict[Tuple[str, int], Tuple[int, int]]:
    """Makes `graph`, which is `model` frozen, a graph of `classes` classes; `edits` are the plan's
    for the checkpoint, carried out on the constants of the same names.  `anchors` are the new ones,
    where they change; `carried` the checkpoint's tensors, so that what the edits make of them is
    not computed again for a constant that is the same.

    Returns, for each tensor (node, port) that had classes, the axis that counts them and its new
    size.

    Raises:
      SourceError: naming `subject` and the node that was not understood; the graph is then half
        changed, and no more to be used.
    """
    consumers = graph.consumers()
    gone: Set[str] = set()
    outputs = [name for name, found in consumers.items() if not found]
    try:
        tracker = Tracker(graph, consumers, model.classes, classes)
        for head in model.heads:
            if head.class_axis:
                for node in _products(graph, head, consumers):
                    tracker.start(node.name, _axes(node, head))
        if classes > 1 or model.classes > 1 or anchors:
            _recount(graph, consumers, tracker)
        if anchors:
            gone = _replace_anchors(graph, model, anchors, tracker)
        sizes = {tensor: tracker.class_size(axes) for tensor, axes in tracker.states.items()}
    except (NotUnderstood, ValueError) as error:
        raise SourceError(subject, f"cannot be rewritten: {error}", _REMEDY) from None
    _carry_out(graph, edits, carried)
    graph.prune(name for name in outputs if name in graph.nodes)
    left = sorted(gone & set(graph.nodes))
    if left:
        raise SourceError(
            subject,
            (
                f"cannot be rewritten: {graph.nodes[left[0]].op} node '{left[0]}': it computes "
                "the old "
                "anchors, and not for the box coder alone"
            ),
            _REMEDY,
        )
    for node in graph.nodes.values():
        if not isinstance(node, NodeCopy):
            _tidy(node)
    return sizes


def _recount(graph: Graph, consumers: Any, tracker: Tracker) -> None:
    """Follows the classes and changes whatever counts them.  (What has one class and keeps it does
    not need that: its graph stays, whatever it is made of.)"""
    tracker.run()
    for node, axes in tracker.dropped if tracker.new > 1 else ():
        choose(graph, node, axes, tracker.states, tracker.new)
    branches = Branches(graph, consumers, tracker.selections, tracker.old)
    tracker.vectors.apply()
    for name, attribute, axis, size in tracker.attributes:
        value = graph.nodes[name].attr[attribute]
        if axis is None:
            value.i = size
        else:
            value.shape.dim[axis].size = size
    branches.resize(tracker.new)


def _replace_anchors(
    graph: Graph, model: ModelSpec, anchors: AnchorSpec, tracker: Tracker
) -> Set[str]:
    if model.meta == FASTER_RCNN:
        consumers = graph.consumers()
        return replace_grid(
            graph,
            [
                (node, head.layout.channels // head.layout.size(ANCHOR))
                for head in model.heads
                if head.layout.has(ANCHOR)
                for node in _products(graph, head, consumers)
            ],
            model.anchors,
            anchors,
        )
    if model.image is None:
        raise ValueError("computes its anchors from the size of an image, which is not fixed")
    if tracker.packed and anchors.per_map != model.anchors.per_map:
        raise NotUnderstood(tracker.packed[0], "it counts anchors and classes in one number")
    consumers = graph.consumers()
    boxes = [
        node
        for head in model.heads
        if head.role == BOX
        for node in _products(graph, head, consumers)
    ]
    others = [
        node
        for head in model.heads
        if head.role != BOX
        for node in _products(graph, head, consumers)
    ]
    return replace_anchors(graph, boxes, others, model.anchors, anchors, model.image)


def _carry_out(graph: Graph, edits: Iterable[Edit], carried: Optional[Carried]) -> None:
    edits = list(edits)
    for edit in edits:
        if isinstance(edit, Gather) and edit.to in graph.nodes:
            node = graph.nodes[edit.to]
            view = carried[0].get(edit.tensor) if carried else None
            if carried and view is not None and constants.is_tensor(node, view):
                _set(node, carried[1][edit.to].load())
            else:
                _set(node, kernels.gather(constants.value_of(node), edit))
    for edit in edits:
        # After the gathers, whose results these bounds have to hold.
        node = graph.nodes.get(edit.tensor)
        if node is not None and isinstance(edit, Widen):
            _set(
                node,
                kernels.widen(
                    constants.value_of(node), constants.value_of(graph.nodes[edit.of]), edit
                ),
            )
        elif node is not None and isinstance(edit, Stretch):
            _set(node, kernels.stretch(constants.value_of(node), edit))


def _tidy(node: Any) -> None:
    # Shapes that somebody noted down are of the old classes.
    if isinstance(node, Node):
        node.drop_attribute("_output_shapes")
        if not node.touched:
            return
    # Asked for, an attribute that was left out for its default comes to be, without a value.
    for name in [name for name, value in node.attr.items() if value.WhichOneof("value") is None]:
        del node.attr[name]


def _set(node: Any, value: np.ndarray) -> None:
    constants.set_value(node, value, BY_NUMBER[node.attr["dtype"].type])


def _products(graph: Graph, head: HeadSpec, consumers: Any) -> List[Any]:
    """The operations that multiply by a head's kernel."""
    kernel = next(name for name in head.tensors if LEAVES[name.rsplit("/", 1)[-1]][0] == KERNEL)
    if kernel not in graph.nodes:
        raise ValueError(f"there is no constant '{kernel}'")
    pending, found = [kernel], []
    while pending:
        name = pending.pop()
        for node, position in consumers[name]:
            if _KERNEL_INPUT.get(node.op) == position:
                found.append(node)
            elif node.op in ("Identity", "Enter") or (
                node.op.startswith("FakeQuant") and position == 0
            ):
                pending.append(node.name)
            else:
                raise NotUnderstood(
                    node, f"it reads the kernel '{kernel}', but does not multiply by it"
                )
    if not found:
        raise ValueError(f"nothing multiplies by '{kernel}'")
    return found


def _axes(node: Any, head: HeadSpec):
    factors = tuple(
        {CLASS_CHANNEL: CHANNEL if head.background else CLASS, CLASS_AXIS: CLASS}.get(
            axis.kind, axis.size
        )
        for axis in head.layout.axes
    )
    leading = 1 if node.op == "MatMul" else 3
    return ((ANY,),) * leading + (factors,)
