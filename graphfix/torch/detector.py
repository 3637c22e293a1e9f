"""What all detectors have in common: how they are made of layers, and called."""

import warnings
from typing import Any, Dict, List, NamedTuple, Optional

import torch
from torch import Tensor

from graphfix.errors import RequestError
from graphfix.findings import count
from graphfix.torch.cropping import pasted
from graphfix.torch.files import CONFIG, Settings, from_json, to_json
from graphfix.torch.layers import Dense, Layer, Scope
from graphfix.torch.layout import LayerSpec
from graphfix.torch.networks import NETWORKS
from graphfix.torch.preprocessing import Batch, batch_of
from graphfix.torch.suppression import Kept

_WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


class Truth(NamedTuple):
    """The boxes of an image [n, 4], in parts of the padded one, and their labels [n], from 1; of
    Mask R-CNN their masks in the padded image [n, height, width]."""

    boxes: Tensor
    labels: Tensor
    masks: Optional[Tensor] = None


class Detections(NamedTuple):
    """What `detect` finds in N images: boxes [N, most, 4] in pixels, labels and scores [N, most],
    filled up with zeros, and how many there are [N]; of Mask R-CNN masks [N, most, height, width]
    of 0 to 1 within the boxes."""

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    counts: Tensor
    masks: Optional[Tensor] = None


class Detector(Scope):
    """A detector that is called as torchvision's are.

    `detector.eval()(images)` gives a dictionary for each image: `boxes` [n, 4] as x1, y1, x2, y2 in
    its pixels, `labels` [n] from 1, `scores` [n], the best first.  `detector.train()(images,
    targets)` gives the losses, of targets with `boxes` and `labels`.  Images are tensors
    [3, height, width] of 0 to 1, or of bytes.  Where the detector has masks, detections have
    `masks` [n, 1, height, width] of 0 to 1, and targets `masks` [n, height, width] of 0 and 1.

    `classes` has the names of labels.  Layers are named as their variables in TensorFlow.
    """

    def __init__(self, settings: Settings, specs: List[LayerSpec]):
        super().__init__()
        self._configure(settings)
        for spec in specs:
            parts = spec.scope.split("/")
            inside: Scope = self
            for part in parts[:-1]:
                if part not in inside:
                    inside.add_module(part, NETWORKS.get(part, Scope)())
                inside = inside[part]
            inside.add_module(parts[-1], Dense(spec) if spec.is_dense else Layer(spec))

    def _configure(self, settings: Settings) -> None:
        self.settings = settings
        model = settings.message.model
        self.body = getattr(model, model.WhichOneof("model"))

    @property
    def classes(self) -> Dict[int, str]:
        """The names of labels."""
        return dict(self.settings.classes)

    @property
    def dtype(self) -> torch.dtype:
        """The type that the network computes in; boxes and losses are always of float32."""
        return next(self.parameters()).dtype

    def __getstate__(self) -> Dict[str, Any]:
        """What is pickled and copied: messages themselves are not pickled."""
        state = {name: value for name, value in self.__dict__.items() if name != "body"}
        return dict(state, settings=to_json(self.settings))

    def __setstate__(self, state: Dict[str, Any]) -> None:
        super().__setstate__(state)
        self._configure(from_json(state["settings"].encode(), CONFIG))

    def prepared(self, pixels: Tensor) -> Tensor:
        """What is done to an image's pixels, of 0 to 255, before it is resized and padded."""
        raise NotImplementedError

    def batch(self, images: Any) -> Batch:
        return batch_of(images, self.body.image_resizer, self.prepared)

    def found(self, batch: Batch) -> List[Kept]:
        """What is detected in each image of a batch, its boxes in parts of the padded image."""
        raise NotImplementedError

    def batch_losses(self, batch: Batch, truths: List[Truth]) -> Dict[str, Tensor]:
        raise NotImplementedError

    def detect(self, images: Any) -> Detections:
        """What is detected in images, of one shape, whatever they show."""
        batch = self.batch(images)
        rows = []
        for number, (boxes, scores, kinds, total, *masks) in enumerate(self.found(batch)):
            before, after = batch.before[number], batch.after[number]
            pixels = [side * old / new for side, old, new in zip(batch.size, before, after)]
            placed = (boxes * boxes.new_tensor(pixels * 2))[:, [1, 0, 3, 2]]
            valid = torch.arange(len(scores), device=scores.device) < total
            rows.append((placed, (kinds + 1) * valid, scores, total, *masks))
        return Detections(*(None if each[0] is None else torch.stack(each) for each in zip(*rows)))

    def losses(self, images: Any, targets: Any) -> Dict[str, Tensor]:
        """The losses of a batch."""
        batch = self.batch(images)
        if not isinstance(targets, (list, tuple)) or len(targets) != len(batch.before):
            raise RequestError(
                "targets",
                f"is no list of {count(len(batch.before), 'target')}",
                "give one for each image",
            )
        truths = [self.truth(target, number, batch) for number, target in enumerate(targets)]
        return self.batch_losses(batch, truths)

    def truth(self, target: Dict[str, Tensor], number: int, batch: Batch) -> Truth:
        """What the target of a batch's image says."""
        given = (entry_of(target, name, number) for name in ("boxes", "labels"))
        boxes, labels = (one.to(batch.images.device) for one in given)
        if boxes.numel():
            _check_boxes(boxes, f"targets[{number}]['boxes']")
        if labels.numel() or boxes.numel():
            most = self.body.num_classes
            _check_labels(labels, len(boxes), most, f"targets[{number}]['labels']")
        boxes, labels = boxes.float().reshape(-1, 4), labels.to(torch.int64).reshape(-1)
        sides = zip(batch.before[number], batch.after[number], batch.size)
        parts = [new / old / whole for old, new, whole in sides]
        return Truth(boxes[:, [1, 0, 3, 2]] * boxes.new_tensor(parts * 2), labels)

    def forward(self, images: Any, targets: Optional[Any] = None) -> Any:
        """Losses where there are targets, else a detection for each image.

        An exported program, whose shapes are fixed, gives what `detect` does.
        """
        if targets is not None:
            return self.losses(images, targets)
        if self.training:
            raise RequestError(
                "targets", "are missing in training", "give them, or call eval() before"
            )
        found = {
            name: value
            for name, value in self.detect(images)._asdict().items()
            if value is not None
        }
        if torch.compiler.is_exporting():
            return found
        counts = found.pop("counts").tolist()
        results = [
            {name: value[number, :total] for name, value in found.items()}
            for number, total in enumerate(counts)
        ]
        for one, image in zip(results, images if "masks" in found else ()):
            size = (int(image.shape[1]), int(image.shape[2]))
            parts = one["boxes"][:, [1, 0, 3, 2]] / one["boxes"].new_tensor(size * 2)
            one["masks"] = pasted(one["masks"], parts, size)[:, None]
        return results


