"""The base networks, as slim builds them: each takes an image and gives its end points by name.

`END_POINTS` says which of them the API's extractors take: `multi_resolution` the first feature
maps, `fpn` one for each level, `pooling_pyramid` the base of the pyramid.
"""

from typing import Any, ClassVar, Dict, Mapping, Tuple

import torch
from torch import Tensor

from graphfix.torch.layers import EXPLICIT, SAME, Scope, average_pool, max_pool, subsampled
from graphfix.torch.layout import NONE

Points = Dict[str, Tensor]


class Network(Scope):
    """A base network.  `MEANS`: what is taken from each channel of the pixels, of 0 to 255; without
    them pixels are scaled to -1 to 1."""

    END_POINTS: ClassVar[Mapping[str, Any]] = {}
    MEANS: ClassVar[Tuple[float, ...]] = ()

    def end_points(self, image: Tensor, explicit_padding: bool) -> Points:
        raise NotImplementedError


class MobilenetV1(Network):
    END_POINTS: ClassVar[Mapping[str, Any]] = {
        "multi_resolution": ("Conv2d_11_pointwise", "Conv2d_13_pointwise"),
        "pooling_pyramid": "Conv2d_11_pointwise",
        "fpn": {
            2: "Conv2d_3_pointwise",
            3: "Conv2d_5_pointwise",
            4: "Conv2d_11_pointwise",
            5: "Conv2d_13_pointwise",
        },
    }
    STRIDED = (0, 2, 4, 6, 12)

    def end_points(self, image: Tensor, explicit_padding: bool) -> Points:
        padding = EXPLICIT if explicit_padding else SAME
        x = self["Conv2d_0"](image, 2, padding)
        points = {"Conv2d_0": x}
        for number in range(1, 14):
            stride = 2 if number in self.STRIDED else 1
            x = self[f"Conv2d_{number}_depthwise"](x, stride, padding)
            x = points[f"Conv2d_{number}_pointwise"] = self[f"Conv2d_{number}_pointwise"](x)
        return points


class MobilenetV2(Network):
    END_POINTS: ClassVar[Mapping[str, Any]] = {
        "multi_resolution": ("layer_15/expansion_output", "layer_19"),
        "fpn": {2: "layer_4", 3: "layer_7", 4: "layer_14", 5: "layer_19"},
    }
    STRIDED = (1, 3, 6, 13)
    BLOCKS = 17

    def end_points(self, image: Tensor, explicit_padding: bool) -> Points:
        padding = EXPLICIT if explicit_padding else SAME
        x = self["Conv"](image, 2, padding)
        points = {"layer_1": x}
        for number in range(self.BLOCKS):
            block = self["expanded_conv" + (f"_{number}" if number else "")]
            stride = 2 if number in self.STRIDED else 1
            inside = block["expand"](x) if "expand" in block else x
            points[f"layer_{number + 2}/expansion_output"] = inside
            inside = block["depthwise"](inside, stride, padding)
            inside = block["project"](inside, activation=NONE)
            x = x + inside if stride == 1 and x.shape[1] == inside.shape[1] else inside
            points[f"layer_{number + 2}"] = x
        points["layer_19"] = self["Conv_1"](x)
        return points


