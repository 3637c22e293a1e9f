"""Opens what `diff` and `check` are given: a model's directory or archive, or one file of a model."""

import hashlib
import os
from typing import Dict, Mapping, Optional

from graphfix import source as sources
from graphfix.archive import SUFFIXES, Unpacked
from graphfix.bundle import reader
from graphfix.compare.configs import config_fields
from graphfix.compare.states import SHORT, Node, State, Thing, head_rows
from graphfix.config.pipeline import PipelineConfig, parse_config
from graphfix.errors import SourceError
from graphfix.graphdef import constants, files
from graphfix.labels import parse_label_map
from graphfix.model import coco
from graphfix.model.describe import describe
from graphfix.schema import message_class
from graphfix.tensors import TensorMeta
from graphfix.textproto import Document, bind

# Where the stock exporter leaves its SavedModel, in the directory of the checkpoint.
_SAVED_MODEL = "saved_model"
_TEXTS = (".config", ".pbtxt", ".txt", ".prototxt")


def open_thing(path: str) -> Thing:
    """What a path names; reads metadata, configs and graphs, but no tensor's value.

    Raises:
      SourceError: it is missing or damaged.
      RequestError: it does not say which checkpoint is meant.
    """
    if os.path.isfile(path) and path.endswith(SUFFIXES):
        unpacked = Unpacked(path)
        return _directory(path, unpacked.directory, unpacked)
    if os.path.isdir(path):
        return _directory(path, path, None)
    if path.endswith(_TEXTS):
        return _text(path)
    if path.endswith(".pb"):
        if os.path.basename(path) == files.SAVED_MODEL:
            return _directory(path, os.path.dirname(path) or ".", None)
        config, names = _beside(os.path.dirname(path))
        return _graph(path, files.read_graph_def(path), config, names, whole=False)
    prefix = sources.find_prefix(path)
    config, names = _beside(os.path.dirname(prefix))
    return Thing(path, False, tensors=_checkpoint(prefix, config, names))


def _directory(path: str, directory: str, holder) -> Thing:
    frozen = sources.find_frozen(directory)
    config, names = _beside(directory)
    labels = {number: both for number, both in names.items()} if os.path.exists(
        os.path.join(directory, sources.LABEL_MAP)) else None
    fields = config_fields(config, directory) if config else None
    graph = None
    beside = os.path.join(directory, sources.FROZEN)
    if frozen is not None and frozen == directory:
        graph = _saved_model(path, directory, config, names)
    elif os.path.isfile(beside):
        graph = _graph(path, files.read_graph_def(beside), config, names, whole=True)
    inner = os.path.join(directory, _SAVED_MODEL)
    if files.is_saved_model(inner):
        saved = _saved_model(inner, inner, config, names)
        graph = Thing(path, True, nodes=_within(graph and graph.nodes, saved.nodes),
                      constants=_within(graph and graph.constants, saved.constants))
    tensors = None if frozen else _checkpoint(sources.find_prefix(directory), config, names)
    return Thing(path, True, tensors, fields, labels, graph and graph.nodes,
                 graph and graph.constants, holder)


def _within(nodes, saved):
    """A graph's nodes, and those of the SavedModel beside it under longer names."""
    return dict(nodes or {}, **{"%s/%s" % (_SAVED_MODEL, name): node
                                for name, node in saved.items()})


def _saved_model(path: str, directory: str, config: Optional[PipelineConfig], names) -> Thing:
    """A SavedModel's graph; all else that it says is one more node."""
    meta = files.serving_graph(files.read_saved_model(directory))
    graph = _graph(path, meta.graph_def, config, names, whole=True)
    rest = message_class("graphfix.graph.SavedModel")()
    rest.meta_graphs.add().CopyFrom(meta)
    rest.meta_graphs[0].ClearField("graph_def")
    graph.nodes["(signatures)"] = Node("SavedModel", hashlib.sha256(
        files.to_bytes(rest)).hexdigest()[:SHORT])
    return graph


def _beside(directory: str):
    """The config of a directory, None without one, and {id: (name, display name)} of its classes."""
    path = os.path.join(directory, sources.CONFIG)
    config = parse_config(sources.read_file(path), path) if os.path.isfile(path) else None
    path = os.path.join(directory, sources.LABEL_MAP)
    if os.path.isfile(path):
        return config, _names(parse_label_map(sources.read_file(path), path))
    return config, {}


def _names(label_map):
    return {label.id: (label.name, label.display_name) for label in label_map.labels}


def _text(path: str) -> Thing:
    """A label map or a config: what is no label map is read as a config."""
    data = sources.read_file(path)
    document = Document.parse(data, subject=path)
    message, problems = bind(document, message_class("graphfix.labels.StringIntLabelMap"))
    if message.item and not problems:
        return Thing(path, False, labels=_names(parse_label_map(data, path)))
    return Thing(path, False, config=config_fields(parse_config(data, path)))


def _checkpoint(prefix: str, config: Optional[PipelineConfig], names) -> Dict[str, State]:
    store = reader.open_bundle(prefix)
    known = _heads({name: view.meta for name, view in store.items()}, config, names)
    return {name: State(view.meta, _digest_of(view), view.load, *known.get(name, ()))
            for name, view in store.items()}


def _digest_of(view):
    return lambda: reader.digest(view)


def _heads(metas: Mapping[str, TensorMeta], config: Optional[PipelineConfig], names):
    """What the heads' tensors are, as far as config and tensors are of one model."""
    if config is None:
        return {}
    try:
        model = describe(config.message, metas, config="config", checkpoint="checkpoint")
    except SourceError:
        return {}
    if not names and model.classes == coco.NUM_CLASSES:
        names = _names(coco.LABEL_MAP)
    return head_rows(model, {number: both[1] for number, both in names.items()})


def _graph(path: str, graph_def, config: Optional[PipelineConfig], names, *, whole: bool) -> Thing:
    nodes, states, metas, found = {}, {}, {}, {}
    for node in files.open_graph(graph_def, path).nodes.values():
        bare = message_class("graphfix.graph.NodeDef")()
        bare.CopyFrom(node)
        if constants.is_constant(node):
            bare.attr.pop("value", None)
            try:
                metas[node.name] = constants.meta_of(node)
                found[node.name] = node
            except ValueError as error:
                raise SourceError(path, str(error), "export the graph again") from None
        nodes[node.name] = Node(node.op, hashlib.sha256(_node_bytes(bare)).hexdigest()[:SHORT])
    known = _heads(metas, config, names)
    for name, node in found.items():
        states[name] = State(metas[name], *_constant(node, path), *known.get(name, ()))
    return Thing(path, whole, nodes=nodes, constants=states)


def _node_bytes(node) -> bytes:
    graph = message_class("graphfix.graph.GraphDef")()
    graph.node.add().CopyFrom(node)
    return files.to_bytes(graph)


def _constant(node, path: str):
    def load():
        try:
            return constants.value_of(node)
        except ValueError as error:
            raise SourceError(path, str(error), "export the graph again") from None

    def digest() -> str:
        try:
            data = constants.value_of(node).tobytes()
        except ValueError:
            data = node.attr["value"].tensor.SerializeToString(deterministic=True)  # strings
        return hashlib.sha256(data).hexdigest()
    return digest, load
