"""Opens and writes frozen graphs (a serialized GraphDef) and SavedModels; opens meta graphs.

A SavedModel directory has `saved_model.pb`, or the same as text, `saved_model.pbtxt`, and, where
its variables are not frozen into the graph, `variables/`.  The stock exporter's SavedModel is
frozen: one MetaGraphDef, tagged "serve", with the signature "serving_default".  A Saver writes the
graph of a checkpoint, a MetaGraphDef, beside it (`.meta`): that of the training, or of an exporter.

Protocol Buffers itself bounds a message: 2 GiB, and 100 levels of nesting.
"""

from typing import Any, Dict, List, Mapping, Optional, Tuple

from google.protobuf.message import DecodeError

from graphfix.errors import SourceError
from graphfix.formats import extents, regular_files
from graphfix.formats.extents import Pieces
from graphfix.formats.graphdef import constants, skeleton
from graphfix.formats.graphdef.fields import fields
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.graphdef.kinds import is_saved_model_text, is_text, saved_model_file
from graphfix.formats.graphdef.nodes import Node, NodeCopy, begin, tail_of, to_node_def
from graphfix.formats.graphdef.operations import check_inputs
from graphfix.formats.graphdef.wire import Done, to_bytes
from graphfix.formats.schema import message_class, parse

SERVE = "serve"  # the tag of the graph that is for serving
# A few bytes may stand for a tensor of one value, and many such tensors for more than there is of
# memory.  Graphs of real models repeat some kilobytes.
_MOST_UNFOLDED, _UNFOLDED_TIMES = 1 << 28, 16
_AGAIN = "download or copy the file again"
# The message of a file in each form, and words for it.
_KINDS = {
    skeleton.GRAPH_DEF: ("graphfix.graph.GraphDef", "a frozen graph (GraphDef)"),
    skeleton.META_GRAPH: ("graphfix.graph.MetaGraphDef", "a meta graph (MetaGraphDef)"),
    skeleton.SAVED_MODEL: ("graphfix.graph.SavedModel", "a SavedModel"),
}


class GraphFile:
    """What a file has: its `message`, in which markers stand for large contents (`skeleton`), the
    GraphDefs in it, and the number of the one that is for serving."""

    def __init__(self, path: str, form: Tuple[int, ...], data: bytes):
        """`data` is the file's skeleton.

        Raises:
          DecodeError: it is no such message.
        """
        self.path, self._form, self._data = path, form, data
        kind = message_class(_KINDS[form][0])
        self.message = parse(kind, data)
        self.graph_defs = self._graph_defs()
        try:
            self._places = skeleton.graphs(data, form)
        except ValueError:
            self._places = []
        counts = [len(one.node) for one in self.graph_defs]
        if counts != [len(one.nodes) for one in self._places]:
            # Such as a GraphDef in two parts.  Read whole, it may be what it wants.
            self.message = parse(kind, extents.joined(skeleton.pieces(data, form)))
            self.graph_defs, self._places = self._graph_defs(), []
        for graph_def, places in zip(self.graph_defs, self._places):
            for number in skeleton.marked_nodes(data, places.nodes):
                node, (start, end) = graph_def.node[number], places.nodes[number]
                if not constants.is_marked(node):
                    node.ParseFromString(extents.joined(skeleton.pieces(data[start:end])))
        self.serving = 0
        self._graph: Optional[Graph] = None

    @property
    def is_saved_model(self) -> bool:
        return self._form == skeleton.SAVED_MODEL

    def graph(self) -> Graph:
        """The graph, or the one for serving; the same whenever it is asked for, so copy it to
        change it.

        Raises:
          SourceError: its nodes do not hang together, go in a circle, or unfold into far more than
            the file has.
        """
        if self._graph is None:
            stored: List[bytes] = []
            rest = None
            if self._places:
                places = self._places[self.serving]
                stored = [self._data[start:end] for start, end in places.nodes]
                rest = places.rest
            self._graph = _opened(self.graph_defs[self.serving], self.path, stored, rest)
        return self._graph

    def with_graph(self, graph: Graph, others: Mapping[int, bytes]) -> Pieces:
        """The file with another graph in the place of its only one; `others` replace fields of
        the MetaGraphDef around it, by number.  All else stays as it is, byte for byte.

        Raises:
          SourceError: that is more than such a file may have.
        """
        out = graph_pieces(graph)
        if self._form != skeleton.GRAPH_DEF:
            out = _replaced(self._data, 0, len(self._data), self._form[:-1], out, dict(others))
        size = extents.size(out)
        if size > skeleton.MOST:
            raise SourceError(
                self.path,
                f"would have {size} bytes, more than {_KINDS[self._form][1]} can",
                "ask for fewer classes",
            )
        return out

    def whole(self) -> Any:
        """The file's message with all contents."""
        kind = message_class(_KINDS[self._form][0])
        return parse(kind, extents.joined(skeleton.pieces(self._data, self._form)))

    def _graph_defs(self) -> List[Any]:
        if self._form == skeleton.GRAPH_DEF:
            return [self.message]
        if self._form == skeleton.META_GRAPH:
            return [self.message.graph_def]
        return [one.graph_def for one in self.message.meta_graphs]


