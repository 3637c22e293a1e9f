"""The variables that a config's model has, by name and shape: what the stock API would build.

The feature extractor's are recorded (extractors/layers.py).  What the API builds around it was read
in its code of three revisions and proven against what it builds
(tests/stock/test_restore_prediction.py): see one_stage_variables.py and two_stage_variables.py.
Anything else is refused by name, never guessed.
"""

from typing import Any, FrozenSet, Tuple

from graphfix.detectors import families
from graphfix.detectors.config_heads import expected_heads
from graphfix.detectors.extractors.facts import ALWAYS, OVERRIDDEN
from graphfix.detectors.extractors.layers import DEPTHWISE_KERNELS, KERNELS, Variable
from graphfix.detectors.extractors.loader import Extractor, find_extractor
from graphfix.detectors.layer_variables import Unknown
from graphfix.detectors.one_stage_variables import ssd_options, ssd_variables
from graphfix.detectors.two_stage_variables import TWO_STAGES, two_stage_variables
from graphfix.errors import SourceError


def model_variables(message, *, revision: str, config: str) -> Tuple[Variable, ...]:
    """The model's variables, without the global step and what training and quantization add.

    `message` is a TrainEvalPipelineConfig, `revision` the API's, `config` the file's name.

    Raises:
      Unknown: they are not known for certain.
    """
    meta, body, extractor = _parts(message, revision)
    try:
        heads = expected_heads(message, {}, config=config)[1]
        build = ssd_variables if meta == families.SSD else two_stage_variables
        found = list(build(body, extractor, heads, revision))
    except SourceError as error:
        raise Unknown(str(error)) from None
    assert len({one.name for one in found}) == len(found)
    return tuple(found)


def idle_variables(message, *, revision: str) -> FrozenSet[str]:
    """The names of those that get no gradients: neither an output nor a regularizer depends on
    them.

    The kernels of an SSD's unread layers decay where their regularizer has a weight; whether
    depthwise ones have one depends on the extractor.

    Raises:
      Unknown: as model_variables.
    """
    meta, body, extractor = _parts(message, revision)
    options = ssd_options(body, extractor) if meta == families.SSD else TWO_STAGES
    found = set()
    for layer in extractor.layers().unread(options.depthwise, options.maps, options.levels):
        governed = layer.is_governed(options.override)
        # Faster R-CNN's extractors have a weight decay of 0.
        decays = (
            meta == families.SSD
            and message.train_config.add_regularization_loss
            and (not governed or _has_weight(body.feature_extractor.conv_hyperparams.regularizer))
        )
        for one in layer.variables(options.widths, options.norm, options.override):
            leaf = one.name.rpartition("/")[2]
            if not (
                decays
                and leaf in KERNELS
                and (leaf not in DEPTHWISE_KERNELS or _decays_depthwise(extractor, governed))
            ):
                found.add(one.name)
    return frozenset(found)


def _has_weight(regularizer) -> bool:
    kind = regularizer.WhichOneof("regularizer_oneof")
    return kind is not None and getattr(regularizer, kind).weight != 0


def _decays_depthwise(extractor: Extractor, governed: bool) -> bool:
    when = extractor.depthwise_regularizer
    return when == ALWAYS or (when == OVERRIDDEN and governed)


def _parts(message, revision: str) -> Tuple[str, Any, Extractor]:
    """The meta-architecture, its message, and its feature extractor."""
    meta = message.model.WhichOneof("model")
    if meta not in families.PREDICTOR_FIELD:
        raise Unknown("there is no model of a meta-architecture that graphfix knows")
    body = getattr(message.model, meta)
    kind = body.feature_extractor.type
    extractor = find_extractor(kind)
    if extractor is None or not extractor.is_described:
        raise Unknown(f"the layers of the feature extractor '{kind}' are not recorded")
    if revision < extractor.since or (extractor.gone and revision >= extractor.gone):
        raise Unknown(f"the API of {revision} cannot build {kind}")
    return meta, body, extractor