def entry_of(target: Any, name: str, number: int) -> Tensor:
    """An entry of an image's target.

    Raises:
      RequestError: it is no tensor.
    """
    found = target.get(name) if isinstance(target, dict) else None
    if not isinstance(found, Tensor):
        raise RequestError(
            f"targets[{number}]['{name}']",
            "is missing" if found is None else f"is a {type(found).__name__}, and no tensor",
            "give targets as torchvision's detectors take them",
        )
    return found


def _check_boxes(boxes: Tensor, subject: str) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.is_complex():
        why = f"is of {boxes.dtype} and has the shape {list(boxes.shape)}"
    # Of what has no area, the losses are finite, as TensorFlow's are.
    elif not (torch.isfinite(boxes).all() and (boxes[:, :2] <= boxes[:, 2:]).all()):
        why = "has a box that ends before it begins, or a coordinate that is no finite number"
    else:
        if boxes.max() <= 1 and (boxes[:, :2] < boxes[:, 2:]).any():
            warnings.warn(
                f"{subject}: all boxes are within one pixel; they are in pixels, and not in parts "
                "of the image as in TensorFlow's records",
                stacklevel=2,
            )
        return
    raise RequestError(subject, why, "give a row of x1, y1, x2, y2 in pixels for each box")


def _check_labels(labels: Tensor, boxes: int, most: int, subject: str) -> None:
    if labels.shape != (boxes,) or labels.dtype not in _WHOLE:
        raise RequestError(
            subject,
            f"is of {labels.dtype} and has the shape {list(labels.shape)}",
            f"give a whole number for each of {count(boxes, 'box', 'boxes')}",
        )
    if not 1 <= int(labels.min()) <= int(labels.max()) <= most:
        raise RequestError(
            subject, f"are not all from 1 to {most}", "number classes as the label map does"
        )


def converted(logits: Tensor, post_processing: Any) -> Tensor:
    """The scores that a PostProcessing message makes of class logits."""
    scaled = logits / post_processing.logit_scale
    if post_processing.score_converter == post_processing.SIGMOID:
        return torch.sigmoid(scaled)
    if post_processing.score_converter == post_processing.SOFTMAX:
        return torch.softmax(scaled, dim=-1)
    return scaled
