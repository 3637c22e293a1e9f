"""The variables that a config's model has, by name and shape: what the stock API would build.

The feature extractor's are recorded (graphfix.detectors.layers).  Around it the API builds, as read
in its code of three revisions and proven against what it builds
(tests/stock/test_restore_prediction.py):

* a convolutional predictor, with a head of class and box for every feature map, before which there
  may be 1x1 convolutions, or a depthwise one;
* a weight-shared predictor: towers of convolutions that all maps share, but for their BatchNorm;
  projections first, where maps differ in width;
* a region proposal network: a convolution "Conv", and heads of its own;
* a second stage: fully connected heads on the features of a box; masks' convolutions, whose width,
  where the config leaves it at 0, follows from the numbers of features and of classes; or R-FCN's
  position-sensitive score maps; before it, where a config asks for it, what attends to the
  features of other images.

Keras gives the same layers other names, and a normalization a scope of its own.

What is outside of that is refused by name, never guessed.
"""

import math
from typing import Any, FrozenSet, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.detectors import families
from graphfix.detectors.describe import HeadSpec, expected_heads
from graphfix.detectors.feature_maps import FPN, map_count
from graphfix.detectors.layers import (
    DEPTHWISE,
    DEPTHWISE_KERNELS,
    KERNELS,
    MULTIPLIER,
    Extractor,
    Norm,
    Variable,
    Widths,
    beside_kernel,
    find_extractor,
)
from graphfix.errors import SourceError
from graphfix.pipeline_config.extractor_availability import EXTRACTORS

_MNASFPN = "ssd_mobilenet_v2_mnasfpn"
# Of an FPN: a map of one pixel, of the largest image there is.
_HIGHEST = 20
# Of conv_hyperparams: slim's builder refuses these, which are of TensorFlow 2's.
KERAS_ONLY = ("sync_batch_norm", "force_use_bias")


class Unknown(Exception):
    """Why the variables of a config's model cannot be told for certain."""


class _Names(NamedTuple):
    """What the layers' variables are called."""

    kernel: str
    bias: str

    def layer(
        self,
        scope: str,
        kernel: Tuple[int, ...],
        beside: Tuple[str, ...] = ("biases",),
        *,
        norm: str = "",
        depthwise: bool = False,
    ) -> Iterator[Variable]:
        """A kernel and what is beside it, of as many channels as it gives; its normalization has
        the scope `norm`, or one within the layer's."""
        yield Variable(f"{scope}/{'depthwise_' * depthwise}{self.kernel}", kernel)
        for leaf in beside:
            yield Variable(
                beside_kernel(scope, leaf, self.bias, norm),
                (kernel[-2] if depthwise else kernel[-1],),
            )

    def kernels(
        self, scope: str, size: int, width: int, out: int, separable: bool
    ) -> List[Variable]:
        if not separable:
            return [Variable(scope + "/" + self.kernel, (size, size, width, out))]
        return [
            Variable(scope + "/depthwise_" + self.kernel, (size, size, width, 1)),
            Variable(scope + "/pointwise_" + self.kernel, (1, 1, width, out)),
        ]


_SLIM, _KERAS = _Names("weights", "biases"), _Names(*families.KERAS)


def _names(body) -> _Names:
    return _KERAS if body.feature_extractor.type.endswith(families.KERAS_SUFFIX) else _SLIM


def model_variables(message, *, revision: str, config: str) -> Tuple[Variable, ...]:
    """The model's variables, without the global step and what training and quantization add.

    `message` is a TrainEvalPipelineConfig, `revision` the API's, `config` the file's name.

    Raises:
      Unknown: they cannot be told for certain.
    """
    meta, body, extractor = _parts(message, revision)
    try:
        heads = expected_heads(message, {}, config=config, checkpoint="")[1]
        build = _ssd if meta == families.SSD else _two_stages
        found = list(build(body, extractor, heads, revision))
    except SourceError as error:
        raise Unknown(str(error)) from None
    assert len({one.name for one in found}) == len(found)
    return tuple(found)


def idle_variables(message, *, revision: str) -> FrozenSet[str]:
    """Names of those that get no gradients: no output depends on them, and no regularizer.

    The kernels of an SSD's unread layers decay, where their regularizer has a weight; slim's
    MobileNets differ in whether depthwise ones have one.

    Raises:
      Unknown: as model_variables.
    """
    meta, body, extractor = _parts(message, revision)
    options = _ssd_options(body, extractor) if meta == families.SSD else _TWO_STAGES
    found = set()
    for layer in extractor.unread(options.depthwise, options.maps, options.levels):
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
                and (leaf not in DEPTHWISE_KERNELS or _decays_depthwise(extractor.type, governed))
            ):
                found.add(one.name)
    return frozenset(found)


