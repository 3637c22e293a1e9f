"""An SSD as the Object Detection API of TensorFlow 1 builds it, as a torch.nn.Module."""

from typing import Dict, List, NamedTuple

import torch
from torch import Tensor

from graphfix.detectors.box_coders import read_coder
from graphfix.detectors.extractors.facts import FPN, MULTI_RESOLUTION
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import SSD
from graphfix.detectors.feature_maps import map_count
from graphfix.torch import feature_maps, preprocessing
from graphfix.torch.boxes import anchors, decode
from graphfix.torch.detector import Detector, Truth, converted
from graphfix.torch.files import CONFIG, Settings
from graphfix.torch.layers import EXPLICIT, SAME
from graphfix.torch.layout import LayerSpec
from graphfix.torch.losses import losses
from graphfix.torch.predictors import PREDICTORS
from graphfix.torch.suppression import Kept, limits_of, suppress
from graphfix.torch.targets import assign


class Predictions(NamedTuple):
    """What the network makes of a batch: the feature maps, box encodings and class logits (with the
    background, where there is one) of all anchors, and the anchors, in parts of the image."""

    maps: List[Tensor]
    encodings: Tensor
    logits: Tensor
    anchors: Tensor


class Ssd(Detector):
    __doc__ = Detector.__doc__

    def __init__(self, settings: Settings, specs: List[LayerSpec]):
        super().__init__(settings, specs)
        self.coder = read_coder(self.body.box_coder, CONFIG)
        extractor = find_extractor(self.body.feature_extractor.type)
        assert extractor is not None
        self._generator = extractor.feature_maps
        self._network = f"{extractor.scopes[0].strip('/')}/{extractor.network}"
        self._channels = self.body.num_classes + int(self.body.add_background_class)

    def prepared(self, pixels: Tensor) -> Tensor:
        return preprocessing.scaled(pixels, self[self._network].MEANS)

    def feature_maps(self, images: Tensor) -> List[Tensor]:
        """The maps of a batch's images, the finest first."""
        given = self.body.feature_extractor
        network = self[self._network]
        x = preprocessing.padded_to_multiple(images, given.pad_to_multiple)
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
        """What the network makes of a batch's images [N, 3, height, width]."""
        maps = self.feature_maps(images.to(self.dtype))
        kind = self.body.box_predictor.WhichOneof("box_predictor_oneof")
        predictor = PREDICTORS[kind](getattr(self.body.box_predictor, kind), self._channels)
        encodings, logits = predictor(self, maps)
        shapes = [(int(one.shape[2]), int(one.shape[3])) for one in maps]
        size = (int(images.shape[2]), int(images.shape[3]))
        placed = torch.from_numpy(anchors(self.body, shapes, size)).to(images.device)
        return Predictions(maps, encodings.float(), logits.float(), placed)

    def found(self, batch: preprocessing.Batch) -> List[Kept]:
        found = self.predict(batch.images)
        boxes = decode(self.coder, found.encodings, found.anchors)
        given = self.body.post_processing
        scores = converted(found.logits, given)
        scores = (scores[..., 1:] if self.body.add_background_class else scores).transpose(1, 2)
        limits = limits_of(given.batch_non_max_suppression)
        height, width = batch.size
        return [
            suppress(
                own[None],
                values,
                own.new_tensor([0.0, 0.0, after[0] / height, after[1] / width]),
                limits,
            )
            for own, values, after in zip(boxes, scores, batch.after)
        ]

    def batch_losses(self, batch: preprocessing.Batch, truths: List[Truth]) -> Dict[str, Tensor]:
        """The losses of a batch, by torchvision's names."""
        found = self.predict(batch.images)
        with torch.no_grad():
            assigned = [
                assign(
                    self.body, self.coder, found.anchors, truth.boxes, truth.labels, self._channels
                )
                for truth in truths
            ]
        decoded = decode(self.coder, found.encodings, found.anchors)
        return losses(self.body, found.encodings, found.logits, decoded, assigned)
