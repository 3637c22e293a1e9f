"""Opens what the user names as SOURCE: a model directory, its archive, or a checkpoint prefix; and
its config."""

import dataclasses
import glob
import hashlib
import json
import os
from typing import Dict, NamedTuple, Optional, Tuple

from graphfix.detectors import coco
from graphfix.detectors.describe import ModelSpec, describe
from graphfix.errors import GraphfixError, RequestError, SourceError
from graphfix.findings import INFO, WARNING, Finding
from graphfix.formats import regular_files
from graphfix.formats.archive import SUFFIXES, Unpacked
from graphfix.formats.checkpoint import reader
from graphfix.formats.graphdef import files
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.tensors import TensorStore
from graphfix.graph_import.thaw import thaw
from graphfix.pipeline_config.document import PipelineConfig, parse_config
from graphfix.pipeline_config.label_map import LabelMap, parse_label_map

LABEL_MAP = "label_map.pbtxt"
CONFIG = "pipeline.config"
FROZEN = "frozen_inference_graph.pb"
# Where the stock exporter leaves its SavedModel, beside the checkpoint and the frozen graph.
SAVED_MODEL = "saved_model/saved_model.pb"
# What convert leaves beside the checkpoint it writes.
PLAN_JSON = "plan.json"
_GIVE = "if the source was trained with others, pass its label map as --source_label_map_path"
_MOST_OF_PLAN = 256 << 20
# The finding of a label map that lies beside a source and is another model's.
NOT_THE_SOURCES = "LABEL_MAP_NOT_THE_SOURCES"


@dataclasses.dataclass(frozen=True)
class Source:
    """An opened model.  `path` is what the user named; `digest` tells its config and index (and so
    its tensors' checksums); `frozen` is the frozen graph beside the checkpoint, or instead of one,
    then also opened, as `graph`; `unpacked` keeps an archive's files where they are; `findings` say
    what had to be made up.  Where the config is `inferred`, `config_path` is the graph's."""

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
    path: str = ""

    @property
    def metas(self):
        return {name: view.meta for name, view in self.store.items()}

    @property
    def paths(self) -> Tuple[str, ...]:
        """The files it consists of, and those of its tensors; a prefix stands for its files."""
        found = [
            self.prefix,
            self.config_path,
            self.frozen,
            os.path.join(os.path.dirname(self.prefix), LABEL_MAP),
        ]
        found += sorted({view.extent.path for view in self.store.values() if view.extent})
        return tuple(path for path in found if path)


def read_file(path: str, *, limit: int = 16 << 20, pipes: bool = False) -> bytes:
    """The bytes of a text file, `limit` at most; with `pipes`, of a pipe that a person named.

    Raises:
      SourceError: it cannot be read, or is far too large to be one.
    """
    try:
        data = regular_files.read(path, limit + 1, pipes=pipes)
        if len(data) > limit:
            raise SourceError(
                path,
                f"has more than {limit} bytes, too many for such a file",
                "check that this is the file you meant",
            )
        return data
    except OSError as error:
        raise SourceError(
            path, f"cannot be read: {error.strerror}", "check the path and its permissions"
        ) from None


def open_source(path: str, *, config_path: Optional[str] = None) -> Source:
    """Opens a model; reads metadata only.

    Raises:
      SourceError: a file is missing or damaged, or the config is not the checkpoint's.
      RequestError: `path` does not say which checkpoint is meant.
    """
    return dataclasses.replace(_opened(path, config_path), path=path)


