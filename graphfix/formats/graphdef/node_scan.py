"""Picks nodes out of a serialized graph without parsing the rest.

A graph's file may have a hundred thousand nodes of training: only their names are looked at.
"""

from typing import Any, Callable, Dict, Iterator, Tuple

from google.protobuf.message import DecodeError

from graphfix.errors import SourceError
from graphfix.formats.graphdef import skeleton
from graphfix.formats.graphdef.evaluate import OPERATIONS
from graphfix.formats.graphdef.fields import fields
from graphfix.formats.graphdef.graph import Graph, source_name
from graphfix.formats.graphdef.nodes import message_of, to_node_def
from graphfix.formats.schema import message_class, parse

# Of a node that the chosen ones depend on; larger ones are weights.
_SMALL = skeleton.LARGE


class Nodes:
    """The nodes of a serialized graph by name; each is parsed when it is asked for."""

    def __init__(self, data: bytes, form: Tuple[int, ...]):
        """`data` is the skeleton of a file.  Raises ValueError where it is damaged."""
        self._data = data
        self._places: Dict[str, Tuple[int, int]] = {}
        for graph in skeleton.graphs(data, form):
            for start, end in graph.nodes:
                # A writer puts the name first.
                if end - start > 2 and data[start] == 0x0A and data[start + 1] < 0x80:
                    name = data[start + 2 : start + 2 + data[start + 1]]
                else:
                    names = [at for at in fields(data, start, end) if at[0] == 1]
                    name = data[names[0][2] : names[0][3]] if names else b""
                self._places[name.decode("utf-8", "replace")] = start, end

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def is_small(self, name: str) -> bool:
        start, end = self._places[name]
        return end - start <= _SMALL and not skeleton.has_marker(self._data, start, end)

    def __getitem__(self, name: str) -> Any:
        """The node as a message.  Raises ValueError where it cannot be parsed."""
        start, end = self._places[name]
        try:
            return parse(message_class("graphfix.graph.NodeDef"), self._data[start:end])
        except (DecodeError, UnicodeDecodeError, RecursionError):
            raise ValueError(f"its node '{name[:80]}' cannot be parsed") from None


def read_nodes(path: str, form: Tuple[int, ...]) -> Nodes:
    """The nodes in a file: a skeleton.GRAPH_DEF, META_GRAPH or SAVED_MODEL.

    Raises:
      SourceError: it cannot be read, or is damaged.
    """
    try:
        return Nodes(skeleton.read(path, form), form)
    except ValueError as error:
        raise SourceError(path, f"is damaged: {error}", "download or copy the file again") from None


def part(nodes: Any, wanted: Callable[[str], Any]) -> Graph:
    """The graph of the nodes with wanted names, and of what they are computed from as far as that
    is small and known to `evaluate`; whatever else they read is a Placeholder.  `nodes` are Nodes,
    or a graph's.

    Raises:
      ValueError: a node cannot be parsed.
    """
    graph_def = message_class("graphfix.graph.GraphDef")()
    chosen = [name for name in nodes if wanted(name)]
    pending, made = list(chosen), set(chosen)
    own = frozenset(chosen)
    while pending:
        name = pending.pop()
        node = nodes[name] if name in own or _small(nodes, name) else None
        if node is None or not (name in own or node.op == "Const" or node.op in OPERATIONS):
            graph_def.node.add(name=name, op="Placeholder")
            continue
        graph_def.node.add().CopyFrom(to_node_def(node))
        if name not in own:
            inputs = [text for text in node.input if not text.startswith("^")]
            graph_def.node[-1].input[:] = inputs
        for text in graph_def.node[-1].input:
            if source_name(text) not in made:
                made.add(source_name(text))
                pending.append(source_name(text))
    return Graph(graph_def)


def _small(nodes: Any, name: str) -> bool:
    if name not in nodes:
        return False
    if isinstance(nodes, Nodes):
        return nodes.is_small(name)
    data = nodes[name].stored
    if data is None:
        return bool(message_of(nodes[name]).ByteSize() <= _SMALL)
    return len(data) <= _SMALL and not skeleton.has_marker(data)
