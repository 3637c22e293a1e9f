"""What the records of a data set have, and what is wrong with them: a value that can be merged.

Of each kind of fault the number and the first place are kept, so that memory does not grow with the
records, but for 24 bytes a record to recognise copies by, and the sizes of the first boxes.

Scans of different files of a data set merge in any order and grouping to the same value: what is
kept of many things is what comes first in the data set, or is smallest.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

import numpy as np

from graphfix.errors import SourceError

# Limits: boxes whose sizes are kept, classes whose names are, sizes of images.
BOXES, _NAMES, _SHAPES = 200000, 10000, 10000
# The number of a file (or of a piece of one) in its data set, and of a record in its file.
Order = Tuple[int, int]


class Note:
    """How often something was found, where it was found first, and its details there."""

    def __init__(self, order: Order, where: str, detail: str, count: int = 1):
        self.count, self.order, self.where, self.detail = count, order, where, detail

    def merge(self, other: "Note") -> None:
        self.count += other.count
        if other.order < self.order:
            self.order, self.where, self.detail = other.order, other.where, other.detail


class Boxes(NamedTuple):
    """Of a file's first boxes: height and width as parts of the image (float64 [N, 2]), and the
    image's own in pixels (int64 [N, 2])."""

    sides: np.ndarray
    images: np.ndarray


class Keys(NamedTuple):
    """Of each record of a file, or of a piece of it, what tells whether it is a copy (uint64 [N]
    each): a key of its image and one of its source id, 0 where it has none, and where in the file
    it is.  `first` is the number of the first one in its file."""

    images: np.ndarray
    sources: np.ndarray
    offsets: np.ndarray
    first: int = 0


class Scan:
    """What the records have.

    `files` has the path of each file, or of each piece of a file; these are what is called a file
    below.  `notes` are by kind; `ids` counts boxes by class id, `unknown` by texts that the label
    map lacks.  `pixels` are those of all `measured` images, `image_sizes` their (height, width).
    By
    the number of their file in `files`: its first boxes, its `keys`, its `damage`.
    """

    def __init__(self, files: Tuple[str, ...]):
        self.files = files
        self.records = self.boxes = self.empty = self.bytes = 0
        self.channels = self.scores = 0  # records with additional channels, with classes' scores
        self.mask_kinds: Set[str] = set()  # the lists that the files' first masks are in
        self.measured = self.pixels = 0
        self.complete = True
        self.boxed = False
        self.sized = 0  # boxes in `first_boxes`
        self.notes: Dict[str, Note] = {}
        self.ids: Dict[int, Note] = {}
        self.unknown: Dict[str, Note] = {}
        self.image_sizes: Set[Tuple[int, int]] = set()
        self.most: Optional[Note] = None  # boxes of an image
        self.first_boxes: Dict[int, Boxes] = {}
        self.keys: Dict[int, Keys] = {}
        self.damage: Dict[int, SourceError] = {}

    def found(self, kind: str) -> Optional[Note]:
        return self.notes.get(kind)

    def merge(self, other: "Scan") -> "Scan":
        """Adds another scan, of other files of the same data set; returns itself."""
        for name in "records boxes empty bytes measured pixels channels scores".split():
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.complete = self.complete and other.complete
        self.boxed = self.boxed or other.boxed
        for mine, others in (
            (self.notes, other.notes),
            (self.ids, other.ids),
            (self.unknown, other.unknown),
        ):
            _add(mine, others)
        self.image_sizes |= other.image_sizes
        self.mask_kinds |= other.mask_kinds
        if other.most is not None:
            self.more_boxes(other.most)
        self.first_boxes.update(other.first_boxes)
        self.keys.update(other.keys)
        self.damage.update(other.damage)
        self.sized += other.sized
        if self.sized > 2 * BOXES or len(self.unknown) > 2 * _NAMES:
            self.trim()
        return self

    def more_boxes(self, image: Note) -> None:
        """Takes an image for the one of the most boxes, if it is."""
        most = self.most
        if most is None or (-image.count, image.order) < (-most.count, most.order):
            self.most = image

    def trim(self) -> None:
        """Drops what is more than is kept, so that the same is left whatever was merged first.  To
        be called when all is merged; before, `merge` does it as memory needs it."""
        counted: Tuple[Dict[Any, Note], ...] = (self.ids, self.unknown)
        for notes in counted:
            if len(notes) > _NAMES:
                for name in sorted(notes)[_NAMES:]:
                    del notes[name]
        if len(self.image_sizes) > _SHAPES:
            self.image_sizes = set(sorted(self.image_sizes)[:_SHAPES])
        kept = 0
        for number in sorted(self.first_boxes):
            if kept >= BOXES:
                del self.first_boxes[number]
                continue
            boxes = self.first_boxes[number]
            if kept + len(boxes.sides) > BOXES:
                boxes = Boxes(*(part[: BOXES - kept] for part in boxes))
                self.first_boxes[number] = boxes
            kept += len(boxes.sides)
        self.sized = kept

    def first(self) -> Boxes:
        """The first boxes of the data set."""
        parts = [self.first_boxes[number] for number in sorted(self.first_boxes)]
        empty = Boxes(np.zeros((0, 2)), np.zeros((0, 2), np.int64))
        return Boxes(*(np.concatenate(part) for part in zip(empty, *parts)))

    def unknown_texts(self) -> List[Tuple[str, Note]]:
        """Texts that the label map lacks, in their order in the data set."""
        return sorted(self.unknown.items(), key=lambda item: (item[1].order, item[0]))


def _add(mine: Dict[Any, Note], others: Dict[Any, Note]) -> None:
    for key, note in others.items():
        known = mine.get(key)
        if known is None:
            mine[key] = Note(note.order, note.where, note.detail, note.count)
        else:
            known.merge(note)
