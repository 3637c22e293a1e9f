"""An SSD's part of the config, from its frozen graph."""

import re
from typing import List, NamedTuple, Optional, Tuple

from graphfix.detectors.extractors.loader import Extractor
from graphfix.findings import count as count_of
from graphfix.graph_import import non_max_suppression as suppression
from graphfix.graph_import import training
from graphfix.graph_import.anchors import Anchors, infer_anchors
from graphfix.graph_import.config_text import Enum, Field, Fields, assumed
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised
from graphfix.graph_import.extractor import infer_extractor
from graphfix.graph_import.hyperparams import Layer, conv_hyperparams, find_layer
from graphfix.graph_import.non_max_suppression import find_suppressions, infer_post_processing
from graphfix.graph_import.resizers import infer_images

_SHARED = "WeightSharedConvolutionalBoxPredictor/"
_POST = r"(.*/)?Postprocessor/"


class InferredModel(NamedTuple):
    """The inferred `model` block, as its one field; what was inferred and what assumed, in
    words."""

    fields: Fields
    classes: int
    inferred: Tuple[str, ...]
    assumed: Tuple[str, ...]


class _Heads(NamedTuple):
    """The box_predictor message, channels a location has for (class, box) on each feature map,
    and a layer of the predictor."""

    fields: Fields
    channels: List[Tuple[int, int]]
    layer: Optional[Layer]


def infer_ssd(evidence: GraphEvidence, extractor: Extractor) -> InferredModel:
    """The ssd message.

    Raises:
      Unrecognised: what was not recognised first.
    """
    images = infer_images(evidence)
    anchors = infer_anchors(evidence, images.fixed)
    shared = evidence.has(_SHARED)
    heads = _shared(evidence) if shared else _convolutional(evidence, len(anchors.per_map))
    trains = evidence.trains
    background = training.has_background(evidence) if trains else _has_background(evidence)
    classes = _class_channels(heads, anchors) - (1 if background else 0)
    if trains:
        post = training.post_processing(evidence, 1e-8, 0.6, 100)
    else:
        suppressions = find_suppressions(evidence)
        if len(suppressions) != 1:
            raise Unrecognised(f"an SSD with {len(suppressions)} suppressions of boxes")
        post = infer_post_processing(evidence, suppressions[0], classes, _POST)
    sigmoid = post[1].value == "SIGMOID"
    settings, known = infer_extractor(
        evidence, extractor, len(anchors.per_map), _levels(anchors), heads.layer
    )
    fields = [
        Field("num_classes", classes),
        Field("image_resizer", images.fields),
        Field("feature_extractor", settings),
        Field("box_coder", (training if trains else suppression).infer_coder(evidence)),
        assumed(
            "matcher",
            [
                Field(
                    "argmax_matcher",
                    [
                        Field("matched_threshold", 0.5),
                        Field("unmatched_threshold", 0.5),
                        Field("ignore_thresholds", False),
                        Field("negatives_lower_than_unmatched", True),
                        Field("force_match_for_each_row", True),
                    ],
                )
            ],
        ),
        assumed("similarity_calculator", [Field("iou_similarity", [])]),
        Field("box_predictor", heads.fields),
        Field("anchor_generator", anchors.fields),
        Field("post_processing", post),
        assumed("normalize_loss_by_num_matches", True),
        assumed("loss", _loss(sigmoid, shared)),
    ]
    if not background:
        fields.insert(1, Field("add_background_class", False))
    notes = ["matcher", "losses", "regularizers, initializers and the decay of BatchNorm"]
    if not known:
        notes.append(
            "that the base network has its own settings, not the config's "
            "(override_base_feature_extractor_hyperparams: false)"
        )
    return InferredModel(
        [Field("ssd", fields)],
        classes,
        (
            f"{extractor.type} with {heads.fields[0].name}",
            "image resizer",
            count_of(classes, "class", "classes"),
            "anchors",
            "box coder",
            *(() if trains else training.DETECTING),
        ),
        tuple(notes) + (training.DETECTING if trains else ()),
    )


def _levels(anchors: Anchors) -> Optional[Tuple[int, int]]:
    found = {field.name: field.value for field in anchors.fields[0].value}
    return (found["min_level"], found["max_level"]) if "min_level" in found else None


