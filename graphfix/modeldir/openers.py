"""Opens what the user names as SOURCE.

`OPENERS` lists every kind of model that can be opened; the first that recognises a path opens it.
An opener reads metadata only, and gives a `Model` whatever the kind.
"""

import dataclasses
import hashlib
import os
from typing import Any, Callable, NamedTuple, Optional, Tuple

from graphfix.detectors.describe import ModelSpec, describe
from graphfix.findings import INFO, Finding, count
from graphfix.formats import extents
from graphfix.formats.archive import Unpacked
from graphfix.formats.checkpoint import reader
from graphfix.formats.extents import Span
from graphfix.formats.graphdef.kinds import saved_model_file
from graphfix.formats.regular_files import read_file
from graphfix.formats.tensors import TensorStore
from graphfix.modeldir import foreign
from graphfix.modeldir.edited_config import Asked, settle
from graphfix.modeldir.names import CONFIG, FROZEN, LABEL_MAP, META
from graphfix.modeldir.search import choice, find_archive, find_frozen, find_prefix, model_of
from graphfix.pipeline_config.document import PipelineConfig, parse_config
from graphfix.process.background import Background


@dataclasses.dataclass(frozen=True, repr=False)
class Model:
    """An opened model.

    `prefix` is the checkpoint's, or the path of a frozen graph that is opened instead of one.
    `meta_graph` is the graph that a checkpoint's `.meta` has, read when it is first asked for.
    `digest`, of config and index, changes with any tensor: the index has their checksums.
    `frozen` is the path of the frozen graph in the same directory, `graph` that graph where it was
    opened (a Graph), `graph_file` its GraphFile or that of the SavedModel that was opened.
    `unpacked` keeps an archive's files as long as they are needed.  `findings` say what had to be
    assumed.  Where the config was `inferred` from a graph, `config_path` is the graph's.
    Where the config was edited for other classes, `config` has the number that the heads have, and
    `asked` what the edit asks for.  `path` is what the user named.
    """

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
    graph: Any = None
    graph_file: Any = None
    meta_graph: "MetaGraph" = dataclasses.field(default_factory=lambda: MetaGraph(None))
    path: str = ""
    asked: Optional[Asked] = None

    def __repr__(self) -> str:
        classes = count(self.model.classes, "class", "classes")
        return f"<Model {self.path}: {self.model.family}, {classes}>"

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
            self.meta_graph.path,
            os.path.join(os.path.dirname(self.prefix), LABEL_MAP),
        ]
        found += sorted({view.extent.path for view in self.store.values() if view.extent})
        return tuple(path for path in found if path)


class MetaGraph:
    """The graph of a `.meta` file beside a checkpoint; `path` is None where there is none."""

    def __init__(self, path: Optional[str]):
        self.path = path
        self._graph: Any = None

    def __bool__(self) -> bool:
        return self.path is not None

    @property
    def graph(self) -> Any:
        """The Graph, None where there is none; read once.  Copy it to change it.

        Raises:
          SourceError: the file is damaged.
        """
        if self.path is not None and self._graph is None:
            from graphfix.formats.graphdef import files

            self._graph = files.open_meta_graph(self.path).graph()
        return self._graph


class Opener(NamedTuple):
    """A kind of model.  `find` gives the path to open, None for a path that is of another kind or
    has none; `open` takes that path and the config's, where the user gave one."""

    kind: str
    find: Callable[[str], Optional[str]]
    open: Callable[[str, Optional[str]], Model]


def open_source(path: str, *, config_path: Optional[str] = None) -> Model:
    """Opens a model; reads metadata only.

    Raises:
      SourceError: a file is missing or damaged, or the config is not the checkpoint's.
      RequestError: `path` does not say which checkpoint is meant.
    """
    model, config = model_of(path)
    foreign.refuse(model)
    for opener in OPENERS:
        found = opener.find(model)
        if found is not None:
            source = opener.open(found, config_path or config)
            return dataclasses.replace(source, path=path, findings=source.findings + choice(model))
    raise AssertionError("the last opener takes every path")


