"""What a frozen graph and its variables show, asked for by structure.

Constants are found by the operation that reads them; small constant subgraphs, such as the anchor
generators compute from, are evaluated here in NumPy, so that their value is known whatever
revision of the API spelled it.
"""

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np

from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Graph, read_input
from graphfix.formats.tensors import TensorMeta

# Through these a value passes unchanged (Cast: but for its type).
_PASSING = ("Identity", "Enter", "Switch", "Cast", "ToFloat")
_DEEPEST = 200
_LARGEST = 1 << 20
_NUMBERS = re.compile(r"(\d+)")


class Unrecognised(Exception):
    """What was not recognised, as a message that goes on after "not recognised: "."""


def natural(name: str) -> Tuple[Any, ...]:
    """A key that sorts Sqrt, Sqrt_1, Sqrt_2, ... Sqrt_10 in the order they were made."""
    return tuple(int(part) if part.isdigit() else part for part in _NUMBERS.split(name))


def _strided_slice(value, begin, end, strides, node):
    if (
        value.ndim != 1
        or len(begin) != 1
        or node.attr["ellipsis_mask"].i
        or node.attr["new_axis_mask"].i
    ):
        raise ValueError("slice of several axes")
    first = None if node.attr["begin_mask"].i else int(begin[0])
    last = None if node.attr["end_mask"].i else int(end[0])
    if node.attr["shrink_axis_mask"].i:
        return value[int(begin[0])]
    return value[first : last : int(strides[0])]


def _bounded(shape) -> Tuple[int, ...]:
    size = 1
    for side in shape:
        size *= max(int(side), 1)
    if size > _LARGEST:
        raise ValueError("too large")
    return tuple(int(side) for side in shape)


def _tile(value, multiples):
    _bounded([side * times for side, times in zip(value.shape, multiples)])
    return np.tile(value, multiples)


