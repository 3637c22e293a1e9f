"""A detector in PyTorch beside what the stock API computed (detectors.Case), layer by layer."""

import numpy as np
import torch

import graphfix.torch
from graphfix.torch import layers
from graphfix.torch.boxes import decode
from graphfix.torch.faster_rcnn import FasterRcnn
from graphfix.torch.layers import Layer
from graphfix.torch.layout import layers_of
from graphfix.torch.mask_rcnn import MaskRcnn
from graphfix.torch.names import to_tensorflow, torch_name

# The largest difference, over the largest value.
ALIKE, ALIKE_GRADIENTS = 1e-5, 1e-4


def gap(ours, stock):
    """The largest difference of two arrays over the largest value; infinite for other shapes."""
    ours, stock = np.asarray(ours, np.float64), np.asarray(stock, np.float64)
    if ours.shape != stock.shape:
        return np.inf
    largest = np.abs(stock).max() if stock.size else 0.0
    difference = np.abs(ours - stock).max() if stock.size else 0.0
    return difference / largest if largest else difference


def in_order_of(stock, boxes, scores, most=ALIKE):
    """Boxes [images, n, 4], the best first, of which those whose scores are equal within `most` are
    in the order of the stock API's: between them, rounding decides."""
    boxes = boxes.clone()
    for own, theirs, values in zip(boxes, torch.as_tensor(stock), scores):
        tied = values[:-1] - values[1:] <= most * values[:-1]
        run = torch.cat([tied.new_zeros(1), ~tied]).cumsum(0)
        for number in run[1:][tied].unique().tolist():
            rows = (run == number).nonzero()[:, 0]
            left = own[rows]
            for row in rows.tolist():
                nearest = (left - theirs[row]).abs().sum(1).argmin()
                own[row] = left[nearest]
                left = torch.cat([left[:nearest], left[nearest + 1 :]])
    return boxes


def pictures(case):
    return [torch.from_numpy(one).permute(2, 0, 1) for one in case.scene["images"]]


def true_boxes(case):
    height, width = case.scene["images"].shape[1:3]
    for number in range(len(case.scene["images"])):
        pixels = case.scene[f"boxes_{number}"][:, [1, 0, 3, 2]] * np.float32([width, height] * 2)
        labels = case.scene[f"labels_{number}"]
        masks = case.scene[f"masks_{number}"]
        yield {
            "boxes": torch.from_numpy(pixels),
            "labels": torch.from_numpy(labels),
            "masks": torch.from_numpy(masks),
        }


def nhwc(x):
    return x.detach().permute(0, 2, 3, 1).numpy()


class Recorder:
    """What each layer's kernels give while a detector runs, in the order of the layers."""

    def __init__(self, detector):
        self.found = []
        for module in detector.modules():
            if isinstance(module, Layer):
                self._watch(module)

    def _watch(self, layer):
        convolved, seen = layer.convolved, [0]

        def watched(x, stride=1, padding=layers.SAME, rate=1):
            result = convolved(x, stride, padding, rate)
            if rate > 1:  # which TensorFlow computes in parts
                return result
            last = [
                leaf
                for leaf in ("weight", "depthwise_weight", "pointwise_weight")
                if getattr(layer, leaf) is not None
            ][-1]
            name = f"{layer.scope}/{last}s/{seen[0]}"
            seen[0] += 1
            self.found.append((name, nhwc(result)))
            return result

        layer.convolved = watched


def differences(detector, case):
    """(what, gap) of all that a detector computes, in the order in which it does."""
    detector.eval()
    recorder = Recorder(detector)
    batch = detector.batch(pictures(case))
    if isinstance(detector, FasterRcnn):
        yield from _of_two_stages(detector, case, batch, recorder)
        return
    with torch.no_grad():
        found = detector.predict(batch.images)
    yield "preprocessed", gap(nhwc(batch.images), case.stock["detect/preprocessed"])
    for name, value in recorder.found:
        yield name, gap(value, case.stock["layer/" + name])
    for number, one in enumerate(found.maps):
        yield f"map {number}", gap(nhwc(one), case.stock[f"detect/map_{number}"])
    for name in ("encodings", "logits", "anchors"):
        yield name, gap(getattr(found, name), case.stock["detect/" + name])
    boxes = decode(detector.coder, found.encodings, found.anchors)
    yield "boxes", gap(boxes, case.stock["detect/boxes"])


def _of_two_stages(detector, case, batch, recorder):
    with torch.no_grad():
        first = detector.propose(batch.images)
        proposals, scores, counts = detector.proposals(first, batch.after)
        proposals = in_order_of(case.stock["detect/proposals"], proposals, scores)
        # The API's own (docs/decisions/031-pytorch.md).
        given = torch.from_numpy(case.stock["detect/proposals"])
        second = detector.classify(first.features, given, counts, batch.size)
        if isinstance(detector, MaskRcnn):
            found = torch.from_numpy(case.stock["detect/detection_boxes"])
            masks = detector.mask_logits(detector.within(first.features, found))
    stock = {name[len("detect/") :]: value for name, value in case.stock.items()}
    yield "preprocessed", gap(nhwc(first.preprocessed), stock["preprocessed"])
    layers = [(name, gap(value, case.stock["layer/" + name])) for name, value in recorder.found]
    second_stage = [one for one in layers if one[0].startswith("SecondStage")]
    yield from [one for one in layers if one not in second_stage]
    yield "features", gap(nhwc(first.features), stock["features"])
    yield "encodings of the first stage", gap(first.encodings, stock["rpn_encodings"])
    yield "logits of the first stage", gap(first.logits, stock["rpn_logits"])
    yield "anchors", gap(first.anchors, stock["anchors"])
    yield "counts", gap(counts, stock["counts"])
    yield "proposals", gap(proposals, stock["proposals"])
    yield from second_stage
    yield "encodings", gap(second.encodings.flatten(0, 1), stock["refined"])
    yield "logits", gap(second.logits.flatten(0, 1), stock["logits"])
    if isinstance(detector, MaskRcnn):
        yield "mask logits", gap(masks, stock["mask_logits"])