def _open_archive(path: str, config_path: Optional[str]) -> Model:
    unpacked = Unpacked(path)
    source = open_source(unpacked.directory, config_path=config_path)
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


def _open_checkpoint(prefix: str, config_path: Optional[str]) -> Model:
    directory = os.path.dirname(prefix)
    where = config_path or os.path.join(directory, CONFIG)
    # The index first: of a path that leads nowhere, it says so.
    index = reader.read_index(prefix)
    foreign.refuse_index(prefix, index)
    meta_graph = MetaGraph(prefix + META if os.path.isfile(prefix + META) else None)
    beside = os.path.join(directory, FROZEN)
    frozen = beside if os.path.isfile(beside) else None
    data, name = b"", where
    findings: Tuple[Finding, ...] = ()
    asked: Optional[Asked] = None
    inferred = config_path is None and not os.path.lexists(where)
    if not inferred:
        data = read_file(where, pipes=config_path is not None)
        given = parse_config(data, where)
    store = reader.open_bundle(prefix, index)
    metas = {name: view.meta for name, view in store.items()}
    if not inferred:
        config, asked, findings = settle(given, metas, checkpoint=prefix)
    else:
        # Few sources lack their config: the code that makes one up is not loaded for nothing.
        from graphfix.modeldir.missing_config import infer_beside

        data, name, where, findings = infer_beside(prefix, metas, meta_graph, frozen)
        config = parse_config(data, name)
    model = describe(config.message, metas, config=name, checkpoint=prefix)
    return Model(
        prefix,
        config,
        where,
        store,
        model,
        hashlib.sha256(hashlib.sha256(data).digest() + hashlib.sha256(index).digest()).hexdigest(),
        frozen,
        findings=findings,
        inferred=inferred,
        meta_graph=meta_graph,
        asked=asked,
    )


def open_frozen(path: str, config_path: Optional[str] = None, *, partial: bool = False) -> Model:
    """Opens a frozen graph or a SavedModel directory, thawed; where it has no config, one is
    inferred, which the findings say.

    Raises:
      SourceError: it or its config is missing or damaged, they are not of one model, or there is
        no config and none can be inferred.
    """
    # A checkpoint needs none of it.
    from graphfix.formats.graphdef import files
    from graphfix.graph_import.thaw import thaw

    if os.path.isdir(path):
        where, beside = saved_model_file(path), os.path.dirname(os.path.abspath(path))
    else:
        where, beside = path, os.path.dirname(path)
    whole = hashlib.sha256()

    def read(step: Callable[[], None]) -> None:
        size = os.path.getsize(where) if os.path.isfile(where) else 0
        for chunk in extents.chunks(Span(where, 0, size)):
            step()
            whole.update(chunk)

    with Background(read):
        file = files.open_saved_model(path) if os.path.isdir(path) else files.open_frozen(path)
        graph = file.graph()
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
    config, asked, settled = settle(parse_config(data, name), metas, checkpoint=where)
    model = describe(config.message, metas, config=name, checkpoint=where)
    # Checkpoints have no need of it.
    from graphfix.detectors.unread_layers import add_unread

    store, unread = add_unread(config.message, store, where)
    return Model(
        path,
        config,
        config_where,
        store,
        model,
        hashlib.sha256(hashlib.sha256(data).digest() + whole.digest()).hexdigest(),
        None if os.path.isdir(path) else path,
        None,
        findings + settled + unread,
        inferred is not None,
        None if os.path.isdir(path) else graph,
        graph_file=file,
        asked=asked,
    )


OPENERS = (
    Opener("a tar or zip archive of one of the others", find_archive, _open_archive),
    Opener("a frozen graph or a SavedModel", find_frozen, open_frozen),
    # The last: any other path is a prefix, whose index may be missing.
    Opener("a checkpoint", find_prefix, _open_checkpoint),
)