def open_frozen(path: str) -> GraphFile:
    """A frozen graph's file, which may be text.

    Raises:
      SourceError: it cannot be read, or is not a GraphDef.
    """
    file = (_parsed if is_text(path) else _open)(path, skeleton.GRAPH_DEF)
    nodes = file.message.node
    if not nodes or not all(node.name and node.op for node in nodes):
        raise SourceError(
            path,
            "is not a frozen graph: it has %s"
            % ("nodes without a name or an operation" if nodes else "no nodes"),
            "name the frozen_inference_graph.pb that the exporter wrote",
        )
    return file


def open_meta_graph(path: str) -> GraphFile:
    """A `.meta` file.

    Raises:
      SourceError: it cannot be read, or is not a MetaGraphDef with a graph.
    """
    file = _open(path, skeleton.META_GRAPH)
    nodes = file.graph_defs[0].node
    if not nodes or not all(node.name and node.op for node in nodes):
        raise SourceError(
            path,
            "is not a meta graph: it has no graph of named nodes",
            "name the checkpoint that it belongs to without it",
        )
    return file


def open_saved_model(directory: str) -> GraphFile:
    """The SavedModel of a directory.

    Raises:
      SourceError: it cannot be read, is not a SavedModel, or has no single graph.
    """
    path = saved_model_file(directory)
    read = _parsed if is_saved_model_text(path) else _open
    file = read(path, skeleton.SAVED_MODEL)
    graphs = file.message.meta_graphs
    serving = [number for number, one in enumerate(graphs) if SERVE in one.meta_info_def.tags]
    if len(graphs) != 1 and len(serving) != 1:
        raise SourceError(
            path,
            f"holds {len(graphs)} graphs, {len(serving)} of them for serving",
            "export the detector again, for serving",
        )
    file.serving = (serving or [0])[0]
    return file


def read_graph_def(path: str) -> Any:
    """The GraphDef of a frozen graph's file, with all contents.

    Raises:
      SourceError: as `open_frozen`.
    """
    return open_frozen(path).whole()


def open_graph(graph_def: Any, path: str) -> Graph:
    """The graph of a message, with all that `GraphFile.graph` looks at.

    Raises:
      SourceError: naming `path`.
    """
    return _opened(graph_def, path, [], None)


