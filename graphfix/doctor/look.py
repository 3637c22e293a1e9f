"""Looks at the records of one file, one after the other.  No image is decoded.

A record is a tf.Example with the keys of the API's TfExampleDecoder.  What is right with a record
is told by a few comparisons, for boxes of a thousand records at once; only where something is not
is it asked what.

A box's class is the one that the decoder uses: with a label map, its text where there is one (the
name's or the display name's id, none for another text), else its label.
"""

import array
import collections
import itertools
import zlib
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np
from google.protobuf.message import DecodeError

from graphfix.datasets.tf_example import (
    CHANNELS,
    EDGES,
    ENCODED,
    FORMAT,
    HEIGHT,
    LABEL,
    MASK,
    SCORES,
    SOURCE_ID,
    TEXT,
    WIDTH,
    example_reader,
)
from graphfix.doctor.faults import HUGE, SLACK, Size, box_faults, image_faults
from graphfix.doctor.scan import BOXES, Boxes, Keys, Note, Scan
from graphfix.formats.checksum import crc32c
from graphfix.formats.image_header import JPEG, read_header

_USUAL = frozenset((b"jpeg", b"jpg", b"JPEG"))
_TOGETHER = 8192  # boxes that are looked at together
_TAIL = 64  # bytes at an image's end, which tell it from most others of its length


class Row(NamedTuple):
    """A record whose boxes are still to be looked at: where it is, its image's size, its values of
    each of EDGES, and of its classes."""

    number: int
    offset: int
    size: Optional[Size]
    edges: List[bytes]
    texts: Tuple[bytes, ...]
    labels: Tuple[int, ...]


