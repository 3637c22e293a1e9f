"""What a fit maximizes: what the matcher makes of the boxes.

The stock matcher gives a box every anchor whose IoU reaches its threshold and, where it forces
matches, the best anchor to a box that none reaches.  So a box counts, by halves, for how good its
best anchor is, and for whether it reaches the threshold; where matches are not forced, its best
anchor's IoU counts only as far as it reaches.  Reaching is counted softly (a tenth below the
threshold counts 0, a tenth above it 1), since a step function leads nowhere from where no box
reaches it.
"""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.anchor_fitting.coverage import SSD_GENERATOR, FeatureMaps, GridOverlaps
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.limits import SLACK, Limits, shrunk
from graphfix.anchor_fitting.space import ROUNDING, SearchSpace
from graphfix.detectors.anchor_generators import AnchorSpec, describe_anchors
from graphfix.errors import SourceError

_SOFT = 0.1
_SHRINKS = 16  # an interpolated anchor shrinks by the root of a scale alone
_MOST_POINTS = 4000
_MOST_KEPT = 400  # cached arrays of overlaps, of maps and of each map's anchors


@dataclasses.dataclass(frozen=True)
class Matching:
    """The matcher: the IoU from which it assigns an anchor to a box, and whether it forces the best
    anchor on a box that none reaches."""

    threshold: float
    forced: bool = True

    def credit(self, best: np.ndarray) -> np.ndarray:
        """What each box counts, 0 to 1; `best`: IoUs [N]."""
        reach = np.clip((best - (self.threshold - _SOFT)) / (2 * _SOFT), 0, 1)
        return (best if self.forced else best * reach) / 2 + reach / 2


def described(message: Any, subject: str, image: Optional[Tuple[float, float]]) -> AnchorSpec:
    """The anchors as `GridOverlaps` takes them: described without an image if they scale with it.

    Raises:
      SourceError: they cannot be built; its subject is `subject`.
    """
    scaled = message.WhichOneof("anchor_generator_oneof") == SSD_GENERATOR
    return describe_anchors(message, subject, None if scaled else image)


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A point of a search space: its vector (its anchors within the limits), what the generator's
    message is, its anchors, and what they are worth."""

    space: SearchSpace
    vector: np.ndarray
    message: Any
    spec: AnchorSpec
    value: float


class Objective:
    """How well the anchors of messages cover boxes; overlaps are cached."""

    def __init__(
        self,
        boxes: BoxSet,
        present: AnchorSpec,
        maps: FeatureMaps,
        matching: Matching,
        image: Optional[Tuple[float, float]],
        limits: Limits,
    ):
        self.matching, self.image, self.limits = matching, image, limits
        self.placed = GridOverlaps(boxes, present, maps)
        # One point in six is come to again, on a way back above all.
        self.points: Dict[Tuple[str, bytes], Optional[Candidate]] = {}
        self.known: Dict[Tuple, np.ndarray] = {}
        self.anchors: List[Dict[Tuple, np.ndarray]] = [{} for _ in present.maps]

    def candidate(self, space: SearchSpace, vector: np.ndarray) -> Optional[Candidate]:
        """The point of a vector, its anchors shrunk into the limits; None where it cannot be."""
        vector = np.clip(vector, *space.bounds.T)
        key = space.name, vector.tobytes()
        if key not in self.points:
            if len(self.points) >= _MOST_POINTS:
                self.points.clear()
            self.points[key] = self._candidate(space, vector)
        return self.points[key]

    def _candidate(self, space: SearchSpace, vector: np.ndarray) -> Optional[Candidate]:
        for _ in range(_SHRINKS):
            if not space.ordered(vector):
                return None
            message = space.build(vector)
            try:
                spec = described(message, "it", self.image)
            except SourceError:
                return None
            most, excess = self.limits.excess(spec, space.present is not None)
            if most <= SLACK:
                value = float(self.matching.credit(self.best(spec)).mean(dtype=np.float64))
                return Candidate(space, vector, message, spec, value)
            vector = space.sorted(shrunk(vector, space.groups, excess, ROUNDING))
        return None

    def best(self, spec: AnchorSpec) -> np.ndarray:
        """Each box's best IoU: [N]."""
        if len(self.known) >= _MOST_KEPT:
            self.known.clear()
        self._place(spec)
        return _largest([self._of_map(level, one.sizes) for level, one in enumerate(spec.maps)])

    def _place(self, spec: AnchorSpec) -> None:
        """Finds the overlaps of anchors that are new: of most candidates a few, on all maps."""
        new = []
        for level, one in enumerate(spec.maps):
            rows = self.anchors[level]
            if len(rows) > _MOST_KEPT:
                rows.clear()
            if (level, one.sizes) not in self.known:
                new += [(level, size) for size in dict.fromkeys(one.sizes) if size not in rows]
        if new:
            for (level, size), row in zip(new, self.placed.overlaps_of(new)):
                self.anchors[level][size] = row

    def _of_map(self, level: int, sizes: Tuple) -> np.ndarray:
        key = (level, sizes)
        found = self.known.get(key)
        if found is None:
            rows = self.anchors[level]
            found = self.known[key] = _largest([rows[size] for size in sizes])
        return found


def _largest(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Of each place, the largest value."""
    out = rows[0]
    for row in rows[1:]:
        out = np.maximum(out, row)
    return out
