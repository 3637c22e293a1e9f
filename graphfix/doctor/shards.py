"""Scans a data set, a file at a time, or a piece of a large one: the scan of each is merged into
that of the data set."""

import collections
import functools
import itertools
import os
from typing import Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence

from graphfix.doctor.copies import note_copies
from graphfix.doctor.look import Look
from graphfix.doctor.scan import Scan
from graphfix.errors import SourceError
from graphfix.findings import count
from graphfix.formats.tfrecord import WHOLE, Piece, cut, read_frames
from graphfix.pipeline_config.label_map import LabelMap
from graphfix.process import parallel

_EVERY = 64 << 20  # bytes after which it says how far it is
_WORTH = 256 << 20  # bytes for which a process is worth its start
_LEAST = 16 << 20  # bytes that a process is asked to scan at once, where there are as many
_WORKER = "graphfix.doctor.scan_worker"
Progress = Callable[[str], None]


class Shard(NamedTuple):
    """A file of a data set, or a piece of one, what number it has there, and what to look at it
    with: ids by the label map's names, if there is one; whether every box needs a mask."""

    path: str
    number: int
    names: Optional[Dict[bytes, int]]
    masks: bool
    piece: Piece = WHOLE


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
    """Scans a shard: all of it, up to where it is damaged, or the first `sample` records.  `told`
    is called now and then with how many bytes were read."""
    look = Look(shard.path, shard.number, shard.names, shard.masks)
    scan, record, next_time = look.scan, look.record, _EVERY
    try:
        for number, offset, block, start, end in read_frames(shard.path, shard.piece):
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
    if sample is None and not mapper:
        shards = _cut(shards, jobs)
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


def _cut(shards: Sequence[Shard], jobs: int) -> Sequence[Shard]:
    """Files that are too large for one of `jobs` processes, in pieces."""
    sizes = [_size(shard.path) for shard in shards]
    size = max(_WORTH, sum(sizes) // (4 * jobs))
    if jobs == 1 or max(sizes, default=0) < 2 * size:
        return shards
    pieces: List[Shard] = []
    for shard in shards:
        for piece in cut(shard.path, size):
            pieces.append(shard._replace(number=len(pieces), piece=piece))
    return pieces


def _parts(shards: Sequence[Shard], jobs: int, progress: Progress) -> Iterator[Scan]:
    sizes = [shard.piece.length(_size(shard.path)) for shard in shards]
    total = sum(sizes)
    files = len({shard.path for shard in shards})

    def told(read: int) -> None:
        progress(f"reading records: {read >> 20} of {total >> 20} MB, {count(files, 'file')}")

    jobs = min(jobs, len(shards), total // _WORTH)
    if jobs > 1:
        tasks = [
            [shards[number] for number in numbers]
            for numbers in parallel.shares(sizes, jobs, _LEAST, _WORTH)
        ]
        found = parallel.run(_WORKER, scan_several, tasks, jobs, told)
        parts: Iterator[Scan] = itertools.chain.from_iterable(found)
    else:
        parts = _one_by_one(shards, told)
    return _to_damage(shards, parts)


def _to_damage(shards: Sequence[Shard], parts: Iterable[Scan]) -> Iterator[Scan]:
    """The scans of all shards but those that are behind damage in their file: what comes after it
    is not looked at."""
    file_of: List[int] = []
    for number, shard in enumerate(shards):
        file_of.append(file_of[-1] if shard.piece.offset else number)
    missing = collections.Counter(file_of)
    done: Dict[int, List[Scan]] = collections.defaultdict(list)
    for part in parts:
        file = file_of[_number(part)]
        done[file].append(part)
        if len(done[file]) == missing[file]:
            for one in sorted(done.pop(file), key=_number):
                yield one
                if one.damage:
                    break


def _number(part: Scan) -> int:
    """The number of the shard that a scan is of."""
    (number,) = part.keys
    return number


def scan_several(shards: Sequence[Shard], told: Callable[[int], None]) -> List[Scan]:
    """The scans of shards."""
    return list(_one_by_one(shards, told))


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
