"""The families of detectors, as data: the heads of each box predictor, and their tensors.

A row for each family and naming.  A head's `scope` is a tensor name without its leaf, in which
`{map}` stands for the feature map's number and `{last}` for the suffix of the mask head's last
convolution.  Names, shapes and channel orders were measured by building the stock API's models with
different numbers of classes and anchors and comparing every variable: names depend on neither,
shapes do.

A head's axes are in the order of its channels, the slowest first: anchors, class channels (classes
and the background), classes (without it), numbers of a box encoding, bins of a position-sensitive
score map, or objectness (background, object).

What a row cannot know it looks up in the config's predictor message: `when` is the field without
which the head does not exist, `agnostic` one that takes the class axis away.
"""

import re
from typing import NamedTuple, Optional, Tuple

from graphfix.detectors.channel_layout import (
    ANCHOR,
    BIN,
    BOX_ENCODING,
    CLASS_AXIS,
    CLASS_CHANNEL,
    OBJECTNESS_AXIS,
)

CLASS = "class"
BOX = "box"
OBJECTNESS = "objectness"
MASK = "mask"

SSD = "ssd"
FASTER_RCNN = "faster_rcnn"

# Where each meta-architecture's config has its box predictor and its anchors.
PREDICTOR_FIELD = {SSD: "box_predictor", FASTER_RCNN: "second_stage_box_predictor"}
ANCHOR_FIELD = {SSD: "anchor_generator", FASTER_RCNN: "first_stage_anchor_generator"}

CONV, FC = "conv_hyperparams", "fc_hyperparams"
SLIM = ("weights", "biases")
KERAS = ("kernel", "bias")
SEPARABLE = ("pointwise_weights", "biases")


class HeadRow(NamedTuple):
    """A head: what it predicts, its scope, the axes its channels are packed of, its tensors'
    leaves.

    `hyperparams` names the block of the predictor message whose initializer the head has.
    """

    role: str
    scope: str
    axes: Tuple[str, ...]
    leaves: Tuple[str, ...] = SLIM
    hyperparams: str = CONV
    when: str = ""
    agnostic: str = ""


class Pin(NamedTuple):
    """A field of the predictor that, where it is 0, the API works out from the number of classes.

    The trained tensor has the value that was worked out, as its last axis; written into the
    config it holds for any number of classes.
    """

    field: str
    tensor: str


class Family(NamedTuple):
    """A predictor under one naming: its place in the config and its heads.

    `per_map`: heads of their own for every feature map; else all maps share one.  `first_stage`
    are the heads of a region proposal network.
    """

    name: str
    meta: str
    predictor: str
    heads: Tuple[HeadRow, ...]
    per_map: bool = False
    first_stage: Tuple[HeadRow, ...] = ()
    pin: Optional[Pin] = None


_RPN = (
    HeadRow(OBJECTNESS, "FirstStageBoxPredictor/ClassPredictor", (ANCHOR, OBJECTNESS_AXIS)),
    HeadRow(BOX, "FirstStageBoxPredictor/BoxEncodingPredictor", (ANCHOR, BOX_ENCODING)),
)
_SHARED = "WeightSharedConvolutionalBoxPredictor/"
_SECOND = "SecondStageBoxPredictor/"

# Until 2018-04-16 a normalized weight-shared predictor also normalized its output convolutions.
_NORMALIZED = (
    "weights",
    "BatchNorm/gamma",
    "BatchNorm/beta",
    "BatchNorm/moving_mean",
    "BatchNorm/moving_variance",
)

