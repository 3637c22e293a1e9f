"""Writes a checkpoint: one shard, data first, index last.

Tensors lie in name order without gaps, as TensorFlow's own writer lays them.  A tensor whose
bytes lie in a checkpoint already (`TensorView.extent`) is copied, neighbours together, so neither
its size nor the checkpoint's bounds the memory used.  Its recorded checksum goes along unread:
whoever publishes the result must check the copy (`stored_bytes.check`), which finds damage in the
source and in the copying alike.
"""

import contextlib
from typing import Iterable, List, Optional

import numpy as np

from graphfix.formats import checksum
from graphfix.formats.checkpoint import entries, reader, table
from graphfix.formats.extents import Target
from graphfix.formats.tensors import Extent, TensorStore, TensorView


def write_bundle(store: TensorStore, prefix: str) -> None:
    """Writes `store` as the checkpoint `prefix`, whose directory exists; syncs neither file.

    Raises:
      SourceError: a source's bytes are gone or damaged.
      OSError: the destination cannot be written.
    """
    pairs = [(b"", _header())]
    with contextlib.closing(Target(reader.shard_path(prefix, 0, 1))) as shard:
        shard.reserve(sum(map(_size, store.values())))
        offset = 0
        for run in _runs(store.values()):
            if run[0].extent:
                shard.copy(run[0].extent, sum(map(_size, run)))
            for view in run:
                extent = view.extent or _append(view, shard)
                entry = _entry(view, offset, extent)
                pairs.append((view.meta.name.encode(), entry))
                offset += extent.length
        shard.start_writing_back()
    with open(reader.index_path(prefix), "wb") as index:
        index.write(table.write(pairs))


def _header() -> bytes:
    header = entries.header_class()(num_shards=1, endianness=entries.LITTLE_ENDIAN)
    header.version.producer = entries.PRODUCER
    return header.SerializeToString()


def _entry(view: TensorView, offset: int, extent: Extent) -> bytes:
    entry = entries.entry_class()(
        dtype=view.meta.dtype.number,
        shard_id=0,
        offset=offset,
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
    value = view.load().astype(view.meta.dtype.numpy or "<u2", order="C", copy=False)
    data = memoryview(value.reshape(-1).view(np.uint8))
    extent = Extent(shard.file.name, shard.file.tell(), len(data), checksum.crc32c(data))
    shard.write(data)
    return extent


def _size(view: TensorView) -> int:
    return view.extent.length if view.extent else view.meta.nbytes
