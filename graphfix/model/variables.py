"""The variables that a config's model has, by name and shape: what the stock API would build.

The feature extractor's are recorded (graphfix.model.layers).  Around it the API builds, as read in
its code of three revisions and proven against what it builds (tests/stock/test_forecast.py):

* a convolutional predictor, with a head of class and box for every feature map, before which there
  may be 1x1 convolutions, or a depthwise one;
* a weight-shared predictor: towers of convolutions that all maps share, but for their BatchNorm;
  projections first, where maps differ in width;
* a region proposal network: a convolution "Conv", and heads of its own;
* a second stage: fully connected heads on the features of a box; masks' convolutions, whose width,
  where the config leaves it at 0, follows from the numbers of features and of classes; or R-FCN's
  position-sensitive score maps.

What is outside of that is refused by name, never guessed.
"""

import math
from typing import Iterator, List, Sequence, Tuple

from graphfix.config.networks import EXTRACTORS
from graphfix.errors import SourceError
from graphfix.model import families
from graphfix.model.describe import HeadSpec, expected_heads
from graphfix.model.feature_maps import map_count
from graphfix.model.layers import (
    DEPTHWISE, MULTIPLIER, Extractor, Norm, Variable, Widths, find_extractor)

# The levels that an FPN was recorded with; "" for all other types.
_LEVELS = {"ssd_mobilenet_v2_mnasfpn": (3, 6), "": (3, 7)}
_ONLY_HYPERPARAMS = ("group_norm", "sync_batch_norm", "force_use_bias")


class Unknown(Exception):
    """Why the variables of a config's model cannot be told for certain."""


def model_variables(message, *, month: str, config: str) -> Tuple[Variable, ...]:
    """The model's variables, without the global step and what training and quantization add.

    `message` is a TrainEvalPipelineConfig, `month` the API's, `config` the file's name.

    Raises:
      Unknown: they cannot be told for certain.
    """
    meta = message.model.WhichOneof("model")
    if meta not in families.PREDICTOR_FIELD:
        raise Unknown("there is no model of a meta-architecture that graphfix knows")
    body = getattr(message.model, meta)
    extractor = _extractor(body, month)
    try:
        heads = expected_heads(message, {}, config=config, checkpoint="")[1]
        build = _ssd if meta == families.SSD else _two_stages
        found = list(build(body, extractor, heads, month))
    except SourceError as error:
        raise Unknown(str(error)) from None
    assert len({one.name for one in found}) == len(found)
    return tuple(found)


def _extractor(body, month: str) -> Extractor:
    kind = body.feature_extractor.type
    found = find_extractor(kind)
    if found is None:
        raise Unknown("the layers of a feature extractor '%s' are not recorded" % kind)
    since, until = EXTRACTORS.get(kind, (month, None))
    if month < since or (until and month >= until):
        raise Unknown("the API of %s builds no %s" % (month, kind))
    return found


def _norm(hyperparams, where: str) -> Norm:
    """What a conv_hyperparams block says of normalization."""
    for name in _ONLY_HYPERPARAMS:
        if any(field.name == name for field, _ in hyperparams.ListFields()):
            raise Unknown("%s sets %s" % (where, name))
    given = hyperparams.batch_norm
    return Norm(hyperparams.HasField("batch_norm"), given.scale, given.center)


# One stage


