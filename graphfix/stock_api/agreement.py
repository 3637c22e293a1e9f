"""Whether two detectors compute the same, in numbers: arrays in, a verdict out.

Needs NumPy alone: the worker compares with it, and so do tests without the stock API.

Two values are equal if they differ by no more than TOLERANCE times the largest of the source's
values in the same tensor, and, but for huge ones, by no more than the middle one of those that are
not zero: a single huge value excuses no other.  Two graphs of one network add up the same float32
products in another order at most, which moves values by some 1e-7 of the largest; whatever changed
its meaning moves them by more than 1e-3.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

TOLERANCE = 1e-5
INFINITE = float("inf")
# The steps along a network, in their order, behind its layers.
ANCHORS, BOXES, LOGITS = "anchors", "box encodings", "class logits"
DECODED, SCORES, MASKS = "decoded boxes", "score conversion", "masks"
# The operation that rounds to 8 bits.
QUANTIZATION = "FakeQuantWithMinMaxVars"
# So many of a quantized head's rows may lie between two steps, and be rounded to either.
_ROUNDED = 1e-2
Pairs = Sequence[Tuple[int, int]]
# Anchors at one location lie next to each other, and there are at most so many.
_NEAR = 64


def step(low: Any, high: Any) -> float:
    """How far neighbours among the 8-bit values between two bounds are apart, and a bit more."""
    return 1.01 * float(high - low) / 255


class Gap(NamedTuple):
    """The largest difference between two arrays, and the largest value of the first; `why` they
    have no difference, where that is infinite.  `hidden`: one is large beside the other values."""

    largest: float
    scale: float
    why: str = ""
    hidden: bool = False

    @property
    def equal(self) -> bool:
        return self.largest <= TOLERANCE * self.scale and not self.hidden

    def __str__(self) -> str:
        if self.why:
            return self.why
        return f"differ by up to {self.largest:.2g} (values up to {self.scale:.2g})"


def gap(source: Any, output: Any) -> Gap:
    """How far two arrays are apart."""
    if source.shape != output.shape:
        shapes = [list(one.shape) for one in (source, output)]
        return Gap(INFINITE, 0.0, f"are of shape {shapes[0]} and {shapes[1]}")
    if not source.size:
        return Gap(0.0, 0.0)
    scale = float(np.abs(source).max())
    if np.isfinite(scale) and np.array_equal(source, output):
        return Gap(0.0, scale)
    with np.errstate(invalid="ignore"):
        apart = np.abs(np.subtract(source, output, dtype=np.float64))
        largest = float(apart.max())
    if not np.isfinite(largest):
        return Gap(INFINITE, 0.0, "are not finite")
    values = np.abs(source)
    middle = float(np.median(values[values > 0])) if scale else 0.0
    return Gap(largest, scale, hidden=bool((apart > np.maximum(TOLERANCE * values, middle)).any()))


class Matched(NamedTuple):
    """The place among the source's anchors of each anchor of the output, -1 where there is none;
    and how far the anchors in equal places are apart."""

    places: Any
    gap: Gap

    @property
    def missing(self) -> int:
        return int((self.places < 0).sum())

    @property
    def moved(self) -> int:
        return int((self.places != np.arange(len(self.places))).sum()) - self.missing


def match_anchors(source: Any, output: Any) -> Matched:
    """Finds each anchor of the output among the source's, by its position."""
    allowed = TOLERANCE * float(np.abs(source).max()) if source.size else 0.0
    places = np.full(len(output), -1)
    taken = np.zeros(len(source), bool)
    # In its own place first, then nearby: there may be equal anchors.
    for step in sorted(range(-_NEAR, _NEAR + 1), key=abs):
        there = np.arange(len(output)) + step
        open_ = (places < 0) & (there >= 0) & (there < len(source))
        candidates = np.nonzero(open_)[0]
        candidates = candidates[~taken[candidates + step]]
        if not len(candidates):
            continue
        near = np.abs(output[candidates] - source[candidates + step]).max(axis=1) <= allowed
        places[candidates[near]] = candidates[near] + step
        taken[candidates[near] + step] = True
    return Matched(places, gap(source, output))


