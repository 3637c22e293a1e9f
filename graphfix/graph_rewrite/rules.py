"""What each operation does to a class axis: the rules that `axes.Tracker` applies.

A rule takes the tracker, the node and the axes of its data inputs (None without classes), and
returns the axes of its outputs by port; {} where the class axis ends, as it should.  Operations and
their inputs are those of TensorFlow 1.15's op registrations (core/ops).
"""

from typing import Any

from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import read_input
from graphfix.graph_rewrite import cuts, reshapes, tensor_arrays, tflite
from graphfix.graph_rewrite.axis_types import (
    ANY,
    CLASS,
    NotUnderstood,
    Outputs,
    Wait,
    class_axis,
    marker,
)

# Operations whose outputs have their inputs' axes; the Tile that a chain of them leads back to can
# be the origin of a class axis.
SHAPED_LIKE_INPUT = (
    "Add",
    "AddV2",
    "Sub",
    "Mul",
    "RealDiv",
    "Exp",
    "Log",
    "Sqrt",
    "Identity",
    "Unpack",
    "Split",
    "Transpose",
    "Reshape",
    "Pack",
    "Cast",
    "Squeeze",
    "ExpandDims",
    "Maximum",
    "Minimum",
    "ConcatV2",
)


# Operations that have a class axis if all of a list of inputs have one: what they do with the list.
LISTS = {"AddN": "adds up", "ConcatV2": "joins", "Pack": "stacks"}
# A node that claims more outputs than this is damaged.
_MOST_OUTPUTS = 1 << 16


def _first(tracker: Any, node: Any, inputs: Any) -> Outputs:
    axes = next(one for one in inputs if one is not None)
    return {0: axes}


