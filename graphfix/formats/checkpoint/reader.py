"""Opens a checkpoint: metadata from the index at once, values and checksums on request."""

import glob
import os
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from google.protobuf.message import DecodeError

from graphfix.errors import SourceError
from graphfix.formats import checksum, regular_files
from graphfix.formats.checkpoint import entries, stored_bytes, table
from graphfix.formats.checkpoint.stored_bytes import COPY_AGAIN
from graphfix.formats.dtypes import BY_NUMBER
from graphfix.formats.schema import parser
from graphfix.formats.tensors import Extent, TensorMeta, TensorStore, TensorView

# A real index has some 50 bytes a tensor, the largest published detector's 69 KiB together.
_MAX_INDEX = 16 << 20
# NumPy's limit up to 1.26; TensorFlow's is 254.  No variable has more than 5.
_MAX_RANK = 32
# What a checkpoint's other files have behind the prefix.
_PART = re.compile(r"\.meta|\.data-\d{5}-of-\d{5}")


def index_path(prefix: str) -> str:
    return prefix + ".index"


def shard_path(prefix: str, shard: int, shards: int) -> str:
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


def read_index(prefix: str) -> bytes:
    """The bytes of a checkpoint's index.

    Raises:
      SourceError: there is none; a V1 checkpoint is told apart by what the file is.
    """
    path = index_path(prefix)
    try:
        data = regular_files.read(path, _MAX_INDEX + 1)
        if len(data) > _MAX_INDEX:
            raise SourceError(
                path,
                f"is larger than any checkpoint index (more than {_MAX_INDEX} bytes)",
                "name a checkpoint's prefix",
            )
        regular_files.refuse_pointer(path, data)
        return data
    except FileNotFoundError:
        pass
    except OSError as error:
        raise regular_files.unreadable(path, error) from None
    if not os.path.exists(prefix) or os.path.isdir(prefix):
        parts = sorted(glob.glob(glob.escape(prefix) + ".*"))
        parts = [os.path.basename(one) for one in parts if _PART.fullmatch(one[len(prefix) :])]
        remedy = (
            f"{', '.join(parts)} is only part of a checkpoint: copy all of its files, "
            f"{os.path.basename(prefix)}.*"
            if parts
            else "name a checkpoint's prefix, such as DIR/model.ckpt"
        )
        raise SourceError(path, "does not exist", remedy)
    if _tail(prefix, 8) == table.MAGIC.to_bytes(8, "little"):
        raise SourceError(
            prefix,
            "is a V1 checkpoint (a single file without an .index)",
            "load it with TensorFlow's tf.train.Saver and save it again with "
            "write_version=tf.train.SaverDef.V2",
        )
    raise SourceError(
        prefix,
        f"is a file, but not a checkpoint: there is no {path}",
        "name a checkpoint's prefix, such as DIR/model.ckpt",
    )


def _tail(path: str, count: int) -> bytes:
    try:
        with regular_files.open_file(path) as file:
            file.seek(max(0, os.path.getsize(path) - count))
            return file.read(count)
    except OSError as error:
        raise regular_files.unreadable(path, error) from None


def open_bundle(prefix: str, index: Optional[bytes] = None) -> TensorStore:
    """Opens the checkpoint `prefix`, reading its index (unless given) and its shards' sizes.

    Slices of a partitioned variable appear as the one variable they make up.

    Raises:
      SourceError: the index or a shard is missing, damaged, or contradicts the other.
    """
    data = read_index(prefix) if index is None else index
    with parser() as parse:
        return _Opened(prefix, data, parse).store()