def _has_weight(regularizer) -> bool:
    kind = regularizer.WhichOneof("regularizer_oneof")
    return kind is not None and getattr(regularizer, kind).weight != 0


def _decays_depthwise(extractor: str, governed: bool) -> bool:
    if extractor.startswith(("ssd_mobilenet_v2", "ssd_mobilenet_v3", "ssd_mobilenet_edgetpu")):
        return governed
    return not extractor.startswith("embedded")


def _parts(message, revision: str) -> Tuple[str, Any, Extractor]:
    """The meta-architecture, its message, and its feature extractor."""
    meta = message.model.WhichOneof("model")
    if meta not in families.PREDICTOR_FIELD:
        raise Unknown("there is no model of a meta-architecture that graphfix knows")
    body = getattr(message.model, meta)
    return meta, body, _extractor(body, revision)


def _extractor(body, revision: str) -> Extractor:
    kind = body.feature_extractor.type
    found = find_extractor(kind)
    if found is None:
        raise Unknown(f"the layers of a feature extractor '{kind}' are not recorded")
    since, until = EXTRACTORS.get(kind, (revision, None))
    if revision < since or (until and revision >= until):
        raise Unknown(f"the API of {revision} builds no {kind}")
    return found


def _norm(hyperparams, where: str) -> Norm:
    """What a conv_hyperparams block says of normalization."""
    for field, _ in hyperparams.ListFields():
        if field.name in KERAS_ONLY:
            raise Unknown(f"{where} sets {field.name}, with which the API builds no model")
        if field.name == "group_norm":
            raise Unknown(f"{where} sets group_norm, whose variables are not recorded")
    given = hyperparams.batch_norm
    return Norm(hyperparams.HasField("batch_norm"), given.scale, given.center)


# One stage


class _Options(NamedTuple):
    """What a config says of its feature extractor, as Extractor.variables takes it."""

    widths: Widths
    norm: Norm
    override: bool
    depthwise: bool
    maps: int
    levels: Optional[Tuple[int, int]] = None


def _ssd_options(body, extractor: Extractor) -> _Options:
    given = body.feature_extractor
    widths = Widths(given.depth_multiplier, given.min_depth, given.fpn.additional_layer_depth)
    if MULTIPLIER not in extractor.features and (
        widths.multiplier != 1 or widths.least > extractor.narrowest
    ):
        raise Unknown(
            f"the layers of a {given.type} are recorded for a depth_multiplier of 1 alone"
        )
    if not 0 < widths.multiplier <= 1000:
        raise Unknown(f"depth_multiplier is {widths.multiplier:g}")
    if given.use_depthwise and DEPTHWISE not in extractor.features:
        raise Unknown(f"the layers of a {given.type} with use_depthwise are not recorded")
    levels = _levels(given)
    count = map_count(body, families.SSD)
    if levels is None and count > len(extractor.maps):
        raise Unknown(
            f"the layers of a {given.type} are recorded for up to {len(extractor.maps)} feature "
            "maps"
        )
    return _Options(
        widths,
        _norm(given.conv_hyperparams, "conv_hyperparams"),
        given.override_base_feature_extractor_hyperparams,
        given.use_depthwise,
        count,
        levels,
    )


def _ssd(
    body, extractor: Extractor, heads: Sequence[HeadSpec], revision: str
) -> Iterator[Variable]:
    options = _ssd_options(body, extractor)
    yield from extractor.variables(*options)
    widths, count = options.widths, options.maps
    maps = [
        widths.of(one)
        for one in (
            extractor.maps[:count] if options.levels is None else extractor.maps[:1] * count
        )
    ]
    names = _names(body)
    name = body.box_predictor.WhichOneof("box_predictor_oneof")
    predictor = getattr(body.box_predictor, name)
    norm = _norm(predictor.conv_hyperparams, name)
    if name == "convolutional_box_predictor":
        if count == 1 and revision < "2018-02":
            raise Unknown("before 2018-02 the predictor of a single feature map had other names")
        if len(heads) != 2 * count:
            raise Unknown(
                f"the anchor generator is for another number of feature maps than {count}"
            )
        yield from _convolutional(predictor, norm, maps, heads, names)
    else:
        if revision < "2018-07":
            raise Unknown("before 2018-07 a weight-shared predictor had other names")
        yield from _shared(predictor, norm, maps, heads, names)


