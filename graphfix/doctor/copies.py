"""Images and source ids that a data set has twice, and images that two data sets share.

A scan has a key of every image, which copies share, and few others.  So only images whose keys
agree are read again, and compared by their length and two checksums of all their bytes.
"""

from typing import Dict, Iterator, NamedTuple, Set, Tuple

import numpy as np

from graphfix.datasets.tf_example import ENCODED, SOURCE_ID, ExampleReader, example_reader
from graphfix.doctor.scan import Note, Order, Scan
from graphfix.formats.checksum import crc32c, sum64
from graphfix.formats.tfrecord import read_at

_Digest = Tuple[int, int, int]


class Record(NamedTuple):
    """A record of a data set, its key, and its bytes."""

    order: Order
    path: str
    offset: int
    key: int
    data: bytes


def note_copies(scan: Scan) -> None:
    """Notes images and source ids that an earlier record of the data set has; done once, when all
    of the data set is merged."""
    for kind, record, detail in find_copies(scan):
        where = f"{record.path}: record {record.order[1]} (at byte {record.offset})"
        scan.notes.setdefault(kind, Note(record.order, where, detail, 0)).count += 1


def find_copies(scan: Scan) -> Iterator[Tuple[str, Record, str]]:
    """(kind, record, detail) of each record with an image or a source id of an earlier one."""
    reader = example_reader()
    first: Dict[_Digest, Tuple[str, int]] = {}
    for record in _records(scan, "images", _repeated(_keys(scan, "images"))):
        path, number = first.setdefault(_digest(record, reader), (record.path, record.order[1]))
        if (path, number) != (record.path, record.order[1]):
            same = path == record.path
            yield "IMAGE_TWICE", record, f"record {number}" + ("" if same else f" of {path}")
    known: Dict[int, bytes] = {}
    for record in _records(scan, "sources", _repeated(_keys(scan, "sources"))):
        if record.key in known:
            text = known[record.key].decode("utf-8", "backslashreplace")
            yield "SOURCE_ID_TWICE", record, text
        else:
            known[record.key] = reader.read(record.data, 0, len(record.data))[0][SOURCE_ID][0]


def count_images(scan: Scan) -> int:
    """How many different images a data set has, after `note_copies`."""
    twice = scan.found("IMAGE_TWICE")
    return len(_keys(scan, "images")) - (twice.count if twice else 0)


def common_images(one: Scan, other: Scan) -> int:
    """How many different images both data sets have."""
    keys = np.intersect1d(_keys(one, "images"), _keys(other, "images"))
    reader = example_reader()
    found: Tuple[Set[_Digest], ...] = tuple(
        {_digest(record, reader) for record in _records(scan, "images", keys)}
        for scan in (one, other)
    )
    return len(found[0] & found[1])


def _keys(scan: Scan, column: str) -> np.ndarray:
    """The keys of all records that have one."""
    parts = [getattr(keys, column) for keys in scan.keys.values()]
    keys = np.concatenate([np.zeros(0, np.uint64), *parts])
    return keys[keys != 0]


def _repeated(keys: np.ndarray) -> np.ndarray:
    keys = np.sort(keys)
    return np.unique(keys[1:][keys[1:] == keys[:-1]])


def _records(scan: Scan, column: str, keys: np.ndarray) -> Iterator[Record]:
    """The records that have one of the keys, in their order in the data set."""
    if not len(keys):
        return
    for index in sorted(scan.keys):
        of_file = scan.keys[index]
        values = getattr(of_file, column)
        places = np.flatnonzero(np.isin(values, keys))
        path, offsets = scan.files[index], of_file.offsets[places].tolist()
        for place, offset, data in zip(places.tolist(), offsets, read_at(path, offsets)):
            order = (index, of_file.first + place)
            yield Record(order, path, offset, int(values[place]), data)


def _digest(record: Record, reader: ExampleReader) -> _Digest:
    image = reader.read(record.data, 0, len(record.data))[0][ENCODED]
    return len(image), crc32c(image), sum64(image)
