"""Picks nodes out of a serialized graph without parsing the rest.

A graph's file may have hundreds of megabytes of weights, or a hundred thousand nodes of training.
Only the names are looked at on the way (TensorFlow 1.15, core/framework/graph.proto,
node_def.proto, core/protobuf/meta_graph.proto, saved_model.proto):

    GraphDef       node 1
    NodeDef        name 1, op 2, input 3
    MetaGraphDef   graph_def 2
    SavedModel     meta_graphs 2
"""

from typing import Any, Callable, Dict, Iterable, Iterator, Tuple

from google.protobuf.message import DecodeError

from graphfix.errors import SourceError
from graphfix.formats import regular_files
from graphfix.formats.graphdef.evaluate import OPERATIONS
from graphfix.formats.graphdef.graph import Graph, source_name
from graphfix.formats.schema import message_class, parse

# The numbers of the fields that lead from the file's message to a node.
GRAPH_DEF, META_GRAPH, SAVED_MODEL = (1,), (2, 1), (2, 2, 1)
_LONGEST_VARINT = 10
_MOST = (1 << 31) - 1  # Protocol Buffers' own bound of a message
# Of a node that the chosen ones depend on; larger ones are weights.
_SMALL = 4096


class Nodes:
    """The nodes of a serialized graph by name; each is parsed when it is asked for."""

    def __init__(self, data: bytes, path: Tuple[int, ...]):
        """Raises ValueError where the bytes are no such message."""
        self._data = data
        self._places: Dict[str, Tuple[int, int]] = {}
        spans: Iterable[Tuple[int, int]] = [(0, len(data))]
        for number in path:
            spans = [one for start, end in spans for one in _parts(data, start, end, number)]
        for start, end in spans:
            # A writer puts the name first.
            if end - start > 2 and data[start] == 0x0A and data[start + 1] < 0x80:
                name = data[start + 2 : start + 2 + data[start + 1]]
            else:
                first, last = next(_parts(data, start, end, 1), (start, start))
                name = data[first:last]
            self._places[name.decode("utf-8", "replace")] = start, end

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def size(self, name: str) -> int:
        start, end = self._places[name]
        return end - start

    def __getitem__(self, name: str) -> Any:
        """The node as a message.  Raises ValueError where it cannot be parsed."""
        start, end = self._places[name]
        try:
            return parse(message_class("graphfix.graph.NodeDef"), self._data[start:end])
        except (DecodeError, UnicodeDecodeError, RecursionError):
            raise ValueError(f"its node '{name[:80]}' cannot be parsed") from None


def read_nodes(path: str, form: Tuple[int, ...]) -> Nodes:
    """The nodes in a file: a GRAPH_DEF, META_GRAPH or SAVED_MODEL.

    Raises:
      SourceError: it cannot be read, or is damaged.
    """
    try:
        return Nodes(regular_files.read(path, _MOST), form)
    except OSError as error:
        raise SourceError(
            path, f"cannot be read: {error.strerror}", "check the path and its permissions"
        ) from None
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
        graph_def.node.add().CopyFrom(node)
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
    return (nodes.size(name) if isinstance(nodes, Nodes) else nodes[name].ByteSize()) <= _SMALL


def _parts(data: bytes, position: int, end: int, number: int) -> Iterator[Tuple[int, int]]:
    """Where the contents of a message's fields of a number lie."""
    wanted = number << 3 | 2
    groups = 0
    while position < end:
        tag, position = _varint(data, position, end)
        kind = tag & 7
        if kind == 2:
            size, position = _varint(data, position, end)
            if position + size > end:
                raise ValueError("a field reaches beyond its end")
            if tag == wanted and not groups:
                yield position, position + size
            position += size
        elif kind == 0:
            position = _varint(data, position, end)[1]
        elif kind in (3, 4):
            groups += 1 if kind == 3 else -1
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of no known kind ({kind})")


def _varint(data: bytes, position: int, end: int) -> Tuple[int, int]:
    value = data[position] if position < end else 0
    if position < end and value < 0x80:  # most are
        return value, position + 1
    value = 0
    for count in range(_LONGEST_VARINT):
        if position + count >= end:
            break
        byte = data[position + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, position + count + 1
    raise ValueError("a number that does not end")
