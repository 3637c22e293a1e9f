"""Which tensors of a checkpoint belong to a model: those in the scopes of its feature extractor,
its heads, and the layers between them.

No trainer looks for any other name; whoever wrote the checkpoint added it.
"""

import re
from typing import Iterable, Tuple

from graphfix.detectors import families
from graphfix.detectors.describe import ModelSpec
from graphfix.detectors.quantization import is_quantization

# Layers outside of the heads' scopes: before the heads of a single feature map; between the stages,
# in slim and in Keras; Context R-CNN's.
_BETWEEN = {
    families.SSD: re.compile(
        r"(Conv2d_\d+_1x1_\d+(_norm)?|(BoxEncoding|Class)Predictor_depthwise)/"
    ),
    families.FASTER_RCNN: re.compile(
        r"(Conv|FirstStageRPNFeatures|(Self)?AttentionBlock[^/]*"
        r"|fully_connected(_\d+)?)/"
    ),
}


def strangers(model: ModelSpec, names: Iterable[str]) -> Tuple[str, ...]:
    """The names in a checkpoint that belong neither to the model nor to its training."""
    scopes = set(model.backbone)
    for head in model.heads:
        scopes.update(name.partition("/")[0] + "/" for name in head.tensors)
    scopes.update([families.second_name(scope) for scope in scopes])
    known, between = tuple(scopes), _BETWEEN[model.meta]
    return tuple(
        name
        for name in names
        if not (
            name.startswith(known)
            or between.match(name)
            or is_quantization(name)
            or name in families.OPTIMIZER_SCALARS
            or name == families.GLOBAL_STEP
        )
    )
