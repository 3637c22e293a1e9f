"""What shows that a config is for TensorFlow 2's Object Detection API.

Both APIs read the same schema.  Only TensorFlow 2 builds CenterNets and some Keras extractors; the
Keras types that TensorFlow 1 built until 2020-05 are TensorFlow 2's where the config names a
checkpoint of its kind.
"""

import re
from typing import Any, NamedTuple, Optional, Tuple

from graphfix.detectors.extractors.facts import KERAS
from graphfix.detectors.extractors.loader import find_extractor

_CENTER_NET = "center_net"
# model_builder's Keras types that no revision builds with TensorFlow 1.
_TYPES = re.compile(
    r"ssd_efficientnet-b\d_bifpn_keras|ssd_mobilenet_v\d_fpn_keras|ssd_resnet\d+_v1_fpn_keras"
    r"|faster_rcnn_resnet\d+(_fpn)?_keras"
)
_OF_TF2 = {"fine_tune_checkpoint_version": ("V2",), "fine_tune_checkpoint_type": ("full",)}


class Sign(NamedTuple):
    """The field that shows it, and what it shows."""

    path: Tuple[str, ...]
    words: str


def find_sign(message: Any) -> Optional[Sign]:
    """The sign that a TrainEvalPipelineConfig is for TensorFlow 2, None where there is none."""
    meta = message.model.WhichOneof("model")
    if meta == _CENTER_NET:
        return Sign(("model", meta), "it has a center_net, which only TensorFlow 2 builds")
    extractor = getattr(getattr(message.model, meta or "", None), "feature_extractor", None)
    if extractor is None:
        return None
    known = find_extractor(extractor.type)
    path = ("model", meta, "feature_extractor", "type")
    if known is None and _TYPES.fullmatch(extractor.type):
        return Sign(path, f"its feature extractor is {extractor.type}, which only it builds")
    if known is None or known.naming != KERAS:
        return None
    for field, values in _OF_TF2.items():
        value = getattr(message.train_config, field)
        kind = message.train_config.DESCRIPTOR.fields_by_name[field].enum_type
        name = kind.values_by_number[value].name if kind else value
        if name in values:
            return Sign(path, f"its feature extractor is {extractor.type}, and its {field} {name}")
    return None
