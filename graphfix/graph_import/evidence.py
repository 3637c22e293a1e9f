"""What a frozen graph and its variables show, asked for by structure.

Constants are found by the operation that reads them; small constant subgraphs, such as anchor
generators compute from, are evaluated, so that their value is known however a revision of the API
spells it.
"""

import re
from typing import Any, List, Mapping, Optional, Tuple

import numpy as np

from graphfix.formats.graphdef.evaluate import Evaluator
from graphfix.formats.graphdef.graph import Graph, read_input
from graphfix.formats.tensors import TensorMeta

# Through these a value passes unchanged (Cast: but for its type).
_PASSING = ("Identity", "Enter", "Switch", "Cast")
_DEEPEST = 200
_MOST_ELEMENTS = 1 << 20
_NUMBERS = re.compile(r"(\d+)")
# What an optimizer leaves in a graph.
_OPTIMIZERS = re.compile(r"(Resource)?(Sparse)?Apply(Momentum|RMSProp|Adam|GradientDescent)\Z")


class Unrecognised(Exception):
    """What was not recognised, as a message that goes on after "not recognised: "."""


def natural(name: str) -> Tuple[Any, ...]:
    """A key that sorts Sqrt, Sqrt_1, Sqrt_2, ... Sqrt_10 in the order they were made."""
    return tuple(int(part) if part.isdigit() else part for part in _NUMBERS.split(name))


class GraphEvidence:
    """A graph and the variables recovered from it; `trains` says that it is a trainer's, which has
    a loss and makes no detections."""

    def __init__(self, graph: Graph, metas: Mapping[str, TensorMeta]):
        self.graph, self.metas = graph, metas
        self.consumers = graph.consumers()
        self.trains = any(_OPTIMIZERS.match(node.op) for node in graph.nodes.values())
        self._evaluator = Evaluator(graph, through_loops=True, most_elements=_MOST_ELEMENTS)

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

    def maybe(self, node: Any) -> Optional[np.ndarray]:
        """What a node computes of constants, None where it depends on more, is not known here, or
        is one of several outputs: `source` does not say which of them is read."""
        found = self._evaluator.outputs(node.name)
        return found[0] if found is not None and len(found) == 1 else None

    def number(self, node: Any, position: int, what: str) -> float:
        """The scalar that a node takes as an input."""
        found = self.value(self.source(node, position), what)
        if found.size != 1:
            raise Unrecognised(f"{what} is not a single number at the node {node.name}")
        return found.reshape(()).item()