def graph_pieces(graph: Graph) -> Pieces:
    """What a graph's file is to have: unchanged nodes as they are stored, large contents where they
    lie; of copies, what they have in common is written once."""
    tails: Dict[int, bytes] = {}
    out: Pieces = []
    run: List[bytes] = []  # what will be one piece
    done: Done = {}
    ordered, repeated = graph.ordered(), graph.repeated
    ahead = repeated.runs(ordered) if repeated else {}
    for node in ordered:
        if repeated and node.name in ahead:
            out.append(b"".join(run))
            run.clear()
            for copies in repeated.encoded(ahead[node.name]):
                out += copies
        if repeated:
            node = repeated.complete(node)
        if isinstance(node, NodeCopy):
            if id(node.like) not in tails:
                tails[id(node.like)] = tail_of(node.like)
            data = begin(node.name, node.op.encode(), node.input) + tails[id(node.like)]
        elif isinstance(node, Node) and node.is_stored():
            data = node.stored
        else:
            data = to_bytes(to_node_def(node), done)
        if skeleton.has_marker(data):
            out += [b"".join(run), *skeleton.framed(data)]
            run.clear()
        else:
            run += (skeleton.header(1, len(data)), data)
    run.append(to_bytes(graph.without_nodes()) if graph.rest is None else graph.rest)
    return [*out, b"".join(run)]


def _replaced(
    data: bytes,
    start: int,
    end: int,
    numbers: Tuple[int, ...],
    graph: Pieces,
    others: Dict[int, bytes],
) -> Pieces:
    """A message with another graph, to which `numbers` lead, and other fields in front of it."""
    out: Pieces = []
    done, last_one = start, len(numbers) == 1
    for number, first, inner, last in fields(data, start, end):
        if number == numbers[0]:
            within = graph if last_one else _replaced(data, inner, last, numbers[1:], graph, others)
            out += [data[done:first], skeleton.header(number, extents.size(within)), *within]
            done = last
        elif last_one and number in others:
            out += [data[done:first], others[number]]
            others[number] = b""
            done = last
    return [*out, data[done:end]]


def _open(path: str, form: Tuple[int, ...]) -> GraphFile:
    _, what = _KINDS[form]
    try:
        return GraphFile(path, form, skeleton.read(path, form))
    except (DecodeError, UnicodeDecodeError, RecursionError):
        # The last two come from protobuf's pure Python form.
        raise SourceError(
            path, f"is not a valid {what.split(' ', 1)[1]}: it cannot be parsed", _AGAIN
        ) from None


def _parsed(path: str, form: Tuple[int, ...]) -> GraphFile:
    """A file that is written as text."""
    from google.protobuf import text_format  # few graphs are

    kind, what = _KINDS[form]
    message = message_class(kind)()
    data = regular_files.read_file(path, limit=skeleton.MOST)
    try:
        text_format.Parse(data.decode("utf-8"), message)
    except UnicodeDecodeError:
        why = "is not UTF-8"
    except text_format.ParseError as error:
        why = str(error)
    except RecursionError:
        why = "nests too deeply"
    else:
        return GraphFile(path, form, message.SerializeToString(deterministic=True))
    raise SourceError(path, f"is not {what} as text: {why}", _AGAIN)


def _opened(graph_def: Any, path: str, stored: List[bytes], rest: Optional[bytes]) -> Graph:
    try:
        graph = Graph(graph_def, stored, rest)
        check_inputs(graph)
        graph.ordered()
        more = _unfolded(graph)
        if more > _MOST_UNFOLDED and more > _UNFOLDED_TIMES * _size(graph):
            raise ValueError(f"has constants of repeated values that take {more >> 20} MB")
        return graph
    except ValueError as error:
        raise SourceError(path, f"the graph {error}", _AGAIN) from None


def _unfolded(graph: Graph) -> int:
    """How many bytes constants take beyond those that stand in the file."""
    known: Dict[bytes, int] = {}  # most constants are like others but for their names
    more = 0
    for node in graph.nodes.values():
        if node.op == "Const":
            tail = node.tail() or b""
            if not tail or tail not in known:
                known[tail] = constants.unfolded(node) if constants.is_constant(node) else 0
            more += known[tail]
    return more


def _size(graph: Graph) -> int:
    return graph.graph_def.ByteSize() + sum(
        constants.meta_of(node).nbytes
        for node in graph.nodes.values()
        if constants.is_constant(node) and constants.is_marked(node)
    )
