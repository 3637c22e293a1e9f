"""Finds the best point of a search space, and the one nearest to the present settings that is as
good.

A pattern search (move each value up and down by a step, keep what helps, halve the step when
nothing does) goes out from the present settings and from the data set's own quantiles, and again
from randomly moved results: it ends at a local maximum.  Then every setting goes back to what it
was, or half of the way, as long as the whole costs no more than an allowance: what no box needs
costs nothing, so it is as it was.
"""

from typing import Any, Iterator, List, Optional, Sequence

import numpy as np

from graphfix.anchor_fitting.objective import Candidate, Objective
from graphfix.anchor_fitting.space import SearchSpace
from graphfix.detectors.anchor_generators import AnchorSpec, MapAnchors

_STEPS = (0.3, 0.15, 0.07, 0.03)  # of a logarithm
_SHAKES = (0.5, 0.4, 0.3, 0.2) * 2
_HALVES = 2
_NEARER = 1e-3  # the least that a way back is nearer
_FLOAT32 = 1e-6  # the most by which rounding changes an anchor
_GAIN = 1e-4  # a smaller gain counts as none


def search(space: SearchSpace, objective: Objective, random: Any) -> List[Candidate]:
    """The best points that the starts of a search space lead to."""
    found = (_pattern(space, start, objective, random) for start in space.starts)
    return [one for one in found if one]


def shake(found: Candidate, objective: Objective, random: Any) -> Candidate:
    """The best point from random moves on."""
    for spread in _SHAKES:
        vector = found.vector + random.normal(0, spread, len(found.vector))
        vector[found.space.ascending] = np.sort(vector[found.space.ascending])
        other = _pattern(found.space, vector, objective, random)
        if other and other.value > found.value:
            found = other
    return found


def returned(found: Candidate, objective: Objective, floor: float) -> Candidate:
    """The point nearest to the present settings that is worth at least `floor`."""
    present = found.space.present
    if present is None:
        return found
    while True:
        trials = list(_towards(found, objective, floor, present, 1.0))
        if not trials:
            break
        # What costs least goes first; of equals the farthest.
        found = max(trials, key=lambda one: (one.value, -np.abs(one.vector - present).sum()))
    for _ in range(_HALVES):
        for place in np.flatnonzero(found.vector != present):
            found = next(_towards(found, objective, floor, present, 0.5, [place]), found)
    return found


def _towards(
    found: Candidate,
    objective: Objective,
    floor: float,
    present: np.ndarray,
    part: float,
    places: Optional[Sequence[int]] = None,
) -> Iterator[Candidate]:
    """The points with one value a part of the way back, of those worth at least `floor`; limits may
    drag other values along, so all together have to be nearer."""
    near = np.abs(found.vector - present).sum() - _NEARER
    for place in np.flatnonzero(found.vector != present) if places is None else places:
        vector = found.vector.copy()
        vector[place] = present[place] if part == 1 else (vector[place] + present[place]) / 2
        trial = objective.candidate(found.space, vector)
        if trial and trial.value >= floor and np.abs(trial.vector - present).sum() < near:
            yield trial


def same_anchors(before: MapAnchors, after: MapAnchors) -> bool:
    """Whether a map's anchors are the same, but for the rounding of float32."""
    sizes = [np.array(one.sizes) for one in (before, after)]
    return sizes[0].shape == sizes[1].shape and bool(
        (np.abs(sizes[1] / sizes[0] - 1) < _FLOAT32).all()
    )


def change(before: AnchorSpec, after: AnchorSpec) -> float:
    """How far anchors are from others, as the mean logarithm of their sides' ratios."""
    return float(
        np.mean(
            [
                np.abs(np.log(np.array(new.sizes) / np.array(old.sizes))).mean()
                for old, new in zip(before.maps, after.maps)
                if len(old.sizes) == len(new.sizes)
            ]
            or [0.0]
        )
    )


def _pattern(
    space: SearchSpace, start: np.ndarray, objective: Objective, random: Any
) -> Optional[Candidate]:
    found = objective.candidate(space, start)
    if found is None:
        return None
    for step in _STEPS:
        gained = True
        while gained:
            gained = False
            for place in random.permutation(len(start)):
                for sign in (1, -1):
                    vector = found.vector.copy()
                    vector[place] += sign * step
                    trial = objective.candidate(space, vector)
                    if trial and trial.value > found.value + _GAIN:
                        found, gained = trial, True
                        break
    return found