def _levels(given) -> Optional[Tuple[int, int]]:
    """The levels of an FPN whose layers follow from them; None for any other extractor."""
    low, high = given.fpn.min_level, given.fpn.max_level
    if given.type == _MNASFPN and (low, high) != (3, 6):
        raise Unknown(f"the API builds a MnasFPN for levels 3 to 6 alone, not {low} to {high}")
    if given.type == _MNASFPN or not given.type.endswith(FPN):
        return None
    if not (2 <= low <= 5 and low <= high <= _HIGHEST):
        raise Unknown(f"the API builds no FPN for levels {low} to {high}")
    return low, high


def _convolutional(
    predictor, norm: Norm, maps: Sequence[int], heads: Sequence[HeadSpec], names: _Names
) -> Iterator[Variable]:
    keras = names is _KERAS
    for number, width in enumerate(maps):
        own = [head for head in heads if head.map == number]
        prefix = (
            f"BoxPredictor/SharedConvolutions_{number}"
            if keras
            else own[0].scope.rpartition("/")[0]
        )
        prefix += "/" if prefix else ""
        depth = max(min(width, predictor.max_depth), predictor.min_depth)
        if depth > 0:
            for layer in range(predictor.num_layers_before_predictor):
                scope = prefix + f"Conv2d_{layer}_1x1_{depth}"
                yield from names.layer(
                    scope,
                    (1, 1, width, depth),
                    norm.leaves(keras),
                    norm=scope + "_norm" if keras else "",
                )
                width = depth
        size = predictor.kernel_size
        for head in own:
            if predictor.use_depthwise:
                scope = head.scope + "_depthwise"
                yield from names.layer(
                    scope,
                    (size, size, width, 1),
                    norm.leaves(keras),
                    norm=scope + "_batchnorm" if keras else "",
                    depthwise=True,
                )
            side = 1 if predictor.use_depthwise else size
            yield from names.layer(head.scope, (side, side, width, head.layout.channels))


def _shared(
    predictor, norm: Norm, maps: Sequence[int], heads: Sequence[HeadSpec], names: _Names
) -> Iterator[Variable]:
    scope = heads[0].scope.partition("/")[0] + "/"
    own = norm.leaves() if norm.batch_norm else ()
    width, size = maps[0], predictor.kernel_size
    if len(set(maps)) > 1:
        most = sorted(set(maps), key=maps.count)
        if maps.count(most[-1]) == maps.count(most[-2]):
            raise Unknown("no width is that of most feature maps")
        width = most[-1]
        for number, one in enumerate(maps):
            yield from names.layer(
                scope + f"ProjectionLayer/conv2d_{number}", (1, 1, one, width), own or ("biases",)
            )
    towers = (
        ["PredictionTower"]
        if predictor.share_prediction_tower
        else ["BoxPredictionTower", "ClassPredictionTower"]
    )
    depth = width
    for tower in towers:
        depth = width
        for number in range(predictor.num_layers_before_predictor):
            layer = f"{scope}{tower}/conv2d_{number}"
            yield from names.kernels(layer, size, depth, predictor.depth, predictor.use_depthwise)
            depth = predictor.depth
            if not own:
                yield Variable(layer + "/" + names.bias, (depth,))
            for place in range(len(maps)):
                for leaf in own:
                    yield Variable(
                        f"{layer}/BatchNorm/feature_{place}/{leaf.rpartition('/')[2]}", (depth,)
                    )
    for head in heads:
        yield from names.kernels(
            head.scope, size, depth, head.layout.channels, predictor.use_depthwise
        )
        yield Variable(head.scope + "/" + names.bias, (head.layout.channels,))


# Two stages

_TWO_STAGES = _Options(Widths(), Norm(True, True, True), False, False, 1)


