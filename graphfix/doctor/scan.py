"""One pass over the records of a data set: what they have, and what is wrong with it.

A record is a tf.Example with the keys of the API's TfExampleDecoder.  Of each kind of fault the
number and the first place are kept, so that memory does not grow with the records, but for 8 bytes
an image to recognise copies by, and the sizes of the first boxes.  No image is decoded.

A box's class is the one that the decoder uses: with a label map, its text where there is one (the
name's or the display name's id, none for another text), else its label.
"""

import collections
import math
import os
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from google.protobuf.message import DecodeError

from graphfix.datasets.tf_example import (
    EDGES,
    ENCODED,
    FORMAT,
    HEIGHT,
    KINDS,
    LABEL,
    MASK,
    SOURCE_ID,
    TEXT,
    WIDTH,
)
from graphfix.errors import SourceError
from graphfix.formats.checksum import crc32c
from graphfix.formats.image_header import GIF, JPEG, PNG, name_other, read_header
from graphfix.formats.schema import message_class
from graphfix.formats.tfrecord import read_records
from graphfix.pipeline_config.label_map import LabelMap
from graphfix.pipeline_config.resizers import Size

# Kinds of notes that are not faults, but would explain one.
AS_SIZE, OTHER_SIDE = "box may be x, y, width, height", "box may be divided by the other side"
_SPELLINGS = {"jpg": JPEG}
# Limits: boxes whose sizes are kept, classes whose names are, sizes of images.
_SIZES, _NAMES, _SHAPES = 200000, 10000, 100
# What the API takes for a fraction at most, and from where a coordinate is one of pixels: whole
# numbers from 2 on, others from 10 on.  Between them are fractions of a wrong image size.
_MOST_FRACTION, _WHOLE_PIXELS, _PIXELS = 1.1, 2.0, 10.0
_SLACK = 1e-3
_HUGE = 12000000
_EVERY = 64 << 20


class Note:
    """How often something was found, where it was found first, and its details there."""

    def __init__(self, where: str, detail: str):
        self.count, self.where, self.detail = 0, where, detail


class Scan:
    """What the records have.

    `notes` are by kind; `ids` counts boxes by class id, `unknown` by texts that the label map
    lacks.  Of the first boxes, `sizes` are (height, width) in pixels of the resized image, and
    `frames` the image's own, with its padding.  `pixels` are those of all `measured` images.
    """

    def __init__(self, files: Sequence[str]):
        self.files = tuple(files)
        self.records = self.boxes = self.empty = self.bytes = 0
        self.measured = self.pixels = 0
        self.complete = True
        self.notes: Dict[str, Note] = collections.OrderedDict()
        self.damage: List[SourceError] = []
        self.ids: Dict[int, Note] = {}
        self.unknown: Dict[str, Note] = collections.OrderedDict()
        self.sizes: List[Size] = []
        self.frames: List[Size] = []
        self.images: Dict[int, int] = {}
        self.shapes: Set[Any] = set()  # of images after resizing and padding; the first hundred
        self.most = (0, "")
        self.boxed = False

    def note(self, kind: str, where: str, detail: str = "") -> None:
        _count(self.notes, kind, where, detail)

    def found(self, kind: str) -> Optional[Note]:
        return self.notes.get(kind)


def _count(notes, key, where: str, detail: str = "") -> None:
    note = notes.get(key)
    if note is None:
        if len(notes) >= _NAMES:
            return
        note = notes[key] = Note(where, detail)
    note.count += 1


def scan_records(
    paths: Sequence[str],
    labels: Optional[LabelMap],
    resized: Callable[[int, int], Tuple[Size, Size]],
    *,
    masks: bool,
    sample: Optional[int],
    progress: Callable[[str], None],
) -> Scan:
    """Reads the records of files: all, or the first `sample`.

    `resized` returns an image's size once the config's resizer has scaled it, and once it has
    padded it; with `masks` every box needs a mask.  Damaged files are read up to the damage, which
    is in the result.
    """
    scan = Scan(paths)
    look = _Look(scan, labels, resized, masks)
    total = sum(os.path.getsize(path) for path in paths if os.path.exists(path))
    told = 0
    for path in paths:
        try:
            for number, offset, data in read_records(path):
                if sample is not None and scan.records >= sample:
                    scan.complete = False
                    return scan
                scan.records += 1
                scan.bytes += len(data)
                look.record(data, f"{path}: record {number} (at byte {offset})")
                if scan.bytes - told >= _EVERY:
                    told = scan.bytes
                    progress(f"reading {path}: {told >> 20} of {total >> 20} MB")
        except SourceError as error:
            scan.damage.append(error)
    return scan


