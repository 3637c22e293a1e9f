"""The boxes of a data set as the network will see them: in pixels of the resized images.

A box that the API could not train on is left out and counted: one with a coordinate that is not a
number, one that reaches out of its image by more than a hundredth of a side (by less, it is clipped
to the image), an inverted one, one without area.
"""

import contextlib
import dataclasses
import gc
import itertools
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from graphfix.datasets.boxes import ImageBoxes, PackedBoxes
from graphfix.errors import SourceError
from graphfix.findings import WARNING, Finding
from graphfix.pipeline_config.label_map import normal
from graphfix.pipeline_config.resizers import needs_size, resized

_CHUNK = 1 << 16  # boxes that are checked together
_TOLERANCE = 0.01

# What may be wrong with a box, in the order of the checks.
FAULTS = (
    "have a coordinate that is not a number",
    "reach out of their image",
    "are inverted",
    "have no area",
)
NO_CLASS = "(no class)"


@dataclasses.dataclass(frozen=True)
class BoxSet:
    """Boxes in pixels of the resized images.

    `boxes` is float32 [N, 4]: centre y and x, height, width.  `images`, float32 [N, 2], has the
    size of each box's image, padding included; [1, 2] where all are of one size.  `classes`,
    int32 [N], counts in `names`.  `skipped` counts the boxes left out.  `image_of`, int32 [N], says
    which boxes are of one image; where it is None, each has its own.
    """

    boxes: np.ndarray
    images: np.ndarray
    classes: np.ndarray
    names: Tuple[str, ...]
    skipped: int
    image_of: Optional[np.ndarray] = None

    def __len__(self) -> int:
        return len(self.boxes)

    def part(self, which: Any) -> "BoxSet":
        """The boxes that an index or a slice picks."""
        return dataclasses.replace(
            self,
            boxes=self.boxes[which],
            classes=self.classes[which],
            image_of=None if self.image_of is None else self.image_of[which],
            images=self.images if len(self.images) == 1 else self.images[which],
        )

    @property
    def image_numbers(self) -> np.ndarray:
        """Of each box, a number that it shares with the boxes of its image: [N]."""
        return np.arange(len(self)) if self.image_of is None else self.image_of

    @property
    def sides(self) -> np.ndarray:
        """The square root of each box's area: [N]."""
        return np.sqrt(self.boxes[:, 2] * self.boxes[:, 3])


