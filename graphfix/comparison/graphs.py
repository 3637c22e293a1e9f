"""Graphs and SavedModels as what is compared of them: all that TensorFlow's parser keeps.

Two graphs are the same where TensorFlow parses them to the same message, and besides:

* A constant's value counts, bit by bit, and not how it is written: as `tensor_content`, or as a
  list whose last element goes on.  TensorFlow makes the same tensor of both.  So NaNs of other
  bits differ, and -0.0 differs from 0.0.  A constant that is no array of numbers (strings, or more
  elements than its shape takes), and one in a function or a list, counts as it is written.
* Whatever else stands in a constant's TensorProto counts as written, read by TensorFlow or not.

The order of nodes, functions and a SavedModel's graphs counts: they are lists.  The order of a
map's entries (attributes, signatures, collections) does not: TensorFlow gives none.
"""

import collections
import functools
import hashlib
import json
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

import numpy as np

from graphfix.comparison.states import SHORT, GraphState, Node, TensorState
from graphfix.formats.graphdef import constants, files, wire
from graphfix.formats.graphdef.fields import fields
from graphfix.formats.schema import message_class, parse
from graphfix.formats.tensors import TensorMeta

# {name: (role, classes)} of the heads' tensors among those given.
Heads = Callable[[Mapping[str, TensorMeta]], Mapping[str, Tuple]]
DIGEST = "sha256:"
NODE_ORDER, FUNCTION_ORDER = "order of nodes", "order of functions"


def graph_state(
    graph_def: Any, heads: Heads, saved: Optional[Mapping[str, str]] = None
) -> GraphState:
    """What is compared of a graph."""
    bare = type(graph_def)()
    bare.CopyFrom(graph_def)
    names = _distinct(node.name for node in graph_def.node)
    metas, values = {}, {}
    for name, node, rest in zip(names, graph_def.node, bare.node):
        if constants.is_constant(node):
            try:
                metas[name] = constants.meta_of(node)
            except ValueError:
                continue  # no tensor at all: it is a node like others
            values[name] = _value_of(node, metas[name], rest)
    known = heads(metas)
    data = wire.canonical(bare)
    number = bare.DESCRIPTOR.fields_by_name["node"].number
    spans = [(first, last) for one, first, _, last in fields(data, 0, len(data)) if one == number]
    nodes = {
        name: Node(node.op, hashlib.sha256(data[first:last]).hexdigest()[:SHORT])
        for name, node, (first, last) in zip(names, graph_def.node, spans)
    }
    states = {name: TensorState(metas[name], *values[name], *known.get(name, ())) for name in metas}
    bare.ClearField("node")
    return GraphState(nodes, states, _facts(bare, names), saved)


def _facts(rest: Any, names: List[str]) -> Dict[str, str]:
    """What a graph says besides its nodes; takes it out of `rest`."""
    facts = {NODE_ORDER: _digest("\0".join(names).encode())}
    if rest.HasField("versions"):
        versions = rest.versions
        facts["versions"] = (
            f"producer {versions.producer}, min_consumer {versions.min_consumer}, bad_consumers "
            f"{list(versions.bad_consumers)}"
        )
        for field in ("producer", "min_consumer", "bad_consumers"):
            versions.ClearField(field)
        if not wire.canonical(versions):
            rest.ClearField("versions")
    functions = _distinct(one.signature.name for one in rest.library.function)
    for name, function in zip(functions, rest.library.function):
        facts[f"function '{name}'"] = _digest(wire.canonical(function))
    if functions:
        facts[FUNCTION_ORDER] = _digest("\0".join(functions).encode())
        rest.library.ClearField("function")
    return _with_rest(facts, rest)


def _with_rest(facts: Dict[str, str], rest: Any) -> Dict[str, str]:
    data = wire.canonical(rest)
    if data:
        facts["other fields"] = _digest(data)
    return facts


