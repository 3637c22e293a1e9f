"""manifest.json: what graphfix published in a directory, file by file and tensor by tensor.

    {"checksum": SHA-256 of all that follows this line,
     "format": 1, "graphfix": VERSION,
     "files": {PATH: {"size", "crc32c", "sum64"}},       of a checkpoint's data file the size alone:
     "directories": [PATH],                              its tensors are its bytes
     "checkpoints": {PREFIX: {TENSOR: {"dtype", "shape", "crc32c", "sum64"}}},
     "model": the ModelSpec that config and checkpoint describe as, or null,
     "made_of": what a batch made it of, or null,
     "pending": {PATH: as in "files"}}                   new contents that a run was writing

It does two jobs.  It is the record of ownership: a directory is graphfix's where it has a manifest
whose checksum is right, and then just the files listed are graphfix's (`ownership`).  And it says
what the files were when they were published, so that `verify` notices every difference.

The figures are a CRC-32C and a sum (`bundle.checksum`), 96 bits that cost what reading costs.
A cryptographic digest would take three times as long, and prove no more: whoever can change a file
can change the manifest beside it.  What is to be proof against that is a golden file, which is kept
elsewhere and has SHA-256 (`compare.golden`).
"""

import dataclasses
import hashlib
import json
import os
import re
import stat
import threading
from typing import (
    Any,
    Container,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from graphfix import __version__
from graphfix.detectors.describe import ModelSpec
from graphfix.errors import Problem, SourceError
from graphfix.formats import checksum, durable
from graphfix.formats.checkpoint import reader
from graphfix.formats.regular_files import read_file
from graphfix.formats.tensors import TensorStore, TensorView

MANIFEST = "manifest.json"
# What a directory has while it is being made (`ownership`).
MARKER = ".graphfix-unfinished"
FORMAT = 1
# Where a part of a model is looked for, beside the directory itself.
MODEL_DIRECTORIES = ("saved_model", "saved_model/variables")
_LIMIT = 64 << 20
_CHUNK = 1 << 20
_WORTH_A_THREAD, _MOST_THREADS = 16 << 20, 4
_INDEX, _DATA = ".index", ".data-00000-of-00001"
_HEX = re.compile(r"[0-9a-f]+\Z")
_REMEDY = "make the directory again"


@dataclasses.dataclass(frozen=True)
class Content:
    """A file's size in bytes, and its CRC-32C and sum, which a checkpoint's data file has by its
    tensors."""

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
class Manifest:
    """The contents of a manifest.json; paths are relative to its directory, with slashes."""

    files: Mapping[str, Content]
    directories: Tuple[str, ...]
    checkpoints: Mapping[str, Mapping[str, Tensor]]
    model: Optional[Dict[str, Any]] = None
    made_of: Optional[Dict[str, Any]] = None
    pending: Mapping[str, Content] = dataclasses.field(default_factory=dict)

    def to_json(self) -> str:
        data = {
            "format": FORMAT,
            "graphfix": __version__,
            "files": {name: _row(one) for name, one in self.files.items()},
            "directories": list(self.directories),
            "checkpoints": {
                prefix: {name: _row(one) for name, one in tensors.items()}
                for prefix, tensors in self.checkpoints.items()
            },
            "model": self.model,
            "made_of": self.made_of,
            "pending": {name: _row(one) for name, one in self.pending.items()},
        }
        body = (
            ",\n".join(
                f"{json.dumps(name)}: {_lines(value)}" for name, value in sorted(data.items())
            )
            + "}\n"
        )
        return '{"checksum": "%s",\n%s' % (_checksum(body.encode("ascii")), body)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a directory's files are now: as a manifest has them, its checkpoints opened, what is
    wrong with a file by itself, and what lies there besides (`others`), which was not read."""

    files: Dict[str, Content]
    directories: Tuple[str, ...]
    checkpoints: Dict[str, Dict[str, Tensor]]
    stores: Dict[str, TensorStore]
    problems: Tuple[Problem, ...]
    others: Tuple[str, ...] = ()


def measure(directory: str, listed: Optional[Iterable[str]] = None) -> Measured:
    """Reads every file of a directory once, or those that are `listed`, but for its manifest; links
    are not followed, and directories that are not listed not looked into, save where a model is
    looked for."""
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
                checkpoints[prefix] = dict(_tensors(stores[prefix], problems))
                _check_coverage(os.path.join(directory, prefix + _DATA), stores[prefix], problems)
            except SourceError as error:
                problems += error.problems
    for path, _, mode in found:
        if stat.S_ISREG(mode):
            try:
                files[path] = _content(directory, path, stores)
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
    """(path, whether it is a directory, mode) of everything in a directory, sorted by path, without
    following links; of the directories in it, only what those in `within` hold, if that is given:
    others may be closed, of any depth, or be written to now.  What goes meanwhile is left out.

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
    """The row of a file that is to hold `data`."""
    return Content(len(data), checksum.crc32c(data), checksum.sum64(data))


def _content(directory: str, path: str, stores: Mapping[str, TensorStore]) -> Content:
    where = os.path.join(directory, path)
    if path.endswith(_DATA) and path[: -len(_DATA)] in stores:
        return Content(os.path.getsize(where))
    size = crc = total = 0
    buffer = memoryview(bytearray(_CHUNK))
    with open(where, "rb") as file:  # buffered: it fills the buffer but for the last time
        while True:
            count = file.readinto(buffer)
            if not count:
                return Content(size, crc, total)
            size += count
            crc = checksum.crc32c(buffer[:count], crc)
            total = checksum.sum64(buffer[:count], total)


def _tensors(store: TensorStore, problems: List[Problem]) -> Iterator[Tuple[str, Tensor]]:
    found = _figures([view for view in store.values() if view.extent])
    for name, view in store.items():
        if view.extent is None:
            problems.append(Problem(name, "is stored in slices, as graphfix writes none", _REMEDY))
        elif isinstance(found[name], SourceError):
            problems += found[name].problems
        else:
            yield name, Tensor(view.meta.dtype.name, view.meta.shape, *found[name])


def _figures(views: Sequence[TensorView]) -> Dict[str, Any]:
    """What `reader.measure` gives of each tensor, or the SourceError it raises.

    Reading and checksums leave other threads alone, so that two take half the time of one.
    """
    found: Dict[str, Any] = {}
    # The large ones first, or the last one would be waited for alone.
    left = sorted(views, key=lambda view: view.extent.length)
    raised: List[BaseException] = []

    def work() -> None:
        while left and not raised:
            try:
                view = left.pop()
            except IndexError:
                return  # another thread took it
            try:
                found[view.meta.name] = reader.measure(view)
            except SourceError as error:
                found[view.meta.name] = error
            except BaseException as error:
                raised.append(error)

    small = sum(view.extent.length for view in views) < _WORTH_A_THREAD
    threads = [
        threading.Thread(target=work, daemon=True)
        for _ in range(0 if small else min(_MOST_THREADS, os.cpu_count() or 1) - 1)
    ]
    try:
        for thread in threads:
            thread.start()
        work()
    finally:
        left.clear()
        for thread in threads:
            thread.join()
    if raised:
        raise raised[0]
    return found


def _check_coverage(path: str, store: TensorStore, problems: List[Problem]) -> None:
    """A data file's bytes are its tensors', or nobody would notice a change of the others."""
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


def spec_json(spec: ModelSpec) -> Dict[str, Any]:
    """A ModelSpec as a manifest has it."""
    return json.loads(json.dumps(dataclasses.asdict(spec)))


def write(
    directory: str,
    *,
    measured: Optional[Measured] = None,
    model: Optional[ModelSpec] = None,
    made_of: Optional[Dict[str, Any]] = None,
) -> Tuple[Manifest, Measured]:
    """Records what lies in a directory that is about to be published: as it is `measured`, where
    that is done.

    Raises:
      OSError: it cannot be written.
    """
    measured = measured or measure(directory)
    manifest = Manifest(
        measured.files,
        measured.directories,
        measured.checkpoints,
        model and spec_json(model),
        made_of,
    )
    durable.write(os.path.join(directory, MANIFEST), manifest.to_json().encode("ascii"))
    return manifest, measured


def read_manifest(directory: str) -> Optional[Manifest]:
    """The manifest of a directory, None where there is none.

    Raises:
      SourceError: it is damaged, or not one that graphfix wrote.
    """
    path = os.path.join(directory, MANIFEST)
    if not os.path.lexists(path):
        return None
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise SourceError(path, "is not a regular file", _REMEDY)
    data = read_file(path, limit=_LIMIT)
    try:
        found = json.loads(data.decode("ascii"))
        body = data.partition(b"\n")[2]
        if found["format"] != FORMAT:
            raise SourceError(
                path,
                (
                    f"is a manifest of format {found['format']}, and this version of graphfix "
                    "reads "
                    f"format {FORMAT}"
                ),
                _REMEDY,
            )
        if data != b'{"checksum": "%s",\n%s' % (_checksum(body).encode("ascii"), body):
            raise ValueError("its checksum is not that of its contents")
        return Manifest(
            _contents(found["files"]),
            tuple(_path(one) for one in found["directories"]),
            {
                _path(prefix): {name: _tensor(row) for name, row in tensors.items()}
                for prefix, tensors in found["checkpoints"].items()
            },
            _object(found["model"]),
            _object(found["made_of"]),
            _contents(found["pending"]),
        )
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise SourceError(
            path, f"is not a valid manifest of graphfix ({type(error).__name__}: {error})", _REMEDY
        ) from None


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _lines(value: Any) -> str:
    """JSON with a row a line where there are rows of rows, for version control."""
    if not isinstance(value, dict) or not any(isinstance(one, dict) for one in value.values()):
        return json.dumps(value, sort_keys=True)
    return "{\n%s}" % ",\n".join(
        f"{json.dumps(name)}: {_lines(one)}" for name, one in sorted(value.items())
    )


def _row(one: Any) -> Dict[str, Any]:
    row = {name: value for name, value in vars(one).items() if value is not None}
    for name, width in (("crc32c", 8), ("sum64", 16)):
        if name in row:
            row[name] = "%0*x" % (width, row[name])
    return row


def _contents(rows: Dict[str, Any]) -> Dict[str, Content]:
    return {
        _path(name): Content(
            _count(row["size"]), _number(row.get("crc32c")), _number(row.get("sum64"))
        )
        for name, row in rows.items()
    }


def _tensor(row: Dict[str, Any]) -> Tensor:
    if not isinstance(row["dtype"], str):
        raise ValueError(f"a type {row['dtype']!r}")
    return Tensor(
        row["dtype"],
        tuple(map(_count, row["shape"])),
        int(row["crc32c"], 16),
        int(row["sum64"], 16),
    )


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"a size of {value!r}")
    return value


def _number(text: Optional[str]) -> Optional[int]:
    if text is not None and not _HEX.match(text):
        raise ValueError(f"a checksum {text!r}")
    return None if text is None else int(text, 16)


def _path(path: Any) -> str:
    """A path inside the directory: files are removed by these names."""
    if (
        not isinstance(path, str)
        or os.path.isabs(path)
        or "\0" in path
        or any(part in ("", ".", "..") for part in path.split("/"))
    ):
        raise ValueError(f"a path {path!r}")
    return path


def _object(value: Any) -> Optional[Dict[str, Any]]:
    if value is not None and not isinstance(value, dict):
        raise TypeError(f"{value!r:.40} is not an object")
    return value
