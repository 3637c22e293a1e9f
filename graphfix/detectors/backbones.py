"""Feature extractors: their types in the config, and which variables a checkpoint has for one.

A row says the scopes of a type's variables, its first convolution, and how wide that is, so that
a config of another model than the checkpoint's is found out.  Measured by building the stock
API's models and listing their variables.

Widths under `depth_multiplier` m and `min_depth`, for a published width w: SCALED is w*m in whole
channels, but at least min_depth; DIVISIBLE the same rounded to a multiple of 8, up where that
would lose more than a tenth; TWICE is SCALED of w*m in whole channels, as Keras's MobileNet v1
takes the multiplier twice; FIXED is w.
"""

import dataclasses
from typing import Iterator, Mapping, Tuple

from graphfix.errors import Problem, SourceError
from graphfix.formats.tensors import TensorMeta

SCALED, DIVISIBLE, TWICE, FIXED = "scaled", "divisible", "twice", "fixed"
_SSD = ("FeatureExtractor/",)
_TWO_STAGE = ("FirstStageFeatureExtractor/", "SecondStageFeatureExtractor/")


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A feature extractor: type, scopes, first convolution (without the scope), width and rule."""

    type: str
    scopes: Tuple[str, ...]
    first: str
    width: int
    rule: str = FIXED


BACKBONES = (
    Backbone("ssd_mobilenet_v1", _SSD, "MobilenetV1/Conv2d_0/weights", 32, SCALED),
    Backbone("ssd_mobilenet_v1_fpn", _SSD, "MobilenetV1/Conv2d_0/weights", 32, SCALED),
    Backbone("ssd_mobilenet_v1_ppn", _SSD, "MobilenetV1/Conv2d_0/weights", 32, SCALED),
    Backbone("embedded_ssd_mobilenet_v1", _SSD, "MobilenetV1/Conv2d_0/weights", 32, SCALED),
    Backbone("ssd_mobilenet_v2", _SSD, "MobilenetV2/Conv/weights", 32, DIVISIBLE),
    Backbone("ssd_mobilenet_v2_fpn", _SSD, "MobilenetV2/Conv/weights", 32, DIVISIBLE),
    Backbone("ssd_mobilenet_v2_mnasfpn", _SSD, "MobilenetV2/Conv/weights", 32, DIVISIBLE),
    Backbone("ssd_mobilenet_v3_large", _SSD, "MobilenetV3/Conv/weights", 16, DIVISIBLE),
    Backbone("ssd_mobilenet_v3_small", _SSD, "MobilenetV3/Conv/weights", 16, DIVISIBLE),
    Backbone("ssd_mobilenet_edgetpu", _SSD, "MobilenetEdgeTPU/Conv/weights", 32, DIVISIBLE),
    Backbone("ssd_mobiledet_cpu", _SSD, "MobileDetCPU/Conv/weights", 16, DIVISIBLE),
    Backbone("ssd_mobiledet_dsp", _SSD, "MobileDetDSP/Conv/weights", 32, DIVISIBLE),
    Backbone("ssd_mobiledet_edgetpu", _SSD, "MobileDetEdgeTPU/Conv/weights", 32, DIVISIBLE),
    Backbone("ssd_mobiledet_gpu", _SSD, "MobileDetGPU/Conv/weights", 32, DIVISIBLE),
    Backbone("ssd_inception_v2", _SSD, "InceptionV2/Conv2d_1a_7x7/pointwise_weights", 64, SCALED),
    Backbone("ssd_inception_v3", _SSD, "InceptionV3/Conv2d_1a_3x3/weights", 32, SCALED),
    Backbone("ssd_pnasnet", _SSD, "conv0/weights", 96),
    Backbone("ssd_resnet50_v1_fpn", _SSD, "resnet_v1_50/conv1/weights", 64),
    Backbone("ssd_resnet101_v1_fpn", _SSD, "resnet_v1_101/conv1/weights", 64),
    Backbone("ssd_resnet152_v1_fpn", _SSD, "resnet_v1_152/conv1/weights", 64),
    Backbone("ssd_resnet50_v1_ppn", _SSD, "resnet_v1_50/conv1/weights", 64),
    Backbone("ssd_resnet101_v1_ppn", _SSD, "resnet_v1_101/conv1/weights", 64),
    Backbone("ssd_resnet152_v1_ppn", _SSD, "resnet_v1_152/conv1/weights", 64),
    Backbone(
        "ssd_mobilenet_v1_keras",
        ("ssd_mobile_net_v1keras_feature_extractor/",),
        "conv1/kernel",
        32,
        TWICE,
    ),
    Backbone(
        "ssd_mobilenet_v2_keras",
        ("ssd_mobile_net_v2keras_feature_extractor/",),
        "Conv1/kernel",
        32,
        DIVISIBLE,
    ),
    Backbone(
        "ssd_mobilenet_v1_fpn_keras",
        ("ssd_mobile_net_v1fpn_keras_feature_extractor/",),
        "conv1/kernel",
        32,
        TWICE,
    ),
    Backbone(
        "ssd_mobilenet_v2_fpn_keras",
        ("ssd_mobile_net_v2fpn_keras_feature_extractor/",),
        "Conv1/kernel",
        32,
        DIVISIBLE,
    ),
    Backbone(
        "faster_rcnn_inception_v2", _TWO_STAGE, "InceptionV2/Conv2d_1a_7x7/pointwise_weights", 64
    ),
    Backbone(
        "faster_rcnn_inception_resnet_v2", _TWO_STAGE, "InceptionResnetV2/Conv2d_1a_3x3/weights", 32
    ),
    Backbone(
        "faster_rcnn_inception_resnet_v2_keras", _TWO_STAGE, "InceptionResnetV2/conv2d/kernel", 32
    ),
    Backbone("faster_rcnn_resnet50", _TWO_STAGE, "resnet_v1_50/conv1/weights", 64),
    Backbone("faster_rcnn_resnet101", _TWO_STAGE, "resnet_v1_101/conv1/weights", 64),
    Backbone("faster_rcnn_resnet152", _TWO_STAGE, "resnet_v1_152/conv1/weights", 64),
    Backbone("faster_rcnn_nas", _TWO_STAGE, "conv0/weights", 96),
    Backbone("faster_rcnn_pnas", _TWO_STAGE, "conv0/weights", 96),
)


def find_backbone(kind: str, config: str) -> Backbone:
    """The row of a feature extractor's type.

    Raises:
      SourceError: naming `config`, for a type there is no row for.
    """
    for row in BACKBONES:
        if row.type == kind:
            return row
    raise SourceError(
        config,
        f"the feature extractor '{kind}' is not one graphfix knows",
        "known are: " + ", ".join(row.type for row in BACKBONES),
    )


def check_backbone(
    row: Backbone, extractor, metas: Mapping[str, TensorMeta], config: str, checkpoint: str
) -> Iterator[Problem]:
    """What tells that a checkpoint is not of the config's feature extractor."""
    remedy = "give the pipeline.config that this checkpoint was trained with"
    name = row.scopes[0] + row.first
    found = metas.get(name)
    if found is None:
        if any(other.startswith(row.first.split("/")[0] + "/") for other in metas):
            yield Problem(
                checkpoint,
                "is a classification checkpoint, not a detector",
                "train from it with from_detection_checkpoint: false; there are no "
                "heads to carry over",
            )
            return
        scopes = sorted(
            {
                "/".join(other.split("/")[:2])
                for other in metas
                if "FeatureExtractor/" in other or "feature_extractor/" in other
            }
        )
        yield Problem(
            config,
            f"describes a {row.type}, but {checkpoint} has no variable {name} (it has "
            f"{', '.join(scopes[:5]) or 'no feature extractor at all'})",
            remedy,
        )
        return
    width = _width(row, extractor)
    if len(found.shape) != 4 or found.shape[-1] != width:
        multiplier = f" (depth_multiplier {extractor.depth_multiplier:g})"
        yield Problem(
            config,
            f"gives {name} a width of {width}{'' if row.rule == FIXED else multiplier}, "
            f"but in {checkpoint} its shape is {list(found.shape)}",
            remedy,
        )


def _width(row: Backbone, extractor) -> int:
    if row.rule == FIXED:
        return row.width
    multiplier, least = extractor.depth_multiplier, extractor.min_depth
    return scaled_width(row.width, row.rule, multiplier, least) if 0 < multiplier <= 1000 else -1


def scaled_width(width: int, rule: str, multiplier: float, least: int) -> int:
    """How wide a layer of a published width becomes under depth_multiplier and min_depth."""
    if rule == FIXED:
        return width
    wanted = width * multiplier
    if rule == TWICE:
        return max(int(int(wanted) * multiplier), least)
    if rule == SCALED:
        return max(int(wanted), least)
    rounded = max(least, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded
