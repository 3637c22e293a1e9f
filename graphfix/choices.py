"""The values of those options that offer a choice."""

import enum
from typing import Tuple


class Choice(str, enum.Enum):
    """A value of an option; it equals, prints as and is stored as its text."""

    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, form: str) -> str:
        return str.__format__(self, form)


class NewRows(Choice):
    """How the weights of new classes start."""

    PRIOR = "prior"
    MEAN = "mean"
    RANDOM = "random"
    ZERO = "zero"


class Weights(Choice):
    """Which values the output takes: the trained ones or their moving averages."""

    AUTO = "auto"
    RAW = "raw"
    EMA = "ema"


class Trainer(Choice):
    """The stock API's training script; ANY prepares for both."""

    ANY = "any"
    MODEL_MAIN = "model_main"
    LEGACY = "legacy"


class AnchorBoxes(Choice):
    """What becomes of the box heads where anchors change."""

    CARRY = "carry"
    RANDOM = "random"


class Target(Choice):
    """What a detector is exported to."""

    TF2 = "tf2"
    OPENCV = "opencv"
    ONNX = "onnx"
    OPENVINO = "openvino"
    TORCH = "torch"
    TFLITE = "tflite"


class Freeze(Choice):
    """The layers a trainer keeps as they are."""

    NONE = "none"
    BACKBONE = "backbone"
    ALL_BUT_HEADS = "all_but_heads"
    ALL_BUT_CLASS_HEADS = "all_but_class_heads"


VALUES: Tuple[str, ...] = tuple(
    dict.fromkeys(one.value for choice in Choice.__subclasses__() for one in choice)
)
