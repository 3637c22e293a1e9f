"""The golden file: what an output was when somebody agreed to it, as JSON to be kept in a repository.

    {"format": 1,
     "config": {PATH: LITERAL},                          as configs.py reads it
     "labels": {ID: [NAME, DISPLAY NAME]},
     "tensors": {NAME: {"dtype", "shape", "sha256",      of the stored bytes
                        "what",                          for tensors of heads: "weights of level 2"
                        "classes": [[ID, NAME, CHANNELS, DIGEST]],
                        "values"}},                      base64
     "graph": {NODE: [OP, DIGEST] or, for constants, [OP, DIGEST, DTYPE, SHAPE, DIGEST OF VALUE]}}

A part that the output does not have is null.  One tensor or node a line, in order, so that a
version control system shows which changed.  Heads that count classes are recorded class by class,
and with their values where they have at most MOST_VALUES elements: then a change can be told with
its size, and for a few classes on a mobile backbone that takes a few hundred kilobytes.
"""

import base64
import json
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple

import numpy as np

from graphfix.compare.differ import row_digest
from graphfix.compare.states import SHORT, Node, Row, State, Thing
from graphfix.dtypes import BY_NAME
from graphfix.errors import SourceError
from graphfix.source import read_file
from graphfix.tensors import TensorMeta

FORMAT = 1
MOST_VALUES = 32768
_LIMIT = 256 << 20


def to_json(thing: Thing) -> str:
    """A golden file's text; reads every tensor.

    Raises:
      SourceError: a tensor is damaged.
    """
    parts = [
        ("config", thing.config and _lines(thing.config.items())),
        ("labels", None if thing.labels is None else _lines(
            (str(number), list(names)) for number, names in sorted(thing.labels.items()))),
        ("tensors", None if thing.tensors is None else _lines(
            (name, _tensor(state)) for name, state in thing.tensors.items())),
        ("graph", None if thing.nodes is None else _lines(
            (name, _node(node, thing.constants.get(name))) for name, node in thing.nodes.items()))]
    return '{"format": %d,\n%s}\n' % (FORMAT, ",\n".join(
        '"%s": %s' % (name, text or "null") for name, text in parts))


def _lines(rows: Iterable[Tuple[str, Any]]) -> str:
    return "{\n%s\n}" % ",\n".join("  %s: %s" % (json.dumps(name), json.dumps(value, sort_keys=True))
                                   for name, value in sorted(rows))


def _tensor(state: State) -> Dict[str, Any]:
    row = {"dtype": state.meta.dtype.name, "shape": list(state.meta.shape),
           "sha256": state.digest()}  # type: Dict[str, Any]
    if state.what:
        row["what"] = state.what
    if state.rows:
        value = state.load()
        row["classes"] = [[one.id, one.name, list(one.channels), row_digest(one, value)]
                          for one in state.rows]
        if value.size <= MOST_VALUES:
            row["values"] = base64.b64encode(value.tobytes()).decode("ascii")
    return row


def _node(node: Node, constant: Optional[State]):
    row = [node.op, node.digest]
    if constant is None:
        return row
    return row + [constant.meta.dtype.name, list(constant.meta.shape), constant.digest()[:SHORT]]


def read_golden(path: str) -> Thing:
    """What a golden file records.

    Raises:
      SourceError: there is none, or it is damaged.
    """
    data = read_file(path, limit=_LIMIT)
    try:
        golden = json.loads(data.decode("utf-8"))
        if golden["format"] != FORMAT:
            raise SourceError(path, "is a golden file of format %s" % golden["format"],
                              "make it again with --update")
        parts = {name: golden[name] for name in ("config", "labels", "tensors", "graph")}
        config = None if parts["config"] is None else {
            path: _text(literal) for path, literal in parts["config"].items()}
        labels = None if parts["labels"] is None else {
            int(number): (_text(name), _text(display))
            for number, (name, display) in parts["labels"].items()}
        tensors = None if parts["tensors"] is None else {
            name: _read_tensor(name, row) for name, row in parts["tensors"].items()}
        nodes = constants = None
        if parts["graph"] is not None:
            nodes = {name: Node(_text(row[0]), _text(row[1]))
                     for name, row in parts["graph"].items()}
            constants = {name: State(_meta(name, row[2], row[3]), _saying(_digest(row[4])), None)
                         for name, row in parts["graph"].items() if len(row) > 2}
        return Thing(path, True, tensors, config, labels, nodes, constants)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError,
            RecursionError) as error:
        raise SourceError(path, "is no golden file (%s: %s)" % (type(error).__name__, error),
                          "make it with graphfix check --update") from None


def _read_tensor(name: str, row: Mapping[str, Any]) -> State:
    meta = _meta(name, row["dtype"], row["shape"])
    rows = tuple(Row(int(number), _text(label), tuple(map(int, channels)), _text(digest))
                 for number, label, channels, digest in row.get("classes", ()))
    if any(not 0 <= channel < meta.shape[-1] for one in rows for channel in one.channels):
        raise ValueError("channels of %s" % name)
    load = None
    if "values" in row:
        value = np.frombuffer(base64.b64decode(row["values"], validate=True),
                              meta.dtype.numpy or np.dtype("<u2")).reshape(meta.shape)
        load = _saying(value)
    return State(meta, _saying(_digest(row["sha256"])), load, _text(row.get("what", "")), rows)


def _saying(value):
    return lambda: value


def _meta(name: str, dtype: str, shape) -> TensorMeta:
    return TensorMeta(name, BY_NAME[dtype], tuple(map(int, shape)))


def _digest(value: Any) -> str:
    if len(_text(value)) < SHORT:
        raise ValueError("digest %r" % value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("%.40r is no text" % (value,))
    return value
