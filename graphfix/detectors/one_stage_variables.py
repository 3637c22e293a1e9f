"""The variables of an SSD: its feature extractor's, and its box predictor's.

* A convolutional predictor has class and box heads for every feature map, perhaps behind 1x1
  convolutions or a depthwise one.
* A weight-shared predictor has towers of convolutions that all maps share, except for BatchNorm;
  where maps differ in width, projections come first.
"""

from typing import Iterator, Optional, Sequence, Tuple

from graphfix.detectors.extractors.facts import FPN
from graphfix.detectors.extractors.layers import DEPTHWISE, MULTIPLIER, Norm, Variable
from graphfix.detectors.extractors.loader import Extractor
from graphfix.detectors.extractors.widths import Widths
from graphfix.detectors.families import SSD
from graphfix.detectors.feature_maps import map_count
from graphfix.detectors.layer_variables import KERAS, Names, Options, Unknown, names_of, read_norm
from graphfix.detectors.model_spec import HeadSpec

# The highest level of an FPN: a map of one pixel, even of the largest image.
_HIGHEST = 20


def ssd_options(body, extractor: Extractor) -> Options:
    given, layers = body.feature_extractor, extractor.layers()
    widths = Widths(given.depth_multiplier, given.min_depth, given.fpn.additional_layer_depth)
    if MULTIPLIER not in layers.options and (
        widths.multiplier != 1 or widths.least > layers.narrowest
    ):
        raise Unknown(
            f"the layers of a {given.type} are recorded for a depth_multiplier of 1 alone"
        )
    if not 0 < widths.multiplier <= 1000:
        raise Unknown(f"depth_multiplier is {widths.multiplier:g}")
    if given.use_depthwise and DEPTHWISE not in layers.options:
        raise Unknown(f"the layers of a {given.type} with use_depthwise are not recorded")
    levels = _levels(given, extractor)
    count = map_count(body, SSD)
    if levels is None and count > len(layers.outputs):
        raise Unknown(
            f"the layers of a {given.type} are recorded for up to {len(layers.outputs)} feature "
            "maps"
        )
    return Options(
        widths,
        read_norm(given.conv_hyperparams, "conv_hyperparams"),
        given.override_base_feature_extractor_hyperparams,
        given.use_depthwise,
        count,
        levels,
    )


def ssd_variables(
    body, extractor: Extractor, heads: Sequence[HeadSpec], revision: str
) -> Iterator[Variable]:
    """The variables of an Ssd message's model that has these heads, in the API of `revision`."""
    options, layers = ssd_options(body, extractor), extractor.layers()
    yield from layers.variables(*options)
    widths, count = options.widths, options.maps
    maps = [
        widths.of(one)
        for one in (
            layers.outputs[:count] if options.levels is None else layers.outputs[:1] * count
        )
    ]
    names = names_of(body)
    name = body.box_predictor.WhichOneof("box_predictor_oneof")
    predictor = getattr(body.box_predictor, name)
    norm = read_norm(predictor.conv_hyperparams, name)
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


def _levels(given, extractor: Extractor) -> Optional[Tuple[int, int]]:
    """The levels of an FPN, which decide its layers; None for any other extractor."""
    low, high = given.fpn.min_level, given.fpn.max_level
    only = extractor.levels
    if only is not None and (low, high) != only:
        raise Unknown(
            f"the API builds a {given.type} for levels {only[0]} to {only[1]} alone, not {low} to "
            f"{high}"
        )
    if extractor.feature_maps != FPN:
        return None
    if not (2 <= low <= 5 and low <= high <= _HIGHEST):
        raise Unknown(f"the API cannot build an FPN for levels {low} to {high}")
    return low, high


def _convolutional(
    predictor, norm: Norm, maps: Sequence[int], heads: Sequence[HeadSpec], names: Names
) -> Iterator[Variable]:
    keras = names is KERAS
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
    predictor, norm: Norm, maps: Sequence[int], heads: Sequence[HeadSpec], names: Names
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