def saved_states(saved: Any, heads: Heads) -> Dict[str, GraphState]:
    """A SavedModel's graphs: "" is the one for serving, others are named by their tags."""
    serving = next(
        (
            number
            for number, meta in enumerate(saved.meta_graphs)
            if files.SERVE in meta.meta_info_def.tags
        ),
        0,
    )
    places = _distinct(
        "" if number == serving else f"[{', '.join(meta.meta_info_def.tags)}]"
        for number, meta in enumerate(saved.meta_graphs)
    )
    rest = type(saved)()
    rest.CopyFrom(saved)
    facts = []
    for number, meta in enumerate(rest.meta_graphs):
        meta.ClearField("graph_def")
        facts.append(dict(_saved_facts(meta), place=f"{number + 1} of {len(places)}"))
    facts[serving]["schema version"] = str(saved.saved_model_schema_version)
    rest.ClearField("meta_graphs")
    rest.ClearField("saved_model_schema_version")
    _with_rest(facts[serving], rest)
    return {
        place: graph_state(meta.graph_def, heads, one)
        for place, meta, one in zip(places, saved.meta_graphs, facts)
    }


def _saved_facts(rest: Any) -> Dict[str, str]:
    """What a MetaGraphDef says besides its graph; takes it out of `rest`."""
    info = rest.meta_info_def
    facts = {
        "tags": json.dumps(list(info.tags)),
        "TensorFlow": f"{info.tensorflow_version} ({info.tensorflow_git_version})",
    }
    if rest.HasField("meta_info_def"):
        for field in ("tags", "tensorflow_version", "tensorflow_git_version"):
            info.ClearField(field)
    for what, field in (("signature", "signature_def"), ("collection", "collection_def")):
        for name in getattr(rest, field):
            facts[f"{what} '{name}'"] = _digest(wire.canonical(getattr(rest, field)[name]))
        rest.ClearField(field)
    for what, field in (("saver", "saver_def"), ("objects", "object_graph_def")):
        if rest.HasField(field):
            facts[what] = _digest(wire.canonical(getattr(rest, field)))
            rest.ClearField(field)
    for number, asset in enumerate(rest.asset_file_def):
        facts[f"asset {number}"] = _digest(wire.canonical(asset))
    rest.ClearField("asset_file_def")
    facts["meta information"] = _digest(wire.canonical(rest))
    return facts


def meta_graph_digest(data: bytes) -> str:
    """The digest of a MetaGraphDef's file (a checkpoint's .meta).

    Raises:
      DecodeError: it is none.
    """
    return _digest(wire.canonical(parse(message_class("graphfix.graph.MetaGraphDef"), data)))


def _digest(data: bytes) -> str:
    return DIGEST + hashlib.sha256(data).hexdigest()[:SHORT]


def _distinct(names: Iterable[str]) -> List[str]:
    """The names, numbered where they repeat."""
    counts: Dict[str, int] = collections.Counter()
    seen: Set[str] = set()
    out = []
    for name in names:
        found = name
        while found in seen:
            counts[name] += 1
            found = f"{name} #{counts[name] + 1}"
        seen.add(found)
        out.append(found)
    return out


def _value_of(
    node: Any, meta: TensorMeta, rest: Any
) -> Tuple[Callable[[], str], Optional[Callable[[], np.ndarray]]]:
    """How to get the digest of a constant's value, and the value where it is an array; takes it out
    of `rest`, the node's copy, whole where nothing but the value is in it."""
    try:
        field = constants.field_of(node, meta)
    except ValueError:
        rest.attr.pop("value")
        return lambda: hashlib.sha256(wire.canonical(node.attr["value"])).hexdigest(), None
    value = rest.attr["value"]
    value.tensor.ClearField(field)
    if value.SerializeToString() == _plain(meta.dtype.number, meta.shape):
        rest.attr.pop("value")
    return (lambda: _digest_of(node), lambda: constants.value_of(node))


def _digest_of(node: Any) -> str:
    found = hashlib.sha256()
    for chunk in constants.chunks(node):
        found.update(chunk)
    return found.hexdigest()


@functools.lru_cache(maxsize=1 << 12)
def _plain(dtype: int, shape: Tuple[int, ...]) -> bytes:
    """An attribute that says a tensor's type and shape, and no more."""
    value = message_class("graphfix.graph.AttrValue")()
    value.tensor.dtype = dtype
    value.tensor.tensor_shape.SetInParent()
    for size in shape:
        value.tensor.tensor_shape.dim.add().size = size
    return value.SerializeToString()
