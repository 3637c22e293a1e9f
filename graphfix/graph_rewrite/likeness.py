"""Whether a node of one class' branch is like that of another class in all but name and inputs.

Nodes of a file are compared by their bytes, which takes a tenth of the time that parsing them does:
there may be as many branches as classes.
"""

from typing import Any, Dict, Optional

import numpy as np

from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.nodes import Node, in_order, message_of

# What does not say what a node computes.
_IGNORED = ("_output_shapes", "_class")


class Likeness:
    """Compares nodes of class 0 with those of others; the graph must not change meanwhile."""

    def __init__(self) -> None:
        self._tails: Dict[bytes, bytes] = {}
        self._firsts: Dict[str, Optional[bytes]] = {}  # of class 0's nodes
        self._values: Dict[str, np.ndarray] = {}

    def value(self, left: Any) -> np.ndarray:
        """The value of a constant of class 0."""
        if left.name not in self._values:
            self._values[left.name] = constants.value_of(left)
        return self._values[left.name]

    def have_same_value(self, left: Any, right: Any) -> bool:
        """Whether two constants are the same, in one form or another."""
        if self._same_bytes(left, right):
            return True
        if message_of(left).attr["value"] == message_of(right).attr["value"]:
            return True
        one, two = self.value(left), constants.value_of(right)
        return (one.dtype, one.shape) == (two.dtype, two.shape) and one.tobytes() == two.tobytes()

    def have_same_attributes(self, left: Any, right: Any) -> bool:
        if self._same_bytes(left, right):
            return True
        one, two = message_of(left).attr, message_of(right).attr
        return all(
            one[name] == two[name]
            if name in one and name in two
            # Asked for, one that was left out for its default comes to be, without a value.
            else (one if name in one else two)[name].WhichOneof("value") is None
            for name in set(one) | set(two)
            if name not in _IGNORED
        )

    def _same_bytes(self, left: Any, right: Any) -> bool:
        if left.name not in self._firsts:
            self._firsts[left.name] = self._tail(left)
        first = self._firsts[left.name]
        return first is not None and first == self._tail(right)

    def _tail(self, node: Any) -> Optional[bytes]:
        """A node's tail with its fields in order; there are few different ones."""
        tail = node.tail() if isinstance(node, Node) else None
        if tail is None:
            return None
        if tail not in self._tails:
            self._tails[tail] = in_order(tail)
        return self._tails[tail]
