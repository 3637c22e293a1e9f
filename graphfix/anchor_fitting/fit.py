"""Finds the generator's settings whose anchors cover a data set's boxes best.

The objective is the average of two things: the mean best IoU, and the share of boxes that reach the
matcher's threshold, counted softly (a box a tenth below counts 0, one a tenth above counts 1),
since a step function leads nowhere from where no box reaches the threshold.

It is maximized by a pattern search (move each value up and down by a step, keep what helps, halve
the step when nothing does) from the present settings and from the data set's own quantiles, and
again from randomly moved results; on a seeded sample of boxes.  The result is evaluated on all of
them, and proposed only if neither the mean best IoU nor the recall at the threshold is worse than
the present anchors'.
"""

import dataclasses
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.anchor_fitting.coverage import (
    SSD_GENERATOR,
    Best,
    FeatureMaps,
    GridOverlaps,
    best_overlaps,
)
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.search_space import SearchSpace, Shapes, search_spaces
from graphfix.detectors.anchor_generators import AnchorSpec, describe_anchors
from graphfix.errors import SourceError

SAMPLE = 3000
_STEPS = (0.3, 0.15, 0.07, 0.03)  # of a logarithm
_SHAKES = (0.6, 0.5, 0.4, 0.3, 0.2) * 3
_SHAKEN = 2  # how many of the best search spaces are searched on
_SOFT = 0.1
_PULL = 0.01  # on the mean square distance from the first start
_GAIN = 1e-4  # a smaller gain counts as none
_SIMPLER = 0.005  # what a search space has to gain over a simpler one
_MOST_KEPT = 400  # cached arrays of overlaps


@dataclasses.dataclass(frozen=True)
class Fitted:
    """The message to propose, its anchors, and how the present anchors and these cover all boxes;
    `varied` names the settings that were varied, None where the present anchors stay."""

    message: Any
    spec: AnchorSpec
    before: Best
    after: Best
    varied: Optional[str]


class Objective:
    """How well the anchors of messages cover a sample of boxes; overlaps of anchors that messages
    share are cached."""

    def __init__(
        self,
        sample: BoxSet,
        maps: FeatureMaps,
        threshold: float,
        image: Optional[Tuple[float, float]],
    ):
        self.sample, self.maps, self.threshold, self.image = sample, maps, threshold, image
        self.placed: Optional[GridOverlaps] = None
        self.known: Dict[Tuple, np.ndarray] = {}
        self.calls = 0

    def __call__(self, message: Any) -> float:
        """From 0 to 1; -1 for settings that cannot be built."""
        self.calls += 1
        try:
            spec = described(message, "it", self.image)
        except SourceError:
            return -1.0
        if self.placed is None:
            self.placed = GridOverlaps(self.sample, spec, self.maps)
        best = np.zeros(len(self.sample), np.float32)
        for level, one in enumerate(spec.maps):
            for size in one.sizes:
                np.maximum(best, self._overlaps(self.placed, level, size), out=best)
        return score(best, self.threshold)

    def _overlaps(self, placed: GridOverlaps, level: int, size: Any) -> np.ndarray:
        key = (level,) + tuple(size)
        found = self.known.get(key)
        if found is None:
            if len(self.known) >= _MOST_KEPT:
                self.known.clear()
            found = self.known[key] = placed.overlaps(level, size)
        return found


def score(best: np.ndarray, threshold: float) -> float:
    """What is maximized; `best`: IoUs [N]."""
    reach = np.clip((best - (threshold - _SOFT)) / (2 * _SOFT), 0, 1)
    return float(best.mean() + reach.mean()) / 2


def described(message: Any, subject: str, image: Optional[Tuple[float, float]]) -> AnchorSpec:
    """The anchors as `GridOverlaps` takes them: described without an image if they scale with it.

    Raises:
      SourceError: they cannot be built; its subject is `subject`.
    """
    scaled = message.WhichOneof("anchor_generator_oneof") == SSD_GENERATOR
    return describe_anchors(message, subject, None if scaled else image)


