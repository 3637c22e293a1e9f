"""Class axes through TensorArrays: rules for the operations that read and write them.

As in rules.py, a rule maps the axes of a node's inputs to those of its outputs.
"""

from typing import Any

from graphfix.formats.graphdef.graph import read_input
from graphfix.graph_rewrite.axis_types import ANY, NotUnderstood, Outputs, Wait, class_axis
from graphfix.graph_rewrite.reshapes import product


def scatter(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if inputs[2] is None or class_axis(inputs[2]) == 0:
        raise NotUnderstood(node, "it spreads the class axis")
    _element_shape(tracker, node, inputs[2][1:])
    return {0: inputs[2][1:]}


def read(tracker: Any, node: Any, inputs: Any) -> Outputs:
    return {0: inputs[2]}


def write(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if inputs[2] is None:
        raise Wait("a class axis is expected, but not written")
    _element_shape(tracker, node, inputs[2])
    return {0: inputs[2]}


def collect(tracker: Any, node: Any, inputs: Any) -> Outputs:
    _shape_attr(tracker, node, inputs[2])
    return {0: ((ANY,),) + inputs[2]}


def _element_shape(tracker: Any, node: Any, axes: Any) -> None:
    """The TensorArray behind a handle may note the shape of its elements."""
    array = tracker.graph.nodes[read_input(node.input[0]).name]
    while array.op in ("Enter", "Identity", "Switch", "Merge"):
        array = tracker.graph.nodes[read_input(array.input[0]).name]
    _shape_attr(tracker, array, axes)


def _shape_attr(tracker: Any, node: Any, axes: Any) -> None:
    shape = node.attr["element_shape"].shape
    axis = class_axis(axes)
    if shape.unknown_rank or len(shape.dim) != len(axes) or shape.dim[axis].size < 0:
        return
    before = product(tracker, axes[axis])
    if before is not None and shape.dim[axis].size != before:
        raise NotUnderstood(node, f"it takes an axis of classes for {shape.dim[axis].size} long")
    after = 1
    for factor in axes[axis]:
        after *= tracker.size(factor, new=True)
    tracker.attributes.append((node.name, "element_shape", axis, after))
