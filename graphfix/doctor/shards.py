"""Scans a data set, a file at a time: each file's scan is merged into that of the data set."""

import os
from typing import Callable, Dict, Iterable, NamedTuple, Optional, Sequence

from graphfix.doctor.copies import note_copies
from graphfix.doctor.look import Look
from graphfix.doctor.scan import Scan
from graphfix.errors import SourceError
from graphfix.formats.tfrecord import read_frames
from graphfix.pipeline_config.label_map import LabelMap

_EVERY = 64 << 20
Progress = Callable[[str], None]


class Shard(NamedTuple):
    """A file of a data set, what number it has there, and what to look at it with: ids by the label
    map's names, if there is one; whether every box needs a mask."""

    path: str
    index: int
    names: Optional[Dict[bytes, int]]
    masks: bool


# Scans shards, in any order: `map`, or one that has many processes.
Mapper = Callable[[Callable[[Shard], Scan], Sequence[Shard]], Iterable[Scan]]


def make_shards(paths: Sequence[str], labels: Optional[LabelMap], *, masks: bool) -> Sequence[Shard]:
    names: Optional[Dict[bytes, int]] = None
    if labels is not None:
        names = {}
        for label in labels.labels:
            for name in label.names:
                key = name.encode("utf-8")
                # The decoder uses the larger of the two lookups.
                names[key] = max(label.id, names.get(key, 0))
    return [Shard(path, index, names, masks) for index, path in enumerate(paths)]


def scan_shard(
    shard: Shard, sample: Optional[int] = None, progress: Progress = lambda text: None
) -> Scan:
    """Scans a file: all of it, up to where it is damaged, or the first `sample` records."""
    look = Look(shard.path, shard.index, shard.names, shard.masks)
    scan, record, told = look.scan, look.record, 0
    try:
        for number, offset, block, start, end in read_frames(shard.path):
            if number == sample:
                scan.complete = False
                break
            record(number, offset, block, start, end)
            if scan.bytes - told >= _EVERY:
                told = scan.bytes
                progress(f"reading {shard.path}: {told >> 20} MB")
    except SourceError as error:
        scan.damage[shard.index] = error
    return look.finish()


def scan_shards(
    shards: Sequence[Shard], *, sample: Optional[int], progress: Progress, mapper: Mapper
) -> Scan:
    """The scan of a data set: of all records, or of the first `sample`."""
    scan = Scan(tuple(shard.path for shard in shards))
    if sample is None:
        for one in mapper(scan_shard, shards):
            scan.merge(one)
    else:
        for shard in shards:
            scan.merge(scan_shard(shard, sample - scan.records, progress))
            if not scan.complete:
                break
    note_copies(scan)
    return scan