def _ssd(body, extractor: Extractor, heads: Sequence[HeadSpec], month: str) -> Iterator[Variable]:
    given = body.feature_extractor
    widths = Widths(given.depth_multiplier, given.min_depth, given.fpn.additional_layer_depth)
    if MULTIPLIER not in extractor.features and (
            widths.multiplier != 1 or widths.least > extractor.narrowest):
        raise Unknown("the layers of a %s are recorded for a depth_multiplier of 1 alone"
                      % given.type)
    if not 0 < widths.multiplier <= 1000:
        raise Unknown("depth_multiplier is %g" % widths.multiplier)
    if given.use_depthwise and DEPTHWISE not in extractor.features:
        raise Unknown("the layers of a %s with use_depthwise are not recorded" % given.type)
    levels = _LEVELS.get(given.type, _LEVELS[""])
    if given.type.endswith("fpn") and (given.fpn.min_level, given.fpn.max_level) != levels:
        raise Unknown("the layers of an FPN are recorded for levels %d to %d alone" % levels)
    count = map_count(body, families.SSD)
    if count > len(extractor.maps):
        raise Unknown("the layers of a %s are recorded for up to %d feature maps" % (
            given.type, len(extractor.maps)))
    yield from extractor.variables(
        widths, _norm(given.conv_hyperparams, "conv_hyperparams"),
        given.override_base_feature_extractor_hyperparams, given.use_depthwise, count)
    maps = [widths.of(one) for one in extractor.maps[:count]]
    name = body.box_predictor.WhichOneof("box_predictor_oneof")
    predictor = getattr(body.box_predictor, name)
    norm = _norm(predictor.conv_hyperparams, name)
    if name == "convolutional_box_predictor":
        if count == 1 and month < "2018-02":
            raise Unknown("before 2018-02 the predictor of a single feature map had other names")
        if len(heads) != 2 * count:
            raise Unknown("the anchor generator is for another number of feature maps than %d"
                          % count)
        yield from _convolutional(predictor, norm, maps, heads)
    else:
        if month < "2018-07":
            raise Unknown("before 2018-07 a weight-shared predictor had other names")
        if any(field.name.startswith("apply_conv_hyperparams")
               for field, _ in predictor.ListFields()):
            raise Unknown("the predictor applies its conv_hyperparams elsewhere, too")
        yield from _shared(predictor, norm, maps, heads)


def _convolutional(predictor, norm: Norm, maps: Sequence[int], heads: Sequence[HeadSpec]
                   ) -> Iterator[Variable]:
    for number, width in enumerate(maps):
        own = [head for head in heads if head.map == number]
        prefix = own[0].scope.rpartition("/")[0]
        prefix += "/" if prefix else ""
        depth = max(min(width, predictor.max_depth), predictor.min_depth)
        if depth > 0:
            for layer in range(predictor.num_layers_before_predictor):
                yield from _layer(prefix + "Conv2d_%d_1x1_%d" % (layer, depth),
                                  (1, 1, width, depth), norm.leaves())
                width = depth
        size = predictor.kernel_size
        for head in own:
            if predictor.use_depthwise:
                yield from _layer(head.scope + "_depthwise", (size, size, width, 1), norm.leaves(),
                                  leaf="depthwise_weights", out=width)
            side = 1 if predictor.use_depthwise else size
            yield from _layer(head.scope, (side, side, width, head.layout.channels))


def _shared(predictor, norm: Norm, maps: Sequence[int], heads: Sequence[HeadSpec]
            ) -> Iterator[Variable]:
    scope = heads[0].scope.rpartition("/")[0] + "/"
    own = norm.leaves() if norm.batch_norm else ()
    width, size = maps[0], predictor.kernel_size
    if len(set(maps)) > 1:
        most = sorted(set(maps), key=maps.count)
        if maps.count(most[-1]) == maps.count(most[-2]):
            raise Unknown("no width is that of most feature maps")
        width = most[-1]
        for number, one in enumerate(maps):
            yield from _layer(scope + "ProjectionLayer/conv2d_%d" % number, (1, 1, one, width),
                              own or ("biases",))
    towers = ["PredictionTower"] if predictor.share_prediction_tower else [
        "BoxPredictionTower", "ClassPredictionTower"]
    depth = width
    for tower in towers:
        depth = width
        for number in range(predictor.num_layers_before_predictor):
            layer = "%s%s/conv2d_%d" % (scope, tower, number)
            yield from _kernels(layer, size, depth, predictor.depth, predictor.use_depthwise)
            depth = predictor.depth
            if not own:
                yield Variable(layer + "/biases", (depth,))
            for place in range(len(maps)):
                for leaf in own:
                    yield Variable("%s/BatchNorm/feature_%d/%s" % (
                        layer, place, leaf.rpartition("/")[2]), (depth,))
    for head in heads:
        yield from _kernels(head.scope, size, depth, head.layout.channels,
                            predictor.use_depthwise)
        yield Variable(head.scope + "/biases", (head.layout.channels,))


# Two stages


