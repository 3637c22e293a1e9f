"""The words that the parts of this package share: factors of axes, and what was not understood.

A tensor's axes are tuples of factors, so that packed axes can be told: (3, SLOT) is an axis of
three anchors by all slots, (ANY, CLASS) a flattened one that ends in classes.  SLOT counts classes
and the background, CLASS classes alone, ANY is a size that nobody needs to know.
"""

from typing import Any, Dict, NamedTuple, Optional, Tuple

SLOT, CLASS, ANY = "slot", "class", None

Axes = Tuple[Tuple[Any, ...], ...]
Outputs = Dict[int, Axes]  # by port


class NotUnderstood(Exception):
    """A node whose part in the graph is not known."""

    def __init__(self, node, why: str):
        Exception.__init__(self, f"{node.op} node '{node.name}': {why}")
        self.node, self.why = node.name, why


class Selection(NamedTuple):
    """A node that takes one class out of a tensor: a Slice of class `number`, or an Unpack."""

    node: str
    number: Optional[int]  # None: an Unpack, whose port is the class
    axis: int


def class_axis(axes: Axes) -> int:
    """The axis that counts classes, -1 where there is none."""
    return next((number for number, axis in enumerate(axes) if SLOT in axis or CLASS in axis), -1)


def marker(axes: Axes) -> str:
    """SLOT or CLASS, whichever the tensor has."""
    return SLOT if SLOT in axes[class_axis(axes)] else CLASS
