"""The layers with weights of the base networks of TensorFlow 2, in the order in which Keras numbers
them, by the scopes of the same layers in TensorFlow 1.

Keras orders the layers of a functional model by their distance from its output: where a ResNet unit
has a shortcut, that is beside the last convolution.  A layer is a scope, and whether it is the
convolution or its batch normalization.
"""

from typing import List, Tuple

CONVOLUTION, NORMALIZATION = "convolution", "normalization"
Layer = Tuple[str, str]

# How many units each block of a ResNet has.
RESNETS = {
    "resnet_v1_50": (3, 4, 6, 3),
    "resnet_v1_101": (3, 4, 23, 3),
    "resnet_v1_152": (3, 8, 36, 3),
}


def _pairs(*scopes: str) -> List[Layer]:
    return [(scope, kind) for scope in scopes for kind in (CONVOLUTION, NORMALIZATION)]


def mobilenet_v1() -> List[Layer]:
    return _pairs(
        "Conv2d_0",
        *(f"Conv2d_{n}_{kind}" for n in range(1, 14) for kind in ("depthwise", "pointwise")),
    )


def mobilenet_v2() -> List[Layer]:
    return _pairs(
        "Conv",
        "expanded_conv/depthwise",
        "expanded_conv/project",
        *(
            f"expanded_conv_{n}/{kind}"
            for n in range(1, 17)
            for kind in ("expand", "depthwise", "project")
        ),
        "Conv_1",
    )


def resnet_blocks(network: str, first: int, last: int) -> List[Layer]:
    """The blocks of a ResNet from number `first` to number `last`."""
    layers: List[Layer] = []
    for block in range(first, last + 1):
        for unit in range(1, RESNETS[network][block - 1] + 1):
            scope = f"block{block}/unit_{unit}/bottleneck_v1/"
            layers += _pairs(scope + "conv1", scope + "conv2")
            ends = (scope + "shortcut", scope + "conv3") if unit == 1 else (scope + "conv3",)
            layers += [(end, kind) for kind in (CONVOLUTION, NORMALIZATION) for end in ends]
    return layers


def resnet_trunk(network: str) -> List[Layer]:
    """What a Faster R-CNN's first stage has of a ResNet."""
    return _pairs("conv1") + resnet_blocks(network, 1, 3)
