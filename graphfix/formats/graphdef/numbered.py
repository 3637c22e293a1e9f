"""Copies of a constant that says a number."""

import os
from typing import Any, List

import numpy as np

from graphfix.formats.dtypes import BY_NUMBER
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.nodes import Node, begin, to_node_def
from graphfix.formats.graphdef.wire import to_bytes


class Numbered:
    """Makes copies of a constant with another number in one place: there may be as many as classes,
    which differ in their names, their inputs and a few bytes."""

    def __init__(self, node: Any, place: int):
        self._value = np.array(constants.value_of(node))
        self._place, self._op = place, node.op
        example = Node()
        example.CopyFrom(node)
        constants.set_value(example, self._value, BY_NUMBER[example.attr["dtype"].type])
        rest = to_node_def(example)
        for field in ("name", "op", "input"):
            rest.ClearField(field)
        parts: List[bytes] = []
        while len(parts) != 2:
            # In the place of the value, as many bytes that are nowhere else.
            mark = os.urandom(self._value.nbytes)
            rest.attr["value"].tensor.tensor_content = mark
            parts = to_bytes(rest).split(mark)
        self._before, self._after = parts

    def tail(self, number: int) -> bytes:
        """What a copy has behind its name, operation and inputs: as long for each number."""
        self._value.reshape(-1)[self._place] = number
        return self._before + self._value.tobytes() + self._after

    def node(self, name: str, inputs: List[str], number: int) -> Node:
        """A copy as a node."""
        data = begin(name, self._op.encode(), inputs)
        return Node(name, self._op, stored=data + self.tail(number), inputs=inputs)
