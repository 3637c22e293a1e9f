"""Writes a checkpoint: one shard, data first, index last.

Tensors lie in name order without gaps, as TensorFlow's own writer lays them.  A tensor whose
bytes lie in a checkpoint already (`TensorView.extent`) is copied, neighbours together, so neither
its size nor the checkpoint's bounds the memory used.  Its recorded checksum goes along unread:
whoever publishes the result must check the copy (`stored_bytes.check`), which finds damage in the
source and in the copying alike.
"""

import collections
import contextlib
from typing import Callable, Deque, Iterable, Iterator, List, Optional, Tuple

import numpy as np

from graphfix.formats import checksum
from graphfix.formats.checkpoint import entries, reader, stored_bytes, table
from graphfix.formats.dtypes import STRING
from graphfix.formats.extents import Target
from graphfix.formats.tensors import Extent, TensorMeta, TensorStore, TensorView


def files_of(prefix: str) -> Tuple[str, str]:
    """The files that a checkpoint is written as."""
    return reader.index_path(prefix), reader.shard_path(prefix, 0, 1)


def write_bundle(
    store: TensorStore, prefix: str, written: Optional[Callable[[TensorView], None]] = None
) -> None:
    """Writes `store` as the checkpoint `prefix`, whose directory exists; syncs neither file.

    `written` is called with each tensor, where it now lies, as soon as its bytes are there.

    Raises:
      SourceError: a source's bytes are gone or damaged.
      OSError: the destination cannot be written.
    """
    index_path, shard_path = files_of(prefix)
    pairs = [(b"", _header())]
    with contextlib.closing(Target(shard_path)) as shard:
        shard.reserve(sum(map(_size, store.values())))
        for view in _write_tensors(store, shard):
            pairs.append((view.meta.name.encode(), _entry(view)))
            if written:
                written(view)
        shard.start_writing_back()
    with open(index_path, "wb") as index:
        index.write(table.write(pairs))


def _header() -> bytes:
    header = entries.header_class()(num_shards=1, endianness=entries.LITTLE_ENDIAN)
    header.version.producer = entries.PRODUCER
    return header.SerializeToString()


def _write_tensors(store: TensorStore, shard: Target) -> Iterator[TensorView]:
    """Writes the bytes of all tensors; gives each, where it now lies, once it is there."""
    offset = 0
    for run in _runs(store.values()):
        if run[0].extent is None:
            (view,) = run
            extent = _append(view, shard)
            offset += extent.length
            yield _placed(view.meta, extent)
            continue
        left: Deque[TensorView] = collections.deque()
        for view in run:
            assert view.extent is not None
            left.append(
                _placed(view.meta, view.extent._replace(path=shard.file.name, offset=offset))
            )
            offset += view.extent.length
        for end in shard.copy(run[0].extent, sum(map(_size, run))):
            while left and _end(left[0]) <= end:
                yield left.popleft()
        yield from left  # without any bytes


def _end(view: TensorView) -> int:
    assert view.extent is not None
    return view.extent.offset + view.extent.length


def _placed(meta: TensorMeta, extent: Extent) -> TensorView:
    return TensorView(meta, stored_bytes.loader(meta, extent), extent)


def _entry(view: TensorView) -> bytes:
    extent = view.extent
    assert extent is not None
    entry = entries.entry_class()(
        dtype=view.meta.dtype.number,
        shard_id=0,
        offset=extent.offset,
        size=extent.length,
        crc32c=checksum.mask(extent.crc32c),
    )
    entry.shape.SetInParent()
    for size in view.meta.shape:
        entry.shape.dim.add(size=size)
    return entry.SerializeToString()


def _runs(views: Iterable[TensorView]) -> Iterable[List[TensorView]]:
    """Groups views whose bytes follow each other in one file; others stand alone."""
    run: List[TensorView] = []
    for view in views:
        if run and not _adjoin(run[-1].extent, view.extent):
            yield run
            run = []
        run.append(view)
    if run:
        yield run


def _adjoin(one: Optional[Extent], two: Optional[Extent]) -> bool:
    return (
        one is not None
        and two is not None
        and one.path == two.path
        and one.offset + one.length == two.offset
    )


def _append(view: TensorView, shard: Target) -> Extent:
    if view.meta.dtype == STRING:
        stored = entries.string_bytes(view.load().reshape(-1))
        data, crc = memoryview(stored), entries.string_checksum(stored, view.meta.size)
    else:
        value = view.load().astype(view.meta.dtype.numpy or "<u2", order="C", copy=False)
        data = memoryview(value.reshape(-1).view(np.uint8))
        crc = checksum.crc32c(data)
    extent = Extent(shard.file.name, shard.file.tell(), len(data), crc)
    shard.write(data)
    return extent


def _size(view: TensorView) -> int:
    return view.extent.length if view.extent else view.meta.nbytes
