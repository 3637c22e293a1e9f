"""The golden file: an output as somebody approved it, as JSON to keep in a repository.

    {"format": 2,
     "config": {PATH: LITERAL},                          as configs.py reads it
     "labels": {ID: {PATH: LITERAL}},                    likewise; "": what is outside of items
     "tensors": {NAME: {"dtype", "shape", "sha256",      of the stored bytes
                        "what",                          for tensors of heads: "weights of level 2"
                        "classes": [[ID, NAME, CHANNELS, DIGEST]],
                        "values"}},                      base64
     "graphs": {PLACE: {"facts": {WHAT: TEXT OR DIGEST}, as graphs.py reads them
                        "saved": {WHAT: TEXT OR DIGEST}, null for a frozen graph
                        "nodes": {NODE: [OP, DIGEST] or, for constants,
                                        [OP, DIGEST, DTYPE, SHAPE, DIGEST OF VALUE]}}},
     "files": {PATH: TEXT}}                              as folders.py reads them

A part that the output lacks is null.  Tensors and nodes have a line each, sorted, so that version
control shows which ones changed.  Heads with a class axis are recorded class by class, and with
their values up to MOST_VALUES elements, so that a change can be told with its size; for a few
classes on a mobile backbone that takes a few hundred kilobytes.
"""

import base64
import json
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple

import numpy as np

from graphfix.comparison.states import SHORT, ClassChannels, GraphState, Node, Snapshot, TensorState
from graphfix.errors import SourceError
from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.regular_files import read_file
from graphfix.formats.tensors import TensorMeta

FORMAT = 2
MOST_VALUES = 32768
_LIMIT = 256 << 20
_PARTS = ("config", "labels", "tensors", "graphs", "files")


def to_json(snapshot: Snapshot) -> str:
    """A golden file's text; reads every tensor.

    Raises:
      SourceError: a tensor is damaged.
    """
    texts = (
        snapshot.config and _lines(snapshot.config.items()),
        None if snapshot.labels is None else _lines(snapshot.labels.items(), key=_by_id),
        None
        if snapshot.tensors is None
        else _lines((name, _tensor(state)) for name, state in snapshot.tensors.items()),
        None
        if snapshot.graphs is None
        else _block(
            f"{json.dumps(place)}: {_graph(graph)}"
            for place, graph in sorted(snapshot.graphs.items())
        ),
        None
        if snapshot.files is None
        else _lines((name, texts[0]) for name, texts in snapshot.files.items()),
    )
    parts = [f'"{name}": {text or "null"}' for name, text in zip(_PARTS, texts)]
    return f'{{"format": {FORMAT},\n' + ",\n".join(parts) + "}\n"


def _by_id(row: Tuple[str, Any]) -> int:
    return int(row[0] or -1)


def _graph(graph: GraphState) -> str:
    facts = _lines(graph.facts.items())
    saved = "null" if graph.saved is None else _lines(graph.saved.items())
    nodes = _lines(
        (name, _node(node, graph.constants.get(name))) for name, node in graph.nodes.items()
    )
    return f'{{"facts": {facts},\n"saved": {saved},\n"nodes": {nodes}}}'


def _lines(rows: Iterable[Tuple[str, Any]], key: Any = None) -> str:
    return _block(
        f"  {json.dumps(name)}: {json.dumps(value, sort_keys=True)}"
        for name, value in sorted(rows, key=key)
    )


def _block(lines: Iterable[str]) -> str:
    return "{\n" + ",\n".join(lines) + "\n}"


def _tensor(state: TensorState) -> Dict[str, Any]:
    row: Dict[str, Any] = {
        "dtype": state.meta.dtype.name,
        "shape": list(state.meta.shape),
        "sha256": state.digest(),
    }
    if state.role:
        row["what"] = state.role
    if state.classes:
        value = state.load()
        row["classes"] = [
            [one.id, one.name, list(one.channels), one.value_digest(value)] for one in state.classes
        ]
        if value.size <= MOST_VALUES:
            row["values"] = base64.b64encode(value.tobytes()).decode("ascii")
    return row