def _opened(path: str, config_path: Optional[str]) -> Source:
    if os.path.isfile(path) and path.endswith(SUFFIXES):
        unpacked = Unpacked(path)
        try:
            source = open_source(unpacked.directory, config_path=config_path)
        except GraphfixError as error:
            # The user knows the archive, not where it was unpacked to.
            raise type(error).collected(
                dataclasses.replace(
                    problem,
                    subject=problem.subject.replace(unpacked.directory, path),
                    message=problem.message.replace(unpacked.directory, path),
                )
                for problem in error.problems
            ) from None
        return dataclasses.replace(
            source,
            unpacked=unpacked,
            findings=source.findings
            + (
                ()
                if unpacked.checked
                else (
                    Finding(
                        "NO_CHECKSUMS",
                        INFO,
                        "the source",
                        "is a tar archive without gzip, which has no checksums "
                        "of its files: damage shows only in a checkpoint's tensors, which have "
                        "their own",
                        "compare the archive's SHA-256 with that of where it is published",
                    ),
                )
            ),
        )
    frozen = find_frozen(path)
    if frozen:
        return open_frozen(frozen, config_path=config_path)
    prefix = find_prefix(path)
    where = config_path or os.path.join(os.path.dirname(prefix), CONFIG)
    # The index first: of a path that leads nowhere, it says so.
    index = reader.read_index(prefix)
    data = read_file(where, pipes=config_path is not None)
    config = parse_config(data, where)
    store = reader.open_bundle(prefix, index)
    metas = {name: view.meta for name, view in store.items()}
    model = describe(config.message, metas, config=where, checkpoint=prefix)
    frozen = os.path.join(os.path.dirname(prefix), FROZEN)
    return Source(
        prefix,
        config,
        where,
        store,
        model,
        hashlib.sha256(hashlib.sha256(data).digest() + hashlib.sha256(index).digest()).hexdigest(),
        frozen if os.path.isfile(frozen) else None,
    )


def open_frozen(path: str, *, config_path: Optional[str] = None, partial: bool = False) -> Source:
    """Opens a frozen graph or a SavedModel directory, thawed; where it has no config, one is
    inferred, which the findings say.

    Raises:
      SourceError: it or its config is missing or damaged, they are not of one model, or there is
        no config and none can be inferred.
    """
    if os.path.isdir(path):
        where, beside = (
            os.path.join(path, files.SAVED_MODEL),
            os.path.dirname(os.path.abspath(path)),
        )
        graph_def = files.serving_graph(files.read_saved_model(path)).graph_def
    else:
        where, beside = path, os.path.dirname(path)
        graph_def = files.read_graph_def(path)
    graph = files.open_graph(graph_def, where)
    store, findings = thaw(graph, subject=where, partial=partial)
    metas = {name: view.meta for name, view in store.items()}
    config_where = config_path or os.path.join(beside, CONFIG)
    if config_path is not None or os.path.exists(config_where):
        data = read_file(config_where, pipes=config_path is not None)
        name, inferred = config_where, None
    else:
        # Few sources lack their config: the code that makes one up is not loaded for nothing.
        from graphfix.graph_import.infer_config import infer_config

        inferred = infer_config(graph, metas, subject=where)
        data, name, config_where = inferred.data, f"the config inferred from {where}", where
        findings += inferred.findings
    config = parse_config(data, name)
    model = describe(config.message, metas, config=name, checkpoint=where)
    # Checkpoints have no need of it.
    from graphfix.detectors.unread_layers import add_unread

    store, unread = add_unread(config.message, store, where)
    with open(where, "rb") as file:
        digest = hashlib.sha256(file.read()).digest()
    return Source(
        path,
        config,
        config_where,
        store,
        model,
        hashlib.sha256(hashlib.sha256(data).digest() + digest).hexdigest(),
        None if os.path.isdir(path) else path,
        None,
        findings + unread,
        inferred is not None,
        None if os.path.isdir(path) else graph,
    )


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
        return path[: -len(".index")]
    if ".data-" in os.path.basename(path):
        return path[: path.rindex(".data-")]
    if not os.path.isdir(path):
        return path
    found = sorted(glob.glob(os.path.join(glob.escape(path), "*.index")))
    preferred = os.path.join(path, "model.ckpt.index")
    if preferred in found:
        return preferred[: -len(".index")]
    if len(found) == 1:
        return found[0][: -len(".index")]
    if not found:
        raise SourceError(
            path,
            "holds no checkpoint (no *.index file)",
            "name a model directory, or a checkpoint's prefix",
        )
    raise RequestError(
        path,
        f"holds {len(found)} checkpoints: {', '.join(os.path.basename(one) for one in found)}",
        "name the prefix of the one you mean",
    )


class SourceLabels(NamedTuple):
    """The names of a source's classes, None where nobody knows them, and what there is to say of
    where they are from."""

    labels: Optional[LabelMap]
    findings: Tuple[Finding, ...]


