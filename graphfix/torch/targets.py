"""What each anchor is to learn: the API's argmax matcher and target assigner."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from graphfix.detectors.box_coders import Coder
from graphfix.torch.boxes import encode, overlaps

UNMATCHED, IGNORED = -1, -2


class Assigned(NamedTuple):
    """For each anchor of an image: the index of its box (UNMATCHED, IGNORED), class targets
    [N, channels] and encodings [N, 4], and the weight of either."""

    match: Tensor
    classes: Tensor
    class_weights: Tensor
    encodings: Tensor
    box_weights: Tensor


class Matching(NamedTuple):
    """The settings of a matcher, as an ArgMaxMatcher message has them."""

    matched_threshold: float
    unmatched_threshold: float
    ignore_thresholds: bool = False
    negatives_lower_than_unmatched: bool = True
    force_match_for_each_row: bool = False


# Those of Faster R-CNN's stages, which no config changes.
PROPOSAL = Matching(0.7, 0.3, force_match_for_each_row=True)
DETECTION = Matching(0.5, 0.5)


def matched(similarity: Tensor, matcher: Any) -> Tensor:
    """The match of each anchor, of a Matching or an ArgMaxMatcher message; `similarity` is [boxes,
    anchors]."""
    if not similarity.shape[0]:
        return similarity.new_full(similarity.shape[1:], UNMATCHED, dtype=torch.int64)
    best, match = similarity.max(dim=0)
    if not matcher.ignore_thresholds:
        below = best < matcher.unmatched_threshold
        between = (best >= matcher.unmatched_threshold) & (best < matcher.matched_threshold)
        lower, middle = UNMATCHED, IGNORED
        if not matcher.negatives_lower_than_unmatched:
            lower, middle = middle, lower
        match = match.masked_fill(below, lower).masked_fill(between, middle)
    if matcher.force_match_for_each_row:
        # An anchor that is the best of several boxes is the first one's.
        forced = functional.one_hot(similarity.argmax(dim=1), similarity.shape[1])
        match = torch.where(forced.amax(dim=0) > 0, forced.argmax(dim=0), match)
    return match


def assign(
    body: Any, coder: Coder, anchors: Tensor, boxes: Tensor, labels: Tensor, channels: int
) -> Assigned:
    """The targets of an image's anchors, of an Ssd message."""
    return assign_with(
        body.matcher.argmax_matcher,
        coder,
        anchors,
        boxes,
        labels - (0 if body.add_background_class else 1),
        channels,
        background=not body.encode_background_as_zeros,
        negative=body.negative_class_weight,
    )


def assign_with(
    matcher: Any,
    coder: Coder,
    anchors: Tensor,
    boxes: Tensor,
    channel: Tensor,
    channels: int,
    *,
    background: bool = True,
    negative: float = 1.0,
) -> Assigned:
    """The targets of anchors: `boxes` [M, 4] are in the anchors' unit, and of the class `channel`
    [M].  What matches nothing is of channel 0 if `background`, else of none, with the weight
    `negative`."""
    match = matched(overlaps(boxes, anchors), matcher)
    unmatched = anchors.new_zeros(channels)
    unmatched[0] = float(background)
    wanted = functional.one_hot(channel, channels).to(anchors)
    # To a class, UNMATCHED and IGNORED are the same.
    row = torch.where(match >= 0, match, len(channel))
    classes = torch.cat([wanted, unmatched[None]])[row]
    is_matched = (match >= 0).to(anchors)
    class_weights = torch.where(match == UNMATCHED, anchors.new_tensor(negative), is_matched)
    own = torch.cat([boxes, boxes.new_zeros(1, 4)])[row]
    encodings = torch.where(
        (match >= 0)[:, None], encode(coder, own, anchors), torch.zeros_like(anchors)
    )
    return Assigned(match, classes, class_weights, encodings, is_matched)


def sampled(candidates: Tensor, positive: Tensor, size: int, fraction: float) -> Tensor:
    """A random sample of candidates [N], at most `fraction` of which are positive: a mask."""
    chosen = torch.zeros_like(candidates)
    left = size
    for own, most in ((positive, int(fraction * size)), (~positive, None)):
        places = (candidates & own).nonzero()[:, 0]
        number = min(len(places), left if most is None else most)
        order = torch.randperm(len(places), device=places.device)[:number]
        chosen[places[order]] = True
        left -= number
    return chosen
