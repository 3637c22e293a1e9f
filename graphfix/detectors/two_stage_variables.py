"""The variables of a Faster R-CNN, Mask R-CNN, Context R-CNN or R-FCN.

* The region proposal network has a convolution "Conv", and heads of its own.
* The second stage has fully connected heads on the features of a box; masks' convolutions, whose
  width, where the config leaves it at 0, follows from the numbers of features and of classes; or
  R-FCN's position-sensitive score maps.
* Before it, if the config asks for them, come the layers that attend to the features of other
  images.
"""

import math
from typing import Iterator, Sequence

from graphfix.detectors import families
from graphfix.detectors.extractors.layers import Norm, Variable
from graphfix.detectors.extractors.loader import Extractor
from graphfix.detectors.extractors.widths import Widths
from graphfix.detectors.layer_variables import (
    KERAS,
    SLIM,
    Names,
    Options,
    Unknown,
    names_of,
    read_norm,
)
from graphfix.detectors.model_spec import HeadSpec

TWO_STAGES = Options(Widths(), Norm(True, True, True), False, False, 1)


def two_stage_variables(
    body, extractor: Extractor, heads: Sequence[HeadSpec], revision: str
) -> Iterator[Variable]:
    """The variables of a FasterRcnn message's model that has these heads, in the API of
    `revision`."""
    layers = extractor.layers()
    for field, _ in body.feature_extractor.ListFields():
        if field.name in ("conv_hyperparams", "fpn", "override_base_feature_extractor_hyperparams"):
            raise Unknown("the feature extractor sets " + field.name)
    second = body.number_of_stages > 1
    for one in layers.variables(*TWO_STAGES):
        if second or one.name.startswith("FirstStage"):
            yield one
    first_width, width = (int(one) for one in layers.outputs)
    depth, size = body.first_stage_box_predictor_depth, body.first_stage_box_predictor_kernel_size
    norm = read_norm(
        body.first_stage_box_predictor_conv_hyperparams,
        "first_stage_box_predictor_conv_hyperparams",
    )
    names = names_of(body)
    scope, beside = (
        ("Conv", "")
        if names is SLIM
        else ("FirstStageRPNFeatures/RPNConv", "FirstStageRPNFeatures/RPNBatchNorm")
    )
    yield from names.layer(
        scope, (size, size, first_width, depth), norm.leaves(names is KERAS), norm=beside
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
        if names is KERAS and predictor.predict_instance_masks and body.number_of_stages == 3:
            raise Unknown("Keras's mask head is not recorded")
        yield from _boxes_and_masks(predictor, width, own, body.num_classes, revision, names)


def _score_maps(predictor, width: int, heads: Sequence[HeadSpec]) -> Iterator[Variable]:
    norm = read_norm(predictor.conv_hyperparams, "rfcn_box_predictor")
    if norm.batch_norm:
        raise Unknown("rfcn_box_predictor has a batch_norm")
    scope = heads[0].scope.rpartition("/")[0] + "/"
    yield from SLIM.layer(scope + "reduce_depth", (1, 1, width, predictor.depth))
    for head in heads:
        yield from SLIM.layer(head.scope, (1, 1, predictor.depth, head.layout.channels))


def _attention(given, first: int, second: int, revision: str) -> Iterator[Variable]:
    """The layers that attend to the features of other images: projections of boxes and of
    features."""
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
        raise Unknown("the API cannot build a Context R-CNN that attends to nothing")
    for number, (block, length) in enumerate(blocks):
        for place, features in enumerate((width, length, length)):
            yield from SLIM.layer(
                block + "/fully_connected" + (f"_{place}" if place else ""),
                (features, depth),
                norm.leaves(),
            )
        yield from SLIM.layer(
            "fully_connected" + (f"_{number}" if number else ""), (depth, width), norm.leaves()
        )


def _boxes_and_masks(
    predictor, width: int, heads: Sequence[HeadSpec], classes: int, revision: str, names: Names
) -> Iterator[Variable]:
    if read_norm(predictor.fc_hyperparams, "fc_hyperparams").batch_norm:
        raise Unknown("fc_hyperparams have a batch_norm")
    for head in heads:
        if head.role != families.MASK:
            yield from names.layer(head.scope, (width, head.layout.channels))
            continue
        if revision < "2018-02":
            raise Unknown("before 2018-02 the mask head was of other layers")
        norm = read_norm(predictor.conv_hyperparams, "mask_rcnn_box_predictor.conv_hyperparams")
        depth = predictor.mask_prediction_conv_depth or _mask_depth(width, classes)
        inner = (
            predictor.mask_prediction_num_conv_layers - 1 + predictor.convolve_then_upsample_masks
        )
        scope = head.scope.rpartition("/")[0] + "/Conv"
        for number in range(inner):
            yield from SLIM.layer(
                scope + (f"_{number}" if number else ""), (3, 3, width, depth), norm.leaves()
            )
            width = depth
        yield from SLIM.layer(head.scope, (3, 3, width, head.layout.channels))


def _mask_depth(features: int, classes: int) -> int:
    """The width of the mask head's convolutions where the config has 0."""
    logarithm = (2 * math.log2(features) + 3 * math.log2(classes)) / 5
    return int(2 ** round(logarithm))
