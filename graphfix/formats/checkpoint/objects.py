"""TensorFlow 2's object-based checkpoints: tensors, and a graph of the objects that have them.

A program has a tree of objects (in truth a graph), each with named children: layers by their
attribute's name, a list's by their number, a dictionary's by their key.  A tensor belongs to the
object that a path of such names leads to.  The key of a variable's tensor is the path with
"/.ATTRIBUTES/VARIABLE_VALUE"; a name in it with a slash or a dot at its start would be escaped,
which no name here has.  The tensor _CHECKPOINTABLE_OBJECT_GRAPH, a string, is the graph as a
TrackableObjectGraph: nodes, the first the root, with the numbers of their children, and the keys of
their tensors (tensorflow/python/checkpoint, TensorFlow 2.13).

Restoring goes along the program's own tree, so a path need not be the one that TensorFlow would
have taken, and objects without tensors may be left out.  `tf.train.Checkpoint` itself counts in
`save_counter` how often it was saved, and misses it where it is not.
"""

from typing import Dict, Iterable, List, Mapping

from google.protobuf.message import DecodeError

from graphfix.errors import SourceError
from graphfix.formats.checkpoint import stored_bytes
from graphfix.formats.dtypes import INT64, STRING
from graphfix.formats.schema import message_class, parse
from graphfix.formats.tensors import TensorStore, TensorView, constant, text

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
SAVE_COUNTER = "save_counter"
_ATTRIBUTE = "VARIABLE_VALUE"
_SUFFIX = "/.ATTRIBUTES/" + _ATTRIBUTE


def graph_class():
    return message_class("graphfix.trackable.TrackableObjectGraph")


def key_of(path: str) -> str:
    """The key of the tensor of the variable at a path."""
    return path + _SUFFIX


def object_graph(paths: Iterable[str]) -> bytes:
    """The graph of variables at these paths, serialized."""
    graph = graph_class()()
    graph.nodes.add()
    numbers = {"": 0}
    for path in sorted(paths):
        above = ""
        for name in path.split("/"):
            here = f"{above}/{name}" if above else name
            if here not in numbers:
                numbers[here] = len(graph.nodes)
                graph.nodes.add()
                graph.nodes[numbers[above]].children.add(node_id=numbers[here], local_name=name)
            above = here
        graph.nodes[numbers[path]].attributes.add(
            name=_ATTRIBUTE, full_name=path, checkpoint_key=key_of(path)
        )
    return graph.SerializeToString()


def object_based(variables: Mapping[str, TensorView]) -> TensorStore:
    """The tensors of an object-based checkpoint of variables by their paths."""
    views: List[TensorView] = []
    for path, view in variables.items():
        meta = view.meta._replace(name=key_of(path))
        views.append(TensorView(meta, view.load, view.extent))
    views.append(constant(key_of(SAVE_COUNTER), INT64, 0))
    views.append(text(GRAPH, object_graph([*variables, SAVE_COUNTER])))
    return TensorStore(views)


def paths(store: TensorStore, subject: str) -> Dict[str, str]:
    """The key of each variable's tensor, by its shortest path from the root, in name order.

    Raises:
      SourceError: it is no object-based checkpoint, or a damaged one.
    """
    view = store.get(GRAPH)
    if view is None or view.meta.dtype != STRING or view.meta.size != 1:
        raise SourceError(subject, f"has no object graph ({GRAPH})", "name one of TensorFlow 2")
    try:
        graph = parse(graph_class(), stored_bytes.strings(view)[0])
        found: Dict[str, str] = {}
        seen, front = {0}, [("", 0)]
        while front:
            following = []
            for path, number in front:
                node = graph.nodes[number]
                for one in node.attributes:
                    found[path] = one.checkpoint_key
                for child in node.children:
                    if child.node_id not in seen:
                        seen.add(child.node_id)
                        where = f"{path}/{child.local_name}" if path else child.local_name
                        following.append((where, child.node_id))
            front = following
    except (DecodeError, IndexError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(
            subject, f"has a damaged object graph: {error}", stored_bytes.COPY_AGAIN
        ) from None
    return dict(sorted(found.items()))