def _two_stages(body, extractor: Extractor, heads: Sequence[HeadSpec], month: str
                ) -> Iterator[Variable]:
    for field, _ in body.feature_extractor.ListFields():
        if field.name in ("conv_hyperparams", "fpn",
                          "override_base_feature_extractor_hyperparams"):
            raise Unknown("the feature extractor sets " + field.name)
    if body.HasField("context_config"):
        raise Unknown("the layers that attend to other images are not recorded")
    second = body.number_of_stages > 1
    for one in extractor.variables(Widths(), Norm(True, True, True), False, False, 1):
        if second or one.name.startswith("FirstStage"):
            yield one
    first_width, width = (int(one) for one in extractor.maps)
    depth, size = body.first_stage_box_predictor_depth, body.first_stage_box_predictor_kernel_size
    norm = _norm(body.first_stage_box_predictor_conv_hyperparams,
                 "first_stage_box_predictor_conv_hyperparams")
    yield from _layer("Conv", (size, size, first_width, depth), norm.leaves())
    for head in heads:
        if head.stage == "first stage":
            yield from _layer(head.scope, (1, 1, depth, head.layout.channels))
    if not second:
        return
    own = [head for head in heads if head.stage != "first stage"]
    name = body.second_stage_box_predictor.WhichOneof("box_predictor_oneof")
    predictor = getattr(body.second_stage_box_predictor, name)
    if name == "rfcn_box_predictor":
        yield from _score_maps(predictor, width, own)
    else:
        yield from _boxes_and_masks(predictor, width, own, body.num_classes, month)


def _score_maps(predictor, width: int, heads: Sequence[HeadSpec]) -> Iterator[Variable]:
    norm = _norm(predictor.conv_hyperparams, "rfcn_box_predictor")
    if norm.batch_norm:
        raise Unknown("rfcn_box_predictor has a batch_norm")
    scope = heads[0].scope.rpartition("/")[0] + "/"
    yield from _layer(scope + "reduce_depth", (1, 1, width, predictor.depth))
    for head in heads:
        yield from _layer(head.scope, (1, 1, predictor.depth, head.layout.channels))


def _boxes_and_masks(predictor, width: int, heads: Sequence[HeadSpec], classes: int, month: str
                     ) -> Iterator[Variable]:
    if _norm(predictor.fc_hyperparams, "fc_hyperparams").batch_norm:
        raise Unknown("fc_hyperparams have a batch_norm")
    for head in heads:
        if head.role != families.MASK:
            yield from _layer(head.scope, (width, head.layout.channels))
            continue
        if month < "2018-02":
            raise Unknown("before 2018-02 the mask head was of other layers")
        norm = _norm(predictor.conv_hyperparams, "mask_rcnn_box_predictor.conv_hyperparams")
        depth = predictor.mask_prediction_conv_depth or _mask_depth(width, classes)
        inner = predictor.mask_prediction_num_conv_layers - 1 + \
            predictor.convolve_then_upsample_masks
        scope = head.scope.rpartition("/")[0] + "/Conv"
        for number in range(inner):
            yield from _layer(scope + ("_%d" % number if number else ""), (3, 3, width, depth),
                              norm.leaves())
            width = depth
        yield from _layer(head.scope, (3, 3, width, head.layout.channels))


def _mask_depth(features: int, classes: int) -> int:
    """How wide the mask head's convolutions are where the config says 0."""
    logarithm = (2 * math.log2(features) + 3 * math.log2(classes)) / 5
    return int(2 ** round(logarithm))


# Layers


def _layer(scope: str, kernel: Tuple[int, ...], beside: Tuple[str, ...] = ("biases",), *,
           leaf: str = "weights", out: int = 0) -> Iterator[Variable]:
    """A kernel and what is beside it, of as many channels as it gives."""
    yield Variable(scope + "/" + leaf, kernel)
    for name in beside:
        yield Variable(scope + "/" + name, (out or kernel[-1],))


def _kernels(scope: str, size: int, width: int, out: int, separable: bool) -> List[Variable]:
    if not separable:
        return [Variable(scope + "/weights", (size, size, width, out))]
    return [Variable(scope + "/depthwise_weights", (size, size, width, 1)),
            Variable(scope + "/pointwise_weights", (1, 1, width, out))]
