"""Where a class axis is cut, picked from or padded: Slice, StridedSlice, Gather, Pad, Unpack.

These say which classes go on (all, or all but the background), and where classes are taken out
singly; and they hold the constants that say how many classes there are.
"""

from typing import Any, Optional

from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import read_input
from graphfix.graph_rewrite.axis_types import (
    ANY,
    CHANNEL,
    CLASS,
    NotUnderstood,
    Outputs,
    Selection,
    class_axis,
)


def number(tracker: Any, node: Any, position: int) -> int:
    elements = tracker.vectors.read(read_input(node.input[position]))
    if not elements or len(elements) != 1 or elements[0].value is None:
        raise NotUnderstood(node, f"its input '{node.input[position]}' is no known number")
    return elements[0].value


def select_classes(tracker: Any, node: Any, axes: Any, which: Optional[int]) -> None:
    axis = class_axis(axes)
    if axes[axis] != (CLASS,):
        raise NotUnderstood(node, "it takes single classes out of more than classes")
    tracker.selections[Selection(node.name, which, axis)] = None


def slice_(tracker: Any, node: Any, inputs: Any) -> Outputs:
    axes = inputs[0]
    begin = tracker.vectors.read(read_input(node.input[1]))
    size = tracker.vectors.read(read_input(node.input[2]))
    if axes is None or begin is None or size is None or len(begin) != len(axes):
        raise NotUnderstood(node, "it is not known what it cuts")
    axis = class_axis(axes)
    factor = axes[axis][-1] if len(axes[axis]) == 1 else None
    first, length = begin[axis].value, size[axis].value
    if size[axis].axis == axes[axis]:
        length = -1  # as long as the axis itself
    if factor is None or first is None:
        raise NotUnderstood(node, "it cuts an axis that holds more than classes")
    whole = tracker.size(factor)
    if (length == 1 and whole != 1) or (whole == 1 and factor == CLASS and length == 1):
        select_classes(tracker, node, axes, first)
        return {}
    out = [
        (ANY,) if number != axis and size[number].value != -1 else one
        for number, one in enumerate(axes)
    ]
    if first == 1 and factor == CHANNEL and length in (-1, whole - 1):
        out[axis] = (CLASS,)
    elif first != 0:
        raise NotUnderstood(node, f"it cuts classes from {first} on")
    if length is None:
        _clipped(tracker, node, axis, out[axis])
    elif length != -1:
        tracker.expect(size[axis], out[axis], node, 2)
    return {0: tuple(out)}


def _clipped(tracker: Any, node: Any, axis: int, factors: Any) -> None:
    """A size that is cut to a constant where the axis is longer: Select(axis - n > 0, n, -1); or
    the axis' own, read off a shape."""
    pack = tracker.graph.nodes[read_input(node.input[2]).name]
    if pack.op != "Pack":
        raise NotUnderstood(node, "it is not known how long a cut it makes")
    select = tracker.graph.nodes[read_input(pack.input[axis]).name]
    if select.op == "StridedSlice":
        return  # an element of a Shape: it follows the axis by itself
    if select.op != "Select":
        raise NotUnderstood(node, "it is not known how long a cut it makes")
    greater = tracker.graph.nodes[read_input(select.input[0]).name]
    sub = tracker.graph.nodes[read_input(greater.input[0]).name]
    if greater.op != "Greater" or sub.op != "Sub":
        raise NotUnderstood(node, "it is not known how long a cut it makes")
    for reader, position in ((select, 1), (sub, 1)):
        _expect_number(tracker, reader, position, factors)


def _expect_number(tracker: Any, reader: Any, position: int, factors: Any) -> None:
    elements = tracker.vectors.read(read_input(reader.input[position]))
    if not elements or len(elements) != 1 or elements[0].value is None:
        raise NotUnderstood(reader, f"its input '{reader.input[position]}' is no known number")
    tracker.expect(elements[0], factors, reader, position)