class _Look:
    def __init__(self, scan: Scan, labels: Optional[LabelMap], resized, masks: bool):
        self.scan, self.resized, self.masks = scan, resized, masks
        self.example_class = message_class("graphfix.example.Example")
        # The decoder uses the larger of the two lookups.
        self.names: Optional[Dict[bytes, int]] = None
        if labels is not None:
            self.names = {}
            for label in labels.labels:
                for name in label.names:
                    key = name.encode("utf-8")
                    self.names[key] = max(label.id, self.names.get(key, 0))
        self.sources: Set[int] = set()  # hashes of source ids

    def record(self, data: bytes, where: str) -> None:
        scan = self.scan
        try:
            # A message that is used again keeps all memory it ever had (protobuf 4 and later).
            example = self.example_class.FromString(data)
        except DecodeError:
            scan.note("RECORD_NOT_EXAMPLE", where)
            return
        found = {}
        for feature in example.features.feature:
            kind = KINDS.get(feature.key)
            held = feature.value.WhichOneof("kind")
            if kind is None:
                if feature.key == MASK:
                    found[MASK] = True
                continue
            if held not in (kind, None):
                scan.note(
                    "FEATURE_KIND", where, f"{feature.key.decode()} is a {held}, not a {kind}"
                )
                continue
            found[feature.key] = getattr(feature.value, kind).value
        self.source(found.get(SOURCE_ID), where)
        size = self.image(found, where)
        if size:
            self.scan.measured += 1
            self.scan.pixels += size[0] * size[1]
            if len(self.scan.shapes) < _SHAPES:
                self.scan.shapes.add(self.resized(*size)[1])
        self.objects(found, size, where)

    def source(self, source, where: str) -> None:
        if not source or not source[0]:
            self.scan.note("SOURCE_ID_MISSING", where)
            return
        key = hash(source[0])
        if key in self.sources:
            self.scan.note("SOURCE_ID_TWICE", where, source[0].decode("utf-8", "backslashreplace"))
        self.sources.add(key)

    def image(self, found, where: str) -> Optional[Tuple[int, int]]:
        """Checks the encoded image; returns its (height, width), None where they are unknown."""
        note = self.scan.note
        height, width = (int((found.get(key) or (0,))[0]) for key in (HEIGHT, WIDTH))
        stated = height, width
        stated_size = stated if min(stated) > 1 else None
        encoded = (found.get(ENCODED) or (b"",))[0]
        if not encoded:
            note("IMAGE_MISSING", where)
            return stated_size
        key = crc32c(encoded) << 32 | len(encoded)
        if key in self.scan.images:
            note("IMAGE_TWICE", where, f"record {self.scan.images[key]}")
        else:
            self.scan.images[key] = self.scan.records - 1
        header = read_header(encoded)
        if header is None:
            note("IMAGE_UNREADABLE", where, name_other(encoded))
            return stated_size
        if not header.complete:
            note("IMAGE_CUT", where, header.format.upper())
        if header.format == GIF:
            note("IMAGE_GIF", where)
        size = (header.height, header.width)
        if not min(size):
            return stated_size
        form = (found.get(FORMAT) or (b"jpeg",))[0].decode("utf-8", "replace")
        if _SPELLINGS.get(form.lower(), form.lower()) != header.format:
            note(
                "IMAGE_FORMAT",
                where,
                f"image/format is '{form}', but the image is {header.format.upper()}",
            )
        if stated_size and stated != size:
            note(
                "IMAGE_TURNED" if stated == size[::-1] else "IMAGE_SIZE",
                where,
                f"image/height and image/width are {stated[0]} x {stated[1]}, but the image is "
                f"{size[0]} x {size[1]}",
            )
        if header.format == JPEG and header.channels == 4:
            note("IMAGE_CMYK", where)
        elif header.format in (JPEG, PNG) and header.channels in (1, 2):
            note("IMAGE_GRAY", where)
        if size[0] * size[1] > _HUGE:
            note("IMAGE_HUGE", where, f"{size[0]} x {size[1]}")
        return size

    def objects(self, found, size: Optional[Tuple[int, int]], where: str) -> None:
        scan = self.scan
        edges = [found.get(edge, ()) for edge in EDGES]
        scan.boxed = scan.boxed or any(edge in found for edge in EDGES)
        count = len(edges[0])
        if any(len(edge) != count for edge in edges):
            scan.note(
                "BOX_COUNTS",
                where,
                f"{', '.join(str(len(edge)) for edge in edges)} values of ymin, xmin, ymax and "
                "xmax",
            )
            return
        scan.boxes += count
        scan.empty += not count
        if count > scan.most[0]:
            scan.most = (count, where)
        if not count:
            return
        if self.masks and MASK not in found:
            scan.note("MASK_MISSING", where)
        self.classes(found.get(TEXT, ()), found.get(LABEL, ()), count, where)
        resized = self.resized(*size) if size else None
        for box in zip(*edges):
            self.box(box, size, resized, where)

    def classes(self, texts, labels, count: int, where: str) -> None:
        scan = self.scan
        use_texts = self.names is not None and len(texts)
        values = texts if use_texts else labels
        if len(values) != count:
            scan.note(
                "CLASS_COUNTS",
                where,
                f"{count} boxes, and {len(values)} values of "
                f"{(TEXT if use_texts else LABEL).decode()}",
            )
            return
        if not use_texts:
            for label in labels:
                _count(scan.ids, label, where)
            return
        for number, text in enumerate(texts):
            known = (self.names or {}).get(text)
            if known is None:
                _count(scan.unknown, text.decode("utf-8", "backslashreplace"), where)
                continue
            _count(scan.ids, known, where)
            if number < len(labels) and labels[number] != known:
                scan.note(
                    "CLASS_DISAGREES",
                    where,
                    (
                        f"class/text '{text.decode('utf-8', 'replace')}' is {known} in the label "
                        "map, but class/label is "
                        f"{labels[number]}"
                    ),
                )

    def box(self, box, size, resized, where: str) -> None:
        scan = self.scan
        top, left, bottom, right = box
        low, high = min(box), max(box)
        if not math.isfinite(sum(box)):  # min and max pass over NaN
            scan.note("BOX_NO_NUMBER", where, _shown(box))
            return
        if high > _PIXELS or (high >= _WHOLE_PIXELS and all(edge == int(edge) for edge in box)):
            scan.note("BOX_PIXELS", where, _shown(box))
            return
        if high > _MOST_FRACTION:
            scan.note("BOX_FAR", where, _shown(box))
        if bottom < top or right < left:
            # What widths and heights in place of the far corner would look like.
            if low >= 0 and top + bottom <= 1 + _SLACK and left + right <= 1 + _SLACK:
                scan.note(AS_SIZE, where)
            scan.note("BOX_INVERTED", where, _shown(box))
            return
        if low < -_SLACK or high > 1 + _SLACK:
            if size and self._other_side(box, size):
                scan.note(OTHER_SIDE, where)
            scan.note("BOX_OUTSIDE", where, _shown(box))
        if bottom == top or right == left:
            scan.note("BOX_EMPTY", where, _shown(box))
        elif resized and len(scan.sizes) < _SIZES:
            scaled, padded = resized
            scan.sizes.append(((bottom - top) * scaled[0], (right - left) * scaled[1]))
            scan.frames.append(padded)

    def _other_side(self, box, size) -> bool:
        """Whether a box lies in its image if x was divided by the height, or y by the width."""
        ratio = size[0] / float(size[1])
        y, x = max(box[0], box[2]), max(box[1], box[3])
        return min(box) >= 0 and (
            (x > 1 and x * ratio <= 1 + _SLACK and y <= 1)
            or (y > 1 and y / ratio <= 1 + _SLACK and x <= 1)
        )


def _shown(box) -> str:
    ymin, xmin, ymax, xmax = box
    return f"ymin {ymin:.4g}, xmin {xmin:.4g}, ymax {ymax:.4g}, xmax {xmax:.4g}"