def _class_channels(heads: _Heads, anchors: Anchors) -> int:
    """The number of class channels of an anchor, the same for all feature maps."""
    channels = heads.channels
    if len(channels) == 1:
        channels = channels * len(anchors.per_map)
    if len(channels) != len(anchors.per_map):
        raise Unrecognised(
            f"{len(channels)} box predictors for the anchors of {len(anchors.per_map)} feature maps"
        )
    found = set()
    for (scores, boxes), count in zip(channels, anchors.per_map):
        if scores % count or boxes != 4 * count:
            raise Unrecognised(
                f"{scores} channels of classes and {boxes} of boxes for {count} anchors"
            )
        found.add(scores // count)
    if len(found) != 1 or min(found) < 1:
        raise Unrecognised("a number of classes that differs between feature maps")
    return found.pop()


def _has_background(evidence: GraphEvidence) -> bool:
    """Whether there is a background: post-processing cuts its score off."""
    for node in evidence.nodes(_POST + r"(\w+/)?Slice(_\d+)?\Z", "Slice"):
        begin = evidence.maybe(evidence.source(node, 1))
        if begin is not None and begin.tolist() == [0, 0, 1]:
            return True
    for node in evidence.nodes(_POST + r"(\w+/)?strided_slice(_\d+)?\Z", "StridedSlice"):
        begin = evidence.maybe(evidence.source(node, 1))
        if begin is not None and begin.tolist() == [0, 0, 1]:
            return True
    return False


def _refuse_rare(evidence: GraphEvidence, scope: str) -> Fields:
    """What a predictor does to its outputs: clipped encodings are a field, a sigmoid is refused."""
    if evidence.nodes(scope, "Sigmoid"):
        raise Unrecognised(
            "a box predictor that makes scores itself (node "
            f"{evidence.nodes(scope, 'Sigmoid')[0].name})"
        )
    least = evidence.nodes(scope + r".*clip_by_value(_\d+)?\Z", "Maximum")
    most = evidence.nodes(scope + r".*clip_by_value(_\d+)?/Minimum\Z", "Minimum")
    if not least or not most:
        return []
    return [
        Field(
            "box_encodings_clip_range",
            [
                Field("min", evidence.number(least[0], 1, "the least box encoding")),
                Field("max", evidence.number(most[0], 1, "the largest box encoding")),
            ],
        )
    ]


def _convolutional(evidence: GraphEvidence, maps: int) -> _Heads:
    scopes = [f"BoxPredictor_{number}/" for number in range(maps)]
    if maps == 1 and not evidence.has(scopes[0]):
        scopes = [""]
    if evidence.has(rf"BoxPredictor_{maps}/"):
        raise Unrecognised("more box predictors than the anchors have feature maps")
    depthwise = evidence.has(scopes[0] + "ClassPredictor_depthwise/depthwise_weights")
    kernel = evidence.shape(
        scopes[0]
        + ("ClassPredictor_depthwise/depthwise_weights" if depthwise else "ClassPredictor/weights")
    )[0]
    channels = [
        (
            evidence.shape(scope + "ClassPredictor/weights")[-1],
            evidence.shape(scope + "BoxEncodingPredictor/weights")[-1],
        )
        for scope in scopes
    ]
    numbers, depths = set(), set()
    for name in evidence.variables(r"(BoxPredictor_\d+/)?Conv2d_\d+_\dx\d_\d+/weights\Z"):
        match = re.search(r"Conv2d_(\d+)_\dx\d_(\d+)/", name)
        if match:
            numbers.add(int(match.group(1)))
            depths.add(int(match.group(2)))
    layer = find_layer(evidence, r"(BoxPredictor_\d+/)?(Conv2d_\d+_|\w+Predictor_depthwise/)")
    fields = [
        Field("min_depth", min(depths) if depths else 0),
        Field("max_depth", max(depths) if depths else 0),
        Field("num_layers_before_predictor", len(numbers)),
        assumed("use_dropout", False),
        Field("kernel_size", kernel),
        Field("box_code_size", 4),
    ]
    if depthwise:
        fields.append(Field("use_depthwise", True))
    fields += _refuse_rare(evidence, r"BoxPredictor_\d+/")
    fields.append(
        Field(
            "conv_hyperparams",
            conv_hyperparams(layer, operation=None)
            + ([] if layer else [Field("activation", Enum("RELU_6"), True)]),
        )
    )
    return _Heads([Field("convolutional_box_predictor", fields)], channels, layer)


def _shared(evidence: GraphEvidence) -> _Heads:
    depthwise = evidence.has(_SHARED + "ClassPredictor/depthwise_weights")
    leaf = "pointwise_weights" if depthwise else "weights"
    box = next(
        (
            name
            for name in ("BoxPredictor/", "BoxEncodingPredictor/")
            if _SHARED + name + leaf in evidence.metas
        ),
        "BoxPredictor/",
    )
    scores = evidence.shape(_SHARED + "ClassPredictor/" + leaf)
    kernel = evidence.shape(
        _SHARED + "ClassPredictor/" + ("depthwise_weights" if depthwise else leaf)
    )[0]
    towers = evidence.variables(
        _SHARED + r"(Class)?PredictionTower/conv2d_\d+/(pointwise_)?weights\Z"
    )
    layer = find_layer(evidence, _SHARED + r"\w*PredictionTower/conv2d_\d+/")
    fields = [
        Field("depth", scores[-2]),
        Field("num_layers_before_predictor", len(towers)),
        Field("kernel_size", kernel),
        Field("box_code_size", 4),
    ]
    if evidence.has(_SHARED + "PredictionTower/"):
        fields.append(Field("share_prediction_tower", True))
    if depthwise:
        fields.append(Field("use_depthwise", True))
    fields += _refuse_rare(evidence, r"WeightSharedConvolutionalBoxPredictor(_\d+)?/")
    fields.append(Field("conv_hyperparams", conv_hyperparams(layer)))
    return _Heads(
        [Field("weight_shared_convolutional_box_predictor", fields)],
        [(scores[-1], evidence.shape(_SHARED + box + leaf)[-1])],
        layer,
    )


def _loss(sigmoid: bool, shared: bool) -> Fields:
    """The loss that published models of this kind were trained with."""
    kind = "weighted_sigmoid" if sigmoid else "weighted_softmax"
    fields = [Field("localization_loss", [Field("weighted_smooth_l1", [])])]
    if sigmoid and shared:
        fields.append(
            Field(
                "classification_loss",
                [Field("weighted_sigmoid_focal", [Field("alpha", 0.25), Field("gamma", 2.0)])],
            )
        )
    else:
        fields += [
            Field("classification_loss", [Field(kind, [])]),
            Field(
                "hard_example_miner",
                [
                    Field("num_hard_examples", 3000),
                    Field("iou_threshold", 0.99),
                    Field("loss_type", Enum("CLASSIFICATION")),
                    Field("max_negatives_per_positive", 3),
                    Field("min_negatives_per_image", 0),
                ],
            ),
        ]
    return fields + [Field("classification_weight", 1.0), Field("localization_weight", 1.0)]
