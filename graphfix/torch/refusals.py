"""What a detector has that is not built in PyTorch, each thing by its name.

Everything else about a config is read where it is used.
"""

from typing import Any, Iterator, Tuple

from graphfix.detectors.box_coders import FASTER_RCNN as FASTER_RCNN_CODER
from graphfix.detectors.box_coders import read_coder
from graphfix.detectors.extractors import facts
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.errors import Problem, SourceError

# What is built of each base network, by its scope: an SSD's feature maps, or two stages.
_BUILT = {
    "MobilenetV1": (facts.MULTI_RESOLUTION, facts.FPN, facts.POOLING_PYRAMID),
    "MobilenetV2": (facts.MULTI_RESOLUTION, facts.FPN),
    "InceptionV2": (facts.MULTI_RESOLUTION, FASTER_RCNN),
    "resnet_v1_50": (facts.FPN, facts.POOLING_PYRAMID, FASTER_RCNN),
    "resnet_v1_101": (facts.FPN, FASTER_RCNN),
    "resnet_v1_152": (facts.FPN, FASTER_RCNN),
}


def _suppression(field: str) -> Tuple[Tuple[str, Any], ...]:
    inside = field + ".batch_non_max_suppression."
    return (
        (inside + "use_static_shapes", False),
        (inside + "use_class_agnostic_nms", False),
        (inside + "soft_nms_sigma", 0.0),
        (inside + "use_partitioned_nms", False),
        (inside + "use_combined_nms", False),
    )


# A setting of the meta-architecture's message, and the only value that is built.
_RESIZERS = (
    ("image_resizer.fixed_shape_resizer.resize_method", 0),
    ("image_resizer.fixed_shape_resizer.convert_to_grayscale", False),
    ("image_resizer.keep_aspect_ratio_resizer.resize_method", 0),
    ("image_resizer.keep_aspect_ratio_resizer.convert_to_grayscale", False),
)
_ONLY = (
    ("explicit_background_class", False),
    ("use_confidences_as_targets", False),
    ("weight_regression_loss_by_score", False),
    ("use_expected_classification_loss_under_sampling", False),
    ("feature_extractor.replace_preprocessor_with_placeholder", False),
    *_suppression("post_processing"),
    ("box_predictor.convolutional_box_predictor.box_code_size", 4),
    ("box_predictor.weight_shared_convolutional_box_predictor.box_code_size", 4),
    (
        "box_predictor.weight_shared_convolutional_box_predictor.apply_conv_hyperparams_to_heads",
        False,
    ),
    (
        "box_predictor.weight_shared_convolutional_box_predictor.apply_conv_hyperparams_pointwise",
        False,
    ),
    ("loss.expected_loss_weights", 0),
)
_ABSENT = (
    "mask_head_config",
    "post_processing.calibration_config",
    "box_predictor.convolutional_box_predictor.mask_head",
    "box_predictor.weight_shared_convolutional_box_predictor.mask_head",
    "loss.random_example_sampler",
    "loss.equalization_loss",
)
# A oneof of a message, and those of its fields that are built.
_ONE_OF = (
    ("box_coder", "box_coder_oneof", (FASTER_RCNN_CODER,)),
    (
        "anchor_generator",
        "anchor_generator_oneof",
        ("ssd_anchor_generator", "multiscale_anchor_generator"),
    ),
    ("matcher", "matcher_oneof", ("argmax_matcher",)),
    ("similarity_calculator", "region_similarity", ("iou_similarity",)),
    ("loss.localization_loss", "localization_loss", ("weighted_smooth_l1", "weighted_l2")),
    (
        "loss.classification_loss",
        "classification_loss",
        ("weighted_sigmoid", "weighted_sigmoid_focal", "weighted_softmax"),
    ),
)
_RESIZER = (
    "image_resizer",
    "image_resizer_oneof",
    ("fixed_shape_resizer", "keep_aspect_ratio_resizer"),
)


def _most(field: str) -> Tuple[str, ...]:
    inside = field + ".batch_non_max_suppression.max_"
    return inside + "detections_per_class", inside + "total_detections"