def fit(
    message: Any,
    boxes: BoxSet,
    maps: FeatureMaps,
    *,
    threshold: float,
    seed: int,
    subject: str,
    image: Optional[Tuple[float, float]],
    count: Optional[int] = None,
) -> Fitted:
    """The generator's best settings for the boxes.

    `message`: the config's AnchorGenerator, whose file is `subject`; `image`: (height, width) of
    every resized image, if it is constant; `count`: anchors at a location, if not as many as now.

    Raises:
      SourceError: the present generator cannot be built.
      RequestError: the generator cannot place `count` anchors.
    """
    spec = described(message, subject, image)
    before = best_overlaps(boxes, spec, maps, threshold)
    random = np.random.RandomState(seed)
    picked = random.permutation(len(boxes))[:SAMPLE]
    sample = boxes.part(np.sort(picked))
    objective = Objective(sample, maps, threshold, image)
    unit = sample.images.min(axis=1) if spec.generator == SSD_GENERATOR else 1.0
    shapes = Shapes(
        np.sort(np.log(sample.sides / unit)),
        np.sort(np.log(sample.boxes[:, 3] / sample.boxes[:, 2])),
    )
    found = [
        (space, *search(space, objective, random))
        for space in search_spaces(message, shapes, count, spec.per_map)
    ]
    found.sort(key=lambda one: -one[1])
    found[:_SHAKEN] = [
        (space, *shake(space, value, vector, objective, random))
        for space, value, vector in found[:_SHAKEN]
    ]
    best: Optional[Fitted] = None
    for space, _, vector in _by_preference(found):
        made = space.build(vector)
        anchors = described(made, subject, image)
        after = best_overlaps(boxes, anchors, maps, threshold)
        fitted = Fitted(made, anchors, before, after, space.name)
        if count not in (None,) + spec.per_map or not_worse(before, after, threshold):
            return fitted
        best = best or fitted
    return Fitted(message, spec, before, before, None)


def not_worse(before: Best, after: Best, threshold: float) -> bool:
    """Whether neither the mean best IoU nor the recall fell, and one of them rose."""
    pairs = [
        (float(one.iou.mean(dtype=np.float64)), float((one.iou >= threshold).mean()))
        for one in (before, after)
    ]
    return pairs[1] != pairs[0] and all(new >= old for old, new in zip(*pairs))


def _by_preference(
    found: List[Tuple[SearchSpace, float, np.ndarray]],
) -> Sequence[Tuple[SearchSpace, float, np.ndarray]]:
    """The simplest search space within _SIMPLER of the best first, then all by their value."""
    top = max(value for _, value, _ in found)
    return sorted(
        found,
        key=lambda one: (
            one[1] < top - _SIMPLER,
            one[0].simplicity if one[1] >= top - _SIMPLER else 0,
            -one[1],
        ),
    )


def search(
    space: SearchSpace, objective: Callable[[Any], float], random: Any
) -> Tuple[float, np.ndarray]:
    """The best value in a search space and its vector, from all of its starts."""
    return max(
        (_pattern(space, start, objective, random) for start in space.starts),
        key=lambda one: one[0],
    )


def shake(
    space: SearchSpace,
    value: float,
    vector: np.ndarray,
    objective: Callable[[Any], float],
    random: Any,
) -> Tuple[float, np.ndarray]:
    """The best value from random moves on: a pattern search ends at a local maximum."""
    for spread in _SHAKES:
        reached, other = _pattern(
            space, vector + random.normal(0, spread, len(vector)), objective, random
        )
        if reached > value:
            value, vector = reached, other
    return value, vector


def _pattern(
    space: SearchSpace, start: np.ndarray, objective: Callable[[Any], float], random: Any
) -> Tuple[float, np.ndarray]:
    low, high = space.bounds.T
    present = np.clip(space.starts[0], low, high)

    def value_of(vector: np.ndarray) -> float:
        # A setting that no box depends on goes back to where it was.
        return objective(space.build(vector)) - _PULL * np.mean((vector - present) ** 2)

    vector = np.clip(start, low, high)
    value = value_of(vector)
    for step in _STEPS:
        gained = True
        while gained:
            gained = False
            for place in random.permutation(len(vector)):
                for sign in (1, -1):
                    trial = vector.copy()
                    trial[place] = np.clip(trial[place] + sign * step, low[place], high[place])
                    reached = value_of(trial)
                    if reached > value + _GAIN:
                        value, vector, gained = reached, trial, True
                        break
    return value, vector
