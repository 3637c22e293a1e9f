"""Types that the modules of this package share: the factors of axes, and the errors.

A tensor's axes are tuples of factors, which tells packed axes apart: (3, CHANNEL) is an axis of
three anchors by all class channels, (ANY, CLASS) a flattened axis that ends in classes.  CHANNEL is
the number of classes and the background, CLASS that of the classes alone, ANY a size that does not
matter.
"""

from typing import Any, Dict, NamedTuple, Optional, Tuple

CHANNEL, CLASS, ANY = "class channel", "class", None

Axes = Tuple[Tuple[Any, ...], ...]
Outputs = Dict[int, Axes]  # by port


class NotUnderstood(Exception):
    """A node whose effect on the classes is not known."""

    def __init__(self, node: Any, why: str):
        Exception.__init__(self, f"{node.op} node '{node.name}': {why}")
        self.node, self.why = node.name, why


class Wait(Exception):
    """Not all inputs that must have a class axis have theirs yet."""


class Selection(NamedTuple):
    """A node that takes one class out of a tensor: a Slice of class `number`, or an Unpack."""

    node: str
    number: Optional[int]  # None: an Unpack, whose port is the class
    axis: int


def class_axis(axes: Axes) -> int:
    """The number of the class axis, -1 if there is none."""
    return next(
        (number for number, axis in enumerate(axes) if CHANNEL in axis or CLASS in axis), -1
    )


def marker(axes: Axes) -> str:
    """CHANNEL or CLASS, whichever the class axis has."""
    return CHANNEL if CHANNEL in axes[class_axis(axes)] else CLASS
