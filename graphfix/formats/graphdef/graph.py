"""A graph's nodes by name, who consumes them, their order.

An input (TensorFlow 1.15, core/framework/node_def.proto) is "name" or "name:0" for a node's first
output, "name:3" for its fourth, "^name" where the node only has to run before.
"""

import collections
import copy
import functools
import heapq
import itertools
from typing import Any, Collection, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.formats import extents
from graphfix.formats.graphdef import skeleton
from graphfix.formats.graphdef.nodes import Node, to_node_def
from graphfix.formats.schema import message_class

# For every node, who takes it as which input.
Consumers = Dict[str, List[Tuple[Any, int]]]


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


def _is_ordered(nodes: Sequence[Any], number_of: Dict[str, int]) -> bool:
    """Whether each node comes after its inputs already, but for the back edges of loops."""
    for number, node in enumerate(nodes):
        for text in node.input:
            source = number_of[source_name(text) if ":" in text or text[:1] == "^" else text]
            if source >= number and not (
                node.op in ("Merge", "RefMerge")
                and nodes[source].op in ("NextIteration", "RefNextIteration")
            ):
                return False
    return True


class Graph:
    """A GraphDef being changed: `nodes` in order, by name.

    `graph_def` is the message it was made of, of which only what is beside the nodes counts; `rest`
    are the bytes of that.  `repeated` says of which nodes there are more copies (a Repetition), all
    of which are among what is written.
    """

    repeated: Any = None

    def __init__(
        self, graph_def: Any, stored: Sequence[Optional[bytes]] = (), rest: Optional[bytes] = None
    ):
        """`stored` has the bytes of each node, where it was read from a file.

        Raises ValueError where names repeat, or an input belongs to no node.
        """
        self.graph_def, self.rest = graph_def, rest
        nodes = [
            Node(message.name, message.op, message, data)
            for message, data in itertools.zip_longest(graph_def.node, stored)
        ]
        self.nodes: Dict[str, Any] = collections.OrderedDict((node.name, node) for node in nodes)
        if len(self.nodes) != len(nodes):
            names = collections.Counter(node.name for node in nodes)
            raise ValueError(f"has several nodes named '{names.most_common(1)[0][0]}'")
        for node in nodes:
            for text in node.input:
                name = source_name(text) if ":" in text or text[:1] == "^" else text
                if name not in self.nodes:
                    raise ValueError(
                        f"has a node '{node.name}' whose input '{text}' does not exist"
                    )

    @property
    def node(self) -> Collection[Any]:
        """The nodes, by the name they have in a message."""
        return self.nodes.values()

    @property
    def library(self) -> Any:
        return self.graph_def.library

    def copy(self) -> "Graph":
        """The same graph, to be changed."""
        out = copy.copy(self)
        out.nodes = collections.OrderedDict(
            (name, node.copy()) for name, node in self.nodes.items()
        )
        return out

    def inputs(self, node: Any) -> List[Any]:
        """The nodes that a node's inputs come from, control inputs last as they stand."""
        return [self.nodes[source_name(text)] for text in node.input]

    def consumers(self) -> Consumers:
        """Who takes which node; a picture of this moment."""
        found: Consumers = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            for position, text in enumerate(node.input):
                name = source_name(text) if ":" in text or text[:1] == "^" else text
                found[name].append((node, position))
        return found

    def ancestors(self, names: Iterable[str]) -> Dict[str, Any]:
        """Everything that the named nodes need, themselves included."""
        found: Dict[str, Any] = {}
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

    def ordered(self) -> List[Any]:
        """The nodes so that each comes after its inputs, else in their present order; the back
        edge of a loop (NextIteration to Merge) is none to wait for.

        Raises:
          ValueError: the graph has a cycle that is not a loop.
        """
        nodes = list(self.nodes.values())
        number_of = {name: number for number, name in enumerate(self.nodes)}
        if _is_ordered(nodes, number_of):
            return nodes
        waiting = [0] * len(nodes)
        # Who waits for a node is a chain of places in `successors`: a list for each node would be a
        # hundred thousand lists.
        chains, successors, others = [-1] * len(nodes), [], []
        for number, node in enumerate(nodes):
            loops = node.op in ("Merge", "RefMerge")
            for text in node.input:
                source = number_of[source_name(text)]
                if loops and nodes[source].op in ("NextIteration", "RefNextIteration"):
                    continue
                waiting[number] += 1
                successors.append(number)
                others.append(chains[source])
                chains[source] = len(others) - 1
        # What waits for nothing comes by its number, and so does what waits no more.
        ready = [number for number, count in enumerate(waiting) if not count]
        out = []
        while ready:
            number = heapq.heappop(ready)
            out.append(nodes[number])
            place = chains[number]
            while place >= 0:
                successor = successors[place]
                waiting[successor] -= 1
                if not waiting[successor]:
                    heapq.heappush(ready, successor)
                place = others[place]
        if len(out) != len(nodes):
            stuck = next(nodes[number].name for number, count in enumerate(waiting) if count)
            raise ValueError(f"has a cycle through the node '{stuck}'")
        return out

    def without_nodes(self) -> Any:
        """A new message of all but the nodes: versions, library and unknown fields as they were."""
        out = message_class("graphfix.graph.GraphDef")()
        out.CopyFrom(self.graph_def)
        out.ClearField("node")
        return out

    def to_graph_def(self) -> Any:
        """The graph as a new message, its nodes in order, with all contents."""
        out = self.without_nodes()
        ordered = self.ordered()
        ahead = self.repeated.runs(ordered) if self.repeated else {}
        for node in ordered:
            nodes = [node]
            if self.repeated:
                copies = self.repeated.nodes(ahead.get(node.name, ()))
                nodes = [*copies, self.repeated.complete(node)]
            for one in nodes:
                data = to_node_def(one).SerializeToString()
                out.node.add().MergeFromString(extents.joined(skeleton.pieces(data)))
        return out
