"""A graph's nodes, read as messages are, and their bytes.

A node that stays as it was is written as it is stored; a hundred thousand that differ in names and
inputs alone have all else in common.  NodeDef is TensorFlow 1.15's (core/framework/node_def.proto).
"""

from typing import Any, List, Optional, Sequence

from graphfix.formats.graphdef import skeleton
from graphfix.formats.graphdef.fields import fields
from graphfix.formats.graphdef.wire import canonical, to_bytes
from graphfix.formats.schema import message_class

# What precedes an input of up to 127 bytes, as nearly all are.
_INPUTS = [skeleton.header(3, size) for size in range(0x80)]
_ATTR = 5  # the number of a NodeDef's attributes
_BEHIND = (b"", b"\x22", b"\x2a", b"\x32")  # what the fields behind its inputs begin with


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


def tail_of(node: Any) -> bytes:
    """The bytes of a node behind its name, operation and inputs."""
    rest = to_node_def(node)
    for field in ("name", "op", "input"):
        rest.ClearField(field)
    return to_bytes(rest)


def begin(name: str, op: bytes, inputs: Sequence[str]) -> bytes:
    """The bytes that a NodeDef begins with."""
    out: List[bytes] = []
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
            one == 1 and data[start:end] == name for one, _, start, end in fields(data, inner, last)
        ):
            out.append(data[done:first])
            done = last
    return b"".join([*out, data[done:]])


def _parse(data: bytes) -> Any:
    return message_class("graphfix.graph.NodeDef").FromString(data)
