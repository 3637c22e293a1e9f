"""A Faster R-CNN as the Object Detection API of TensorFlow 1 builds it, as a torch.nn.Module."""

from typing import Any, Dict, List, NamedTuple, Tuple

import torch
from torch import Tensor
from torch.nn import functional

from graphfix.detectors.box_coders import FIRST_STAGE
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.torch import losses, preprocessing
from graphfix.torch.boxes import CODE, clipped, decode, grid_anchors
from graphfix.torch.cropping import crop_and_resize
from graphfix.torch.detector import Detector, Truth, converted
from graphfix.torch.files import Settings
from graphfix.torch.layout import NONE, RELU_6, LayerSpec
from graphfix.torch.suppression import Kept, Limits, limits_of, suppress
from graphfix.torch.targets import DETECTION, PROPOSAL, Assigned, assign_with, sampled

OBJECTNESS, RPN_BOX = "loss_objectness", "loss_rpn_box_reg"
CLASSIFIER, BOX = "loss_classifier", "loss_box_reg"


class Proposed(NamedTuple):
    """What the first stage makes of a batch: the preprocessed images, the features that are
    cropped, box encodings and objectness logits of the anchors [N, 4], in pixels."""

    preprocessed: Tensor
    features: Tensor
    encodings: Tensor
    logits: Tensor
    anchors: Tensor


class Classified(NamedTuple):
    """What the second stage makes of proposals [images, most, 4], in pixels, of which each image
    has `counts`: features [images * most, channels, height, width], encodings [images, most,
    classes or 1, 4], and class logits with the background."""

    proposals: Tensor
    counts: Tensor
    features: Tensor
    encodings: Tensor
    logits: Tensor