def source_labels(
    source: Source,
    path: Optional[str],
    *,
    target: Optional[LabelMap] = None,
    target_path: str = "",
    beside: bool = True,
) -> SourceLabels:
    """The names of the source's classes: those of the map given; of the map beside the checkpoint,
    unless that is the target's; COCO's for 90 classes.

    The map beside that is `target`, from the file `target_path`, or has its very classes, is the
    source's where graphfix's plan beside it says so, or where they are COCO's.  Else it is not if
    it has another number of classes than the source.  If it has as many, a copy is taken for the
    source's, whose classes then stay; of the same file nobody can know.  `beside`: whether the
    map beside may be taken at all.

    Raises:
      SourceError: the map is damaged, or has ids beyond the model's classes.
      RequestError: the map beside may be the source's or the target's.
    """
    count = source.model.classes
    if path is not None:
        labels = _fitting(parse_label_map(read_file(path), path), path, source)
        flag = "--source_label_map_path"
        if target is not None and labels.labels == target.labels and labels.max_id != count:
            return SourceLabels(
                labels,
                (
                    Finding(
                        "SOURCE_NAMES",
                        WARNING,
                        flag,
                        (
                            f"has the target's classes, with ids up to {labels.max_id}, and the "
                            f"source has {count} classes"
                        ),
                        "pass the label map that the source was trained with",
                    ),
                ),
            )
        return SourceLabels(labels, _from(flag, "gives the names of the source's classes"))
    found = os.path.join(os.path.dirname(source.prefix), LABEL_MAP)
    told: Tuple[Finding, ...] = ()
    like_coco = count == coco.NUM_CLASSES
    if beside and os.path.exists(found):
        labels = parse_label_map(read_file(found), found)
        targets = target is not None and labels.labels == target.labels
        same = targets and os.path.samefile(found, target_path)
        if not targets:
            _fitting(labels, found, source)
        if (
            (labels.max_id == count and not same)
            or _names(labels) == _names(coco.LABEL_MAP)
            or _is_of_plan(labels, os.path.join(os.path.dirname(found), PLAN_JSON))
        ):
            return SourceLabels(
                _fitting(labels, found, source),
                _from(LABEL_MAP, "beside the source gives the names of its classes"),
            )
        if same and labels.max_id == count:
            raise RequestError(
                "--label_map_path",
                (
                    f"is the {LABEL_MAP} beside the source, and has as many classes as it: "
                    "nobody can tell whether the source was trained with them"
                ),
                "if it was, pass the same file as --source_label_map_path, too; else move it away "
                "from the source",
            )
        if not targets and not like_coco:
            return SourceLabels(
                labels,
                (
                    Finding(
                        "SOURCE_NAMES",
                        WARNING,
                        LABEL_MAP,
                        (
                            "beside the source gives the names of its "
                            f"classes, though its ids end with {labels.max_id}, and the source "
                            f"has {count} classes"
                        ),
                        _GIVE,
                    ),
                ),
            )
        classes = "the target's classes, with " if targets else ""
        told = (
            Finding(
                NOT_THE_SOURCES,
                WARNING,
                LABEL_MAP,
                "beside the source is not taken for the source's: "
                f"it has {classes}ids up to {labels.max_id}, and the source has {count} classes",
                _GIVE,
            ),
        )
    if not like_coco:
        return SourceLabels(None, told)
    return SourceLabels(
        coco.LABEL_MAP, told + _from("the source", "has 90 classes, which are taken for COCO's")
    )


def _from(subject: str, message: str) -> Tuple[Finding, ...]:
    return (Finding("SOURCE_NAMES", INFO, subject, message, _GIVE),)


def _fitting(labels: LabelMap, path: str, source: Source) -> LabelMap:
    if labels.max_id > source.model.classes:
        raise SourceError(
            path,
            f"has the id {labels.max_id}, but the model of {source.config_path} has "
            f"{source.model.classes} classes",
            "give the label map the model was trained with",
        )
    return labels


def _names(labels: LabelMap) -> Dict[int, str]:
    return {label.id: label.display_name for label in labels.labels}


def _is_of_plan(labels: LabelMap, path: str) -> bool:
    """Whether a plan by which graphfix made a model says that these are its classes."""
    try:
        rows = json.loads(read_file(path, limit=_MOST_OF_PLAN).decode("utf-8"))["classes"]
        return [(one.id, one.name, one.display_name) for one in labels.labels] == [
            (row["id"], row["name"], row["display_name"]) for row in rows if row["name"]
        ]
    except (SourceError, ValueError, KeyError, TypeError, RecursionError):
        return False
