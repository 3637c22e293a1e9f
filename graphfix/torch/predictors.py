"""The box predictors: box encodings [images, anchors, 4] and class logits [images, anchors,
channels] of all feature maps."""

from typing import Any, Dict, List, Tuple

import torch
from torch import Tensor
from torch.nn import functional

from graphfix.torch.boxes import CODE
from graphfix.torch.layers import Scope
from graphfix.torch.layout import NONE, RELU_6

_SHARED = "WeightSharedConvolutionalBoxPredictor"


def _flat(x: Tensor, channels: int) -> Tensor:
    """[images, anchors of a map, channels] of a head's output, whose channels are anchor by
    anchor."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, channels)


def _clipped(encodings: Tensor, predictor: Any) -> Tensor:
    if not predictor.HasField("box_encodings_clip_range"):
        return encodings
    limits = predictor.box_encodings_clip_range
    return encodings.clamp(limits.min, limits.max)


class Convolutional:
    """Heads of their own for each feature map, perhaps behind 1x1 convolutions."""

    def __init__(self, settings: Any, channels: int):
        self.settings, self.channels = settings, channels

    def __call__(self, root: Scope, maps: List[Tensor]) -> Tuple[Tensor, Tensor]:
        boxes, classes = [], []
        for number, x in enumerate(maps):
            heads = root[f"BoxPredictor_{number}"] if len(maps) > 1 else root
            for name in heads.matching("Conv2d_"):
                x = heads[name](x)
            encodings = self._head(heads, "BoxEncodingPredictor", x)
            boxes.append(_flat(_clipped(encodings, self.settings), CODE))
            if self.settings.use_dropout and root.training:
                x = functional.dropout(x, 1 - self.settings.dropout_keep_probability)
            logits = self._head(heads, "ClassPredictor", x)
            if self.settings.apply_sigmoid_to_scores:
                logits = torch.sigmoid(logits)
            classes.append(_flat(logits, self.channels))
        return torch.cat(boxes, 1), torch.cat(classes, 1)

    def _head(self, heads: Scope, name: str, x: Tensor) -> Tensor:
        if name + "_depthwise" in heads:
            x = heads[name + "_depthwise"](x)
        return heads[name](x, activation=NONE)


class WeightShared:
    """Towers and heads that all feature maps share, but for each map's own normalization."""

    def __init__(self, settings: Any, channels: int):
        self.settings, self.channels = settings, channels

    def __call__(self, root: Scope, maps: List[Tensor]) -> Tuple[Tensor, Tensor]:
        shared = root[_SHARED]
        if "ProjectionLayer" in shared:
            projections = shared["ProjectionLayer"]
            maps = [projections[f"conv2d_{n}"](x, activation=NONE) for n, x in enumerate(maps)]
        boxes, classes = [], []
        for number, x in enumerate(maps):
            if self.settings.share_prediction_tower:
                of_boxes = of_classes = self._tower(shared, "PredictionTower", x, number)
            else:
                of_boxes = self._tower(shared, "BoxPredictionTower", x, number)
                of_classes = self._tower(shared, "ClassPredictionTower", x, number)
            encodings = shared["BoxPredictor"](of_boxes, activation=NONE)
            boxes.append(_flat(_clipped(encodings, self.settings), CODE))
            if self.settings.use_dropout and root.training:
                of_classes = functional.dropout(
                    of_classes, 1 - self.settings.dropout_keep_probability
                )
            logits = shared["ClassPredictor"](of_classes, activation=NONE)
            if self.settings.score_converter == self.settings.SIGMOID:
                logits = torch.sigmoid(logits)
            classes.append(_flat(logits, self.channels))
        return torch.cat(boxes, 1), torch.cat(classes, 1)

    def _tower(self, shared: Scope, name: str, x: Tensor, number: int) -> Tensor:
        """The layers before the heads, whose activation no config changes."""
        if name in shared:  # unless there are none
            for layer in shared[name]:
                x = shared[name][layer](x, activation=RELU_6, feature=number)
        return x


PREDICTORS: Dict[str, Any] = {
    "convolutional_box_predictor": Convolutional,
    "weight_shared_convolutional_box_predictor": WeightShared,
}
