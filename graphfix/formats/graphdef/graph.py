"""A graph's nodes by name, who consumes them, their order.

An input (TensorFlow 1.15, core/framework/node_def.proto) is "name" or "name:0" for a node's first
output, "name:3" for its fourth, "^name" where the node only has to run before.
"""

import collections
import functools
import heapq
from typing import Any, Dict, Iterable, List, NamedTuple, Tuple

from graphfix.formats.schema import message_class

Node = Any  # graphfix.graph.NodeDef, or a NodeCopy
# For every node, who takes it as which input.
Consumers = Dict[str, List[Tuple[Node, int]]]


class Input(NamedTuple):
    """One input of a node, read: which node, which of its outputs, or only after it."""

    name: str
    port: int
    control: bool


# A graph's inputs are read many times over.
@functools.lru_cache(maxsize=1 << 16)
def read_input(text: str) -> Input:
    """The parts of an input's text."""
    if text.startswith("^"):
        return Input(text[1:], -1, True)
    name, colon, port = text.rpartition(":")
    if colon and port.isdigit() and len(port) < 9:
        return Input(name, int(port), False)
    return Input(text, 0, False)


def source_name(text: str) -> str:
    """The node an input's text names, as `read_input` reads it; most are spelled by it alone."""
    return read_input(text).name if ":" in text or text[:1] == "^" else text


def write_input(name: str, port: int = 0) -> str:
    """The text of a data input, as TensorFlow spells it."""
    return f"{name}:{port}" if port else name


class NodeCopy:
    """A node `like` another (a message) in all but its name and inputs, read as a message is.

    A graph may have a hundred thousand of them, which as messages would take ten times the memory.
    What it has in common with the other is the other's own, and not to be changed through it.
    """

    __slots__ = ("input", "like", "name")

    def __init__(self, name: str, inputs: List[str], like: Any):
        self.name, self.input, self.like = name, inputs, like

    @property
    def op(self) -> str:
        return self.like.op

    @property
    def attr(self) -> Any:
        return self.like.attr

    def to_node_def(self) -> Any:
        """The same as a message."""
        out = type(self.like)()
        out.CopyFrom(self.like)
        out.name = self.name
        out.input[:] = self.input
        return out


class Graph:
    """A GraphDef being changed: `nodes` in order, by name."""

    def __init__(self, graph_def):
        """Raises ValueError where names repeat, or an input belongs to no node."""
        self.graph_def = graph_def
        self.nodes = collections.OrderedDict((node.name, node) for node in graph_def.node)
        if len(self.nodes) != len(graph_def.node):
            names = collections.Counter(node.name for node in graph_def.node)
            raise ValueError(f"has several nodes named '{names.most_common(1)[0][0]}'")
        for node in graph_def.node:
            for text in node.input:
                if source_name(text) not in self.nodes:
                    raise ValueError(
                        f"has a node '{node.name}' whose input '{text}' does not exist"
                    )

    def copy(self) -> "Graph":
        """The same graph, to be changed."""
        graph_def = type(self.graph_def)()
        graph_def.CopyFrom(self.graph_def)
        return Graph(graph_def)

    def inputs(self, node: Node) -> List[Node]:
        """The nodes that a node's inputs come from, control inputs last as they stand."""
        return [self.nodes[source_name(text)] for text in node.input]

    def consumers(self) -> Consumers:
        """Who takes which node; a picture of this moment."""
        found: Consumers = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for position, text in enumerate(node.input):
                found[source_name(text)].append((node, position))
        return found

    def ancestors(self, names: Iterable[str]) -> Dict[str, Node]:
        """Everything that the named nodes need, themselves included."""
        found: Dict[str, Node] = {}
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in found:
                found[name] = self.nodes[name]
                pending += map(source_name, found[name].input)
        return found

    def prune(self, outputs: Iterable[str]) -> List[str]:
        """Keeps what the outputs need; the names of the nodes that went."""
        needed = self.ancestors(outputs)
        gone = [name for name in self.nodes if name not in needed]
        for name in gone:
            del self.nodes[name]
        return gone

    def ordered(self) -> List[Node]:
        """The nodes so that each comes after its inputs, else in their present order; the back
        edge of a loop (NextIteration to Merge) is none to wait for.

        Raises:
          ValueError: the graph has a cycle that is not a loop.
        """
        nodes = list(self.nodes.values())
        number_of = {name: number for number, name in enumerate(self.nodes)}
        waiting = [0] * len(nodes)
        successors: List[List[int]] = [[] for _ in nodes]
        for number, node in enumerate(nodes):
            sources = {number_of[source_name(text)] for text in node.input}
            if sources and node.op in ("Merge", "RefMerge"):
                sources = {
                    one
                    for one in sources
                    if nodes[one].op not in ("NextIteration", "RefNextIteration")
                }
            waiting[number] = len(sources)
            for source in sources:
                successors[source].append(number)
        ready = [number for number, count in enumerate(waiting) if not count]
        out = []
        while ready:
            number = heapq.heappop(ready)
            out.append(nodes[number])
            for successor in successors[number]:
                waiting[successor] -= 1
                if not waiting[successor]:
                    heapq.heappush(ready, successor)
        if len(out) != len(nodes):
            stuck = next(nodes[number].name for number, count in enumerate(waiting) if count)
            raise ValueError(f"has a cycle through the node '{stuck}'")
        return out

    def without_nodes(self) -> Any:
        """A new message of all but the nodes: versions and library as they were."""
        out = message_class("graphfix.graph.GraphDef")()
        for field, value in self.graph_def.ListFields():
            if field.name == "version":
                out.version = value
            elif field.name != "node":
                getattr(out, field.name).CopyFrom(value)
        return out

    def to_graph_def(self) -> Any:
        """The graph as a new message, its nodes in order."""
        out = self.without_nodes()
        out.node.extend(
            node.to_node_def() if isinstance(node, NodeCopy) else node for node in self.ordered()
        )
        return out
