"""What a trainer would read, read once: the config, and, when a check asks for it, what it names.

Relative paths start in the current directory, as for the trainer.
"""

import functools
import os
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple, TypeVar, cast

import numpy as np

from graphfix.detectors import families
from graphfix.detectors.anchor_generators import describe_anchors
from graphfix.detectors.config_heads import expected_heads
from graphfix.detectors.model_spec import HeadSpec
from graphfix.doctor import field_location
from graphfix.doctor.scan import Scan
from graphfix.doctor.shards import Mapper, make_shards, scan_shards
from graphfix.doctor.values import Values, look_at_values
from graphfix.errors import SourceError
from graphfix.formats import wildcards
from graphfix.formats.checkpoint import reader
from graphfix.formats.regular_files import read_file
from graphfix.formats.schema import message_class
from graphfix.formats.tensors import TensorMeta, TensorStore
from graphfix.formats.textproto import DUPLICATE, Document, bind
from graphfix.pipeline_config.label_map import LabelMap, parse_label_map
from graphfix.pipeline_config.paths import INPUT_READERS
from graphfix.pipeline_config.resizers import check_resizer, constant_size, resized
from graphfix.pipeline_config.schema_history import Schema

_MOST_TWICE = 100


class Options(NamedTuple):
    """What was asked for: the API's month and schema, the trainers (model_main, legacy) that may
    train, the directory they train in, and how many records of each data set to look at (all,
    where None).  `cache` keeps what was read, for the next look at a config of the same files.
    `assumed`: nothing says which month it is, so that a config may need a later one.  `label_maps`
    are read instead of the files of these names.  The files of a data set are scanned in up to
    `jobs` processes, or by `mapper`, if there is one."""

    revision: str
    schema: Schema
    trainers: Tuple[str, ...]
    cache: Dict[tuple, Any]
    model_dir: Optional[str] = None
    sample: Optional[int] = None
    progress: Callable[[str], None] = lambda text: None
    assumed: bool = False
    label_maps: Mapping[str, bytes] = {}
    jobs: int = 1
    mapper: Optional[Mapper] = None


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _once(method: _Method) -> _Method:
    """Keeps a method's results in its object, for as long as that lives (lru_cache would keep the
    object)."""

    @functools.wraps(method)
    def kept(self: "Setup", *arguments: Any) -> Any:
        key = (method.__name__, *arguments)
        if key not in self._results:
            self._results[key] = method(self, *arguments)
        return self._results[key]

    return cast(_Method, kept)