def _two_stages(
    body, extractor: Extractor, heads: Sequence[HeadSpec], revision: str
) -> Iterator[Variable]:
    for field, _ in body.feature_extractor.ListFields():
        if field.name in ("conv_hyperparams", "fpn", "override_base_feature_extractor_hyperparams"):
            raise Unknown("the feature extractor sets " + field.name)
    second = body.number_of_stages > 1
    for one in extractor.variables(*_TWO_STAGES):
        if second or one.name.startswith("FirstStage"):
            yield one
    first_width, width = (int(one) for one in extractor.maps)
    depth, size = body.first_stage_box_predictor_depth, body.first_stage_box_predictor_kernel_size
    norm = _norm(
        body.first_stage_box_predictor_conv_hyperparams,
        "first_stage_box_predictor_conv_hyperparams",
    )
    names = _names(body)
    scope, beside = (
        ("Conv", "")
        if names is _SLIM
        else ("FirstStageRPNFeatures/RPNConv", "FirstStageRPNFeatures/RPNBatchNorm")
    )
    yield from names.layer(
        scope, (size, size, first_width, depth), norm.leaves(names is _KERAS), norm=beside
    )
    for head in heads:
        if head.stage == "first stage":
            yield from names.layer(head.scope, (1, 1, depth, head.layout.channels))
    if not second:
        return
    if body.HasField("context_config"):
        yield from _attention(body.context_config, first_width, width, revision)
    own = [head for head in heads if head.stage != "first stage"]
    name = body.second_stage_box_predictor.WhichOneof("box_predictor_oneof")
    predictor = getattr(body.second_stage_box_predictor, name)
    if name == "rfcn_box_predictor":
        yield from _score_maps(predictor, width, own)
    else:
        if names is _KERAS and predictor.predict_instance_masks and body.number_of_stages == 3:
            raise Unknown("Keras's mask head is not recorded")
        yield from _boxes_and_masks(predictor, width, own, body.num_classes, revision, names)


def _score_maps(predictor, width: int, heads: Sequence[HeadSpec]) -> Iterator[Variable]:
    norm = _norm(predictor.conv_hyperparams, "rfcn_box_predictor")
    if norm.batch_norm:
        raise Unknown("rfcn_box_predictor has a batch_norm")
    scope = heads[0].scope.rpartition("/")[0] + "/"
    yield from _SLIM.layer(scope + "reduce_depth", (1, 1, width, predictor.depth))
    for head in heads:
        yield from _SLIM.layer(head.scope, (1, 1, predictor.depth, head.layout.channels))


def _attention(given, first: int, second: int, revision: str) -> Iterator[Variable]:
    """What attends to the features of other images: projections of boxes and of those."""
    if revision < "2021-01":
        raise Unknown("before 2021 the layers that attend to other images had other names")
    positions = given.DESCRIPTOR.fields_by_name["attention_position"].enum_type.values_by_number
    width = first if positions[given.attention_position].name == "POST_RPN" else second
    depth, norm = given.attention_bottleneck_dimension, Norm(True, True, True)
    blocks = [("SelfAttentionBlock", width)] * given.use_self_attention + [
        (f"AttentionBlock{head}_AttentionLayer{layer}", given.context_feature_length)
        for layer in range(given.num_attention_layers)
        for head in range(given.num_attention_heads)
    ] * given.use_long_term_attention
    if not blocks:
        raise Unknown("the API builds no Context R-CNN that attends to nothing")
    for number, (block, length) in enumerate(blocks):
        for place, features in enumerate((width, length, length)):
            yield from _SLIM.layer(
                block + "/fully_connected" + (f"_{place}" if place else ""),
                (features, depth),
                norm.leaves(),
            )
        yield from _SLIM.layer(
            "fully_connected" + (f"_{number}" if number else ""), (depth, width), norm.leaves()
        )


def _boxes_and_masks(
    predictor, width: int, heads: Sequence[HeadSpec], classes: int, revision: str, names: _Names
) -> Iterator[Variable]:
    if _norm(predictor.fc_hyperparams, "fc_hyperparams").batch_norm:
        raise Unknown("fc_hyperparams have a batch_norm")
    for head in heads:
        if head.role != families.MASK:
            yield from names.layer(head.scope, (width, head.layout.channels))
            continue
        if revision < "2018-02":
            raise Unknown("before 2018-02 the mask head was of other layers")
        norm = _norm(predictor.conv_hyperparams, "mask_rcnn_box_predictor.conv_hyperparams")
        depth = predictor.mask_prediction_conv_depth or _mask_depth(width, classes)
        inner = (
            predictor.mask_prediction_num_conv_layers - 1 + predictor.convolve_then_upsample_masks
        )
        scope = head.scope.rpartition("/")[0] + "/Conv"
        for number in range(inner):
            yield from _SLIM.layer(
                scope + (f"_{number}" if number else ""), (3, 3, width, depth), norm.leaves()
            )
            width = depth
        yield from _SLIM.layer(head.scope, (3, 3, width, head.layout.channels))


def _mask_depth(features: int, classes: int) -> int:
    """How wide the mask head's convolutions are where the config says 0."""
    logarithm = (2 * math.log2(features) + 3 * math.log2(classes)) / 5
    return int(2 ** round(logarithm))
