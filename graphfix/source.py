"""Opens what the user names as SOURCE: a model directory, its archive, or a checkpoint prefix; and
its config."""

import dataclasses
import glob
import hashlib
import os
from typing import Optional, Tuple

from graphfix.archive import SUFFIXES, Unpacked
from graphfix.bundle import reader
from graphfix.config.pipeline import PipelineConfig, parse_config
from graphfix.errors import GraphfixError, RequestError, SourceError
from graphfix.findings import INFO, Finding
from graphfix.graphdef import files
from graphfix.graphdef.graph import Graph
from graphfix.labels import LabelMap, parse_label_map
from graphfix.model import coco
from graphfix.model.describe import ModelSpec, describe
from graphfix.tensors import TensorStore
from graphfix.thaw import thaw

LABEL_MAP = "label_map.pbtxt"
CONFIG = "pipeline.config"
FROZEN = "frozen_inference_graph.pb"


@dataclasses.dataclass(frozen=True)
class Source:
    """An opened model.  `digest` tells its config and index (and so its tensors' checksums);
    `frozen` is the frozen graph beside the checkpoint, or instead of one, then also opened, as
    `graph`; `unpacked` keeps an archive's files where they are; `findings` say what had to be made
    up.  Where the config is `inferred`, `config_path` is the graph's."""

    prefix: str
    config: PipelineConfig
    config_path: str
    store: TensorStore
    model: ModelSpec
    digest: str
    frozen: Optional[str] = None
    unpacked: Optional[Unpacked] = None
    findings: Tuple[Finding, ...] = ()
    inferred: bool = False
    graph: Optional[Graph] = None

    @property
    def metas(self):
        return {name: view.meta for name, view in self.store.items()}

    @property
    def paths(self) -> Tuple[str, ...]:
        """The files it consists of, and those of its tensors; a prefix stands for its files."""
        found = [self.prefix, self.config_path, self.frozen, os.path.join(
            os.path.dirname(self.prefix), LABEL_MAP)]
        found += sorted({view.extent.path for view in self.store.values() if view.extent})
        return tuple(path for path in found if path)