class Look:
    """Takes records into a scan; `finish` when there are no more.

    `names` are ids by the label map's names; with `masks` every box needs a mask.
    """

    def __init__(self, path: str, index: int, names: Optional[Mapping[bytes, int]], masks: bool):
        self.scan = Scan((path,))
        self.path, self.index, self.masks, self.names = path, index, masks, names
        self.examples = example_reader()
        self.keys = (array.array("Q"), array.array("Q"), array.array("Q"))
        self.first: Optional[int] = None
        self.sides: List[np.ndarray] = []
        self.images: List[np.ndarray] = []
        self.number = self.offset = self.pending = 0
        self.rows: List[Row] = []
        self.sizes: List[Size] = []

    def record(self, number: int, offset: int, block: bytes, start: int, end: int) -> None:
        scan = self.scan
        self.number, self.offset = number, offset
        if self.first is None:
            self.first = number
        scan.records += 1
        scan.bytes += end - start
        images, sources, offsets = self.keys
        offsets.append(offset)
        try:
            found, wrong = self.examples.read(block, start, end)
        except DecodeError:
            self.note("RECORD_NOT_EXAMPLE")
            images.append(0)
            sources.append(0)
            return
        for key, held, kind in wrong:
            self.note("FEATURE_KIND", f"{key.decode()} is a {held}, not a {kind}")
        if CHANNELS in found:
            scan.channels += 1
        if SCORES in found:
            scan.scores += 1
        if self.masks and MASK in found and not scan.mask_kinds:
            scan.mask_kinds.add(self.examples.kind_of(block[start:end], MASK) or "")
        source = found.get(SOURCE_ID)
        if source and source[0]:
            sources.append(source_key(source[0]))
        else:
            sources.append(0)
            self.note("SOURCE_ID_MISSING")
        encoded = found.get(ENCODED)
        images.append(image_key(encoded) if encoded else 0)
        size = self.image(found, encoded)
        if size:
            self.sizes.append(size)
        self.objects(found, size)
        if max(self.pending, len(self.sizes)) >= _TOGETHER:
            self.flush()

    def finish(self) -> Scan:
        self.flush()
        scan = self.scan
        images, sources, offsets = (np.frombuffer(one, np.uint64) for one in self.keys)
        scan.keys[self.index] = Keys(images, sources, offsets, self.first or 0)
        if self.sides:
            scan.first_boxes[self.index] = Boxes(
                np.concatenate(self.sides), np.concatenate(self.images)
            )
            scan.sized = len(scan.first_boxes[self.index].sides)
        scan.trim()
        return scan

    def note(self, kind: str, detail: str = "", row: Optional[Row] = None) -> None:
        self._count(self.scan.notes, kind, detail, row)

    def _count(self, notes: Dict[Any, Note], key: Any, detail: str = "", row=None) -> None:
        note = notes.get(key)
        if note is None:
            number, offset = row[:2] if row else (self.number, self.offset)
            notes[key] = Note((self.index, number), self._where(number, offset), detail)
        else:
            note.count += 1

    def _where(self, number: int, offset: int) -> str:
        return f"{self.path}: record {number} (at byte {offset})"

    def image(self, found: Dict[bytes, Any], encoded: Any) -> Optional[Size]:
        """Checks the encoded image; returns its (height, width), None where they are unknown."""
        height, width = found.get(HEIGHT), found.get(WIDTH)
        stated = (height[0] if height else 0, width[0] if width else 0)
        if not encoded:
            self.note("IMAGE_MISSING")
            return stated if min(stated) > 1 else None
        header = read_header(encoded)
        if (
            header is not None
            and header.format == JPEG
            and header.channels == 3
            and header.complete
            and stated == header[1:3]
            and 1 < stated[0] * stated[1] <= HUGE
            and (found.get(FORMAT) or (b"jpeg",))[0] in _USUAL
        ):
            return stated
        form = (found.get(FORMAT) or (b"jpeg",))[0]
        size, faults = image_faults(encoded, header, stated, form)
        for kind, detail in faults:
            self.note(kind, detail)
        return size

    def objects(self, found: Dict[bytes, Any], size: Optional[Size]) -> None:
        scan = self.scan
        edges = [found.get(edge) or b"" for edge in EDGES]
        length = len(edges[0])
        if not scan.boxed:
            scan.boxed = any(edge in found for edge in EDGES)
        if not length == len(edges[1]) == len(edges[2]) == len(edges[3]):
            self.note(
                "BOX_COUNTS",
                f"{', '.join(str(len(edge) // 4) for edge in edges)} values of ymin, xmin, ymax "
                "and xmax",
            )
            return
        count = length // 4
        scan.boxes += count
        if scan.most is None or count > scan.most.count:
            place = self._where(self.number, self.offset)
            scan.most = Note((self.index, self.number), place, "", count)
        if not count:
            scan.empty += 1
            return
        if self.masks and MASK not in found:
            self.note("MASK_MISSING")
        texts, labels = found.get(TEXT) or (), found.get(LABEL) or ()
        self.rows.append(Row(self.number, self.offset, size, edges, texts, labels))
        self.pending += count

    def class_ids(self, row: Row) -> None:
        texts, labels, count = row.texts, row.labels, len(row.edges[0]) // 4
        use_texts = self.names is not None and len(texts)
        values = texts if use_texts else labels
        if len(values) != count:
            self.note(
                "CLASS_COUNTS",
                f"{count} boxes, and {len(values)} values of "
                f"{(TEXT if use_texts else LABEL).decode()}",
                row,
            )
        elif use_texts:
            self.odd_classes(row)
        else:
            for label in labels:
                self._count(self.scan.ids, label, "", row)

    def odd_classes(self, row: Row) -> None:
        scan, labels = self.scan, row.labels
        for number, text in enumerate(row.texts):
            label = (self.names or {}).get(text)
            if label is None:
                self.unknown(text.decode("utf-8", "backslashreplace"), row)
                continue
            self._count(scan.ids, label, "", row)
            if number < len(labels) and labels[number] != label:
                self.note(
                    "CLASS_DISAGREES",
                    f"class/text '{text.decode('utf-8', 'replace')}' is {label} in the label "
                    f"map, but class/label is {labels[number]}",
                    row,
                )

    def unknown(self, text: str, row: Row) -> None:
        """Counts a class that the label map lacks."""
        self._count(self.scan.unknown, text, "", row)

    def flush(self) -> None:
        """Looks at the sizes, classes and boxes of the records that wait for it."""
        scan = self.scan
        for size, count in collections.Counter(self.sizes).items():
            scan.image_sizes.add(size)
            scan.measured += count
            scan.pixels += count * size[0] * size[1]
        self.sizes.clear()
        if self.rows:
            counts = [len(row.edges[0]) // 4 for row in self.rows]
            self._classes(counts)
            self._boxes(counts)
            self.rows.clear()
            self.pending = 0
        if max(len(scan.ids), len(scan.unknown), len(scan.image_sizes)) > 2 * _TOGETHER:
            scan.trim()

    def _classes(self, counts: List[int]) -> None:
        labels = [row.labels for row in self.rows]
        flat = list(itertools.chain.from_iterable(labels))
        right = list(map(len, labels)) == counts
        if right and self.names is not None:
            texts = [row.texts for row in self.rows]
            known = map(self.names.get, itertools.chain.from_iterable(texts))
            right = list(map(len, texts)) == counts and list(known) == flat
        if not right:
            for row in self.rows:
                self.class_ids(row)
            return
        ids = self.scan.ids
        for label, count in collections.Counter(flat).items():
            if label not in ids:
                self._count(ids, label, "", next(row for row in self.rows if label in row.labels))
                count -= 1
            ids[label].count += count

    def _boxes(self, counts: List[int]) -> None:
        top, left, bottom, right = edges = np.stack(
            [
                np.frombuffer(b"".join([row.edges[side] for row in self.rows]), "<f4")
                for side in range(len(EDGES))
            ]
        ).astype(np.float64)
        with np.errstate(invalid="ignore"):
            plain = (
                (edges.min(axis=0) >= -SLACK)
                & (edges.max(axis=0) <= 1 + SLACK)
                & (bottom > top)
                & (right > left)
            )
        good = plain
        if not plain.all():
            of = np.repeat(np.arange(len(counts)), counts)
            good = plain.copy()
            for place in np.flatnonzero(~plain):
                row = self.rows[of[place]]
                good[place], faults = box_faults(tuple(edges[:, place].tolist()), row.size)
                for kind, detail in faults:
                    self.note(kind, detail, row)
        if sum(map(len, self.sides)) < BOXES:
            sizes = np.array([row.size or (0, 0) for row in self.rows], np.int64)
            images = np.repeat(sizes, counts, axis=0)
            kept = good & (images[:, 0] > 0)
            self.sides.append(np.stack([bottom - top, right - left], axis=1)[kept])
            self.images.append(images[kept])


def image_key(encoded) -> int:
    """Equal for copies of an image, and for few others; never 0."""
    return len(encoded) << 32 | crc32c(encoded[-_TAIL:])


def source_key(text: bytes) -> int:
    """Equal for equal source ids: two checksums of 32 bits of different polynomials; never 0."""
    return (crc32c(text) << 32 | zlib.crc32(text)) or 1