class InceptionV2(Network):
    END_POINTS: ClassVar[Mapping[str, Any]] = {"multi_resolution": ("Mixed_4c", "Mixed_5c")}
    # The block whose last branch pools by the maximum, and not by the average.
    MAXIMUM = "Mixed_5c"

    def end_points(self, image: Tensor, explicit_padding: bool) -> Points:
        x = max_pool(self["Conv2d_1a_7x7"](image, 2), 3, 2)
        x = max_pool(self["Conv2d_2c_3x3"](self["Conv2d_2b_1x1"](x)), 3, 2)
        return self._blocks(x)

    def first_stage(self, image: Tensor, stride: int) -> Tensor:
        return self.end_points(image, False)["Mixed_4e"]

    def second_stage(self, crops: Tensor) -> Tensor:
        return self._blocks(crops)["Mixed_5c"]

    def _blocks(self, x: Tensor) -> Points:
        points = {}
        for name in self.matching("Mixed_"):
            if isinstance(self[name], Scope):  # and no layer of an additional feature map
                x = points[name] = self._mixed(name, x)
        return points

    def _mixed(self, name: str, x: Tensor) -> Tensor:
        """A block: branches of convolutions beside each other.  One that halves the image ends its
        branches with a layer 1a, and pools beside them; any other has a branch that pools first,
        whose convolution is its layer 0b."""
        block, outputs, halves = self[name], [], False
        for branch in block:
            inside = x
            layers = [(one, block[branch][one]) for one in block[branch]]
            if layers[0][0].startswith("Conv2d_0b_"):
                inside = max_pool(x, 3, 1) if name == self.MAXIMUM else average_pool(x, 3)
            for own, layer in layers:
                last = own.startswith("Conv2d_1a_")
                halves = halves or last
                inside = layer(inside, 2 if last else 1)
            outputs.append(inside)
        if halves:
            outputs.append(max_pool(x, 3, 2))
        return torch.cat(outputs, dim=1)


class ResnetV1(Network):
    """slim's ResNet v1: a block halves the image behind its last unit, where an FPN takes its
    features before that."""

    MEANS = (123.68, 116.779, 103.939)
    END_POINTS: ClassVar[Mapping[str, Any]] = {
        "pooling_pyramid": "block3",
        "fpn": {level: f"block{level - 1}" for level in range(2, 6)},
    }
    STRIDED = ("block1", "block2", "block3")

    def end_points(self, image: Tensor, explicit_padding: bool) -> Points:
        x = max_pool(self["conv1"](image, 2, EXPLICIT), 3, 2)
        points = {}
        for name in self.matching("block"):
            for unit in self[name]:
                x = self._unit(self[name][unit]["bottleneck_v1"], x)
            points[name] = x
            x = subsampled(x, 2 if name in self.STRIDED else 1)
        return points

    def first_stage(self, image: Tensor, stride: int) -> Tensor:
        """The features of Faster R-CNN's first stage: here the last unit of a block halves the
        image, until it has the stride; from then on convolutions are dilated instead."""
        x = max_pool(self["conv1"](image, 2, EXPLICIT), 3, 2)
        left, rate = stride // 4, 1
        for name in ("block1", "block2", "block3"):
            units = list(self[name])
            halves = left > 1
            for unit in units:
                last = unit == units[-1]
                step = 2 if last and halves else 1
                x = self._unit(self[name][unit]["bottleneck_v1"], x, step, rate)
            left, rate = (left // 2, rate) if halves else (left, rate * 2)
        return x

    def second_stage(self, crops: Tensor) -> Tensor:
        for unit in self["block4"]:
            crops = self._unit(self["block4"][unit]["bottleneck_v1"], crops)
        return crops

    def _unit(self, unit: Scope, x: Tensor, stride: int = 1, rate: int = 1) -> Tensor:
        if "shortcut" in unit:
            shortcut = unit["shortcut"](x, stride, activation=NONE)
        else:
            shortcut = subsampled(x, stride)
        padding = EXPLICIT if stride > 1 else SAME
        inside = unit["conv2"](unit["conv1"](x), stride, padding, rate=rate)
        return torch.relu(shortcut + unit["conv3"](inside, activation=NONE))


# By their scope in the extractor's.
NETWORKS: Dict[str, type] = {
    "MobilenetV1": MobilenetV1,
    "MobilenetV2": MobilenetV2,
    "InceptionV2": InceptionV2,
    "resnet_v1_50": ResnetV1,
    "resnet_v1_101": ResnetV1,
    "resnet_v1_152": ResnetV1,
}