LOSSES = {
    "classification": "classification_loss",
    "bbox_regression": "localization_loss",
    "loss_objectness": "RPNLoss/objectness_loss",
    "loss_rpn_box_reg": "RPNLoss/localization_loss",
    "loss_classifier": "BoxClassifierLoss/classification_loss",
    "loss_box_reg": "BoxClassifierLoss/localization_loss",
    "loss_mask": "BoxClassifierLoss/mask_loss",
}


def first_that_parts(detector, case, most=ALIKE):
    """What differs first, and by how much; None where nothing does."""
    return next((one for one in differences(detector, case) if not one[1] <= most), None)


def detected(detector, case):
    """What a detector finds, second and third stages on the stock API's boxes
    (docs/decisions/031-pytorch.md)."""
    detector.eval()
    if isinstance(detector, FasterRcnn):
        given, boxes = (
            torch.from_numpy(case.stock[f"detect/{name}"])
            for name in ("proposals", "detection_boxes")
        )
        counts = torch.from_numpy(case.stock["detect/counts"]).long()
        detector.proposals = lambda found, size: (given, None, counts)
    if isinstance(detector, MaskRcnn):
        segment = detector.segment
        detector.segment = lambda features, own, classes: segment(features, boxes, classes)
    with torch.no_grad():
        return detector(pictures(case)), detector.detect(pictures(case))


def detections(detector, case):
    """For each image, ours and the stock API's: boxes in pixels, labels, scores."""
    ours, _ = detected(detector, case)
    batch = detector.batch(pictures(case))
    for number, one in enumerate(ours):
        count = int(case.stock["detect/num_detections"][number])
        boxes, scores, classes = (
            case.stock[f"detect/detection_{name}"][number][:count]
            for name in ("boxes", "scores", "classes")
        )
        height, width = batch.before[number]
        pixels = [width, height] * 2
        yield (
            (one["boxes"], one["labels"].tolist(), one["scores"]),
            (boxes[:, [1, 0, 3, 2]] * pixels, (classes + 1).astype(int).tolist(), scores),
        )


def masks(detector, case):
    """For each image, ours and the stock API's: masks within boxes, and those of the image."""
    ours, fixed = detected(detector, case)
    for number, one in enumerate(ours):
        count = int(case.stock["detect/num_detections"][number])
        yield (
            (fixed.masks[number, :count], one["masks"][:, 0]),
            [
                case.stock[f"detect/{name}"][number, :count]
                for name in ("detection_masks", "pasted")
            ],
        )


def trained(detector, case):
    """(what, gap) of the losses, of their gradients by each variable, and of what the moving
    statistics gain in a step."""
    detector.train()
    if isinstance(detector, FasterRcnn):
        # As in `detected`.
        given = torch.from_numpy(case.stock["train/proposals"])
        counts = torch.from_numpy(case.stock["train/counts"]).long()
        propose, sample, proposed, sampled = detector.proposals, detector.sample, [], []
        detector.proposals = lambda *args: proposed.append(propose(*args)) or proposed[0]
        detector.sample = lambda *args: sampled.append(sample(*args)) or (given, counts)
    before = {name: value.clone() for name, value in detector.named_buffers()}
    losses = detector(pictures(case), list(true_boxes(case)))
    sum(losses.values()).backward()
    if isinstance(detector, FasterRcnn):
        # Nothing is left out (detectors.STEADY), so these are the proposals' scores.
        yield "sampled", gap(in_order_of(given, sampled[0][0], proposed[0][1]), given)
        yield "counts", gap(sampled[0][1], counts)
    for name, loss in losses.items():
        yield name, gap(loss.item(), case.stock["loss/" + LOSSES[name]])
    parameters, buffers = dict(detector.named_parameters()), dict(detector.named_buffers())
    for spec in layers_of(detector.settings.message, "pipeline.config"):
        for one in spec.variables:
            name = torch_name(one.name)
            if name in buffers:
                # In the order of magnitude of what a batch says.
                gained = buffers[name] - before[name]
                stock = case.stock["moved/" + one.name] - before[name].numpy()
                yield "moved " + one.name, gap(gained, stock)
                continue
            gradient = parameters[name].grad
            stock = case.stock.get("gradient/" + one.name)
            assert (gradient is None) == (stock is None), one.name
            if gradient is not None:
                yield one.name, gap(to_tensorflow(one.name, gradient.numpy(), one.shape), stock)


def load(case):
    return graphfix.torch.load(case.directory)


def is_head(name):
    return "Predictor/" in name and "Tower" not in name and "_depthwise" not in name
