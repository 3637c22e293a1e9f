"""Finds the generator's settings whose anchors cover a data set's boxes best, and judges them on
boxes that they were not fitted to.

The search spaces of a generator give good points (search.py), each as near to the present settings
as is as good as the best (less an allowance: the gain's own standard error, and at most a part of
it); the one that changes the anchors least is proposed.  No anchor becomes larger than the image
(limits.py).  The proposal is taken only if its gain holds on the boxes held out (held_out.py); else
the present settings stay.
"""

import dataclasses
from typing import Any, Optional, Tuple

import numpy as np

from graphfix.anchor_fitting.coverage import SSD_GENERATOR, Best, FeatureMaps, best_overlaps
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.held_out import Verdict, judge, split
from graphfix.anchor_fitting.limits import Limits, image_limit
from graphfix.anchor_fitting.objective import Candidate, Matching, Objective, described
from graphfix.anchor_fitting.search import change, returned, search, shake
from graphfix.anchor_fitting.search_space import search_spaces
from graphfix.anchor_fitting.space import Shapes
from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.errors import RequestError

_SHAKEN = 2  # how many of the best points are searched on from
_EQUAL = 0.003  # a smaller difference is none
_OF_GAIN = 0.2  # the most of the gain that is given up for a smaller change


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What was found: the message to write and its anchors, the present ones where they stay
    (`varied` is None), else `varied` names the settings that were varied.

    `before` and `after`: how the present anchors and the best that were found cover all boxes;
    `fitted` and `held_out`: which boxes those are, as indices."""

    message: Any
    spec: AnchorSpec
    before: Best
    after: Best
    varied: Optional[str]
    fitted: np.ndarray
    held_out: np.ndarray
    verdict: Verdict


def fit(
    message: Any,
    boxes: BoxSet,
    maps: FeatureMaps,
    *,
    matching: Matching,
    seed: int,
    subject: str,
    image: Optional[Tuple[float, float]],
    count: Optional[int] = None,
) -> Fitted:
    """The generator's best settings for the boxes.

    `message`: the config's AnchorGenerator, whose file is `subject`; `image`: (height, width) of
    every resized image, if it is constant; `count`: anchors at a location, if not as many as now:
    these are written whatever the verdict.

    Raises:
      SourceError: the present generator cannot be built.
      RequestError: the generator cannot place `count` anchors within the image.
    """
    spec = described(message, subject, image)
    before = best_overlaps(boxes, spec, maps, matching.threshold)
    random = np.random.RandomState(seed)
    fitted, held_out = split(boxes, random)
    sample = boxes.part(fitted)
    limits = Limits(spec, image_limit(spec, boxes.images))
    objective = Objective(sample, spec, maps, matching, image, limits)
    best = _best(message, spec, sample, objective, random, count)
    if best is None:
        verdict = Verdict(False, "the search found nothing better", 0.0, 0.0)
        return Fitted(message, spec, before, before, None, fitted, held_out, verdict)
    after = best_overlaps(boxes, best.spec, maps, matching.threshold)
    verdict = judge(boxes, held_out, before, after, matching)
    asked = best.spec.per_map != spec.per_map
    if verdict.take or asked:
        return Fitted(
            best.message, best.spec, before, after, best.space.name, fitted, held_out, verdict
        )
    return Fitted(message, spec, before, after, None, fitted, held_out, verdict)


def _best(
    message: Any,
    spec: AnchorSpec,
    sample: BoxSet,
    objective: Objective,
    random: Any,
    count: Optional[int],
) -> Optional[Candidate]:
    """The proposal; None where nothing is better than the present anchors."""
    unit = sample.images.min(axis=1) if spec.generator == SSD_GENERATOR else 1.0
    shapes = Shapes(
        np.sort(np.log(sample.sides / unit)),
        np.sort(np.log(sample.boxes[:, 3] / sample.boxes[:, 2])),
    )
    spaces = search_spaces(message, shapes, count, spec.per_map)
    found = [one for space in spaces for one in search(space, objective, random)]
    found.sort(key=lambda one: -one.value)
    found += [shake(one, objective, random) for one in found[:_SHAKEN]]
    found.sort(key=lambda one: -one.value)
    if not found:
        raise RequestError(
            "--num_anchors",
            f"is {count}, for which there are no anchors within the image",
            "ask for another number, or leave it out",
        )
    if found[0].spec.per_map != spec.per_map:
        return found[0]
    credit = objective.matching.credit
    present = credit(objective.best(spec))
    gains = credit(objective.best(found[0].spec)) - present
    gain = found[0].value - float(present.mean(dtype=np.float64))
    if gain <= 0:
        return None
    error = float(gains.std()) / len(gains) ** 0.5
    floor = found[0].value - min(max(_EQUAL, error), _OF_GAIN * gain)
    near = [returned(one, objective, floor) for one in found if one.value >= floor]
    return min(near, key=lambda one: (change(spec, one.spec), -one.value))
