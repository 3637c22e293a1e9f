"""What a detector is, as data: its heads, anchors, box coder, and the scopes of its extractor."""

import dataclasses
from typing import Optional, Tuple

from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.detectors.auxiliary_variables import AuxiliaryVariables
from graphfix.detectors.box_coders import Coder
from graphfix.detectors.channel_layout import (
    CLASS_AXIS,
    CLASS_CHANNEL,
    ChannelLayout,
    describe_axes,
)
from graphfix.detectors.initializer import Initializer
from graphfix.findings import count


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """One head: of one feature map (`map`), or of all (None).

    `tensors` are its variables' names; the last axis of each is packed as in `layout`.
    `background`: class channel 0 is the background's.  `initializer` is the config's for new
    kernels, None if it has none that graphfix knows.  `sigmoid`: the model trains and scores each
    class by itself, with a sigmoid, instead of all with one softmax.
    """

    role: str
    stage: str
    map: Optional[int]
    scope: str
    tensors: Tuple[str, ...]
    layout: ChannelLayout
    background: bool
    initializer: Optional[Initializer]
    sigmoid: bool = False

    @property
    def axes(self) -> str:
        """What the last axis of its tensors consists of, in words."""
        return describe_axes(self.layout, self.background)

    @property
    def class_axis(self) -> Optional[str]:
        """The axis that counts classes, None where the head has none."""
        return next((kind for kind in (CLASS_CHANNEL, CLASS_AXIS) if self.layout.has(kind)), None)


@dataclasses.dataclass(frozen=True, repr=False)
class ModelSpec:
    """A detector.

    `meta` is its meta-architecture ("ssd", "faster_rcnn"), `classes` its number of classes without
    background, `class_field_offset` how many more the config's num_classes counts.  `backbone` has
    the scopes of its feature extractor; `coder` and `image` (height and width in pixels, if the
    config fixes them) belong to the anchors.  `pins` are fields of the config, by path, with the
    values that they must have for the trained tensors to fit any number of classes.
    """

    family: str
    meta: str
    feature_extractor: str
    backbone: Tuple[str, ...]
    classes: int
    class_field_offset: int
    quantized: bool
    heads: Tuple[HeadSpec, ...]
    anchors: AnchorSpec
    coder: Coder
    image: Optional[Tuple[float, float]]
    extras: AuxiliaryVariables
    pins: Tuple[Tuple[Tuple[str, ...], int], ...]

    def __repr__(self) -> str:
        return f"<ModelSpec: {self.family}, {count(self.classes, 'class', 'classes')}>"