class FasterRcnn(Detector):
    __doc__ = Detector.__doc__

    def __init__(self, settings: Settings, specs: List[LayerSpec]):
        super().__init__(settings, specs)
        self.coder = FIRST_STAGE  # of both stages
        extractor = find_extractor(self.body.feature_extractor.type)
        assert extractor is not None
        first, second = (scope.strip("/") for scope in extractor.scopes)
        self._first, self._second = f"{first}/{extractor.network}", f"{second}/{extractor.network}"

    # The steps of a detector.

    def prepared(self, pixels: Tensor) -> Tensor:
        return pixels

    def propose(self, images: Tensor) -> Proposed:
        """What the first stage makes of resized images [N, 3, height, width] of 0 to 255."""
        network = self[self._first]
        preprocessed = preprocessing.scaled(images, network.MEANS).to(self.dtype)
        stride = self.body.feature_extractor.first_stage_features_stride
        features = network.first_stage(preprocessed, stride)
        rate = self.body.first_stage_atrous_rate
        x = self["Conv"](features, rate=rate, activation=RELU_6)
        heads = self["FirstStageBoxPredictor"]
        encodings, logits = (
            heads[name](x, activation=NONE).permute(0, 2, 3, 1).reshape(len(x), -1, channels)
            for name, channels in (("BoxEncodingPredictor", CODE), ("ClassPredictor", 2))
        )
        shape, size = ((int(one.shape[2]), int(one.shape[3])) for one in (features, images))
        placed = grid_anchors(self.body.first_stage_anchor_generator, shape, size)
        anchors = torch.from_numpy(placed).to(images.device)
        window = anchors.new_tensor([0.0, 0.0, *size])
        if self.training:
            inside = ((anchors >= window[:2].repeat(2)) & (anchors <= window[2:].repeat(2))).all(1)
            anchors, encodings, logits = anchors[inside], encodings[:, inside], logits[:, inside]
        else:
            anchors = clipped(anchors, window)
        return Proposed(preprocessed, features, encodings.float(), logits.float(), anchors)

    def proposals(
        self, found: Proposed, sizes: List[Tuple[int, int]]
    ) -> Tuple[Tensor, Tensor, Tensor]:
        """Proposals [images, most, 4] in pixels, their scores, and how many each image has; `sizes`
        are those of the images without what pads them."""
        body = self.body
        most = body.first_stage_max_proposals
        limits = Limits(
            body.first_stage_nms_score_threshold, body.first_stage_nms_iou_threshold, most, most
        )
        boxes = decode(self.coder, found.encodings, found.anchors)
        scores = torch.softmax(found.logits, dim=-1)[..., 1]
        kept = [
            suppress(own[None], value[None], own.new_tensor([0.0, 0.0, *size]), limits)
            for own, value, size in zip(boxes, scores, sizes)
        ]
        return (
            torch.stack([one.boxes for one in kept]),
            torch.stack([one.scores for one in kept]),
            torch.stack([one.count for one in kept]),
        )

    @property
    def predictor(self) -> Any:
        return self.body.second_stage_box_predictor.mask_rcnn_box_predictor

    def within(self, features: Tensor, boxes: Tensor) -> Tensor:
        """The second stage's features [images * n, channels, height, width] of boxes [images, n,
        4] in parts of the image."""
        body = self.body
        x = crop_and_resize(features, boxes, (body.initial_crop_size, body.initial_crop_size))
        if body.maxpool_kernel_size:
            x = functional.max_pool2d(x, body.maxpool_kernel_size, body.maxpool_stride)
        return self[self._second].second_stage(x.to(self.dtype))

    def classify(
        self, features: Tensor, proposals: Tensor, counts: Tensor, size: Tuple[int, int]
    ) -> Classified:
        """What the second stage makes of proposals."""
        own = self.within(features, proposals / proposals.new_tensor(size * 2))
        x = own.mean(dim=(2, 3))
        predictor = self.predictor
        drop = 1 - predictor.dropout_keep_probability if predictor.use_dropout else 0.0
        heads = self["SecondStageBoxPredictor"]
        encodings, logits = (
            heads[name](functional.dropout(x, drop, self.training)).float()
            for name in ("BoxEncodingPredictor", "ClassPredictor")
        )
        images, most = proposals.shape[:2]
        return Classified(
            proposals,
            counts,
            own,
            encodings.reshape(images, most, -1, CODE),
            logits.reshape(images, most, -1),
        )

    def found(self, batch: preprocessing.Batch) -> List[Kept]:
        kept = self.refined(self.propose(batch.images), batch)
        return [in_parts(one, batch.size) for one in kept]

    def refined(self, first: Proposed, batch: preprocessing.Batch) -> List[Kept]:
        """What is detected in each image, its boxes in the resized image's pixels."""
        proposals, _, counts = self.proposals(first, batch.after)
        second = self.classify(first.features, proposals, counts, batch.size)
        boxes = decode(self.coder, second.encodings, proposals[:, :, None])
        given = self.body.second_stage_post_processing
        scores = converted(second.logits, given)[..., 1:]
        limits = limits_of(given.batch_non_max_suppression)
        place = torch.arange(proposals.shape[1], device=proposals.device)
        rows = []
        for number, after in enumerate(batch.after):
            valid = place < counts[number]
            own = scores[number].masked_fill(~valid[:, None], float("-inf")).transpose(0, 1)
            window = boxes.new_tensor([0.0, 0.0, *after])
            rows.append(suppress(boxes[number].transpose(0, 1), own, window, limits))
        return rows

    def batch_losses(self, batch: preprocessing.Batch, truths: List[Truth]) -> Dict[str, Tensor]:
        """The losses of a batch, by torchvision's names."""
        body, size = self.body, batch.size
        pixels = batch.images.new_tensor(size * 2)
        truths = [one._replace(boxes=one.boxes * pixels) for one in truths]
        first = self.propose(batch.images)
        found = self._rpn_losses(first, truths)
        with torch.no_grad():
            proposals, _, counts = self.proposals(first, batch.after)
            proposals, counts = self.sample(proposals, counts, truths)
        second = self.classify(first.features, proposals, counts, size)
        classes = body.num_classes + 1
        assigned = [
            assign_with(DETECTION, self.coder, own[:count], truth.boxes, truth.labels, classes)
            for own, count, truth in zip(proposals, counts.tolist(), truths)
        ]
        found.update(self.second_losses(second, assigned, truths, size))
        return found

    def second_losses(
        self,
        second: Classified,
        assigned: List[Assigned],
        truths: List[Truth],
        size: Tuple[int, int],
    ) -> Dict[str, Tensor]:
        """The losses of what the second stage makes of images of `size`, in which each proposal is
        `assigned` to one of the `truths`, whose boxes are in pixels."""
        body = self.body
        box_loss = class_loss = second.logits.new_tensor(0.0)
        for number, one in enumerate(assigned):
            count = len(one.match)
            logits, encodings = second.logits[number, :count], second.encodings[number, :count]
            if encodings.shape[1] > 1:
                kind = (one.classes.argmax(dim=1) - 1).clamp(min=0)
                encodings = encodings[torch.arange(count, device=kind.device), kind]
            else:
                encodings = encodings[:, 0]
            share = max(count, 1) * len(assigned)
            message = body.second_stage_classification_loss
            of_classes = losses.classification(message, logits, one.classes)
            class_loss = class_loss + (of_classes * one.class_weights).sum() / share
            of_boxes = losses.smooth_l1(encodings, one.encodings)
            box_loss = box_loss + (of_boxes * one.box_weights).sum() / share
        return {
            CLASSIFIER: body.second_stage_classification_loss_weight * class_loss,
            BOX: body.second_stage_localization_loss_weight * box_loss,
        }

    def _rpn_losses(self, first: Proposed, truths: List[Truth]) -> Dict[str, Tensor]:
        body = self.body
        of_objects, of_boxes = [], []
        for number, truth in enumerate(truths):
            labels = torch.ones_like(truth.labels)
            one = assign_with(PROPOSAL, self.coder, first.anchors, truth.boxes, labels, 2)
            chosen = sampled(
                one.class_weights > 0,
                one.match >= 0,
                body.first_stage_minibatch_size,
                body.first_stage_positive_balance_fraction,
            ).to(one.encodings)
            share = chosen.sum().clamp(min=1.0)
            entropy = losses.softmax(first.logits[number], one.classes)
            of_objects.append((entropy * chosen).sum() / share)
            box = losses.smooth_l1(first.encodings[number], one.encodings)
            of_boxes.append((box * chosen * one.box_weights).sum() / share)
        return {
            OBJECTNESS: body.first_stage_objectness_loss_weight * torch.stack(of_objects).mean(),
            RPN_BOX: body.first_stage_localization_loss_weight * torch.stack(of_boxes).mean(),
        }

    def sample(
        self, proposals: Tensor, counts: Tensor, truths: List[Truth]
    ) -> Tuple[Tensor, Tensor]:
        """A balanced sample of each image's proposals, filled up with zeros."""
        body = self.body
        most = body.second_stage_batch_size
        rows, numbers = [], []
        for own, count, truth in zip(proposals, counts.tolist(), truths):
            one = assign_with(
                DETECTION, self.coder, own, truth.boxes, truth.labels, body.num_classes + 1
            )
            valid = (torch.arange(len(own), device=own.device) < count) & (one.class_weights > 0)
            fraction = body.second_stage_balance_fraction
            chosen = own[sampled(valid, one.match >= 0, most, fraction)]
            rows.append(functional.pad(chosen, (0, 0, 0, most - len(chosen))))
            numbers.append(len(chosen))
        return torch.stack(rows), counts.new_tensor(numbers)


def in_parts(kept: Kept, size: Tuple[int, int]) -> Kept:
    """What is detected in an image of `size`, its boxes in parts of that instead of pixels."""
    return kept._replace(boxes=kept.boxes / kept.boxes.new_tensor(size * 2))
