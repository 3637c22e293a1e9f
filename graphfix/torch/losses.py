"""The losses of an Ssd message's config: sums over all anchors of a batch, as the API has them."""

from typing import Any, Dict, List, Tuple

import torch
from torch import Tensor
from torch.nn import functional

from graphfix.torch.suppression import keep_apart
from graphfix.torch.targets import UNMATCHED, Assigned

CLASSIFICATION, LOCALIZATION = "classification", "bbox_regression"


def losses(
    body: Any, encodings: Tensor, logits: Tensor, decoded: Tensor, assigned: List[Assigned]
) -> Dict[str, Tensor]:
    """{CLASSIFICATION, LOCALIZATION}: the two losses of a batch, weighted.

    `encodings` and `decoded` [images, anchors, 4], `logits` [images, anchors, channels].
    """
    of_boxes = torch.stack(
        [
            localization(body.loss.localization_loss, own, one.encodings, one.box_weights)
            for own, one in zip(encodings, assigned)
        ]
    )
    of_classes = torch.stack(
        [
            classification(body.loss.classification_loss, own, one.classes) * one.class_weights
            for own, one in zip(logits, assigned)
        ]
    )
    if body.loss.HasField("hard_example_miner"):
        mined = [
            _mined(body.loss, *each)
            for each in zip(of_boxes, of_classes, decoded.detach(), (one.match for one in assigned))
        ]
        box_loss, class_loss = (torch.stack(each).sum() for each in zip(*mined))
    else:
        box_loss, class_loss = of_boxes.sum(), of_classes.sum()
    normalizer = box_loss.new_tensor(1.0)
    if body.normalize_loss_by_num_matches:
        normalizer = torch.stack([one.box_weights.sum() for one in assigned]).sum().clamp(min=1.0)
    code = encodings.shape[-1] if body.normalize_loc_loss_by_codesize else 1
    return {
        CLASSIFICATION: body.loss.classification_weight / normalizer * class_loss,
        LOCALIZATION: body.loss.localization_weight / (normalizer * code) * box_loss,
    }


def localization(message: Any, encodings: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """A LocalizationLoss of each anchor, weighted."""
    if message.WhichOneof("localization_loss") == "weighted_l2":
        return 0.5 * ((encodings - targets) * weights[:, None]).square().sum(dim=-1)
    return smooth_l1(encodings, targets, message.weighted_smooth_l1.delta) * weights


def smooth_l1(encodings: Tensor, targets: Tensor, delta: float = 1.0) -> Tensor:
    """The smooth L1 loss of each anchor."""
    return functional.huber_loss(encodings, targets, reduction="none", delta=delta).sum(dim=-1)


def softmax(logits: Tensor, targets: Tensor, scale: float = 1.0) -> Tensor:
    """The cross entropy of each anchor, of all its channels together."""
    return -(targets * functional.log_softmax(logits / scale, dim=-1)).sum(dim=-1)


def classification(message: Any, logits: Tensor, targets: Tensor) -> Tensor:
    """A ClassificationLoss of each anchor."""
    kind = message.WhichOneof("classification_loss")
    if kind in (None, "weighted_softmax"):  # a second stage's, unless its config has another
        return softmax(logits, targets, message.weighted_softmax.logit_scale)
    entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    if kind == "weighted_sigmoid_focal":
        focal = message.weighted_sigmoid_focal
        likely = torch.sigmoid(logits)
        missed = 1 - (targets * likely + (1 - targets) * (1 - likely))
        if focal.gamma:
            entropy = entropy * missed.pow(focal.gamma)
        if focal.HasField("alpha"):
            entropy = entropy * (targets * focal.alpha + (1 - targets) * (1 - focal.alpha))
    return entropy.sum(dim=-1)


def _mined(
    loss: Any, of_boxes: Tensor, of_classes: Tensor, decoded: Tensor, match: Tensor
) -> Tuple[Tensor, Tensor]:
    """The losses of an image's hard examples: those whose loss is the highest, no two of which
    overlap too much, and a number of negatives for each positive."""
    miner = loss.hard_example_miner
    hardness = {
        miner.LOCALIZATION: lambda: of_boxes,
        miner.CLASSIFICATION: lambda: of_classes,
        miner.BOTH: lambda: (
            of_classes * loss.classification_weight + of_boxes * loss.localization_weight
        ),
    }[miner.loss_type]()
    most = miner.num_hard_examples if miner.num_hard_examples > 0 else len(hardness)
    with torch.no_grad():
        chosen = keep_apart(decoded, hardness.detach(), miner.iou_threshold, most)
        if miner.max_negatives_per_positive > 0:
            is_positive = match[chosen] >= 0
            is_negative = match[chosen] == UNMATCHED
            allowed = max(
                miner.min_negatives_per_image,
                int(miner.max_negatives_per_positive * int(is_positive.sum())),
            )
            chosen = chosen[is_positive | (is_negative.cumsum(0) <= allowed)]
    return of_boxes[chosen].sum(), of_classes[chosen].sum()
