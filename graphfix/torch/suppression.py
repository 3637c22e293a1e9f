"""Non-maximum suppression as the API's multiclass_non_max_suppression, in plain PyTorch.

TensorFlow suppresses each class by itself, and sorts what is left by score.  A class gives up its
boxes in the order of their scores, so the same comes of taking, again and again, the best box of
all classes, and suppressing in its class only: with the best of each class at hand, a step costs
one row of scores.  Of equal scores the lower class comes first, and in a class the lower box.

Boxes that lie outside of the window suppress others, but are not among the results.
"""

from typing import Any, Callable, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from graphfix.torch.boxes import areas, clipped, overlaps

_NEVER = float("-inf")
_CHUNK = 512

State = Tuple[Tensor, ...]


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
    shared, number = boxes.shape[0] == 1, boxes.shape[1]
    place = torch.arange(number, device=boxes.device)
    best, where = scores.max(dim=1)
    state = (
        torch.zeros((), dtype=torch.int64, device=boxes.device),
        best,
        where,
        torch.zeros_like(where),
        scores.clone(memory_format=torch.contiguous_format),
        boxes.new_zeros(limits.total),
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
        score = best.index_select(0, kind)
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
        values = (torch.where(is_result, score, torch.zeros_like(score)), kind, box)
        return (
            found + is_result[0].to(found.dtype),
            best.index_copy(0, kind, highest.reshape(1)),
            where.index_copy(0, kind, at.reshape(1)),
            taken.index_copy(0, kind, count),
            left.index_copy(0, kind, row[None]),
            *(one.index_copy(0, slot, value) for one, value in zip(out, values)),
        )

    found, _, _, _, _, kept, classes, chosen = _repeated(goes_on, step, state)
    valid = torch.arange(limits.total, device=boxes.device) < found
    rows = chosen if shared else classes * number + chosen
    picked = inside.reshape(-1, 4).index_select(0, rows)
    return Kept(
        torch.where(valid[:, None], picked, torch.zeros_like(picked)),
        torch.where(valid, kept, torch.zeros_like(kept)),
        torch.where(valid, classes, torch.zeros_like(classes)),
        found,
    )


def _repeated(goes_on: Callable[..., Tensor], step: Callable[..., State], state: State) -> State:
    """A loop, which an exported program has as a loop, too."""
    if torch.compiler.is_exporting():
        from torch._higher_order_ops import while_loop

        return while_loop(goes_on, step, state)
    while goes_on(*state):
        state = step(*state)
    return state


def keep_apart(boxes: Tensor, scores: Tensor, overlap: float, most: int) -> Tensor:
    """tf.image.non_max_suppression of one class: the indices that it keeps, the best first.

    For thresholds that few pairs exceed, as in hard example mining: boxes are compared in chunks,
    and only those that are too close to another are looked at one by one.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    ranked = boxes[order]
    kept = torch.ones(len(order), dtype=torch.bool)
    for start in range(0, len(order), _CHUNK):
        near = overlaps(ranked[start : start + _CHUNK], ranked) > overlap
        pairs = near.triu(diagonal=start + 1).nonzero().cpu()  # each box with those behind it
        for row in pairs[:, 0].unique().tolist():
            if kept[start + row]:
                kept[pairs[pairs[:, 0] == row, 1]] = False
    return order[kept.to(order.device)][:most]
