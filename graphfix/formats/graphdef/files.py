"""Opens and writes frozen graphs (a serialized GraphDef) and SavedModels; opens meta graphs.

A SavedModel directory has `saved_model.pb` and, where its variables are not frozen into the graph,
`variables/`.  The stock exporter's SavedModel is frozen: one MetaGraphDef, tagged "serve", with the
signature "serving_default".  A Saver writes the graph of a checkpoint, a MetaGraphDef, beside
it (`.meta`): that of the training, or of an exporter.

Protocol Buffers itself bounds a message: 2 GiB, and 100 levels of nesting.
"""

import os
from typing import Any, Dict, List, Tuple

from google.protobuf.message import DecodeError

from graphfix.errors import SourceError
from graphfix.formats import regular_files
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Graph, NodeCopy
from graphfix.formats.graphdef.operations import check_inputs
from graphfix.formats.graphdef.wire import Done, to_bytes
from graphfix.formats.schema import message_class, parse

SAVED_MODEL_PB = "saved_model.pb"
SERVE = "serve"  # the tag of the graph that is for serving
_MOST = (1 << 31) - 1
# A few bytes may stand for a tensor of one value, and many such tensors for more than there is of
# memory.  Graphs of real models repeat some kilobytes.
_MOST_UNFOLDED, _UNFOLDED_TIMES = 1 << 28, 16
_AGAIN = "download or copy the file again"


def is_saved_model(path: str) -> bool:
    return os.path.lexists(os.path.join(path, SAVED_MODEL_PB))


def read_graph_def(path: str) -> Any:
    """The GraphDef of a frozen graph's file.

    Raises:
      SourceError: it cannot be read, or is not a GraphDef.
    """
    graph_def = _parse(path, "graphfix.graph.GraphDef", "a frozen graph (GraphDef)")
    if not graph_def.node or not all(node.name and node.op for node in graph_def.node):
        raise SourceError(
            path,
            "is not a frozen graph: it has %s"
            % ("nodes without a name or an operation" if graph_def.node else "no nodes"),
            "name the frozen_inference_graph.pb that the exporter wrote",
        )
    return graph_def


def read_meta_graph(path: str) -> Any:
    """The GraphDef of a `.meta` file.

    Raises:
      SourceError: it cannot be read, or is not a MetaGraphDef with a graph.
    """
    what = "a meta graph (MetaGraphDef)"
    graph_def = _parse(path, "graphfix.graph.MetaGraphDef", what).graph_def
    if not graph_def.node or not all(node.name and node.op for node in graph_def.node):
        raise SourceError(
            path,
            "is not a meta graph: it has no graph of named nodes",
            "name the checkpoint that it belongs to without it",
        )
    return graph_def


def read_saved_model(directory: str) -> Any:
    """The SavedModel message of a directory.

    Raises:
      SourceError: it cannot be read, is not a SavedModel, or has no single graph.
    """
    path = os.path.join(directory, SAVED_MODEL_PB)
    saved = _parse(path, "graphfix.graph.SavedModel", "a SavedModel")
    serving = [one for one in saved.meta_graphs if SERVE in one.meta_info_def.tags]
    if len(saved.meta_graphs) != 1 and len(serving) != 1:
        raise SourceError(
            path,
            f"holds {len(saved.meta_graphs)} graphs, {len(serving)} of them for serving",
            "export the detector again, for serving",
        )
    return saved


def serving_graph(saved: Any) -> Any:
    """The MetaGraphDef of a SavedModel that is for serving."""
    serving = [one for one in saved.meta_graphs if SERVE in one.meta_info_def.tags]
    return (serving or saved.meta_graphs)[0]


def open_graph(graph_def: Any, path: str) -> Graph:
    """The graph of a message.

    Raises:
      SourceError: naming `path`, where its nodes do not hang together, go in a circle, or unfold
        into far more than the file has.
    """
    try:
        graph = Graph(graph_def)
        check_inputs(graph)
        graph.ordered()
        more = sum(
            constants.unfolded(node) for node in graph.nodes.values() if constants.is_constant(node)
        )
        if more > _MOST_UNFOLDED and more > _UNFOLDED_TIMES * graph_def.ByteSize():
            raise ValueError(f"has constants of repeated values that take {more >> 20} MB")
        return graph
    except ValueError as error:
        raise SourceError(path, f"the graph {error}", _AGAIN) from None


def graph_to_bytes(graph: Graph) -> bytes:
    """What `to_bytes` gives for the graph's message, which is not made: of copies, what they have
    in common is written once."""
    common: Dict[int, Tuple[bytes, bytes]] = {}
    out: List[bytes] = []
    done: Done = {}
    for node in graph.ordered():
        if not isinstance(node, NodeCopy):
            data = to_bytes(node, done)
        else:
            if id(node.like) not in common:
                common[id(node.like)] = _common(node.like)
            before, after = common[id(node.like)]
            data = b"".join(
                [_text(1, node.name), before] + [_text(3, text) for text in node.input] + [after]
            )
        out += [_header(1, len(data)), data]
    return b"".join(out + [to_bytes(graph.without_nodes())])


def _common(node: Any) -> Tuple[bytes, bytes]:
    """The bytes of a NodeDef between its name and its inputs, and after them."""
    rest = type(node)()
    rest.CopyFrom(node)
    for field in ("name", "op", "input"):
        rest.ClearField(field)
    return _text(2, node.op), to_bytes(rest)


def _text(number: int, text: str) -> bytes:
    data = text.encode()
    return _header(number, len(data)) + data


def _header(number: int, size: int) -> bytes:
    """What precedes a field of `size` bytes."""
    if size < 0x80:
        return bytes((number << 3 | 2, size))
    out = bytearray((number << 3 | 2,))
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def _parse(path: str, full_name: str, what: str) -> Any:
    try:
        with regular_files.open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > _MOST:
                raise SourceError(
                    path,
                    f"has {size} bytes, more than {what} can",
                    "name the file that the exporter wrote",
                )
            data = file.read(size)
        regular_files.refuse_pointer(path, data)
    except OSError as error:
        raise SourceError(
            path, f"cannot be read: {error.strerror}", "check the path and its permissions"
        ) from None
    try:
        return parse(message_class(full_name), data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        # The last two come from protobuf's pure Python form.
        raise SourceError(
            path, f"is not a valid {what.split(' ', 1)[1]}: it cannot be parsed", _AGAIN
        ) from None
