"""A Faster R-CNN's, Mask R-CNN's or R-FCN's part of the config, from its frozen graph."""

import math
import re
from typing import Any, List, Tuple

from graphfix.detectors.extractors.loader import Extractor
from graphfix.findings import count
from graphfix.graph_import import training
from graphfix.graph_import.anchors import Anchors, infer_anchors
from graphfix.graph_import.config_text import Field, Fields, assumed
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised
from graphfix.graph_import.hyperparams import conv_hyperparams, find_layer
from graphfix.graph_import.non_max_suppression import find_suppressions, infer_post_processing
from graphfix.graph_import.one_stage import InferredModel
from graphfix.graph_import.resizers import infer_images

_FIRST, _SECOND = "FirstStageBoxPredictor/", "SecondStageBoxPredictor/"
_CODE = 4
_CONV_DEPTH = "mask_prediction_conv_depth"


def infer_faster_rcnn(evidence: GraphEvidence, extractor: Extractor) -> InferredModel:
    """The faster_rcnn message.

    Raises:
      Unrecognised: what was not recognised first.
    """
    images = infer_images(evidence)
    anchors = infer_anchors(evidence, images.fixed)
    _check_first_stage(evidence, anchors)
    suppressions = find_suppressions(evidence)
    if len(suppressions) != (1 if evidence.trains else 2):
        raise Unrecognised(
            f"a detector of two stages with {len(suppressions)} suppressions of boxes"
        )
    first = suppressions[0]
    if evidence.has(_SECOND + "class_predictions/"):
        classes, predictor = _rfcn(evidence)
        crop: list = []
        what, stages = "R-FCN", 2
    else:
        classes, predictor, masks = _second_stage(evidence)
        crop, what, stages = _crop(evidence), "Faster R-CNN", 2
        if masks:
            what, stages = "Mask R-CNN", 3
    kernel = evidence.shape("Conv/weights")
    fields = (
        [
            Field("number_of_stages", stages),
            Field("num_classes", classes),
            Field("image_resizer", images.fields),
            Field(
                "feature_extractor",
                [
                    Field("type", extractor.type),
                    Field("first_stage_features_stride", _stride(evidence, extractor)),
                ],
            ),
            Field("first_stage_anchor_generator", anchors.fields),
            Field("first_stage_atrous_rate", _rate(evidence)),
            Field(
                "first_stage_box_predictor_conv_hyperparams",
                conv_hyperparams(None, operation="CONV"),
            ),
            Field("first_stage_box_predictor_kernel_size", kernel[0]),
            Field("first_stage_box_predictor_depth", kernel[-1]),
            Field("first_stage_nms_score_threshold", first.score),
            Field("first_stage_nms_iou_threshold", first.iou),
            Field("first_stage_max_proposals", first.per_class),
            assumed("first_stage_localization_loss_weight", 2.0),
            assumed("first_stage_objectness_loss_weight", 1.0),
        ]
        + crop
        + [
            Field("second_stage_box_predictor", predictor),
            # A graph for inference has no sampler; as many as proposals is the most the API takes.
            assumed("second_stage_batch_size", min(64, first.per_class)),
            Field(
                "second_stage_post_processing",
                training.post_processing(evidence, 0.0, 0.6, first.per_class)
                if evidence.trains
                else infer_post_processing(
                    evidence, suppressions[1], classes, r"(SecondStagePostprocessor/)?"
                ),
            ),
            assumed("second_stage_localization_loss_weight", 2.0),
            assumed("second_stage_classification_loss_weight", 1.0),
        ]
    )
    if stages == 3:
        fields.append(assumed("second_stage_mask_prediction_loss_weight", 4.0))
    return InferredModel(
        [Field("faster_rcnn", fields)],
        classes,
        (
            f"{what} with {extractor.type}",
            "image resizer",
            count(classes, "class", "classes"),
            "anchors",
            "both stages' box predictors",
            *(() if evidence.trains else ("score converter", "non-max suppression of both stages")),
        ),
        ("samplers", "weights of the losses", "dropout", "regularizers and initializers")
        + (training.DETECTING if evidence.trains else ()),
    )


