"""Non-maximum suppression as the API's multiclass_non_max_suppression.

TensorFlow suppresses each class by itself, and sorts what is left by score.  A class gives up its
boxes in the order of their scores, so the same comes of taking, again and again, the best box of
all classes, and suppressing in its class only: with the best of each class at hand, a step costs
one row of scores.  Of equal scores the lower class comes first, and in a class the lower box.
So plain PyTorch does; where torchvision is installed, its operator suppresses the best of all
scores class by class, which gives the same (graphfix.torch.nms says when).

Boxes that lie outside of the window suppress others, but are not among the results.
"""

from typing import Any, Callable, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from graphfix.torch.boxes import areas, clipped, overlaps
from graphfix.torch.nms import Operator, kept_of, operator_for

_NEVER = float("-inf")
_CHUNK = 512
# The operator looks at so many times the scores that are wanted first, and if that was not enough
# at so many times those.
_MORE = 4

State = Tuple[Tensor, ...]
# How many results there are, their classes and the numbers of their boxes; behind them, anything.
Results = Tuple[Tensor, Tensor, Tensor]


class Limits(NamedTuple):
    """The settings of a suppression."""

    score: float
    overlap: float
    per_class: int
    total: int


class Kept(NamedTuple):
    """What suppression leaves of an image: boxes [most, 4], scores and classes (from 0) [most], the
    best first, filled up with zeros, and how many there are; of Mask R-CNN masks [most, height,
    width] of 0 to 1 within the boxes."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    count: Tensor
    masks: Optional[Tensor] = None


def limits_of(message: Any) -> Limits:
    """The settings of a BatchNonMaxSuppression message."""
    return Limits(
        message.score_threshold,
        message.iou_threshold,
        message.max_detections_per_class,
        message.max_total_detections,
    )


def suppress(boxes: Tensor, scores: Tensor, window: Tensor, limits: Limits) -> Kept:
    """What is left of an image's boxes [classes or 1, N, 4] and scores [classes, N]; `window` is
    [4]."""
    inside = clipped(boxes, window)
    counts = (areas(inside) > 0) & (scores >= 0)
    scores = torch.where(scores > limits.score, scores, torch.full_like(scores, _NEVER))
    nms = operator_for(boxes)
    if nms is None:
        found, classes, chosen = _by_loop(boxes, scores, counts, limits)
    else:
        found, classes, chosen = _by_operator(nms, boxes, scores, counts, limits)
    valid = torch.arange(limits.total, device=boxes.device) < found
    number = boxes.shape[1]
    flat = classes * number + chosen
    picked = inside.reshape(-1, 4).index_select(0, chosen if boxes.shape[0] == 1 else flat)
    values = scores.reshape(-1).index_select(0, flat)
    return Kept(
        torch.where(valid[:, None], picked, torch.zeros_like(picked)),
        torch.where(valid, values, torch.zeros_like(values)),
        torch.where(valid, classes, torch.zeros_like(classes)),
        found,
    )


def _by_loop(boxes: Tensor, scores: Tensor, counts: Tensor, limits: Limits) -> Results:
    """The results in plain PyTorch; -inf is no score."""
    shared, number = boxes.shape[0] == 1, boxes.shape[1]
    place = torch.arange(number, device=boxes.device)
    best, where = scores.max(dim=1)
    state = (
        torch.zeros((), dtype=torch.int64, device=boxes.device),
        best,
        where,
        torch.zeros_like(where),
        scores.clone(memory_format=torch.contiguous_format),
        where.new_zeros(limits.total),
        where.new_zeros(limits.total),
    )

    def goes_on(found: Tensor, best: Tensor, *_: Tensor) -> Tensor:
        return (found < limits.total) & (best.max() > _NEVER)

    def step(
        found: Tensor, best: Tensor, where: Tensor, taken: Tensor, left: Tensor, *out: Tensor
    ) -> State:
        kind = best.argmax().reshape(1)
        box = where.index_select(0, kind)
        count = taken.index_select(0, kind) + 1
        row = left.index_select(0, kind)[0]
        own = boxes[0] if shared else boxes.index_select(0, kind)[0]
        near = overlaps(own.index_select(0, box), own)[0] > limits.overlap
        gone = near | (place == box) | (count >= limits.per_class)
        row = torch.where(gone, torch.full_like(row, _NEVER), row)
        highest, at = row.max(dim=0)
        is_result = counts.index_select(0, kind)[0].index_select(0, box)
        # What is no result is overwritten by the next that is.
        slot = found.reshape(1)
        return (
            found + is_result[0].to(found.dtype),
            best.index_copy(0, kind, highest.reshape(1)),
            where.index_copy(0, kind, at.reshape(1)),
            taken.index_copy(0, kind, count),
            left.index_copy(0, kind, row[None]),
            *(one.index_copy(0, slot, value) for one, value in zip(out, (kind, box))),
        )

    found, *_, classes, chosen = _repeated(goes_on, step, state)
    return found, classes, chosen


def _repeated(goes_on: Callable[..., Tensor], step: Callable[..., State], state: State) -> State:
    """A loop, which an exported program has as a loop, too."""
    if torch.compiler.is_exporting():
        from torch._higher_order_ops import while_loop

        return while_loop(goes_on, step, state)
    while goes_on(*state):
        state = step(*state)
    return state


@torch.no_grad()
def _by_operator(
    nms: Operator, boxes: Tensor, scores: Tensor, counts: Tensor, limits: Limits
) -> Results:
    """The results by torchvision's operator; -inf is no score.

    Only a higher score suppresses, so that the best scores of all are enough for the first results.
    """
    number, most = boxes.shape[1], _MORE * limits.total
    values, counts = scores.flatten(), counts.flatten()
    left = values.clone()
    while True:
        seen = _best(left, most)
        seen = seen[torch.argsort(seen // number, stable=True)]
        sizes = torch.bincount(seen // number, minlength=len(scores)).tolist()
        own = boxes.reshape(-1, 4)[seen % number if len(boxes) == 1 else seen]
        of_classes = [
            places[kept_of(nms, ranked, limits.overlap)[: limits.per_class]]
            for places, ranked in zip(seen.split(sizes), own.split(sizes))
        ]
        kept = torch.cat(of_classes)
        kept = kept[torch.argsort(values[kept], descending=True, stable=True)]
        results = kept[counts[kept]][: limits.total]
        left[seen] = _NEVER
        for kind, places in enumerate(of_classes):
            if len(places) == limits.per_class:
                left[kind * number : (kind + 1) * number] = _NEVER
        if len(results) == limits.total or not (left > _NEVER).any():
            break
        left[kept] = values[kept]  # which suppress what they suppressed again
        most *= _MORE
    filled = torch.cat([results, results.new_zeros(limits.total - len(results))])
    return filled.new_tensor(len(results)), filled // number, filled % number


def _best(scores: Tensor, most: int) -> Tensor:
    """The places of the best scores [N], the best first, but -inf; all that equal the last, too."""
    least = scores.topk(most).values[-1] if most < len(scores) else _NEVER
    places = ((scores >= least) & (scores > _NEVER)).nonzero()[:, 0]
    return places[torch.argsort(scores[places], descending=True, stable=True)]


def keep_apart(boxes: Tensor, scores: Tensor, overlap: float, most: int) -> Tensor:
    """tf.image.non_max_suppression of one class: the indices that it keeps, the best first."""
    order = torch.argsort(scores, descending=True, stable=True)
    nms = operator_for(boxes)
    if nms is None:
        return order[_apart(boxes[order], overlap)][:most]
    return order[kept_of(nms, boxes[order], overlap)][:most]


def _apart(ranked: Tensor, overlap: float) -> Tensor:
    """Which of boxes, the best first, are kept.

    For thresholds that few pairs exceed, as in hard example mining: boxes are compared in chunks,
    and only those that are too close to another are looked at one by one.
    """
    kept = torch.ones(len(ranked), dtype=torch.bool)
    for start in range(0, len(ranked), _CHUNK):
        near = overlaps(ranked[start : start + _CHUNK], ranked) > overlap
        pairs = near.triu(diagonal=start + 1).nonzero().cpu()  # each box with those behind it
        for row in pairs[:, 0].unique().tolist():
            if kept[start + row]:
                kept[pairs[pairs[:, 0] == row, 1]] = False
    return kept.to(ranked.device)
