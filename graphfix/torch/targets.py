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


def matched(similarity: Tensor, matcher: Any) -> Tensor:
    """The match of each anchor, of an ArgMaxMatcher message; `similarity` is [boxes, anchors]."""
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
    """The targets of an image's anchors, of an Ssd message.

    `boxes` [M, 4] are parts of the image, `labels` [M] count from 1.
    """
    match = matched(overlaps(boxes, anchors), body.matcher.argmax_matcher)
    background = int(body.add_background_class)
    unmatched = anchors.new_zeros(channels)
    if not body.encode_background_as_zeros:
        unmatched[0] = 1.0
    wanted = functional.one_hot(labels - 1 + background, channels).to(anchors)
    # The last two rows are those of UNMATCHED and IGNORED, which are the same to a class.
    row = torch.where(match >= 0, match, len(labels))
    classes = torch.cat([wanted, unmatched[None]])[row]
    is_matched = (match >= 0).to(anchors)
    class_weights = torch.where(
        match == UNMATCHED, anchors.new_tensor(body.negative_class_weight), is_matched
    )
    own = torch.cat([boxes, boxes.new_zeros(1, 4)])[row]
    encodings = torch.where(
        (match >= 0)[:, None], encode(coder, own, anchors), torch.zeros_like(anchors)
    )
    return Assigned(match, classes, class_weights, encodings, is_matched)
