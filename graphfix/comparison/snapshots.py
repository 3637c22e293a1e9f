"""Snapshots of what `diff` and `check` are given: a model's directory, archive, or single file."""

import os
from typing import Any, Container, Dict, Mapping, Optional, Set

from graphfix.comparison.configs import config_fields, label_fields, relative_to, with_mark
from graphfix.comparison.folders import other_files, shard_of
from graphfix.comparison.graphs import graph_state, saved_states
from graphfix.comparison.states import Snapshot, TensorState, head_rows
from graphfix.detectors import coco
from graphfix.detectors.describe import describe
from graphfix.errors import SourceError
from graphfix.formats.archive import Unpacked
from graphfix.formats.checkpoint import reader, stored_bytes
from graphfix.formats.graphdef import files, kinds
from graphfix.formats.regular_files import read_file
from graphfix.formats.schema import message_class
from graphfix.formats.tensors import TensorMeta
from graphfix.formats.textproto import Document, bind
from graphfix.modeldir import foreign
from graphfix.modeldir.names import CONFIG, FROZEN, LABEL_MAP, SAVED_MODEL, SAVED_MODEL_DIRECTORY
from graphfix.modeldir.search import find_archive, find_frozen, find_prefix
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.label_map import LabelMap, parse_label_map

_TEXTS = (".config", ".pbtxt", ".txt", ".prototxt")


def open_snapshot(path: str, *, ignored: Container[str] = ()) -> Snapshot:
    """The snapshot of what a path names, without reading tensors' values.  In a directory, files
    whose real paths are in `ignored` do not count.

    Raises:
      SourceError: it is missing or damaged.
      RequestError: it leaves open which checkpoint is meant.
    """
    if find_archive(path):
        unpacked = Unpacked(path)
        return _directory(path, unpacked.directory, unpacked, None)
    if os.path.isdir(path):
        return _directory(path, path, None, ignored)
    graph = path.endswith(".pb") or kinds.is_text(path)
    if path.endswith(_TEXTS) and not graph:
        return _text(path)
    if graph:
        if os.path.basename(path) in kinds.SAVED_MODEL_FILES:
            return _directory(path, os.path.dirname(path) or ".", None, ignored)
        heads = _Heads(os.path.dirname(path))
        return Snapshot(path, False, graphs={"": _frozen(path, heads)})
    foreign.refuse(path)
    prefix = find_prefix(path)
    return Snapshot(path, False, tensors=_checkpoint(prefix, _Heads(os.path.dirname(prefix))))


def _directory(
    path: str, directory: str, holder: Any, ignored: Optional[Container[str]]
) -> Snapshot:
    """`ignored` is None for an archive, which is unpacked only in part: its other files do not
    count."""
    frozen = find_frozen(directory)
    heads = _Heads(directory)
    known, graphs = set(heads.read), {}
    raw = heads.fields
    if frozen is not None and frozen == directory:
        graphs.update(_saved_model(directory, heads))
        known.add(os.path.basename(kinds.saved_model_file(directory)))
    elif os.path.isfile(os.path.join(directory, FROZEN)):
        graphs[""] = _frozen(os.path.join(directory, FROZEN), heads)
        known.add(FROZEN)
    inner = os.path.join(directory, SAVED_MODEL_DIRECTORY)
    if kinds.is_saved_model(inner):
        graphs.update(
            (SAVED_MODEL_DIRECTORY + place, graph)
            for place, graph in _saved_model(inner, heads).items()
        )
        known.add(SAVED_MODEL)
    tensors = None
    if frozen is None:
        prefix = find_prefix(directory)
        tensors, stem = _checkpoint(prefix, heads), os.path.basename(prefix)
        known.add(stem + ".index")
        known.update(name for name in os.listdir(directory) if shard_of(name) == stem)
    return Snapshot(
        path,
        True,
        tensors,
        relative_to(directory, raw) if raw is not None else None,
        raw,
        heads.labels,
        graphs or None,
        None if ignored is None else other_files(directory, known, ignored),
        holder,
    )


class _Heads:
    """A directory's config and label map, the fields of each (None without one), and by them the
    roles of heads' tensors; `read` has the names of the files that were read."""

    def __init__(self, directory: str):
        self.config = self.fields = self.labels = None
        self.read: Set[str] = set()
        self._names: Mapping[int, str] = {}
        self._directory = os.path.basename(os.path.abspath(directory))
        path = os.path.join(directory, CONFIG)
        if os.path.isfile(path):
            data = read_file(path)
            self.config = parse_config(data, path)
            self.fields = with_mark(data, config_fields(self.config))
            self.read.add(CONFIG)
        path = os.path.join(directory, LABEL_MAP)
        if os.path.isfile(path):
            data = read_file(path)
            self._names = _names(parse_label_map(data, path))
            self.labels = label_fields(data)
            self.read.add(LABEL_MAP)

    def __call__(self, metas: Mapping[str, TensorMeta]):
        """{tensor: (role, classes)}; empty unless config and tensors are of the same model."""
        if self.config is None:
            return {}
        try:
            model = describe(self.config.message, metas, config="config", checkpoint="checkpoint")
        except SourceError:
            return {}
        names = self._names
        if (
            not names
            and model.classes == coco.NUM_CLASSES
            and coco.said_by(self.config.message, [self._directory])
        ):
            names = _names(coco.LABEL_MAP)
        return head_rows(model, names)


def _names(label_map: LabelMap) -> Dict[int, str]:
    return {label.id: label.display_name for label in label_map.labels}


def _text(path: str) -> Snapshot:
    """A label map or a config: what is not a label map is read as a config."""
    data = read_file(path)
    if bind(Document.parse(data, subject=path), message_class("graphfix.labels.StringIntLabelMap"))[
        0
    ].item:
        parse_label_map(data, path)
        return Snapshot(path, False, labels=label_fields(data))
    fields = with_mark(data, config_fields(parse_config(data, path)))
    return Snapshot(
        path, False, config=relative_to(os.path.dirname(path), fields), raw_config=fields
    )


def _checkpoint(prefix: str, heads: _Heads) -> Dict[str, TensorState]:
    store = reader.open_bundle(prefix)
    known = heads({name: view.meta for name, view in store.items()})
    return {
        name: TensorState(view.meta, _digest_of(view), view.load, *known.get(name, ()))
        for name, view in store.items()
    }


def _digest_of(view):
    return lambda: stored_bytes.digest(view)


def _frozen(path: str, heads: _Heads):
    file = files.open_frozen(path)
    file.graph()
    return graph_state(file.message, heads)


def _saved_model(directory: str, heads: _Heads):
    file = files.open_saved_model(directory)
    file.graph()
    return saved_states(file.message, heads)