# Numbers that are positive.
_SIDES = (
    "image_resizer.fixed_shape_resizer.height",
    "image_resizer.fixed_shape_resizer.width",
    "image_resizer.keep_aspect_ratio_resizer.min_dimension",
    "image_resizer.keep_aspect_ratio_resizer.max_dimension",
)
_POSITIVE = {
    SSD: (*_SIDES, *_most("post_processing")),
    FASTER_RCNN: (
        *_SIDES,
        *_most("second_stage_post_processing"),
        "first_stage_max_proposals",
        "first_stage_minibatch_size",
        "second_stage_batch_size",
        "initial_crop_size",
    ),
}
_PREDICTOR = "second_stage_box_predictor"
TWO_STAGES = (
    (
        ("first_stage_only", False),
        ("clip_anchors_to_image", False),
        ("use_matmul_crop_and_resize", False),
        ("use_static_shapes", False),
        ("use_combined_nms_in_first_stage", False),
        (_PREDICTOR + ".mask_rcnn_box_predictor.predict_keypoints", False),
        *_suppression("second_stage_post_processing"),
    ),
    ("hard_example_miner", "context_config", "second_stage_post_processing.calibration_config"),
    (
        ("first_stage_anchor_generator", "anchor_generator_oneof", ("grid_anchor_generator",)),
        (
            "second_stage_classification_loss",
            "classification_loss",
            (None, "weighted_sigmoid", "weighted_sigmoid_focal", "weighted_softmax"),
        ),
    ),
)
FAMILIES = (
    "Faster R-CNN",
    "SSD, convolutional predictor",
    "SSD, weight-shared predictor",
    "SSD, weight-shared separable predictor",
)
_REMEDY = "go on with TensorFlow 1; docs/torch.md lists what is built"


def problems(message: Any, family: str) -> Iterator[Problem]:
    """Why the model of a TrainEvalPipelineConfig, which is of a family, cannot be built: problems
    of the config's fields."""
    if message.HasField("graph_rewriter"):
        yield not_built("graph_rewriter", "stands for a model trained with quantization")
    meta = message.model.WhichOneof("model")
    body = getattr(message.model, meta)
    kind = body.feature_extractor.type
    extractor = find_extractor(kind)
    if (
        extractor is None
        or not extractor.is_described
        or extractor.naming != facts.SLIM
        or (extractor.feature_maps or FASTER_RCNN) not in _BUILT.get(extractor.network, ())
        or extractor.only_side is not None
    ):
        yield not_built(f"model.{meta}.feature_extractor.type", f"is {kind or 'not set'}")
    if family not in FAMILIES:
        yield not_built("model", f"is that of {family}")
        return
    only, absent, one_of = (_ONLY, _ABSENT, _ONE_OF) if meta == SSD else TWO_STAGES
    if meta == FASTER_RCNN and body.number_of_stages != (3 if predicts_masks(body) else 2):
        masks = "with" if predicts_masks(body) else "without"
        yield not_built(
            f"model.{meta}.number_of_stages",
            f"is {body.number_of_stages} {masks} predict_instance_masks",
        )
    for path, value in (*only, *_RESIZERS):
        holder, name = _holder(body, path)
        if holder is not None and getattr(holder, name) != value:
            yield not_built(f"model.{meta}.{path}", f"is {_shown(getattr(holder, name))}")
    for path in _POSITIVE[meta]:
        holder, name = _holder(body, path)
        if holder is not None and getattr(holder, name) <= 0:
            yield Problem(
                f"model.{meta}.{path}",
                f"is {getattr(holder, name)}, and not positive",
                "give the pipeline.config that the detector was trained with",
            )
    for path in absent:
        holder, name = _holder(body, path)
        if holder is not None and holder.HasField(name):
            yield not_built(f"model.{meta}.{path}", "is set")
    if meta == SSD:
        yield from _of_coder(body.box_coder)
    for path, oneof, built in (*one_of, _RESIZER):
        holder, name = _holder(body, path)
        chosen = getattr(holder, name).WhichOneof(oneof) if holder is not None else None
        if chosen not in built:
            yield not_built(f"model.{meta}.{path}", f"is {chosen or 'not set'}")


def _of_coder(message: Any) -> Iterator[Problem]:
    """What is wrong with the numbers of a coder that is built."""
    if message.WhichOneof("box_coder_oneof") != FASTER_RCNN_CODER:
        return
    try:
        read_coder(message, f"model.{SSD}.box_coder")
    except SourceError as error:
        yield from error.problems


def predicts_masks(body: Any) -> bool:
    """Whether a FasterRcnn message is that of a Mask R-CNN."""
    return body.second_stage_box_predictor.mask_rcnn_box_predictor.predict_instance_masks


def _holder(body: Any, path: str) -> Tuple[Any, str]:
    """The message that has a field, None where there is none, and the field's name."""
    names = path.split(".")
    for name in names[:-1]:
        if not body.HasField(name):
            return None, names[-1]
        body = getattr(body, name)
    return body, names[-1]


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def not_built(field: str, what: str) -> Problem:
    return Problem(field, f"{what}, which is not built in PyTorch", _REMEDY)