def _check_first_stage(evidence: GraphEvidence, anchors: Anchors) -> None:
    """One feature map, and two scores and a box for each anchor."""
    scores = evidence.shape(_FIRST + "ClassPredictor/weights")[-1]
    boxes = evidence.shape(_FIRST + "BoxEncodingPredictor/weights")[-1]
    if (
        len(anchors.per_map) != 1
        or scores != 2 * anchors.per_map[0]
        or boxes != _CODE * anchors.per_map[0]
    ):
        raise Unrecognised(
            f"a first stage with {scores} scores and {boxes} box codes for "
            f"{'/'.join(map(str, anchors.per_map))} anchors"
        )


def _stride(evidence: GraphEvidence, extractor: Extractor) -> int:
    """16, or 8 where the last blocks are dilated instead; layers that nothing reads, which a frozen
    graph has not, are always dilated."""
    scope = extractor.scopes[0]
    if extractor.unread_copies:
        scope += f"(?!(.*/)?{extractor.unread_copies})"
    dilated = evidence.nodes(scope, "SpaceToBatchND") or any(
        max(node.attr["dilations"].list.i, default=1) > 1
        for node in evidence.nodes(scope, "Conv2D")
    )
    return 8 if dilated else 16


def _rate(evidence: GraphEvidence) -> int:
    """The dilation of the region proposal network's convolution."""
    for node in evidence.nodes(r"Conv/", "SpaceToBatchND"):
        return int(evidence.value(evidence.source(node, 1), "the first stage's dilation").max())
    for node in evidence.nodes(r"Conv/Conv2D\Z", "Conv2D"):
        return int(max(node.attr["dilations"].list.i, default=1))
    raise Unrecognised("the convolution of the first stage (no node Conv/Conv2D)")


def _crops(evidence: GraphEvidence, inside: bool) -> List[Any]:
    return [
        node
        for node in evidence.nodes("", "CropAndResize")
        if node.name.startswith(_SECOND) == inside
    ]


def _sides(evidence: GraphEvidence, node: Any) -> Tuple[int, int]:
    sides = evidence.value(evidence.source(node, 3), "the size of cropped features").tolist()
    if not isinstance(sides, list) or len(sides) != 2:
        raise Unrecognised(f"the size of the features cropped by {node.name}")
    return sides[0], sides[1]


def _crop(evidence: GraphEvidence) -> Fields:
    """How the second stage gets its features."""
    crops = _crops(evidence, inside=False)
    pools = evidence.nodes(r"(\w+/)?MaxPool2D(_\d+)?/", "MaxPool")
    if not crops or not pools:
        raise Unrecognised(
            "how features are cropped for the second stage "
            f"({'no MaxPool2D' if crops else 'no CropAndResize'})"
        )
    sides = _sides(evidence, crops[0])
    size, stride = pools[0].attr["ksize"].list.i, pools[0].attr["strides"].list.i
    if (
        sides[0] != sides[1]
        or len(size) != 4
        or len(stride) != 4
        or size[1] != size[2]
        or stride[1] != stride[2]
    ):
        raise Unrecognised("features cropped for the second stage that are not square")
    return [
        Field("initial_crop_size", sides[0]),
        Field("maxpool_kernel_size", size[1]),
        Field("maxpool_stride", stride[1]),
    ]


def _second_stage(evidence: GraphEvidence) -> Tuple[int, Fields, bool]:
    """Classes, the second_stage_box_predictor message, whether there are masks."""
    classes = evidence.shape(_SECOND + "ClassPredictor/weights")[-1] - 1
    boxes = evidence.shape(_SECOND + "BoxEncodingPredictor/weights")[-1]
    if classes < 1 or boxes not in (_CODE, _CODE * classes):
        raise Unrecognised(f"{boxes} box codes for {classes} classes")
    fields = [
        assumed("use_dropout", False),
        Field("fc_hyperparams", conv_hyperparams(None, operation="FC")),
    ]
    if boxes != _CODE * classes:
        fields.append(Field("share_box_across_classes", True))
    masks = _masks(evidence, classes)
    return classes, [Field("mask_rcnn_box_predictor", fields + masks)], bool(masks)


