"""Which tensors of which predictor hold what: the families of detectors, as data.

One row a family; a head's `scope` is a tensor name without its leaf, `{map}` standing for the
feature map's number.  Measured by building the stock API's models with different class and
anchor counts and comparing every variable (names never depend on either, shapes do).

BACKBONES says which variables a config's feature extractor makes, and the width of the first
convolution before `depth_multiplier`, so that a config of another model is found out.
"""

import dataclasses
from typing import Tuple

CLASS = "class"
BOX = "box"


@dataclasses.dataclass(frozen=True)
class HeadRow:
    """A head: what it predicts, where its tensors are, how their channels are packed."""

    role: str
    scope: str
    axes: Tuple[str, ...]
    leaves: Tuple[str, ...] = ("weights", "biases")


@dataclasses.dataclass(frozen=True)
class Family:
    """A predictor: its place in the config (meta-architecture and predictor) and its heads."""

    name: str
    meta: str
    predictor: str
    per_map: Tuple[HeadRow, ...]


FAMILIES = (
    Family("SSD, convolutional predictor", "ssd", "convolutional_box_predictor", (
        HeadRow(CLASS, "BoxPredictor_{map}/ClassPredictor", ("anchor", "slot")),
        HeadRow(BOX, "BoxPredictor_{map}/BoxEncodingPredictor", ("anchor", "code")),
    )),
)


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A feature extractor: its type in the config, its variables' scope, its first convolution."""

    type: str
    scope: str
    first: str
    width: int


BACKBONES = (
    Backbone("ssd_mobilenet_v1", "FeatureExtractor/MobilenetV1/", "Conv2d_0/weights", 32),
    Backbone("ssd_mobilenet_v2", "FeatureExtractor/MobilenetV2/", "Conv/weights", 32),
)

# Variables that training adds beside a model variable, by the suffix on its name.  Published
# training checkpoints hold them; the shapes are their parents'.
MOVING_AVERAGE = "/ExponentialMovingAverage"
SLOT_SUFFIXES = ("/RMSProp", "/RMSProp_1", "/Momentum", "/Adam", "/Adam_1")
OPTIMIZER_SCALARS = ("beta1_power", "beta2_power")
GLOBAL_STEP = "global_step"

# Statistics that BatchNorm tracks itself: no optimizer touches them, so nothing shadows them.
UNTRAINED_LEAVES = ("moving_mean", "moving_variance")