def _node(node: Node, constant: Optional[TensorState]):
    row = [node.op, node.digest]
    if constant is None:
        return row
    return row + [constant.meta.dtype.name, list(constant.meta.shape), constant.digest()[:SHORT]]


class OldGolden(SourceError):
    """A golden file of an earlier format."""


def read_golden(path: str) -> Snapshot:
    """What a golden file records.

    Raises:
      OldGolden: it is of an earlier format.
      SourceError: there is none, or it is damaged.
    """
    data = read_file(path, limit=_LIMIT)
    try:
        golden = json.loads(data.decode("utf-8"))
        if golden["format"] == 1 and all(
            golden[name] is None or isinstance(golden[name], dict)
            for name in ("config", "labels", "tensors", "graph")
        ):
            raise OldGolden(
                path,
                "is a golden file of format 1, which records less than graphfix compares",
                f"make it again: graphfix check OUT --golden {path} --update",
            )
        if golden["format"] != FORMAT:
            raise SourceError(
                path,
                f"is a golden file of format {golden['format']}",
                "make it again with this version's check --update, under another name",
            )
        config, labels, tensors, graphs, files = (golden[name] for name in _PARTS)
        config = None if config is None else _texts(config)
        labels = (
            None
            if labels is None
            else {
                str(int(number)) if number else "": _texts(fields)
                for number, fields in labels.items()
            }
        )
        tensors = (
            None
            if tensors is None
            else {name: _read_tensor(name, row) for name, row in tensors.items()}
        )
        graphs = (
            None
            if graphs is None
            else {place: _read_graph(graph) for place, graph in graphs.items()}
        )
        files = None if files is None else {name: (text,) for name, text in _texts(files).items()}
        return Snapshot(path, True, tensors, config, None, labels, graphs, files)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        OverflowError,
        RecursionError,
    ) as error:
        raise SourceError(
            path,
            f"is not a golden file ({type(error).__name__}: {error})",
            "make it with graphfix check --update",
        ) from None


def _read_graph(graph: Mapping[str, Any]) -> GraphState:
    rows = graph["nodes"]
    nodes = {name: Node(_text(row[0]), _text(row[1])) for name, row in rows.items()}
    constants = {
        name: TensorState(_meta(name, row[2], row[3]), _always(_digest(row[4])), None)
        for name, row in rows.items()
        if len(row) > 2
    }
    return GraphState(
        nodes,
        constants,
        _texts(graph["facts"]),
        None if graph["saved"] is None else _texts(graph["saved"]),
    )


def _read_tensor(name: str, row: Mapping[str, Any]) -> TensorState:
    meta = _meta(name, row["dtype"], row["shape"])
    rows = tuple(
        ClassChannels(int(number), _text(label), tuple(map(int, channels)), _text(digest))
        for number, label, channels, digest in row.get("classes", ())
    )
    if any(not 0 <= channel < meta.shape[-1] for one in rows for channel in one.channels):
        raise ValueError(f"channels of {name}")
    load = None
    if "values" in row:
        value = np.frombuffer(
            base64.b64decode(row["values"], validate=True), meta.dtype.numpy or np.dtype("<u2")
        ).reshape(meta.shape)
        load = _always(value)
    return TensorState(
        meta, _always(_digest(row["sha256"])), load, _text(row.get("what", "")), rows
    )


def _always(value):
    return lambda: value


def _meta(name: str, dtype: str, shape: Any) -> TensorMeta:
    return TensorMeta(name, BY_NAME[dtype], tuple(map(int, shape)))


def _digest(value: Any) -> str:
    if len(_text(value)) < SHORT:
        raise ValueError(f"digest {value!r}")
    return value


def _texts(values: Mapping[str, Any]) -> Dict[str, str]:
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a text")
    return value