def _switch(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if inputs[0] is None:
        raise NotUnderstood(node, "a class axis decides which way to go")
    return {0: inputs[0], 1: inputs[0]}


def _ends(tracker: Any, node: Any, inputs: Any) -> Outputs:
    return {}


def _only_first(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if inputs[0] is None:
        raise NotUnderstood(node, "the class axis comes on another input than the first")
    return {0: inputs[0]}


def _softmax(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if len(inputs[0][-1]) != 1 or class_axis(inputs[0]) != len(inputs[0]) - 1:
        raise NotUnderstood(node, "it normalizes over more or less than the classes")
    return {0: inputs[0]}


def _elementwise(tracker: Any, node: Any, inputs: Any) -> Outputs:
    known = [axes for axes in inputs if axes is not None]
    for text, axes in zip(node.input, inputs):
        if axes is None and not _broadcasts(tracker, read_input(text).name, known[0]):
            raise Wait(f"one operand has a class axis, and it is not known whether '{text}' has")
    if any(axes != known[0] for axes in known):
        known = [_joined(node, known)]
    return {0: known[0]}


def _sum(tracker: Any, node: Any, inputs: Any) -> Outputs:
    return {0: _joined(node, inputs)}


def _joined(node, known):
    """The axes of operands, those of which most is known."""
    if len({len(axes) for axes in known}) != 1 or len({_place(axes) for axes in known}) != 1:
        raise NotUnderstood(node, "its operands have their classes on different axes")
    return max(known, key=lambda axes: sum(factor is not ANY for axis in axes for factor in axis))


def _place(axes: Any) -> Any:
    """Which axis has the classes, and what follows them in it: with the same length in another
    order, two packed axes are not alike."""
    axis = class_axis(axes)
    return axis, marker(axes), axes[axis][axes[axis].index(marker(axes)) + 1 :]


def _broadcasts(tracker: Any, name: str, axes: Any) -> bool:
    """Whether an operand without a class axis has one value for all classes."""
    node = tracker.graph.nodes[name]
    while node.op in ("Identity", "Enter"):
        node = tracker.graph.nodes[read_input(node.input[0]).name]
    if node.op != "Const":
        return False
    shape = constants.meta_of(node).shape
    from_end = len(axes) - class_axis(axes)
    return len(shape) < from_end or shape[-from_end] == 1


def _select(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if inputs[1] is None or inputs[2] is None:
        raise Wait("only one of its two values has a class axis")
    return {0: _joined(node, [inputs[1], inputs[2]])}


def _squeeze(tracker: Any, node: Any, inputs: Any) -> Outputs:
    axes = inputs[0]
    dims = [dim % len(axes) for dim in node.attr["squeeze_dims"].list.i]
    if not dims:
        raise NotUnderstood(node, "it is not known which axes it takes away")
    if class_axis(axes) in dims:
        if axes[class_axis(axes)] != (CLASS,) or tracker.old != 1:
            raise NotUnderstood(node, "it takes the class axis away")
        # Of one class; of more, there is one to choose.
        tracker.dropped.append((node, axes))
        return {}
    return {0: tuple(axis for number, axis in enumerate(axes) if number not in dims)}


def _expand(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if inputs[0] is None:
        raise NotUnderstood(node, "a class axis decides an axis")
    dim = cuts.number(tracker, node, 1)
    axes = list(inputs[0])
    axes.insert(dim if dim >= 0 else len(axes) + 1 + dim, (1,))
    return {0: tuple(axes)}


def _transpose(tracker: Any, node: Any, inputs: Any) -> Outputs:
    elements = tracker.vectors.read(read_input(node.input[1]))
    if elements is None or sorted(
        one.value if one.value is not None else -1 for one in elements
    ) != list(range(len(inputs[0]))):
        raise NotUnderstood(node, "its permutation is not known")
    return {0: tuple(inputs[0][one.value] for one in elements)}


def _concat(tracker: Any, node: Any, inputs: Any) -> Outputs:
    count = node.attr["N"].i
    axes = _joined(node, inputs[:count])
    axis = cuts.number(tracker, node, count) % len(axes)
    if axis == class_axis(axes):
        raise NotUnderstood(node, "it joins along the class axis")
    return {0: axes[:axis] + ((ANY,),) + axes[axis + 1 :]}


def _pack(tracker: Any, node: Any, inputs: Any) -> Outputs:
    axes = list(_joined(node, inputs))
    axis = node.attr["axis"].i
    axes.insert(axis if axis >= 0 else len(axes) + 1 + axis, (len(inputs),))
    return {0: tuple(axes)}


def _unpack(tracker: Any, node: Any, inputs: Any) -> Outputs:
    axis = node.attr["axis"].i % len(inputs[0])
    if axis == class_axis(inputs[0]):
        cuts.select_classes(tracker, node, inputs[0], None)
        if node.attr["num"].i != tracker.size(inputs[0][axis][0]):
            raise NotUnderstood(node, f"it unpacks {node.attr['num'].i} of {tracker.old} classes")
        return {}
    return _outputs(node, node.attr["num"].i, inputs[0][:axis] + inputs[0][axis + 1 :])


def _split(tracker: Any, node: Any, inputs: Any) -> Outputs:
    axes = inputs[1]
    axis = cuts.number(tracker, node, 0) % len(axes)
    count = node.attr["num_split"].i
    if axis != class_axis(axes):
        out = axes[:axis] + ((ANY,),) + axes[axis + 1 :]
    elif axes[axis][0] == count:
        out = axes[:axis] + (axes[axis][1:],) + axes[axis + 1 :]
    else:
        raise NotUnderstood(node, "it splits the class axis")
    return _outputs(node, count, out)


def _outputs(node: Any, count: int, axes: Any) -> Outputs:
    if not 0 <= count <= _MOST_OUTPUTS:
        raise NotUnderstood(node, f"it has {count} outputs")
    return dict.fromkeys(range(count), axes)


def _tile(tracker: Any, node: Any, inputs: Any) -> Outputs:
    elements = tracker.vectors.read(read_input(node.input[1]))
    axis = class_axis(inputs[0])
    if elements is None or elements[axis].value != 1:
        raise NotUnderstood(node, "it repeats the class axis")
    return {
        0: tuple(
            one if elements[number].value == 1 else (ANY,) for number, one in enumerate(inputs[0])
        )
    }


def _reduce(tracker: Any, node: Any, inputs: Any) -> Outputs:
    elements = tracker.vectors.read(read_input(node.input[1]))
    if elements is None or inputs[0] is None:
        raise NotUnderstood(node, "it is not known what it reduces")
    dims = {one.value % len(inputs[0]) for one in elements}
    if class_axis(inputs[0]) in dims:
        return {}
    if node.attr["keep_dims"].b:
        return {0: tuple((1,) if number in dims else axis for number, axis in enumerate(inputs[0]))}
    return {0: tuple(axis for number, axis in enumerate(inputs[0]) if number not in dims)}


def _top(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if inputs[0] is None or class_axis(inputs[0]) != len(inputs[0]) - 1:
        raise NotUnderstood(node, "it ranks something other than classes")
    count = cuts.number(tracker, node, 1)
    if count > tracker.size(marker(inputs[0]), new=True):
        raise NotUnderstood(node, f"it ranks {count} classes, more than there will be")
    return {}


def _crop(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if inputs[0] is None or len(inputs[0]) != 4 or class_axis(inputs[0]) != 3:
        raise NotUnderstood(node, "it crops the class axis")
    return {0: ((ANY,), (ANY,), (ANY,), inputs[0][3])}


def _matrices(tracker: Any, node: Any, inputs: Any) -> Outputs:
    """A product of matrices: its rows are the first one's, its columns the second one's."""
    if (inputs[0] is None) == (inputs[1] is None):
        raise NotUnderstood(node, "both of its operands have a class axis")
    second = inputs[0] is None
    axes = list(inputs[1] if second else inputs[0])
    if node.attr["adj_y" if second else "adj_x"].b:
        axes[-2:] = axes[-1], axes[-2]
    summed = len(axes) - (2 if second else 1)
    if class_axis(tuple(axes)) == summed:
        raise NotUnderstood(node, "it adds up the class axis")
    axes[summed] = (ANY,)
    return {0: tuple(axes)}


RULES = {}
for _rule, _operations in (
    (
        _first,
        (
            "Identity",
            "Enter",
            "Exit",
            "NextIteration",
            "Merge",
            "StopGradient",
            "Sigmoid",
            "Exp",
            "Relu",
            "Relu6",
            "Cast",
            "LogicalNot",
            "ZerosLike",
            "Round",
            "Neg",
        ),
    ),
    (_only_first, ("BiasAdd", "FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxArgs")),
    (_switch, ("Switch",)),
    (_ends, ("Shape", "Size", "Rank", "TensorArraySizeV3", "CombinedNonMaxSuppression", "Assert")),
    (_softmax, ("Softmax",)),
    (
        _elementwise,
        (
            "Add",
            "AddV2",
            "Sub",
            "Mul",
            "RealDiv",
            "Maximum",
            "Minimum",
            "Greater",
            "GreaterEqual",
            "Less",
            "LessEqual",
            "LogicalAnd",
        ),
    ),
    (_sum, ("AddN",)),
    (_select, ("Select",)),
    (reshapes.reshape, ("Reshape",)),
    (_squeeze, ("Squeeze",)),
    (_expand, ("ExpandDims",)),
    (_transpose, ("Transpose",)),
    (_concat, ("ConcatV2",)),
    (_pack, ("Pack",)),
    (_unpack, ("Unpack",)),
    (_split, ("Split",)),
    (cuts.slice_, ("Slice",)),
    (cuts.strided_slice, ("StridedSlice",)),
    (cuts.gather, ("Gather", "GatherV2")),
    (cuts.pad, ("Pad",)),
    (_tile, ("Tile",)),
    (tensor_arrays.scatter, ("TensorArrayScatterV3",)),
    (tensor_arrays.read, ("TensorArrayReadV3",)),
    (tensor_arrays.write, ("TensorArrayWriteV3",)),
    (tensor_arrays.collect, ("TensorArrayGatherV3",)),
    (_reduce, ("Mean", "Sum", "Max", "Min", "ArgMax", "Any")),
    (_top, ("TopKV2",)),
    (tflite.detection, (tflite.OPERATION,)),
    (_matrices, ("BatchMatMul", "BatchMatMulV2")),
    (_crop, ("CropAndResize", "ResizeBilinear", "ResizeNearestNeighbor")),
):
    RULES.update(dict.fromkeys(_operations, _rule))
