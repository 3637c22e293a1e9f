"""Judges anchors on boxes that they were not fitted to.

Images are split by a seed: anchors are fitted to the boxes of some, and judged on those of the
others.  Boxes of an image stay together, since they are like each other.  The gain on the held-out
boxes is a mean over pairs, each box with the present anchors and with the fitted ones; its error is
the standard error of that mean, with images as what varies.
"""

import dataclasses
from typing import Tuple

import numpy as np

from graphfix.anchor_fitting.coverage import Best
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.objective import Matching
from graphfix.findings import count

FITTED = 3000  # boxes to fit to, at most
_PART = (2, 3)  # of the images, where there are fewer: two of three
_FEWEST = 5  # images held out
_WORTH = 0.003  # the least gain that is worth a change
_ERRORS = 2.0  # standard errors by which a gain is no accident


def split(boxes: BoxSet, random: np.random.RandomState) -> Tuple[np.ndarray, np.ndarray]:
    """The boxes to fit to and those held out, as sorted indices; of one image's boxes none are in
    both.  Where there is one image only, nothing is held out."""
    image_of = boxes.image_numbers
    images, first = np.unique(image_of, return_inverse=True)
    order = random.permutation(len(images))
    counts = np.bincount(first)[order]
    # So many images that the boxes are enough, but at most their part, and at least one.
    enough = int(np.searchsorted(np.cumsum(counts), FITTED, side="left")) + 1
    picked = np.zeros(len(images), bool)
    part = _PART[0] * len(images) // _PART[1]
    picked[order[: max(1, min(enough, part))]] = True
    fitted = picked[first]
    return np.flatnonzero(fitted), np.flatnonzero(~fitted)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether to take anchors, and why; the gain of credit on held-out boxes and its error, None
    where there are none."""

    take: bool
    reason: str
    gain: float
    error: float


def judge(
    boxes: BoxSet, held_out: np.ndarray, before: Best, after: Best, matching: Matching
) -> Verdict:
    """Judges by the held-out boxes; `before` and `after` are of all boxes."""
    images = boxes.image_numbers[held_out] if len(held_out) else held_out
    groups, group_of, sizes = np.unique(images, return_inverse=True, return_counts=True)
    if len(groups) < _FEWEST:
        return Verdict(
            False,
            f"{count(len(groups), 'image')} with boxes held out, too few to tell whether a gain "
            "holds",
            0.0,
            0.0,
        )
    old, new = before.iou[held_out], after.iou[held_out]
    gains = matching.credit(new).astype(np.float64) - matching.credit(old)
    gain = float(gains.mean())
    off = np.bincount(group_of, gains) - gain * sizes
    error = float(np.sqrt((off**2).sum() * len(groups) / (len(groups) - 1))) / len(gains)
    told = f"on {count(len(gains), 'held-out box', 'held-out boxes')} "
    if gain < max(_WORTH, _ERRORS * error):
        told += f"they gain {gain:+.4f}, give or take {error:.4f}"
        return Verdict(False, f"{told}: that is no gain to rely on", gain, error)
    for what, was, now in (
        ("mean best IoU", old.mean(dtype=np.float64), new.mean(dtype=np.float64)),
        ("recall", (old >= matching.threshold).mean(), (new >= matching.threshold).mean()),
    ):
        if now < was:
            return Verdict(False, f"{told}the {what} falls, {was:.3f} to {now:.3f}", gain, error)
    return Verdict(True, f"{told}they gain {gain:+.4f}, give or take {error:.4f}", gain, error)