def _masks(evidence: GraphEvidence, classes: int) -> Fields:
    kernels = evidence.variables(_SECOND + r"Conv(_\d+)?/weights\Z")
    if not kernels:
        return []
    last = evidence.shape(kernels[-1])
    resizes = evidence.nodes(
        r"SecondStageBoxPredictor(_\d+)?/", "ResizeBilinear", "ResizeNearestNeighbor"
    )
    if (
        last[-1] not in (1, classes)
        or len(resizes) != 1
        or resizes[0].op != "ResizeBilinear"
        or evidence.has(_SECOND + "Conv2d_transpose/")
    ):
        raise Unrecognised(f"the mask head (kernels {', '.join(kernels)})")
    sides = evidence.value(evidence.source(resizes[0], 1), "the size of masks").tolist()
    # The last layer has neither activation nor normalization: a single one tells nothing of them.
    layer = find_layer(evidence, _SECOND + r"Conv(_\d+)?/") if len(kernels) > 1 else None
    fields = [
        Field("conv_hyperparams", conv_hyperparams(layer, operation="CONV")),
        Field("predict_instance_masks", True),
        Field("mask_height", sides[0]),
        Field("mask_width", sides[1]),
        Field("mask_prediction_num_conv_layers", len(kernels)),
    ]
    if len(kernels) > 1:
        # Written out even where the API would work it out from the number of classes.
        fields.append(Field(_CONV_DEPTH, evidence.shape(kernels[0])[-1]))
    if last[-1] != classes:
        fields.append(Field("masks_are_class_agnostic", True))
    return fields


def _bin_sides(evidence: GraphEvidence) -> Tuple[int, int]:
    """Height and width of the features that are cropped for a position-sensitive bin.

    Where all sizes are fixed, they are cropped with multiplied matrices (MatMulCropAndResize)
    instead of CropAndResize.
    """
    found = {_sides(evidence, node) for node in _crops(evidence, inside=True)}
    matrices = _SECOND + r"(\w+/)*MatMulCropAndResize(_\d+)?/"
    # To 2020: the product of matrices is reshaped and transposed to [images, boxes, height, width,
    # channels].
    for last in evidence.nodes(matrices, "Transpose"):
        if evidence.readers(last.name, "Squeeze"):
            shape, order = (
                evidence.value(node, "the shape of cropped features")
                for node in (evidence.source(evidence.source(last, 0), 1), evidence.source(last, 1))
            )
            if len(shape) != 5 or sorted(order) != list(range(5)):
                raise Unrecognised(f"the size of the features cropped by {last.name}")
            found.add((int(shape[order[2]]), int(shape[order[3]])))
    # Since: the average of samples is reshaped to that.
    for pool in evidence.nodes(matrices, "AvgPool"):
        for reshape, _ in evidence.readers(pool.name, "Reshape"):
            shape = evidence.source(reshape, 1)
            if shape.op != "Pack" or len(shape.input) != 5:
                raise Unrecognised(f"the size of the features cropped by {pool.name}")
            found.add(
                (
                    int(evidence.number(shape, 2, "the height of cropped features")),
                    int(evidence.number(shape, 3, "the width of cropped features")),
                )
            )
    if len(found) != 1:
        raise Unrecognised(f"the size of position-sensitive bins ({len(found)} sizes)")
    return found.pop()


def _rfcn(evidence: GraphEvidence) -> Tuple[int, Fields]:
    """Classes and the second_stage_box_predictor message: with B bins, K classes there are
    B * (K + 1) channels of scores and B * K * 4 of boxes."""
    scores = evidence.shape(_SECOND + "class_predictions/weights")[-1]
    boxes = evidence.shape(_SECOND + "refined_locations/weights")[-1]
    depth = evidence.shape(_SECOND + "reduce_depth/weights")[-1]
    bins = scores - boxes // _CODE
    side = int(round(math.sqrt(max(bins, 0))))
    if bins < 1 or side * side != bins or scores % bins:
        raise Unrecognised(
            f"the position-sensitive bins ({scores} channels of scores, {boxes} of boxes)"
        )
    height, width = _bin_sides(evidence)
    return scores // bins - 1, [
        Field(
            "rfcn_box_predictor",
            [
                Field(
                    "conv_hyperparams",
                    conv_hyperparams(
                        find_layer(evidence, re.escape(_SECOND + "reduce_depth/")), operation="CONV"
                    ),
                ),
                Field("num_spatial_bins_height", side),
                Field("num_spatial_bins_width", side),
                Field("depth", depth),
                Field("box_code_size", _CODE),
                Field("crop_height", height * side),
                Field("crop_width", width * side),
            ],
        )
    ]
