"""An SSD as the Object Detection API of TensorFlow 1 builds it, as a torch.nn.Module."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from graphfix.detectors.box_coders import read_coder
from graphfix.detectors.extractors.facts import FPN, MULTI_RESOLUTION
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import SSD
from graphfix.detectors.feature_maps import map_count
from graphfix.errors import RequestError
from graphfix.torch import feature_maps, preprocessing
from graphfix.torch.boxes import anchors, decode
from graphfix.torch.files import Settings
from graphfix.torch.layers import EXPLICIT, SAME, Layer, Scope
from graphfix.torch.layout import LayerSpec
from graphfix.torch.losses import losses
from graphfix.torch.networks import NETWORKS
from graphfix.torch.predictors import PREDICTORS
from graphfix.torch.suppression import Limits, suppress
from graphfix.torch.targets import assign

Detection = Dict[str, Tensor]


class Predictions(NamedTuple):
    """What the network makes of a batch: the preprocessed images, the feature maps, box encodings
    and class logits (with the background, where there is one) of all anchors, and the anchors, in
    parts of the image."""

    preprocessed: Tensor
    maps: List[Tensor]
    encodings: Tensor
    logits: Tensor
    anchors: Tensor


class Ssd(Scope):
    """A detector that is called as torchvision's are.

    `detector.eval()(images)` gives a dictionary for each image: `boxes` [n, 4] as x1, y1, x2, y2 in
    its pixels, `labels` [n] from 1, `scores` [n], the best first.  `detector.train()(images,
    targets)` gives the losses, of targets with `boxes` and `labels`.  Images are tensors
    [3, height, width] of 0 to 1, or of bytes.

    `classes` has the names of labels.  Layers are named as their variables in TensorFlow.
    """

    def __init__(self, settings: Settings, specs: List[LayerSpec]):
        super().__init__()
        self.settings = settings
        self.body = settings.message.model.ssd
        self.classes = dict(settings.classes)
        self.coder = read_coder(self.body.box_coder, "box_coder")
        extractor = find_extractor(self.body.feature_extractor.type)
        assert extractor is not None
        self._generator, self._network = extractor.feature_maps, extractor.network
        self._scope = extractor.scopes[0].strip("/")
        for spec in specs:
            self._place(spec)
        self._channels = self.body.num_classes + int(self.body.add_background_class)
        kind = self.body.box_predictor.WhichOneof("box_predictor_oneof")
        self._predictor = PREDICTORS[kind](getattr(self.body.box_predictor, kind), self._channels)

    def _place(self, spec: LayerSpec) -> None:
        parts = spec.scope.split("/")
        inside: Scope = self
        for part in parts[:-1]:
            if part not in inside:
                inside.add_module(part, NETWORKS.get(part, Scope)())
            inside = inside[part]
        inside.add_module(parts[-1], Layer(spec))

    # The steps of a detector.

    def feature_maps(self, preprocessed: Tensor) -> List[Tensor]:
        """The maps of preprocessed images, the finest first."""
        given = self.body.feature_extractor
        network = self[self._scope][self._network]
        x = preprocessing.padded_to_multiple(preprocessed, given.pad_to_multiple)
        points = network.end_points(x, given.use_explicit_padding)
        padding = EXPLICIT if given.use_explicit_padding else SAME
        if self._generator == FPN:
            levels = given.fpn.min_level, given.fpn.max_level
            return feature_maps.fpn(network, points, *levels, padding)
        count = map_count(self.body, SSD)
        if self._generator == MULTI_RESOLUTION:
            return feature_maps.multi_resolution(network, points, count, padding)
        return feature_maps.pooling_pyramid(network, points, count)

    def predict(self, images: Tensor) -> Predictions:
        """What the network makes of resized images [N, 3, height, width] of 0 to 255."""
        network = self[self._scope][self._network]
        preprocessed = preprocessing.scaled(images, network.MEANS)
        maps = self.feature_maps(preprocessed)
        encodings, logits = self._predictor(self, maps)
        shapes = [(int(one.shape[2]), int(one.shape[3])) for one in maps]
        size = (int(images.shape[2]), int(images.shape[3]))
        placed = torch.from_numpy(anchors(self.body, shapes, size)).to(images.device)
        return Predictions(preprocessed, maps, encodings.float(), logits.float(), placed)

    def scores(self, logits: Tensor) -> Tensor:
        """The scores of class logits, without the background's."""
        given = self.body.post_processing
        scaled = logits / given.logit_scale
        if given.score_converter == given.SIGMOID:
            scaled = torch.sigmoid(scaled)
        elif given.score_converter == given.SOFTMAX:
            scaled = torch.softmax(scaled, dim=-1)
        return scaled[..., 1:] if self.body.add_background_class else scaled

    def detect(self, images: Any) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes [N, most, 4] in pixels, labels and scores [N, most], filled up with zeros, and how
        many there are [N]: of one shape, whatever the images show."""
        batch = preprocessing.batch_of(images, self.body.image_resizer)
        found = self.predict(batch.images)
        boxes = decode(self.coder, found.encodings, found.anchors)
        scores = self.scores(found.logits).transpose(1, 2)
        given = self.body.post_processing.batch_non_max_suppression
        limits = Limits(
            given.score_threshold,
            given.iou_threshold,
            given.max_detections_per_class,
            given.max_total_detections,
        )
        height, width = batch.size
        rows = []
        for number, (before, after) in enumerate(zip(batch.before, batch.after)):
            window = boxes.new_tensor([0.0, 0.0, after[0] / height, after[1] / width])
            kept, values, kinds, count = suppress(boxes[number], scores[number], window, limits)
            pixels = [height * before[0] / after[0], width * before[1] / after[1]]
            kept = (kept * kept.new_tensor(pixels * 2))[:, [1, 0, 3, 2]]
            valid = torch.arange(limits.total, device=kept.device) < count
            rows.append((kept, (kinds + 1) * valid, values, count))
        return tuple(torch.stack(each) for each in zip(*rows))

    def losses(self, images: Any, targets: Any) -> Dict[str, Tensor]:
        """The losses of a batch, by torchvision's names."""
        batch = preprocessing.batch_of(images, self.body.image_resizer)
        if len(targets) != len(batch.before):
            raise RequestError(
                "targets",
                f"has {len(targets)} entries for {len(batch.before)} images",
                "give one for each image",
            )
        found = self.predict(batch.images)
        assigned = []
        with torch.no_grad():
            for number, target in enumerate(targets):
                boxes, labels = self._truth(target, number, batch)
                assigned.append(
                    assign(self.body, self.coder, found.anchors, boxes, labels, self._channels)
                )
        decoded = decode(self.coder, found.encodings, found.anchors)
        return losses(self.body, found.encodings, found.logits, decoded, assigned)

    def _truth(
        self, target: Dict[str, Tensor], number: int, batch: preprocessing.Batch
    ) -> Tuple[Tensor, Tensor]:
        """The boxes of an image in parts of the padded one, and their labels."""
        device = batch.images.device
        boxes = target["boxes"].to(device, torch.float32).reshape(-1, 4)
        labels = target["labels"].to(device, torch.int64).reshape(-1)
        if len(labels) and not 1 <= int(labels.min()) <= int(labels.max()) <= self.body.num_classes:
            raise RequestError(
                f"targets[{number}]['labels']",
                f"are not all from 1 to {self.body.num_classes}",
                "number classes as the label map does",
            )
        before, after = batch.before[number], batch.after[number]
        pixels = [side * new / old for side, new, old in zip((1.0, 1.0), after, before)]
        parts = [one / side for one, side in zip(pixels, batch.size)]
        return boxes[:, [1, 0, 3, 2]] * boxes.new_tensor(parts * 2), labels

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
        boxes, labels, scores, counts = self.detect(images)
        if torch.compiler.is_exporting():
            return {"boxes": boxes, "labels": labels, "scores": scores, "counts": counts}
        return [
            {"boxes": each[0][:count], "labels": each[1][:count], "scores": each[2][:count]}
            for *each, count in zip(boxes, labels, scores, counts.tolist())
        ]
