"""Class axes through a Reshape: the rule, which splits and packs axes by their factors."""

from typing import Any, List, Optional, Tuple

from graphfix.formats.graphdef.graph import read_input
from graphfix.graph_rewrite.axis_types import (
    ANY,
    CHANNEL,
    CLASS,
    Axes,
    NotUnderstood,
    Outputs,
    class_axis,
)


class Before(int):
    """A length that was axes before a class axis, and was packed into it."""


def reshape(tracker: Any, node: Any, inputs: Any) -> Outputs:
    if inputs[0] is None:
        raise NotUnderstood(node, "a class axis decides a shape")
    elements = tracker.vectors.read(read_input(node.input[1]))
    if elements is None:
        raise NotUnderstood(node, "its shape is not known")
    if _drops(tracker, elements, inputs[0]):
        axis = class_axis(inputs[0])
        sizes = tuple((one.value,) for one in elements[axis + 1 :])
        tracker.dropped.append((node, inputs[0][: axis + 1] + sizes))
        return {}
    factors = [factor for axis in inputs[0][class_axis(inputs[0]) :] for factor in axis]
    out: List[Tuple[Any, ...]] = []
    for element in reversed(elements):
        if element.axis is not None and element.value is None:
            taken = list(element.axis)
            if factors[len(factors) - len(taken) :] == taken:
                del factors[len(factors) - len(taken) :]
            elif CHANNEL in factors or CLASS in factors:
                raise NotUnderstood(node, "it takes an axis for another one's length")
            out.append(element.axis)
        elif element.value in (None, -1):
            # Whatever is left; without the classes nobody needs to know what.
            left = CHANNEL in factors or CLASS in factors
            out.append((ANY,) + tuple(factors) if left else (ANY,))
            factors = []
        else:
            taken = _taken(tracker, factors, element)
            if CHANNEL in taken or CLASS in taken:
                tracker.expect(element, taken, node, 1)
                out.append(tuple(taken))
            else:
                out.append((element.value,))
    if CHANNEL in factors or CLASS in factors:
        raise NotUnderstood(node, "the classes do not come out on an axis of their own")
    return {0: tuple(reversed(out))}


def _drops(tracker: Any, elements: List[Any], axes: Axes) -> bool:
    """Whether only the axis of the only class is dropped, and what comes behind it stays."""
    axis = class_axis(axes)
    return (
        tracker.old == 1
        and axes[axis] == (CLASS,)
        and len(elements) == len(axes)
        and (elements[axis].value or 1) > 1
        and all(
            (one.value or -1) > 0 and was in ((ANY,), (one.value,))
            for one, was in zip(elements[axis + 1 :], axes[axis + 1 :])
        )
    )


def _taken(tracker: Any, factors: List[Any], element: Any) -> List[Any]:
    """Takes from the end of `factors` what makes up an axis of a size."""
    size = element.value
    if factors and factors[-1] is ANY:
        return [factors.pop()]
    if factors and size == 1 and factors[-1] == CLASS and tracker.size(CLASS) == 1:
        # A length that was read off another axis is not that of the class.
        return [factors.pop()] if element.axis is None or element.counts_classes else []
    taken: List[Any] = []
    while factors and product(tracker, taken) != size:
        taken.insert(0, factors.pop())
    own = product(tracker, taken)
    if own and (CHANNEL in taken or CLASS in taken) and size > own and size % own == 0:
        # As many of the axes before: values are in the order of rows.
        taken.insert(0, Before(size // own))
    elif len(factors) > 1 and isinstance(factors[-2], Before) and tracker.size(factors[-1]) == 1:
        # Of one class, too, that axis comes off as it was.
        taken.insert(0, factors.pop())
    return taken


def product(tracker: Any, factors: Any) -> Optional[int]:
    """The old size of an axis of these factors, None where one of them is unknown."""
    result = 1
    for factor in factors:
        size = tracker.size(factor)
        if size is None:
            return None
        result *= size
    return result