class Setup:
    """A config and what it names.  What can't be opened is None, with its error next to it."""

    def __init__(self, data: bytes, path: str, options: Options):
        """Raises SourceError where the bytes are not text; other faults are left to checks."""
        self.path, self.options, self.data = path, options, data
        self.too_wide: Dict[str, SourceError] = {}
        self._budget = wildcards.Budget()
        self._results: Dict[tuple, Any] = {}
        # A Document and a message, or None and the SourceError.  A check that needs one of them is
        # asked only where it is there.
        self.document: Any = None
        self.syntax: Any = None
        self.message: Any = None
        self.problems: Tuple[Any, ...] = ()
        try:
            self.document = Document.parse(data, subject=path)
            self.message, self.problems = _bind(self.document.without_bom())
        except SourceError as error:
            self.document, self.syntax = None, error

    # The config

    @property
    def meta(self) -> str:
        """The meta-architecture: "ssd", "faster_rcnn", "" where there is no model."""
        return self.message.model.WhichOneof("model") or ""

    @property
    def body(self):
        """The meta-architecture's message."""
        return getattr(self.message.model, self.meta) if self.meta else None

    @property
    def train(self):
        return self.message.train_config

    @property
    def predictor(self):
        """(name, message) of the box predictor; (None, None) where there is none."""
        if self.meta not in families.PREDICTOR_FIELD:
            return None, None
        chosen = getattr(self.body, families.PREDICTOR_FIELD[self.meta])
        name = chosen.WhichOneof("box_predictor_oneof")
        return name, getattr(chosen, name) if name else None

    @property
    def optimizer(self):
        """(name, message) of the optimizer; (None, None) where there is none."""
        name = self.train.optimizer.WhichOneof("optimizer")
        return name, getattr(self.train.optimizer, name) if name else None

    def where(self, *path: str) -> str:
        """`file:line:column` of the field at a path, or of the innermost block of it that exists;
        of several, the first."""
        path = tuple(step.partition("[")[0] for step in path)
        for end in range(len(path), 0, -1):
            found = self.document.find(path[:end])
            if found:
                return found[0].where
        return self.path

    def readers(self):
        """(block's name, its message) of the input readers there are; of several, the first."""
        for name in INPUT_READERS:
            blocks = getattr(self.message, name)
            if name == INPUT_READERS[1]:
                blocks = list(blocks)[:1]
            elif self.message.HasField(name):
                blocks = [blocks]
            else:
                blocks = []
            for message in blocks:
                yield name, message

    # What it names

    def files(self, name: str) -> List[str]:
        """The files that TensorFlow finds for an input path, which may be a pattern."""
        return [path for path in self.found(name) if os.path.isfile(path)]

    @_once
    def found(self, name: str) -> Tuple[str, ...]:
        """What a path, which may be a pattern, matches; nothing, and a note in `too_wide`, where
        the search would take too long."""
        try:
            return tuple(
                path for path in wildcards.find(name, self._budget) if os.path.exists(path)
            )
        except SourceError as error:
            self.too_wide[name] = error
            return ()

    def label_data(self, path: str) -> bytes:
        """The bytes of a label map.

        Raises:
          SourceError: it can't be read.
        """
        given = self.options.label_maps.get(path)
        return read_file(path) if given is None else given

    @_once
    def label_map(self, path: str) -> Tuple[Optional[LabelMap], Optional[SourceError]]:
        try:
            return parse_label_map(self.label_data(path), path), None
        except SourceError as error:
            return None, error

    @_once
    def label_document(self, path: str) -> Optional[Document]:
        """A label map as it is written, even where it is not valid."""
        try:
            return Document.parse(self.label_data(path), subject=path).without_bom()
        except SourceError:
            return None

    @_once
    def scan(self, name: str) -> Scan:
        """What the records of an input reader (a block's name) have."""
        message = dict(self.readers())[name]
        paths = [
            path
            for pattern in message.tf_record_input_reader.input_path
            for path in self.files(pattern)
        ]
        labels = self.label_map(message.label_map_path)[0] if message.label_map_path else None
        return self._kept(
            ("records", tuple(paths), labels, message.load_instance_masks),
            lambda: scan_shards(
                make_shards(paths, labels, masks=message.load_instance_masks),
                sample=self.options.sample,
                progress=self.options.progress,
                jobs=self.options.jobs,
                mapper=self.options.mapper,
            ),
        )

    def _kept(self, key: tuple, read: Callable[[], Any]) -> Any:
        if key not in self.options.cache:
            self.options.cache[key] = read()
        return self.options.cache[key]

    def resized(self, sizes: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """(height, width) in pixels [N, 2] that images have once the config's resizer has scaled
        them, and once it has padded them; unchanged by a resizer that the API cannot build."""
        if not self._resizes() or not len(sizes):
            return sizes, sizes
        return resized(self.body.image_resizer, sizes)

    @_once
    def _resizes(self) -> bool:
        try:
            check_resizer(self.body.image_resizer, self.path)
        except SourceError:
            return False
        return True

    def bundle(self, prefix: str) -> Tuple[Optional[TensorStore], Optional[SourceError]]:
        """A checkpoint's tensors, unread."""

        def read():
            try:
                return reader.open_bundle(prefix), None
            except SourceError as error:
                return None, error

        return self._kept(("bundle", prefix), read)

    def values(self, prefix: str) -> Values:
        """What is wrong with a checkpoint's values."""
        return self._kept(("values", prefix), lambda: look_at_values(self.bundle(prefix)[0] or {}))

    @property
    def checkpoint(self) -> Optional[TensorStore]:
        """The tensors of fine_tune_checkpoint, None where there is none that can be opened."""
        prefix = self.train.fine_tune_checkpoint
        return self.bundle(prefix)[0] if prefix else None

    def metas(self, prefix: str) -> Dict[str, TensorMeta]:
        store = self.bundle(prefix)[0]
        return self._kept(
            ("metas", prefix), lambda: {name: view.meta for name, view in (store or {}).items()}
        )

    @_once
    def heads(self, prefix: str) -> Tuple[HeadSpec, ...]:
        """The heads of the config's model, under a checkpoint's names; none for a model that
        graphfix does not know."""
        try:
            return expected_heads(self.message, self.metas(prefix), config=self.path)[1]
        except SourceError:
            return ()

    @_once
    def anchors(self):
        """(AnchorSpec, None), or (None, why there is none); two None for other models."""
        if self.meta not in families.ANCHOR_FIELD:
            return None, None
        try:
            return describe_anchors(
                getattr(self.body, families.ANCHOR_FIELD[self.meta]),
                self.path,
                constant_size(self.body.image_resizer),
            ), None
        except SourceError as error:
            return None, error


def _bind(document: Document):
    """The message of a document, and what is wrong with it.  Of a field that is set twice the last
    one counts: that is how the API reads configs (text_format.Merge)."""
    kind = message_class("graphfix.pipeline.TrainEvalPipelineConfig")
    message, problems = bind(document, kind)
    left = problems
    twice = [problem for problem in problems if problem.kind == DUPLICATE]
    if len(twice) > _MOST_TWICE:  # each takes parsing the config again
        raise SourceError(
            twice[0].problem.subject,
            (f"more than {_MOST_TWICE} fields are set twice, of which this is the first"),
            "keep the one of each that counts",
        )
    while any(problem.kind == DUPLICATE for problem in left):
        again = next(problem for problem in left if problem.kind == DUPLICATE)
        place = field_location.locate(document, again.line, again.column)
        assert place is not None
        _, block, field = place
        document = document.delete(block.named(field.name)[0])
        message, left = bind(document, kind)
    return message, problems
