"""A Mask R-CNN as the Object Detection API of TensorFlow 1 builds it, as a torch.nn.Module."""

from typing import Dict, List, Tuple

import torch
from torch import Tensor
from torch.nn import functional

from graphfix.errors import RequestError
from graphfix.torch import preprocessing
from graphfix.torch.cropping import crop_and_resize
from graphfix.torch.detector import Detector, Truth, entry_of
from graphfix.torch.faster_rcnn import Classified, FasterRcnn, in_parts
from graphfix.torch.layout import MASK_LAYERS, NONE
from graphfix.torch.suppression import Kept
from graphfix.torch.targets import Assigned

MASK = "loss_mask"


class MaskRcnn(FasterRcnn):
    __doc__ = Detector.__doc__

    def mask_logits(self, features: Tensor) -> Tensor:
        """Mask logits [n, classes or 1, height, width] of the second stage's features of n
        boxes."""
        given = self.predictor
        scope, _, name = MASK_LAYERS.partition("/")
        heads = self[scope]
        *inner, last = heads.matching(name)
        x = features
        if not given.convolve_then_upsample_masks:
            size = (given.mask_height, given.mask_width)
            x = preprocessing.bilinear(x, size, aligned=True)
        for number, layer in enumerate(inner):
            if given.convolve_then_upsample_masks and number == len(inner) - 1:
                rows, columns = given.mask_height // x.shape[2], given.mask_width // x.shape[3]
                x = x.repeat_interleave(rows, dim=2).repeat_interleave(columns, dim=3)
            x = heads[layer](x)
        return heads[last](x, activation=NONE).float()

    def segment(self, features: Tensor, boxes: Tensor, classes: Tensor) -> Tensor:
        """Masks [images, n, height, width] of 0 to 1 within boxes [images, n, 4] of classes
        [images, n] (from 0), of the first stage's features."""
        logits = self.mask_logits(self.within(features, boxes))
        of_class = classes.flatten() if logits.shape[1] > 1 else torch.zeros_like(classes.flatten())
        own = logits[torch.arange(len(logits), device=logits.device), of_class]
        return torch.sigmoid(own).reshape(*classes.shape, *own.shape[1:])

    def found(self, batch: preprocessing.Batch) -> List[Kept]:
        first = self.propose(batch.images)
        kept = self.refined(first, batch)
        # In parts of the image without what pads it, while features are those of the padded one:
        # of padded images, TensorFlow's masks are of somewhere else, too.
        boxes = [
            one.boxes * (1 / one.boxes.new_tensor(after * 2))
            for one, after in zip(kept, batch.after)
        ]
        classes = torch.stack([one.classes for one in kept])
        masks = self.segment(first.features, torch.stack(boxes), classes)
        return [in_parts(one, batch.size)._replace(masks=own) for one, own in zip(kept, masks)]

    def truth(self, target: Dict[str, Tensor], number: int, batch: preprocessing.Batch) -> Truth:
        truth = super().truth(target, number, batch)
        size, scaled = batch.before[number], batch.after[number]
        wanted = (len(truth.labels), *size)
        masks = entry_of(target, "masks", number)
        if tuple(masks.shape) != wanted:
            raise RequestError(
                f"targets[{number}]['masks']",
                f"has the shape {list(masks.shape)}",
                f"give a mask of the image's size for each box: {list(wanted)}",
            )
        masks = masks.to(truth.boxes)
        if masks.numel() and not 0 <= masks.min() <= masks.max() <= 1:
            raise RequestError(
                f"targets[{number}]['masks']",
                f"has values of {masks.min():g} to {masks.max():g}",
                "give masks of 0 and 1",
            )
        resized = preprocessing.nearest(masks, scaled)
        rows, columns = (whole - part for whole, part in zip(batch.size, scaled))
        return truth._replace(masks=functional.pad(resized, (0, columns, 0, rows)))

    def second_losses(
        self,
        second: Classified,
        assigned: List[Assigned],
        truths: List[Truth],
        size: Tuple[int, int],
    ) -> Dict[str, Tensor]:
        found = super().second_losses(second, assigned, truths, size)
        logits = self.mask_logits(second.features)
        logits = logits.reshape(*second.proposals.shape[:2], *logits.shape[1:])
        total, cells = logits.new_tensor(0.0), 0
        for number, (one, truth) in enumerate(zip(assigned, truths)):
            assert truth.masks is not None
            positive = (one.match >= 0).nonzero()[:, 0]
            match = one.match[positive]
            own = logits[number, positive]
            of_class = truth.labels[match] - 1 if own.shape[1] > 1 else torch.zeros_like(match)
            own = own[torch.arange(len(match), device=match.device), of_class]
            # As TensorFlow makes parts of pixels: where a box ends with the image, the last bit
            # decides about a row of its mask.
            parts = second.proposals[number, positive] * (1 / truth.boxes.new_tensor(size * 2))
            wanted = crop_and_resize(truth.masks[match][:, None], parts[:, None], own.shape[1:])
            total = total + functional.binary_cross_entropy_with_logits(
                own, wanted[:, 0], reduction="sum"
            )
            cells += own.numel()
        weight = self.body.second_stage_mask_prediction_loss_weight
        found[MASK] = weight * total / max(cells, 1)
        return found
