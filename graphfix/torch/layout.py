"""The layers of a config's model: kernels, biases, normalization, activation.

Names, shapes and who decides on a layer's settings come from the extractors' files
(detectors/extractors) and from detectors/one_stage_variables; here they become one record a layer.
"""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from graphfix.detectors.config_heads import expected_heads
from graphfix.detectors.extractors.layers import Layer, Variable
from graphfix.detectors.extractors.loader import Extractor, find_extractor
from graphfix.detectors.families import SSD
from graphfix.detectors.one_stage_variables import ssd_options, ssd_variables
from graphfix.detectors.two_stage_variables import two_stage_variables
from graphfix.pipeline_config.schema_history import LAST_MONTH

NONE, RELU, RELU_6 = "NONE", "RELU", "RELU_6"
# The scopes of a mask head's convolutions.
MASK_LAYERS = "SecondStageBoxPredictor/Conv"
_NORM = "/BatchNorm/"
# What cuDNN asks for at least, and TensorFlow's fused operation has everywhere.
LEAST_EPSILON = 1.001e-5


class Normalization(NamedTuple):
    """A BatchNorm's settings; `trains`: whether it uses a batch's own statistics in training."""

    epsilon: float
    decay: float
    trains: bool


class LayerSpec(NamedTuple):
    """A layer: its scope, its variables, the settings of its normalization (None: it has none), and
    its activation."""

    scope: str
    variables: Tuple[Variable, ...]
    normalization: Optional[Normalization]
    activation: str

    def kernel(self, leaf: str) -> Optional[Tuple[int, ...]]:
        """The shape of a kernel, None where there is none of the name."""
        wanted = f"{self.scope}/{leaf}"
        return next((one.shape for one in self.variables if one.name == wanted), None)

    @property
    def is_dense(self) -> bool:
        """Whether it is fully connected."""
        return len(self.kernel("weights") or ()) == 2

    @property
    def has_bias(self) -> bool:
        return self.kernel("biases") is not None

    @property
    def norms(self) -> Dict[str, List[str]]:
        """The leaves of each normalization, by its scope within `BatchNorm`: "" where there is one,
        feature_0 and so on where each feature map has its own."""
        found: Dict[str, List[str]] = {}
        for one in self.variables:
            _, inside, rest = one.name[len(self.scope) :].partition(_NORM)
            if inside:
                scope, _, leaf = rest.rpartition("/")
                found.setdefault(scope, []).append(leaf)
        return found


def layers_of(message: Any, config: str) -> List[LayerSpec]:
    """The layers of a config's model, in the order of their variables.

    Raises:
      Unknown: they are not known for certain.
      SourceError: the config describes no model that graphfix knows.
    """
    meta = message.model.WhichOneof("model")
    body = getattr(message.model, meta)
    extractor = find_extractor(body.feature_extractor.type)
    assert extractor is not None
    heads = expected_heads(message, {}, config=config)[1]
    if meta == SSD:
        variables = list(ssd_variables(body, extractor, heads, LAST_MONTH))
        kind = body.box_predictor.WhichOneof("box_predictor_oneof")
        predictor = getattr(body.box_predictor, kind).conv_hyperparams
        own = _of_network(extractor, not body.freeze_batchnorm)
        settings = _extractor_settings(body, extractor, own)
    else:
        variables = list(two_stage_variables(body, extractor, heads, LAST_MONTH))
        predictor = body.first_stage_box_predictor_conv_hyperparams
        own = _of_network(extractor, body.feature_extractor.batch_norm_trainable)
        settings = {
            _scope(one.name): (own, extractor.activation or NONE)
            for one in variables
            if one.name.startswith(extractor.scopes)
        }
        masks = body.second_stage_box_predictor.mask_rcnn_box_predictor.conv_hyperparams
        settings.update(
            (_scope(one.name), (_given(masks), _activation(masks)))
            for one in variables
            if one.name.startswith(MASK_LAYERS)
        )
    of_predictor = (_given(predictor), _activation(predictor))
    found = []
    for scope, group in _by_scope(variables).items():
        norm, activation = settings.get(scope, of_predictor)
        has_norm = any(_NORM in one.name for one in group)
        found.append(LayerSpec(scope, tuple(group), norm if has_norm else None, activation))
    return found


def _by_scope(variables: Iterable[Variable]) -> Dict[str, List[Variable]]:
    found: Dict[str, List[Variable]] = {}
    for one in variables:
        found.setdefault(_scope(one.name), []).append(one)
    return found


def _of_network(extractor: Extractor, trains: bool) -> Normalization:
    """The base network's own normalization."""
    epsilon = max(extractor.epsilon, LEAST_EPSILON)
    return Normalization(epsilon, extractor.batch_norm_decay or 0.0, trains)


def _scope(variable: str) -> str:
    scope, inside, _ = variable.partition(_NORM)
    return scope if inside else variable.rpartition("/")[0]


def _extractor_settings(
    body: Any, extractor: Extractor, own: Normalization
) -> Dict[str, Tuple[Optional[Normalization], str]]:
    """Normalization and activation of the extractor's layers, by scope."""
    widths, norm, override, depthwise, maps, levels = ssd_options(body, extractor)
    found = {}
    for layer in extractor.layers().built(depthwise, maps, levels):
        for one in layer.variables(widths, norm, override):
            found[_scope(one.name)] = _settings(body, extractor, layer, override, own)
    return found


def _settings(
    body: Any, extractor: Extractor, layer: Layer, override: bool, own: Normalization
) -> Tuple[Optional[Normalization], str]:
    given = body.feature_extractor.conv_hyperparams
    letter = layer.norm[0]
    if letter == "b":
        return None, NONE
    if letter == "c":
        return _given(given), _activation(given)
    activation = extractor.activation or NONE
    if override and letter in "opsu":
        activation = _activation(given)
    if override and given.HasField("batch_norm"):
        epsilon = own.epsilon if extractor.epsilon_stays else _given(given).epsilon
        own = _given(given)._replace(epsilon=epsilon)
    return own, activation


def _given(hyperparams: Any) -> Normalization:
    """The BatchNorm of a Hyperparams message, or what it would be: freeze_batchnorm does not reach
    it, as its own scope says whether it trains."""
    given = hyperparams.batch_norm
    return Normalization(max(given.epsilon, LEAST_EPSILON), given.decay, given.train)


def _activation(hyperparams: Any) -> str:
    field = hyperparams.DESCRIPTOR.fields_by_name["activation"]
    return field.enum_type.values_by_number[hyperparams.activation].name