class _Opened:
    """One pass over an index; what is true afterwards is in the views it makes."""

    def __init__(self, prefix: str, data: bytes, parse: Callable[[Any, bytes], Any]):
        self.prefix = prefix
        self.parse = parse
        self.path = index_path(prefix)
        self.pairs = dict(table.read(data, self.path))
        header = self._parse(entries.header_class(), self.pairs.pop(b"", None), "its header")
        if header.endianness != entries.LITTLE_ENDIAN:
            raise SourceError(
                self.path,
                "was written on a big-endian machine",
                "save it again on a little-endian one",
            )
        version = header.version
        if version.min_consumer > entries.PRODUCER or entries.PRODUCER in version.bad_consumers:
            raise SourceError(
                self.path,
                (
                    f"needs a reader of another format version than {entries.PRODUCER} (of "
                    f"{version.min_consumer} "
                    "or later)"
                ),
                "save it again with TensorFlow 1.15",
            )
        if not 0 < header.num_shards <= 99999:
            raise self._fault(f"claims {header.num_shards} shards")
        self.shards = header.num_shards
        self.opened: Dict[int, Tuple[str, int]] = {}
        self.claimed: Dict[int, int] = {}

    def _fault(self, message: str) -> SourceError:
        return SourceError(self.path, "the checkpoint index " + message, COPY_AGAIN)

    def _parse(self, message_class, data: Optional[bytes], what: str):
        if data is None:
            raise self._fault("lacks " + what)
        try:
            return self.parse(message_class, data)
        except (DecodeError, UnicodeDecodeError, RecursionError):
            # The last two come from protobuf's pure Python form, of a string that is not UTF-8 and
            # of groups in groups.
            raise self._fault(f"is damaged: {what} cannot be parsed") from None

    def store(self) -> TensorStore:
        views: List[TensorView] = []
        used = set()
        for key in self.pairs:
            if key.startswith(entries.SLICE_KEY_START):
                continue
            try:
                name = key.decode()
            except UnicodeDecodeError:
                raise self._fault(f"has a tensor name that is not UTF-8: {key!r}") from None
            entry = self._entry(key, f"the entry of tensor '{name}'")
            meta = self._meta(name, entry)
            if not entry.slices:
                views.append(self._view(meta, entry))
                continue
            keys = [entries.slice_key(name, proto) for proto in entry.slices]
            used.update(keys)
            views.append(self._assembled(meta, entry, keys))
        strays = [
            key for key in self.pairs if key.startswith(entries.SLICE_KEY_START) and key not in used
        ]
        if strays:
            raise self._fault(f"has a slice that belongs to no tensor: {strays[0]!r}")
        return TensorStore(views)

    def _entry(self, key: bytes, what: str):
        return self._parse(entries.entry_class(), self.pairs.get(key), what)

    def _meta(self, name: str, entry) -> TensorMeta:
        dtype = BY_NUMBER.get(entry.dtype)
        if dtype is None:
            raise self._fault(f"gives tensor '{name}' the unknown type {entry.dtype}")
        shape = tuple(dim.size for dim in entry.shape.dim)
        if entry.shape.unknown_rank or any(size < 0 for size in shape):
            raise self._fault(f"gives tensor '{name}' no definite shape")
        if len(shape) > _MAX_RANK:
            raise self._fault(f"gives tensor '{name}' {len(shape)} dimensions")
        # A dimension of 0 makes a tensor empty, not its other dimensions possible.
        size = 1
        for dimension in shape:
            size *= dimension or 1
        if size * max(1, dtype.itemsize) >= 1 << 63:
            raise self._fault(f"gives tensor '{name}' the impossible shape {list(shape)}")
        return TensorMeta(name, dtype, shape)

    def _view(self, meta: TensorMeta, entry) -> TensorView:
        if meta.dtype.itemsize and entry.size != meta.nbytes:
            raise self._fault(
                f"gives tensor '{meta.name}' {entry.size} bytes where its type and shape take "
                f"{meta.nbytes}"
            )
        if not 0 <= entry.shard_id < self.shards:
            raise self._fault(
                f"puts tensor '{meta.name}' in shard {entry.shard_id} of {self.shards}"
            )
        if entry.offset < 0 or entry.size < 0:
            raise self._fault(
                f"puts tensor '{meta.name}' at byte {entry.offset}, {entry.size} bytes long"
            )
        shard, size = self._shard(entry.shard_id)
        if entry.offset + entry.size > size:
            raise SourceError(
                shard,
                f"is truncated: tensor '{meta.name}' should lie at bytes {entry.offset} to "
                f"{entry.offset + entry.size} of {size}",
                COPY_AGAIN,
            )
        # Nobody's writer shares bytes between tensors; a small hostile checkpoint would, and so
        # claim more values than fit into memory.
        claimed = self.claimed[entry.shard_id] = self.claimed.get(entry.shard_id, 0) + entry.size
        if claimed > size:
            raise self._fault(
                f"has overlapping tensors: up to '{meta.name}' they take {claimed} bytes of "
                f"{size} in {shard}"
            )
        extent = Extent(shard, entry.offset, entry.size, checksum.unmask(entry.crc32c))
        return TensorView(meta, stored_bytes.loader(meta, extent), extent)

    def _shard(self, number: int) -> Tuple[str, int]:
        """A shard's path, and its size."""
        if number not in self.opened:
            path = shard_path(self.prefix, number, self.shards)
            try:
                with regular_files.open_file(path, buffering=0) as file:
                    size = os.fstat(file.fileno()).st_size
                regular_files.check_pointer(path, size)
            except OSError as error:
                raise SourceError(
                    path, f"cannot be read: {error.strerror}", f"put it next to {self.path}"
                ) from None
            self.opened[number] = path, size
        return self.opened[number]

    def _assembled(self, meta: TensorMeta, entry, keys: List[bytes]) -> TensorView:
        if meta.dtype.itemsize == 0:
            raise self._fault(
                f"holds tensor '{meta.name}' of type {meta.dtype} in slices, which graphfix "
                "cannot join"
            )
        parts: List[Tuple[Tuple[slice, ...], TensorView]] = []
        for key, proto in zip(keys, entry.slices):
            part = self._entry(key, f"a slice of tensor '{meta.name}'")
            where = self._where(meta, proto)
            piece = self._meta(meta.name, part)
            if piece.dtype != meta.dtype or piece.shape != tuple(w.stop - w.start for w in where):
                raise self._fault(
                    f"has a slice of tensor '{meta.name}' of another type or shape than listed"
                )
            parts.append((where, self._view(piece, part)))
        if not _tile(meta.shape, [where for where, _ in parts]):
            raise self._fault(
                f"has slices of tensor '{meta.name}' that leave gaps, overlap, or cut it along "
                "several axes"
            )

        def load() -> np.ndarray:
            # Not np.empty(meta.shape): before NumPy 1.20 an empty array with one large dimension
            # takes as much memory as if it were not empty.
            out = np.empty(meta.size, meta.dtype.numpy or np.dtype("<u2")).reshape(meta.shape)
            for where, view in parts:
                out[where] = view.load()
            return out

        return TensorView(meta, load)

    def _where(self, meta: TensorMeta, proto) -> Tuple[slice, ...]:
        if len(proto.extent) != len(meta.shape):
            raise self._fault(f"has a slice of tensor '{meta.name}' of another rank")
        where = []
        for extent, size in zip(proto.extent, meta.shape):
            start, length = 0, size
            if extent.WhichOneof("has_length") is not None:
                start, length = extent.start, extent.length
            if not 0 <= start <= start + length <= size:
                raise self._fault(f"has a slice of tensor '{meta.name}' outside its shape")
            where.append(slice(start, start + length))
        return tuple(where)


def _tile(shape: Tuple[int, ...], slices: Sequence[Tuple[slice, ...]]) -> bool:
    """Whether slices make up a shape, each element once, cut along one axis.

    TensorFlow 1's partitioned variables have one partitioned axis (ops/variable_scope.py).
    """
    cut = {
        axis for where in slices for axis, size in enumerate(shape) if where[axis] != slice(0, size)
    }
    if not cut:
        return len(slices) == 1
    axis = min(cut)
    reached = 0
    for start, stop in sorted((where[axis].start, where[axis].stop) for where in slices):
        if start != reached:
            return False
        reached = stop
    return len(cut) == 1 and reached == shape[axis]
