"""The contents of a directory, measured: sizes and checksums of its files and of the tensors in its
checkpoints, each byte read once."""

import collections
import contextlib
import dataclasses
import os
import stat
import time
from typing import (
    Any,
    Callable,
    Container,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from graphfix.errors import Problem, SourceError
from graphfix.formats import checksum
from graphfix.formats.checkpoint import reader, stored_bytes
from graphfix.formats.extents import Extents, Pieces
from graphfix.formats.tensors import Extent, TensorMeta, TensorStore, TensorView
from graphfix.modeldir.names import MANIFEST, MARKER, SAVED_MODEL_DIRECTORY, SAVED_MODEL_VARIABLES
from graphfix.process.background import Background

# Where a part of a model may be, apart from the directory itself.
MODEL_DIRECTORIES = (SAVED_MODEL_DIRECTORY, SAVED_MODEL_VARIABLES)
_REMEDY = "make the directory again"
_CHUNK = 1 << 20
_PAUSE = 0.0005  # seconds
_WORTH_A_THREAD, _MOST_THREADS = 16 << 20, 4
_INDEX, _DATA = ".index", ".data-00000-of-00001"


@dataclasses.dataclass(frozen=True)
class Content:
    """A file's size in bytes, its CRC-32C and its sum; of a checkpoint's data file the size alone,
    since its tensors have the others."""

    size: int
    crc32c: Optional[int] = None
    sum64: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A stored tensor: its type's name, its shape, the CRC-32C and the sum of its bytes."""

    dtype: str
    shape: Tuple[int, ...]
    crc32c: int
    sum64: int


@dataclasses.dataclass(frozen=True)
class Measured:
    """The files of a directory as they are now: the rows that a manifest has, its checkpoints
    opened (`stores`), what is wrong with a file by itself, and what was there but not read
    (`others`)."""

    files: Dict[str, Content]
    directories: Tuple[str, ...]
    checkpoints: Dict[str, Dict[str, Tensor]]
    stores: Dict[str, TensorStore]
    problems: Tuple[Problem, ...]
    others: Tuple[str, ...] = ()


def measure(
    directory: str, listed: Optional[Iterable[str]] = None, *, known: Optional["Figures"] = None
) -> Measured:
    """Reads every file of a directory once, or those that are `listed`; not its manifest.

    `known` has the figures of tensors and files that were read back as they were written.

    Links are not followed, and directories that are not listed not looked into, except
    MODEL_DIRECTORIES.
    """
    files: Dict[str, Content] = {}
    directories: List[str] = []
    checkpoints: Dict[str, Dict[str, Tensor]] = {}
    stores: Dict[str, TensorStore] = {}
    problems: List[Problem] = []
    looked_into = None if listed is None else set(MODEL_DIRECTORIES).union(listed)
    everything = [
        row for row in entries(directory, looked_into) if row[0] not in (MANIFEST, MARKER)
    ]
    found = [row for row in everything if listed is None or row[0] in listed]
    for path, is_directory, mode in found:
        where = os.path.join(directory, path)
        if is_directory:
            directories.append(path)
        elif not stat.S_ISREG(mode):
            problems.append(Problem(where, "is not a regular file", _REMEDY))
        elif path.endswith(_INDEX):
            prefix = path[: -len(_INDEX)]
            try:
                stores[prefix] = reader.open_bundle(os.path.join(directory, prefix))
                checkpoints[prefix] = dict(_tensors(stores[prefix], known, problems))
                _check_coverage(os.path.join(directory, prefix + _DATA), stores[prefix], problems)
            except SourceError as error:
                problems += error.problems
    for path, _, mode in found:
        if stat.S_ISREG(mode):
            try:
                files[path] = _content(directory, path, stores, known)
            except OSError as error:
                problems.append(
                    Problem(
                        os.path.join(directory, path),
                        f"cannot be read: {error.strerror}",
                        "check its permissions",
                    )
                )
    return Measured(
        files,
        tuple(directories),
        checkpoints,
        stores,
        tuple(problems),
        tuple(path for path, _, _ in everything if listed is not None and path not in listed),
    )


def entries(
    directory: str, within: Optional[Container[str]] = None
) -> Iterator[Tuple[str, bool, int]]:
    """(path, whether it is a directory, mode) of everything in a directory, sorted by path, links
    not followed.  Of directories, only those in `within` are looked into, if that is given: others
    may be unreadable, of any depth, or be written to now.  What is removed meanwhile is left out.

    Raises:
      OSError: a directory cannot be read.
    """
    pending = [iter(sorted(os.listdir(directory)))]
    places = [""]
    while pending:
        name = next(pending[-1], None)
        if name is None:
            pending.pop()
            places.pop()
            continue
        path = places[-1] + name
        try:
            mode = os.lstat(os.path.join(directory, path)).st_mode
        except FileNotFoundError:
            continue
        yield path, stat.S_ISDIR(mode), mode
        if stat.S_ISDIR(mode) and (within is None or path in within):
            try:
                pending.append(iter(sorted(os.listdir(os.path.join(directory, path)))))
                places.append(path + "/")
            except FileNotFoundError:
                pass


def content_of(data: bytes) -> Content:
    """The row of a file with this content."""
    return Content(len(data), checksum.crc32c(data), checksum.sum64(data))


def meant_of(pieces: Pieces) -> Content:
    """The row of a file that is to be written from pieces, without the sum.

    Raises:
      SourceError: a span's bytes are gone.
    """
    size = crc = 0
    with Extents() as extents:
        for piece in pieces:
            for part in [piece] if isinstance(piece, bytes) else extents.chunks(piece):
                size += len(part)
                crc = checksum.crc32c(part, crc)
    return Content(size, crc)


def _content(
    directory: str, path: str, stores: Mapping[str, TensorStore], known: Optional["Figures"]
) -> Content:
    where = os.path.join(directory, path)
    if path.endswith(_DATA) and path[: -len(_DATA)] in stores:
        return Content(os.path.getsize(where))
    return (known and known.file(where)) or _content_at(where)


def _content_at(path: str, step: Callable[[], None] = lambda: None) -> Content:
    size = crc = total = 0
    buffer = memoryview(bytearray(_CHUNK))
    with open(path, "rb") as file:  # buffered: it fills the buffer but for the last time
        while True:
            count = file.readinto(buffer)
            if not count:
                return Content(size, crc, total)
            size += count
            crc = checksum.crc32c(buffer[:count], crc)
            total = checksum.sum64(buffer[:count], total)
            step()


class Figures:
    """What `stored_bytes.measure` gives of each tensor that is added, or the SourceError it raises;
    and the rows of files.

    Any number of threads may `work` at it, also while tensors are still added: reading and
    checksums leave other threads alone, so that two take half the time of one.
    """

    def __init__(self) -> None:
        self._found: Dict[Tuple[TensorMeta, Extent], Any] = {}
        # No lock: a signal's exception may come between taking one and noting that it is taken.
        self._left: Deque[Union[TensorView, str]] = collections.deque()
        self._files: Dict[str, Content] = {}
        self._closed = False

    def add(self, view: TensorView) -> None:
        """Adds a tensor whose bytes lie in one extent."""
        self._left.append(view)

    def add_file(self, path: str) -> None:
        """Adds a large file, which is written and nobody changes."""
        self._left.append(path)

    def file(self, path: str) -> Optional[Content]:
        """The row of a file that was added; None of any other, and of one that cannot be read."""
        return self._files.get(path)

    def close(self) -> None:
        """No more are added."""
        self._closed = True

    def work(self, step: Callable[[], None] = lambda: None) -> None:
        """Measures tensors until none is left, and no more are added; calls `step` for each."""
        with Extents() as extents:
            while True:
                closed = self._closed
                try:
                    one = self._left.popleft()
                except IndexError:
                    if closed:
                        return
                    time.sleep(_PAUSE)
                    continue
                step()
                if isinstance(one, str):
                    with contextlib.suppress(OSError):  # whoever asks reads it again, and says why
                        self._files[one] = _content_at(one, step)
                    continue
                try:
                    self._found[_key(one)] = stored_bytes.measure(one, extents)
                except SourceError as error:
                    self._found[_key(one)] = error

    def of(self, views: Sequence[TensorView]) -> Dict[str, Any]:
        """The figures of each view by its tensor's name; those are measured that were not."""
        missing = [view for view in views if _key(view) not in self._found]
        if missing:
            # The large ones first, or the last one would be waited for alone.
            for view in sorted(missing, key=_stored_size, reverse=True):
                self.add(view)
            self.close()
            small = sum(map(_stored_size, missing)) < _WORTH_A_THREAD
            with contextlib.ExitStack() as helpers:
                for _ in range(0 if small else min(_MOST_THREADS, os.cpu_count() or 1) - 1):
                    helpers.enter_context(Background(self.work))
                self.work()
        return {view.meta.name: self._found[_key(view)] for view in views}


def _key(view: TensorView) -> Tuple[TensorMeta, Extent]:
    assert view.extent is not None
    return view.meta, view.extent


def _tensors(
    store: TensorStore, known: Optional[Figures], problems: List[Problem]
) -> Iterator[Tuple[str, Tensor]]:
    figures = (known or Figures()).of([view for view in store.values() if view.extent])
    for name, view in store.items():
        if view.extent is None:
            problems.append(Problem(name, "is stored in slices, as graphfix writes none", _REMEDY))
        elif isinstance(figures[name], SourceError):
            problems += figures[name].problems
        else:
            yield name, Tensor(view.meta.dtype.name, view.meta.shape, *figures[name])


def _stored_size(view: TensorView) -> int:
    return view.extent.length if view.extent else 0


def _check_coverage(path: str, store: TensorStore, problems: List[Problem]) -> None:
    """Checks that all bytes of a data file are its tensors': other changes would go unnoticed."""
    reached = 0
    for extent in sorted(
        (view.extent for view in store.values() if view.extent), key=lambda one: one.offset
    ):
        if extent.path != path or extent.offset != reached:
            problems.append(Problem(path, "has bytes that belong to no tensor", _REMEDY))
            return
        reached += extent.length
    if reached != os.path.getsize(path):
        problems.append(Problem(path, "has bytes that belong to no tensor", _REMEDY))