class _Collector:
    def __init__(self, resizer: Any, names: Dict[int, str]):
        self.resizer, self.known = resizer, names
        self.names: Dict[str, int] = {}
        self.number_of: Dict[Union[str, int, None], int] = {}  # by the names that files have
        self.parts: List[Tuple[np.ndarray, ...]] = []
        self.wrong = [0] * len(FAULTS)
        self.first = [(0, "")] * len(FAULTS)  # number among all boxes, and where
        self.seen = 0
        self.pictures: Dict[Union[str, int], int] = {}
        self.pictures_seen = 0
        self.clear()

    def clear(self) -> None:
        # One of these two has boxes.
        self.boxes: List = []
        self.columns: Tuple[List[bytes], ...] = ([], [], [], [])
        self.packed = False
        self.counts: List[int] = []  # of each image's boxes
        self.count = 0
        self.classes: List[Union[str, int, None]] = []
        self.images: List[ImageBoxes] = []
        self.picture_of: List[int] = []  # of each image

    def add(self, image: ImageBoxes) -> None:
        if image.size is None and needs_size(self.resizer):
            raise SourceError(
                image.where,
                (
                    "lacks the image's size, on which the config's "
                    f"{self.resizer.WhichOneof('image_resizer_oneof')} depends"
                ),
                "give image/height and image/width",
            )
        boxes = image.boxes
        packed = isinstance(boxes, PackedBoxes)
        if packed != self.packed:
            self.flush()
            self.packed = packed
        if isinstance(boxes, PackedBoxes):
            for column, edges in zip(self.columns, boxes.columns):
                column.append(edges)
        else:
            self.boxes.extend(boxes)
        self.images.append(image)
        self.counts.append(len(boxes))
        self.count += len(boxes)
        self.classes.extend(image.classes)
        number = self.pictures_seen
        if image.picture is not None:
            number = self.pictures.setdefault(image.picture, number)
        self.pictures_seen += number == self.pictures_seen
        self.picture_of.append(number)
        if self.count >= _CHUNK:
            self.flush()

    def _number(self, name: Union[str, int, None]) -> int:
        known = self.number_of.get(name)
        if known is not None:
            return known
        shown = self.known.get(name, f"id {name}") if isinstance(name, int) else name
        shown = NO_CLASS if shown is None else normal(shown)
        number = self.number_of[name] = self.names.setdefault(shown, len(self.names))
        return number

    def flush(self) -> None:
        if not self.count:
            self.clear()
            return
        edges = self._edges()
        image_of = np.repeat(np.arange(len(self.images)), self.counts)
        numbers = [self.number_of.get(name) for name in self.classes]
        if None in numbers:
            numbers = [self._number(name) for name in self.classes]
        good = self._sound(edges, image_of)
        sizes = np.array([image.size or (1, 1) for image in self.images], np.float64)
        scaled, padded = resized(self.resizer, sizes)
        edges = np.clip(edges[good], 0, 1) * np.tile(scaled[image_of[good]], 2)
        self.parts.append(
            (
                np.concatenate(
                    [(edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]], axis=1
                ).astype(np.float32),
                padded[image_of[good]].astype(np.float32),
                np.array(numbers, np.int32)[good],
                np.array(self.picture_of, np.int32)[image_of[good]],
            )
        )
        self.clear()

    def _edges(self) -> np.ndarray:
        """The boxes' ymin, xmin, ymax and xmax: [N, 4]."""
        if self.packed:
            columns = [np.frombuffer(b"".join(column), "<f4") for column in self.columns]
            return np.stack(columns, axis=1).astype(np.float64)
        flat = itertools.chain.from_iterable(self.boxes)
        return np.fromiter(flat, np.float64, 4 * len(self.boxes)).reshape(-1, 4)

    def _sound(self, edges: np.ndarray, image_of: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            clipped = np.clip(edges, 0, 1)
            faults = (
                ~np.isfinite(edges).all(axis=1),
                ((edges < -_TOLERANCE) | (edges > 1 + _TOLERANCE)).any(axis=1),
                (edges[:, 2:] < edges[:, :2]).any(axis=1),
                (clipped[:, 2:] <= clipped[:, :2]).any(axis=1),
            )
        good = np.ones(len(edges), bool)
        for number, fault in enumerate(faults):
            found = fault & good
            if found.any() and not self.wrong[number]:
                place = int(found.argmax())
                self.first[number] = (self.seen + place, self.images[image_of[place]].where)
            self.wrong[number] += int(found.sum())
            good &= ~found
        self.seen += len(edges)
        return good


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Here a hundred thousand tuples are made and none refers to itself: Python need not look."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Gathered(NamedTuple):
    """The boxes of some files: of the good ones their rows, sizes of images, classes and images
    (as BoxSet has them), of the wrong ones how many have each of FAULTS, and the first's number
    among all and place.  `names` are those of the classes, `pictures` the numbers of images that
    have a name or id, of `images` in all."""

    columns: Tuple[np.ndarray, ...]
    names: Tuple[str, ...]
    pictures: Dict[Union[str, int], int]
    images: int
    wrong: Tuple[int, ...]
    first: Tuple[Tuple[int, str], ...]
    seen: int


def gather(stream: Iterable[ImageBoxes], resizer: Any, names: Dict[int, str]) -> Gathered:
    """The boxes of a stream, resized; `names` are those of classes by id, for files that have ids.

    Raises:
      SourceError: a file is damaged.
    """
    collector = _Collector(resizer, names)
    with _no_garbage():
        for image in stream:
            collector.add(image)
        collector.flush()
    empty = (
        np.zeros((0, 4), np.float32),
        np.zeros((0, 2), np.float32),
        np.zeros(0, np.int32),
        np.zeros(0, np.int32),
    )
    parts, collector.parts = collector.parts, []
    return Gathered(
        tuple(np.concatenate(columns) for columns in zip(empty, *parts)),
        tuple(collector.names),
        collector.pictures,
        collector.pictures_seen,
        tuple(collector.wrong),
        tuple(collector.first),
        collector.seen,
    )


def merge(gathered: Sequence[Gathered]) -> Gathered:
    """The boxes of all, one after the other."""
    if len(gathered) == 1:
        return gathered[0]
    names: Dict[str, int] = {}
    pictures: Dict[Union[str, int], int] = {}
    images = seen = 0
    columns: List[Tuple[np.ndarray, ...]] = []
    wrong, first = [0] * len(FAULTS), [(0, "")] * len(FAULTS)
    for one in gathered:
        classes = np.array([names.setdefault(name, len(names)) for name in one.names], np.int32)
        numbers = np.arange(images, images + one.images, dtype=np.int32)
        if one.pictures:
            named = {number: picture for picture, number in one.pictures.items()}
            for number in range(one.images):
                images = _numbered(named.get(number), number, numbers, pictures, images)
        else:
            images += one.images
        boxes, sizes, of_class, of_image = one.columns
        columns.append((boxes, sizes, classes[of_class], numbers[of_image]))
        for number, count in enumerate(one.wrong):
            if count and not wrong[number]:
                place, where = one.first[number]
                first[number] = (seen + place, where)
            wrong[number] += count
        seen += one.seen
    together = tuple(np.concatenate(parts) for parts in zip(*columns))
    return Gathered(together, tuple(names), pictures, images, tuple(wrong), tuple(first), seen)


def _numbered(
    picture: Union[str, int, None],
    number: int,
    numbers: np.ndarray,
    pictures: Dict[Union[str, int], int],
    images: int,
) -> int:
    """Gives an image its number among all; returns how many images there are with it."""
    numbers[number] = images if picture is None else pictures.setdefault(picture, images)
    return images + int(numbers[number] == images)


def box_set(gathered: Gathered, subject: str) -> Tuple[BoxSet, Tuple[Finding, ...]]:
    """All boxes that can be trained on, and findings about those left out.

    `subject`: what they were read from.

    Raises:
      SourceError: there are no boxes, or none that could be trained on.
    """
    boxes, sizes, classes, image_of = gathered.columns
    total, skipped = len(boxes), sum(gathered.wrong)
    if not total + skipped:
        raise SourceError(subject, "has no image with a box", "give annotated images")
    findings = tuple(
        Finding(
            "BOXES_SKIPPED",
            WARNING,
            where,
            (
                f"has the first of {count} boxes (of {total + skipped}) that {words}; they "
                "are left out"
            ),
            "correct the annotations: the "
            "API's trainers stop at such boxes, or learn them as they are",
        )
        for words, count, (_, where) in zip(FAULTS, gathered.wrong, gathered.first)
        if count
    )
    if not total:
        _, where = min(first for first in gathered.first if first[1])
        wrong = " or ".join(words for words, number in zip(FAULTS, gathered.wrong) if number)
        raise SourceError(
            where,
            f"has the first of {skipped} boxes that {wrong}, and there is no other box",
            "correct the annotations",
        )
    if (sizes == sizes[0]).all():
        sizes = sizes[:1]
    return BoxSet(boxes, sizes, classes, gathered.names, skipped, image_of), findings