def strided_slice(tracker: Any, node: Any, inputs: Any) -> Outputs:
    axes = inputs[0]
    masks = {
        name: node.attr[name].i
        for name in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    }
    begin, end, step = (tracker.vectors.read(read_input(text)) for text in node.input[1:4])
    if (
        axes is None
        or begin is None
        or end is None
        or step is None
        or masks["ellipsis_mask"]
        or masks["new_axis_mask"]
    ):
        raise NotUnderstood(node, "it is not known what it cuts")
    out = []
    for number, axis in enumerate(axes):
        bit = 1 << number
        if number >= len(begin):
            out.append(axis)
            continue
        whole_start = masks["begin_mask"] & bit or begin[number].value == 0
        whole_end = masks["end_mask"] & bit
        if number != class_axis(axes):
            if not masks["shrink_axis_mask"] & bit:
                out.append(axis if whole_start and whole_end else (ANY,))
        elif whole_start and whole_end and step[number].value == 1:
            out.append(axis)
        elif (
            whole_end
            and begin[number].value == 1
            and axis == (CHANNEL,)
            and step[number].value == 1
            and not masks["shrink_axis_mask"] & bit
        ):
            out.append((CLASS,))
        else:
            raise NotUnderstood(node, "it cuts the class axis")
    return {0: tuple(out)}


def gather(tracker: Any, node: Any, inputs: Any) -> Outputs:
    axes = inputs[0]
    axis = number(tracker, node, 2) if node.op == "GatherV2" else 0
    if axes is None:
        raise NotUnderstood(node, "a class axis decides what it gathers")
    if axis % len(axes) != class_axis(axes):
        axis %= len(axes)
        return {0: axes[:axis] + ((ANY,),) + axes[axis + 1 :]}
    # One class of each box: the index counts over boxes and classes together.
    _index(tracker, read_input(node.input[1]).name, axes[class_axis(axes)][-1:])
    return {}


def _index(tracker: Any, name: str, factors: Any) -> None:
    """Numbers that an index into flattened boxes and classes multiplies by."""
    through = (
        "Mul",
        "Add",
        "AddV2",
        "Reshape",
        "Cast",
        "Identity",
        "ExpandDims",
        "Squeeze",
        "Enter",
    )
    pending, seen = [name], set()
    while pending:
        node = tracker.graph.nodes[pending.pop()]
        if node.name in seen:
            continue
        seen.add(node.name)
        if node.op == "Mul":
            for position in (0, 1):
                elements = tracker.vectors.read(read_input(node.input[position]))
                # A size that is read off a shape follows by itself; their product begins with 1.
                if (
                    elements
                    and len(elements) == 1
                    and elements[0].constant
                    and elements[0].value not in (None, 1)
                ):
                    tracker.expect(elements[0], factors, node, position)
        if node.op in through:
            pending += [read_input(text).name for text in node.input[:2]]


def pad(tracker: Any, node: Any, inputs: Any) -> Outputs:
    axes = inputs[0]
    axis = class_axis(axes)
    pairs = tracker.graph.nodes[read_input(node.input[1]).name]
    if pairs.op == "Const":
        values = constants.value_of(pairs)
        if values.shape != (len(axes), 2) or values[axis].any():
            raise NotUnderstood(node, "it pads the class axis")
    elif pairs.op == "Pack" and pairs.attr["N"].i == 2 and pairs.attr["axis"].i == 1:
        trailing = tracker.graph.nodes[read_input(pairs.input[1]).name]
        lack = (
            tracker.graph.nodes[read_input(trailing.input[axis]).name]
            if trailing.op == "Pack"
            else None
        )
        if lack is not None and lack.op == "Sub":
            # What lacks to a constant length: n - axis.
            _expect_number(tracker, lack, 0, axes[axis])
        elif lack is None or lack.op != "Const" or constants.value_of(lack).any():
            raise NotUnderstood(node, "it is not known how it pads the class axis")
    else:
        raise NotUnderstood(node, "it is not known how it pads")
    return {0: tuple(one if number == axis else (ANY,) for number, one in enumerate(axes))}
