"""Scans a data set, a file at a time: each file's scan is merged into that of the data set."""

import functools
import os
from typing import Callable, Dict, Iterable, Iterator, NamedTuple, Optional, Sequence

from graphfix.doctor.copies import note_copies
from graphfix.doctor.look import Look
from graphfix.doctor.scan import Scan
from graphfix.errors import SourceError
from graphfix.formats.tfrecord import read_frames
from graphfix.pipeline_config.label_map import LabelMap
from graphfix.process import parallel

_EVERY = 64 << 20  # bytes after which it says how far it is
_WORTH = 256 << 20  # bytes for which a process is worth its start
_WORKER = "graphfix.doctor.scan_worker"
Progress = Callable[[str], None]


class Shard(NamedTuple):
    """A file of a data set, what number it has there, and what to look at it with: ids by the label
    map's names, if there is one; whether every box needs a mask."""

    path: str
    number: int
    names: Optional[Dict[bytes, int]]
    masks: bool


# Gives a function's values for shards, in any order: `map`, or one that has many machines.
Mapper = Callable[[Callable[[Shard], Scan], Sequence[Shard]], Iterable[Scan]]


def make_shards(
    paths: Sequence[str], labels: Optional[LabelMap], *, masks: bool
) -> Sequence[Shard]:
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
    shard: Shard, sample: Optional[int] = None, told: Callable[[int], None] = lambda read: None
) -> Scan:
    """Scans a file: all of it, up to where it is damaged, or the first `sample` records.  `told` is
    called now and then with how many bytes were read."""
    look = Look(shard.path, shard.number, shard.names, shard.masks)
    scan, record, next_time = look.scan, look.record, _EVERY
    try:
        for number, offset, block, start, end in read_frames(shard.path):
            if number == sample:
                scan.complete = False
                break
            record(number, offset, block, start, end)
            if scan.bytes >= next_time:
                next_time = scan.bytes + _EVERY
                told(scan.bytes)
    except SourceError as error:
        scan.damage[shard.number] = error
    return look.finish()


def scan_shards(
    shards: Sequence[Shard],
    *,
    sample: Optional[int],
    jobs: int,
    progress: Progress,
    mapper: Optional[Mapper] = None,
) -> Scan:
    """The scan of a data set: of all records, or of the first `sample`.

    By `mapper`, if there is one, else in up to `jobs` processes; the scan is the same.
    """
    scan = Scan(tuple(shard.path for shard in shards))
    if sample is not None:
        for shard in shards:
            scan.merge(scan_shard(shard, sample - scan.records))
            if not scan.complete:
                break
    else:
        parts = mapper(scan_shard, shards) if mapper and shards else _parts(shards, jobs, progress)
        for part in parts:
            scan.merge(part)
    scan.trim()
    note_copies(scan)
    return scan


def _parts(shards: Sequence[Shard], jobs: int, progress: Progress) -> Iterator[Scan]:
    sizes = [_size(shard.path) for shard in shards]
    total = sum(sizes)
    done = [0]  # files

    def told(read: int) -> None:
        progress(
            f"reading records: {done[0]} of {len(shards)} files, {read >> 20} of {total >> 20} MB"
        )

    jobs = min(jobs, len(shards), total // _WORTH)
    if jobs > 1:
        # The large ones first, or the last one would be waited for alone.
        order = sorted(range(len(shards)), key=lambda number: -sizes[number])
        parts = parallel.run(_WORKER, [shards[number] for number in order], jobs, told)
    else:
        parts = _one_by_one(shards, told)
    for part in parts:
        done[0] += 1
        yield part


def _one_by_one(shards: Sequence[Shard], told: Callable[[int], None]) -> Iterator[Scan]:
    before = 0
    for shard in shards:
        part = scan_shard(shard, None, functools.partial(_behind, told, before))
        before += part.bytes
        told(before)
        yield part


def _behind(told: Callable[[int], None], before: int, read: int) -> None:
    told(before + read)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