def read_file(path: str, *, limit: int = 16 << 20) -> bytes:
    """The bytes of a text file, `limit` at most.

    Raises:
      SourceError: it cannot be read, or is far too large to be one.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise SourceError(path, "has more than %d bytes, too many for such a file" % limit,
                              "check that this is the file you meant")
        return data
    except OSError as error:
        raise SourceError(path, "cannot be read: %s" % error.strerror,
                          "check the path and its permissions") from None


def open_source(path: str, *, config_path: Optional[str] = None) -> Source:
    """Opens a model; reads metadata only.

    Raises:
      SourceError: a file is missing or damaged, or the config is not the checkpoint's.
      RequestError: `path` does not say which checkpoint is meant.
    """
    if os.path.isfile(path) and path.endswith(SUFFIXES):
        unpacked = Unpacked(path)
        try:
            source = open_source(unpacked.directory, config_path=config_path)
        except GraphfixError as error:
            # The user knows the archive, not where it was unpacked to.
            raise type(error).collected(
                dataclasses.replace(problem, subject=problem.subject.replace(
                    unpacked.directory, path), message=problem.message.replace(
                        unpacked.directory, path)) for problem in error.problems) from None
        return dataclasses.replace(source, unpacked=unpacked, findings=source.findings + (
            () if unpacked.checked else (Finding(
                "NO_CHECKSUMS", INFO, path, "is a tar archive without gzip, which has no checksums "
                "of its files: damage shows only in a checkpoint's tensors, which have their own",
                "compare the archive's SHA-256 with that of where it is published"),)))
    frozen = find_frozen(path)
    if frozen:
        return open_frozen(frozen, config_path=config_path)
    prefix = find_prefix(path)
    where = config_path or os.path.join(os.path.dirname(prefix), CONFIG)
    # The index first: of a path that leads nowhere, it says so.
    index = reader.read_index(prefix)
    data = read_file(where)
    config = parse_config(data, where)
    store = reader.open_bundle(prefix, index)
    metas = {name: view.meta for name, view in store.items()}
    model = describe(config.message, metas, config=where, checkpoint=prefix)
    frozen = os.path.join(os.path.dirname(prefix), FROZEN)
    return Source(prefix, config, where, store, model, hashlib.sha256(
        hashlib.sha256(data).digest() + hashlib.sha256(index).digest()).hexdigest(),
                  frozen if os.path.isfile(frozen) else None)


def open_frozen(path: str, *, config_path: Optional[str] = None, partial: bool = False) -> Source:
    """Opens a frozen graph or a SavedModel directory, thawed; where it has no config, one is
    inferred, which the findings say.

    Raises:
      SourceError: it or its config is missing or damaged, they are not of one model, or there is
        no config and none can be inferred.
    """
    if os.path.isdir(path):
        where, beside = os.path.join(path, files.SAVED_MODEL), os.path.dirname(os.path.abspath(path))
        graph_def = files.serving_graph(files.read_saved_model(path)).graph_def
    else:
        where, beside = path, os.path.dirname(path)
        graph_def = files.read_graph_def(path)
    graph = files.open_graph(graph_def, where)
    store, findings = thaw(graph, subject=where, partial=partial)
    metas = {name: view.meta for name, view in store.items()}
    config_where = config_path or os.path.join(beside, CONFIG)
    if config_path is not None or os.path.exists(config_where):
        data, name, inferred = read_file(config_where), config_where, None
    else:
        # Few sources lack their config: the code that makes one up is not loaded for nothing.
        from graphfix.infer.config import infer_config
        inferred = infer_config(graph, metas, subject=where)
        data, name, config_where = inferred.data, "the config inferred from %s" % where, where
        findings += inferred.findings
    config = parse_config(data, name)
    model = describe(config.message, metas, config=name, checkpoint=where)
    # Checkpoints have no need of it.
    from graphfix.unread import add_unread
    store, unread = add_unread(config.message, store, where)
    with open(where, "rb") as file:
        digest = hashlib.sha256(file.read()).digest()
    return Source(path, config, config_where, store, model, hashlib.sha256(
        hashlib.sha256(data).digest() + digest).hexdigest(),
                  None if os.path.isdir(path) else path, None, findings + unread,
                  inferred is not None,
                  None if os.path.isdir(path) else graph)


def find_frozen(path: str) -> Optional[str]:
    """The frozen graph or SavedModel that a path means, None where it means a checkpoint."""
    if path.endswith(".pb") and os.path.isfile(path):
        return os.path.dirname(path) or "." if os.path.basename(path) == files.SAVED_MODEL else path
    if not os.path.isdir(path) or glob.glob(os.path.join(glob.escape(path), "*.index")):
        return None
    frozen = os.path.join(path, FROZEN)
    if os.path.isfile(frozen):
        return frozen
    return path if files.is_saved_model(path) else None


def find_prefix(path: str) -> str:
    """The checkpoint prefix that a directory, a prefix or one of a checkpoint's files means."""
    if path.endswith(".index"):
        return path[:-len(".index")]
    if ".data-" in os.path.basename(path):
        return path[:path.rindex(".data-")]
    if not os.path.isdir(path):
        return path
    found = sorted(glob.glob(os.path.join(glob.escape(path), "*.index")))
    preferred = os.path.join(path, "model.ckpt.index")
    if preferred in found:
        return preferred[:-len(".index")]
    if len(found) == 1:
        return found[0][:-len(".index")]
    if not found:
        raise SourceError(path, "holds no checkpoint (no *.index file)",
                          "name a model directory, or a checkpoint's prefix")
    raise RequestError(path, "holds %d checkpoints: %s" % (
        len(found), ", ".join(os.path.basename(one) for one in found)),
                       "name the prefix of the one you mean")


def source_labels(source: Source, path: Optional[str]) -> Optional[LabelMap]:
    """The names of the source's classes: the map given, the one graphfix left beside the
    checkpoint, COCO's for 90 classes; None where nobody knows.

    Raises:
      SourceError: the map is damaged, or has ids beyond the model's classes.
    """
    if path is None:
        beside = os.path.join(os.path.dirname(source.prefix), LABEL_MAP)
        path = beside if os.path.exists(beside) else None
    if path is None:
        return coco.LABEL_MAP if source.model.classes == coco.NUM_CLASSES else None
    labels = parse_label_map(read_file(path), path)
    if labels.max_id > source.model.classes:
        raise SourceError(path, "has the id %d, but the model of %s has %d classes"
                          % (labels.max_id, source.config_path, source.model.classes),
                          "give the label map the model was trained with")
    return labels