class Stage:
    """The comparison of a box predictor: of an SSD's, or of one of a two-stage detector's.

    `logits` are the pairs of class channels, in source and output, that are to be equal, of
    `channels` that there are in each; `boxes` and `classes` say the same of what encodes boxes, by
    `codes` numbers each.  `proposals`: the boxes are the first stage's, no anchors.
    """

    def __init__(self, spec: Dict[str, Any]):
        self.name: str = spec["name"]
        self._logits: Pairs = spec["logits"]
        self._channels: Sequence[int] = spec["channels"]
        self._boxes: Pairs = spec["boxes"]
        self._classes: Sequence[int] = spec["classes"]
        self._codes: int = spec["codes"]
        self._proposals: bool = spec["proposals"]

    def logits(self, values: Any, side: int) -> Any:
        """The class channels to compare, a row for each box; `side` 0 is the source, 1 the
        output."""
        rows = values.reshape(-1, self._channels[side])
        return rows[:, [pair[side] for pair in self._logits]]

    def boxes(self, values: Any, side: int, codes: int = 0) -> Any:
        """The encodings to compare; of decoded boxes, of which each has four `codes`."""
        rows = values.reshape(-1, self._classes[side], codes or self._codes)
        return rows[:, [pair[side] for pair in self._boxes]]

    def compare(
        self, source: Dict[str, Any], output: Dict[str, Any], rounding: float = 0.0
    ) -> Dict[str, Any]:
        """Figures, `notes`, and as `parts` [step, words] of what is not the same, in the network's
        order.  Heads may differ by their `rounding` in a few rows, which are left out.

        Either side has "logits", "encodings", and how scores are made as "conversion"; "anchors"
        and "decoded" where both are known.
        """
        sides = (source, output)
        parts: List[List[str]] = []
        found: Dict[str, Any] = {"stage": self.name, "parts": parts, "notes": []}
        logits = [self.logits(one["logits"], side) for side, one in enumerate(sides)]
        boxes = [self.boxes(one["encodings"], side) for side, one in enumerate(sides)]
        order = None
        if all("anchors" in one for one in sides):
            anchors = [one["anchors"].reshape(-1, 4) for one in sides]
            order = _match(anchors, (boxes, logits), found)
        # Of as many proposals as both have.
        rows = min(map(len, logits)) if self._proposals else None
        found["rows"] = len(logits[1])
        pairs = [(BOXES, "encoding", boxes), (LOGITS, "logit", logits)]
        if all("decoded" in one for one in sides):
            decoded = [self.boxes(one["decoded"], side, 4) for side, one in enumerate(sides)]
            pairs.append((DECODED, "box", decoded))
        if rounding and all(one.shape[1] for _, _, (one, _) in pairs):
            pairs = _without_rounded(pairs, order, rounding, found)
            order = None
        for step, key, (one, other) in pairs:
            if not one.shape[1]:
                # Each class has its own, and none is carried over.
                found["notes"].append(f"there are no {step} of carried classes to compare")
                continue
            apart = gap(_ordered(one, order)[:rows], other[:rows])
            found[key] = apart._asdict()
            if not apart.equal:
                parts.append([step, f"the {step} {apart}"])
        if source["conversion"] != output["conversion"]:
            parts.append(
                [
                    SCORES,
                    f"scores are made by {source['conversion']} in the source, and by "
                    f"{output['conversion']} in the output",
                ]
            )
        return found


def _without_rounded(
    pairs: Sequence[Any], order: Optional[Any], rounding: float, found: Dict[str, Any]
) -> List[Any]:
    """The pairs without the rows in which encodings or logits are rounded to another step, unless
    these are too many."""
    pairs = [(name, key, (_ordered(one, order), other)) for name, key, (one, other) in pairs]
    apart = [
        np.abs(one - other).reshape(len(one), -1).max(axis=1) for _, _, (one, other) in pairs[:2]
    ]
    same = np.all([_equal_rows(*pair) for _, _, pair in pairs[:2]], axis=0)
    left_out = int((~same).sum())
    if left_out > _ROUNDED * len(same) or max(one.max() for one in apart) > rounding:
        return pairs
    found["notes"].append(f"{left_out} boxes are rounded to the next of 8 bits' values: left out")
    return [(name, key, (one[same], other[same])) for name, key, (one, other) in pairs]


def _match(
    anchors: Sequence[Any], heads: Sequence[Sequence[Any]], found: Dict[str, Any]
) -> Optional[Any]:
    """The order in which the source's anchors are the output's, None where they are in that order;
    tells `found` where the anchors, or those of the heads, are not the same."""
    matched = match_anchors(*anchors)
    count = len(anchors[1])
    found["anchors"], found["anchor"] = count, matched.gap._asdict()
    if matched.missing or len(anchors[0]) != count:
        words = (
            f"{matched.missing} of the output's {count} anchors are none of the source's "
            f"{len(anchors[0])}; anchors in the same places {matched.gap}"
        )
        found["parts"].append([ANCHORS, words])
        return None
    if not matched.moved:
        return None
    words = f"{matched.moved} of {count} anchors are in another order than the source's"
    moved = np.nonzero(matched.places != np.arange(count))[0]
    stay, follow = (
        np.all([_equal_rows(one[order], other[moved]) for one, other in heads], axis=0).sum()
        for order in (moved, matched.places[moved])
    )
    if stay > follow:
        words += ", which the heads do not follow: they predict for other anchors than were trained"
        found["parts"].append([ANCHORS, words])
        return None
    heads_too = "so are the heads"
    if follow < len(moved):
        heads_too = f"{follow} of them have the same encodings and logits in that order"
    found["notes"].append(f"{words}, and {heads_too}")
    return matched.places


def _equal_rows(source: Any, output: Any) -> Any:
    """Which rows are equal."""
    allowed = TOLERANCE * float(np.abs(source).max())
    return (np.abs(source - output) <= allowed).reshape(len(output), -1).all(axis=1)


def _ordered(values: Any, order: Optional[Any]) -> Any:
    return values if order is None else values[order]


def compare_channels(
    source: Any, output: Any, index: Optional[Sequence[int]], affine: Sequence[Sequence[float]]
) -> Gap:
    """How far a head's channels are apart at each location of a feature map, where channel j of
    the output is a * x + b of the source's channel x = index[j], (a, b) = affine[j]; those with an
    index of -1 are new."""
    if index is None:
        return gap(source, output)
    kept = [number for number, place in enumerate(index) if place >= 0]
    expected = source[..., [index[number] for number in kept]].astype(np.float64)
    if affine:
        factors = np.array([affine[number] for number in kept], np.float64).reshape(-1, 2)
        expected = expected * factors[:, 0] + factors[:, 1]
    return gap(expected, output[..., kept])