def _range(start, limit, delta):
    _bounded([abs((int(limit) - int(start)) // int(delta))])
    return np.arange(start, limit, delta)


def _slice(value, begin, size):
    return value[
        tuple(
            slice(int(first), None if count < 0 else int(first + count))
            for first, count in zip(begin, size)
        )
    ]


# How an operation is computed: of its inputs' values, and of the node.
_COMPUTED: Dict[str, Callable] = {
    "RealDiv": lambda node, a, b: a / b,
    "Div": lambda node, a, b: a / b,
    "Mul": lambda node, a, b: a * b,
    "Sub": lambda node, a, b: a - b,
    "Add": lambda node, a, b: a + b,
    "AddV2": lambda node, a, b: a + b,
    "Minimum": lambda node, a, b: np.minimum(a, b),
    "Maximum": lambda node, a, b: np.maximum(a, b),
    "Sqrt": lambda node, a: np.sqrt(a),
    "Shape": lambda node, a: np.asarray(a.shape, np.int32),
    "Rank": lambda node, a: np.int32(a.ndim),
    "Size": lambda node, a: np.int32(a.size),
    "Reshape": lambda node, a, shape: a.reshape([int(side) for side in np.atleast_1d(shape)]),
    "ExpandDims": lambda node, a, axis: np.expand_dims(a, int(axis)),
    "ConcatV2": lambda node, *values: np.concatenate(values[:-1], int(values[-1])),
    "Fill": lambda node, shape, a: np.full(_bounded(np.atleast_1d(shape)), a),
    "Tile": lambda node, a, multiples: _tile(a, multiples),
    "Range": lambda node, *limits: _range(*limits),
    "Slice": lambda node, a, begin, size: _slice(a, begin, size),
    "Pack": lambda node, *values: np.stack(values, node.attr["axis"].i),
    "StridedSlice": lambda node, *values: _strided_slice(*values, node=node),
}


class GraphEvidence:
    """A graph and the variables recovered from it."""

    def __init__(self, graph: Graph, metas: Mapping[str, TensorMeta]):
        self.graph, self.metas = graph, metas
        self.consumers = graph.consumers()
        self._values: Dict[str, Optional[np.ndarray]] = {}

    def nodes(self, pattern: str, *operations: str) -> List[Any]:
        """The nodes of these operations (of any, where none is named) whose name matches, in the
        order they were made."""
        match = re.compile(pattern).match
        return sorted(
            (
                node
                for node in self.graph.nodes.values()
                if (not operations or node.op in operations) and match(node.name)
            ),
            key=lambda node: natural(node.name),
        )

    def variables(self, pattern: str) -> List[str]:
        """Names of the variables that match, in natural order."""
        match = re.compile(pattern).match
        return sorted((name for name in self.metas if match(name)), key=natural)

    def has(self, pattern: str) -> bool:
        return any(re.match(pattern, name) for name in self.metas)

    def shape(self, variable: str) -> Tuple[int, ...]:
        if variable not in self.metas:
            raise Unrecognised(f"there is no variable {variable}")
        return self.metas[variable].shape

    def source(self, node: Any, position: int) -> Any:
        """The node whose value is a node's input, whatever it passes through."""
        for _ in range(_DEEPEST):
            if position >= len(node.input):
                break
            node = self.graph.nodes[read_input(node.input[position]).name]
            if node.op not in _PASSING:
                return node
            position = 0
        raise Unrecognised(f"nothing feeds the node {node.name}")

    def readers(self, name: str, *operations: str) -> List[Tuple[Any, int]]:
        """(node, position) of the nodes of these operations that read a value, whatever it passes
        through on the way."""
        found: list = []
        pending, seen = [name], set()
        while pending:
            one = pending.pop()
            if one in seen:
                continue
            seen.add(one)
            for reader, position in self.consumers.get(one, ()):
                if reader.op in operations:
                    found.append((reader, position))
                elif reader.op in _PASSING:
                    pending.append(reader.name)
        return sorted(found, key=lambda pair: natural(pair[0].name))

    def value(self, node: Any, what: str) -> np.ndarray:
        """What a node computes of constants; `what` it is, for the message where it does not."""
        found = self.maybe(node)
        if found is None:
            raise Unrecognised(f"{what} is not constant at the node {node.name} ({node.op})")
        return found

    def maybe(self, node: Any, depth: int = 0) -> Optional[np.ndarray]:
        """What a node computes of constants, None where it depends on more or is not known here."""
        if node.name not in self._values:
            self._values[node.name] = None  # while it is worked out: a loop has no value
            self._values[node.name] = self._compute(node, depth)
        return self._values[node.name]

    def _compute(self, node: Any, depth: int) -> Optional[np.ndarray]:
        if depth > _DEEPEST:
            return None
        try:
            if node.op == "Const":
                found = constants.value_of(node)
                return found if found.size <= _LARGEST else None
            if node.op not in _COMPUTED and node.op not in _PASSING:
                return None
            inputs = [read_input(text) for text in node.input]
            if any(one.port for one in inputs if not one.control):
                return None
            values = [
                self.maybe(self.graph.nodes[one.name], depth + 1)
                for one in inputs
                if not one.control
            ]
            if not values or any(value is None for value in values):
                return None
            if node.op in _PASSING:
                if node.op == "Cast":
                    return np.asarray(
                        values[0],
                        np.float32 if node.attr["DstT"].type == 1 else np.asarray(values[0]).dtype,
                    )
                return values[0]
            with np.errstate(all="ignore"):
                found = np.asarray(_COMPUTED[node.op](node, *values))
            return found if found.size <= _LARGEST else None
        except (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError):
            return None

    def number(self, node: Any, position: int, what: str) -> float:
        """The scalar that a node takes as an input."""
        found = self.value(self.source(node, position), what)
        if found.size != 1:
            raise Unrecognised(f"{what} is no single number at the node {node.name}")
        return found.reshape(()).item()