FAMILIES = (
    Family(
        "SSD, convolutional predictor",
        SSD,
        "convolutional_box_predictor",
        (
            HeadRow(CLASS, "BoxPredictor_{map}/ClassPredictor", (ANCHOR, CLASS_CHANNEL)),
            HeadRow(BOX, "BoxPredictor_{map}/BoxEncodingPredictor", (ANCHOR, BOX_ENCODING)),
        ),
        per_map=True,
    ),
    Family(
        "SSD, convolutional predictor (Keras names)",
        SSD,
        "convolutional_box_predictor",
        (
            HeadRow(
                CLASS,
                "BoxPredictor/ConvolutionalClassHead_{map}/ClassPredictor",
                (ANCHOR, CLASS_CHANNEL),
                KERAS,
            ),
            HeadRow(
                BOX,
                "BoxPredictor/ConvolutionalBoxHead_{map}/BoxEncodingPredictor",
                (ANCHOR, BOX_ENCODING),
                KERAS,
            ),
        ),
        per_map=True,
    ),
    Family(
        "SSD, weight-shared predictor",
        SSD,
        "weight_shared_convolutional_box_predictor",
        (
            HeadRow(CLASS, _SHARED + "ClassPredictor", (ANCHOR, CLASS_CHANNEL)),
            HeadRow(BOX, _SHARED + "BoxPredictor", (ANCHOR, BOX_ENCODING)),
        ),
    ),
    Family(
        "SSD, weight-shared separable predictor",
        SSD,
        "weight_shared_convolutional_box_predictor",
        (
            HeadRow(CLASS, _SHARED + "ClassPredictor", (ANCHOR, CLASS_CHANNEL), SEPARABLE),
            HeadRow(BOX, _SHARED + "BoxPredictor", (ANCHOR, BOX_ENCODING), SEPARABLE),
        ),
    ),
    Family(
        "SSD, weight-shared predictor (Keras names)",
        SSD,
        "weight_shared_convolutional_box_predictor",
        (
            HeadRow(
                CLASS,
                _SHARED + "WeightSharedConvolutionalClassHead/ClassPredictor",
                (ANCHOR, CLASS_CHANNEL),
                KERAS,
            ),
            HeadRow(
                BOX,
                _SHARED + "WeightSharedConvolutionalBoxHead/BoxPredictor",
                (ANCHOR, BOX_ENCODING),
                KERAS,
            ),
        ),
    ),
    Family(
        "SSD, weight-shared predictor of 2018-02 to 2018-05",
        SSD,
        "weight_shared_convolutional_box_predictor",
        (
            HeadRow(CLASS, _SHARED + "ClassPredictor", (ANCHOR, CLASS_CHANNEL)),
            HeadRow(BOX, _SHARED + "BoxEncodingPredictor", (ANCHOR, BOX_ENCODING)),
        ),
    ),
    Family(
        "SSD, weight-shared normalized predictor of 2018-02 to 2018-04",
        SSD,
        "weight_shared_convolutional_box_predictor",
        (
            HeadRow(CLASS, _SHARED + "ClassPredictor", (ANCHOR, CLASS_CHANNEL), _NORMALIZED),
            HeadRow(BOX, _SHARED + "BoxEncodingPredictor", (ANCHOR, BOX_ENCODING), _NORMALIZED),
        ),
    ),
    Family(
        "Faster R-CNN",
        FASTER_RCNN,
        "mask_rcnn_box_predictor",
        (
            HeadRow(CLASS, _SECOND + "ClassPredictor", (CLASS_CHANNEL,), hyperparams=FC),
            HeadRow(
                BOX,
                _SECOND + "BoxEncodingPredictor",
                (CLASS_AXIS, BOX_ENCODING),
                hyperparams=FC,
                agnostic="share_box_across_classes",
            ),
            HeadRow(
                MASK,
                _SECOND + "Conv{last}",
                (CLASS_AXIS,),
                when="predict_instance_masks",
                agnostic="masks_are_class_agnostic",
            ),
        ),
        first_stage=_RPN,
        pin=Pin("mask_prediction_conv_depth", _SECOND + "Conv/weights"),
    ),
    Family(
        "Faster R-CNN (Keras names)",
        FASTER_RCNN,
        "mask_rcnn_box_predictor",
        (
            HeadRow(
                CLASS,
                "mask_rcnn_keras_box_predictor/mask_rcnn_class_head/ClassPredictor_dense",
                (CLASS_CHANNEL,),
                KERAS,
                FC,
            ),
            HeadRow(
                BOX,
                "mask_rcnn_keras_box_predictor/mask_rcnn_box_head/BoxEncodingPredictor_dense",
                (CLASS_AXIS, BOX_ENCODING),
                KERAS,
                FC,
                agnostic="share_box_across_classes",
            ),
        ),
        first_stage=(
            HeadRow(
                OBJECTNESS,
                "FirstStageBoxPredictor/ConvolutionalClassHead_0/ClassPredictor",
                (ANCHOR, OBJECTNESS_AXIS),
                KERAS,
            ),
            HeadRow(
                BOX,
                "FirstStageBoxPredictor/ConvolutionalBoxHead_0/BoxEncodingPredictor",
                (ANCHOR, BOX_ENCODING),
                KERAS,
            ),
        ),
    ),
    Family(
        "R-FCN",
        FASTER_RCNN,
        "rfcn_box_predictor",
        (
            HeadRow(CLASS, _SECOND + "class_predictions", (BIN, CLASS_CHANNEL)),
            HeadRow(BOX, _SECOND + "refined_locations", (BIN, CLASS_AXIS, BOX_ENCODING)),
        ),
        first_stage=_RPN,
    ),
)

# What a head's tensor does to its channel: multiplies the input (KERNEL), is added last (OFFSET),
# scales (SCALE), or is what a normalization measured (MEAN_OF, VARIANCE_OF); all but the kernel
# with the value that the stock API initialises them to.
KERNEL, OFFSET, SCALE = "kernel", "offset", "scale"
MEAN_OF, VARIANCE_OF = "mean_of", "variance_of"
LEAVES = {
    "weights": (KERNEL, 0.0),
    "kernel": (KERNEL, 0.0),
    "pointwise_weights": (KERNEL, 0.0),
    "biases": (OFFSET, 0.0),
    "bias": (OFFSET, 0.0),
    "beta": (OFFSET, 0.0),
    "gamma": (SCALE, 1.0),
    "moving_mean": (MEAN_OF, 0.0),
    "moving_variance": (VARIANCE_OF, 1.0),
}

# Variables that training adds to a model variable's, by the suffix on its name.  Published training
# checkpoints have them; their shapes are those of the model variables.
MOVING_AVERAGE = "/ExponentialMovingAverage"
SLOT_SUFFIXES = ("/RMSProp", "/RMSProp_1", "/Momentum", "/Adam", "/Adam_1")
OPTIMIZER_SCALARS = ("beta1_power", "beta2_power")
GLOBAL_STEP = "global_step"

# Statistics that BatchNorm tracks itself: no optimizer touches them, so nothing shadows them.
UNTRAINED_LEAVES = ("moving_mean", "moving_variance")

# What Keras names after its class, and so with _1 where there are two: SSD's feature extractors,
# and a second stage's predictor and its heads.
_KERAS_CLASS = re.compile(
    r"\b(\w+keras_feature_extractor|mask_rcnn_(keras_box_predictor|\w+_head))/"
)


def second_name(name: str) -> str:
    """What a variable is called in the second model of a graph: the same, unless Keras names it."""
    return _KERAS_CLASS.sub(r"\1_1/", name)
