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
from graphfix.formats.graphdef.fields import fields
from graphfix.formats.graphdef.wire import canonical
from graphfix.formats.schema import message_class

# What precedes an input of up to 127 bytes, as nearly all are.
_INPUTS = [skeleton.header(3, size) for size in range(0x80)]
_ATTR = 5  # the number of a NodeDef's attributes
_BEHIND = (b"", b"\x22", b"\x2a", b"\x32")  # what the fields behind its inputs begin with
# For every node, who takes it as which input.
Consumers = Dict[str, List[Tuple[Any, int]]]  # a Node or a NodeCopy


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


class Node:
    """A node that may be changed, read as a message (NodeDef) is.

    Its name, operation and inputs are its own; all else is in its `message`, which is made of the
    bytes that are `stored` of it in a file when it is first asked for.  Whoever only reads asks
    `message` for attributes; `attr` is there to be changed.
    """

    __slots__ = ("_first", "_message", "_touched", "input", "name", "op", "stored")

    def __init__(
        self,
        name: str = "",
        op: str = "",
        message: Any = None,
        stored: Any = None,
        inputs: Optional[List[str]] = None,
    ):
        """`stored` are the bytes of just that node."""
        self.name, self.op, self.stored = name, op, stored
        if inputs is None:
            inputs = message.input[:] if message is not None else []
        self.input: List[str] = inputs
        self._message = message
        self._first = (name, op, *inputs)  # as they are stored
        self._touched = False

    @property
    def message(self) -> Any:
        """A message with all but the node's name, operation and inputs, not to be changed."""
        if self._message is None:
            self._message = _parse(self.stored or b"")
        return self._message

    @property
    def attr(self) -> Any:
        self._touched = True
        return self.message.attr

    def CopyFrom(self, other: Any) -> None:
        message = to_node_def(other)
        self.name, self.op, self.input = message.name, message.op, message.input[:]
        self._message, self.stored = message, None

    def copy(self) -> "Node":
        """The same node, to be changed."""
        out = Node(self.name, self.op, None, self.stored, self.input[:])
        out._first = self._first
        if self._touched or self.stored is None:
            out._message = _parse(b"")
            out._message.CopyFrom(self.message)
            out._touched = self._touched
        return out

    def tail(self) -> Optional[bytes]:
        """What is stored of a node that stays as it was behind its name, operation and inputs;
        None where that is not known."""
        if self.stored is None or self._touched:
            return None
        size = 0
        for text in self._first:
            length = len(text.encode())
            size += length + (2 if length < 0x80 else 3)
        # A writer puts them first, each with its length.
        return self.stored[size:] if self.stored[size : size + 1] in _BEHIND else None

    def drop_attribute(self, name: str) -> None:
        """Takes an attribute away, if there is one of that name."""
        if self._touched or self.stored is None:
            self.attr.pop(name, None)
        elif name.encode() in self.stored:
            self.stored = _without(self.stored, name.encode())
            self._message = None

    @property
    def touched(self) -> bool:
        """Whether its attributes were there to be changed."""
        return self._touched

    def is_stored(self) -> bool:
        """Whether it is, unchanged, what is stored of it."""
        if self.stored is None or (self.name, self.op, *self.input) != self._first:
            return False
        if not self._touched:
            return True
        first = _parse(self.stored)
        # Protobuf's C++ form holds a key that comes twice for a difference.
        return self._message == first or canonical(self._message) == canonical(first)


class NodeCopy:
    """A node `like` another in all but its name and inputs, read as that is.

    A graph may have a hundred thousand of them, which as messages would take ten times the memory.
    What it has in common with the other is the other's own, and not to be changed through it.
    """

    __slots__ = ("input", "like", "name")

    def __init__(self, name: str, inputs: List[str], like: Any):
        self.name, self.input, self.like = name, inputs, like

    @property
    def op(self) -> str:
        return str(self.like.op)

    @property
    def message(self) -> Any:
        return message_of(self.like)

    @property
    def attr(self) -> Any:
        return self.like.attr


def message_of(node: Any) -> Any:
    """A message with a node's attributes, not to be changed."""
    return getattr(node, "message", node)


def to_node_def(node: Any) -> Any:
    """A node as a new message."""
    out = _parse(b"")
    out.CopyFrom(message_of(node))
    out.name, out.op, out.input[:] = node.name, node.op, node.input
    return out


def begin(name: str, op: bytes, inputs: Sequence[str]) -> bytes:
    """The bytes that a NodeDef begins with."""
    out = []
    for number, text in ((1, name.encode()), (2, op)):
        out += (skeleton.header(number, len(text)), text)
    for one in inputs:
        text = one.encode()
        size = len(text)
        out += (_INPUTS[size] if size < 0x80 else skeleton.header(3, size), text)
    return b"".join(out)


def in_order(tail: bytes) -> bytes:
    """A node's `tail` with its fields in order: an exporter leaves that of attributes to chance.
    One in which a key comes twice, or that has fields of another kind, stays as it is."""
    found, keys = [], set()
    for _, first, inner, last in fields(tail, 0, len(tail)):
        found.append(tail[first:last])
        keys.add(tail[inner : inner + 2 + tail[inner + 1]] if last - inner > 1 else b"")
    out = b"".join(sorted(found))
    return out if len(out) == len(tail) and len(keys) == len(found) else tail


def _without(data: bytes, name: bytes) -> bytes:
    """The bytes of a NodeDef without the attribute of a name."""
    out, done = [], 0
    for number, first, inner, last in fields(data, 0, len(data)):
        if number == _ATTR and any(
            one == 1 and data[start:end] == name
            for one, _, start, end in fields(data, inner, last)
        ):
            out.append(data[done:first])
            done = last
    return b"".join([*out, data[done:]])


def _parse(data: bytes) -> Any:
    return message_class("graphfix.graph.NodeDef").FromString(data)


class Graph:
    """A GraphDef being changed: `nodes` in order, by name.

    `graph_def` is the message it was made of, of which only what is beside the nodes counts; `rest`
    are the bytes of that.
    """

    def __init__(
        self,
        graph_def: Any,
        stored: Sequence[Optional[bytes]] = (),
        rest: Optional[bytes] = None,
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
            position = 0
            for text in node.input:
                name = source_name(text) if ":" in text or text[:1] == "^" else text
                found[name].append((node, position))
                position += 1
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
        """A new message of all but the nodes: versions and library as they were."""
        out = message_class("graphfix.graph.GraphDef")()
        for field, value in self.graph_def.ListFields():
            if field.name == "version":
                out.version = value
            elif field.name != "node":
                getattr(out, field.name).CopyFrom(value)
        return out

    def to_graph_def(self) -> Any:
        """The graph as a new message, its nodes in order, with all contents."""
        out = self.without_nodes()
        for node in self.ordered():
            data = to_node_def(node).SerializeToString()
            out.node.add().MergeFromString(extents.joined(skeleton.pieces(data)))
        return out
