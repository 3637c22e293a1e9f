"""What a detector has that is not built in PyTorch, each thing by its name.

Everything else about a config is read where it is used.
"""

from typing import Any, Iterator, Tuple

from graphfix.detectors.box_coders import FASTER_RCNN as FASTER_RCNN_CODER
from graphfix.detectors.extractors import facts
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import SSD
from graphfix.errors import Problem
from graphfix.torch.files import BUILT

# The setting of a message under `model.ssd`, and the only value that is built.
_ONLY = (
    ("explicit_background_class", False),
    ("use_confidences_as_targets", False),
    ("weight_regression_loss_by_score", False),
    ("use_expected_classification_loss_under_sampling", False),
    ("feature_extractor.replace_preprocessor_with_placeholder", False),
    ("image_resizer.fixed_shape_resizer.resize_method", 0),
    ("image_resizer.fixed_shape_resizer.convert_to_grayscale", False),
    ("image_resizer.keep_aspect_ratio_resizer.resize_method", 0),
    ("image_resizer.keep_aspect_ratio_resizer.convert_to_grayscale", False),
    ("post_processing.batch_non_max_suppression.use_static_shapes", False),
    ("post_processing.batch_non_max_suppression.use_class_agnostic_nms", False),
    ("post_processing.batch_non_max_suppression.soft_nms_sigma", 0.0),
    ("post_processing.batch_non_max_suppression.use_partitioned_nms", False),
    ("post_processing.batch_non_max_suppression.use_combined_nms", False),
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
_PREFIX = "model.ssd."
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
    ("image_resizer", "image_resizer_oneof", ("fixed_shape_resizer", "keep_aspect_ratio_resizer")),
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
FAMILIES = (
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
    if message.model.WhichOneof("model") != SSD:
        yield not_built("model", f"is a {family}")
        return
    body = message.model.ssd
    kind = body.feature_extractor.type
    extractor = find_extractor(kind)
    if (
        extractor is None
        or not extractor.is_described
        or extractor.naming != facts.SLIM
        or extractor.feature_maps not in BUILT.get(extractor.network, ())
        or extractor.only_side is not None
    ):
        yield not_built(_PREFIX + "feature_extractor.type", f"is {kind}")
    if family not in FAMILIES:
        yield not_built(_PREFIX + "box_predictor", f"is that of {family}")
    for path, value in _ONLY:
        holder, name = _holder(body, path)
        if holder is not None and getattr(holder, name) != value:
            yield not_built(_PREFIX + path, f"is {_shown(getattr(holder, name))}")
    for path in _ABSENT:
        holder, name = _holder(body, path)
        if holder is not None and holder.HasField(name):
            yield not_built(_PREFIX + path, "is set")
    for path, oneof, built in _ONE_OF:
        holder, name = _holder(body, path)
        chosen = getattr(holder, name).WhichOneof(oneof) if holder is not None else None
        if chosen not in built:
            yield not_built(_PREFIX + path, f"is {chosen or 'not set'}")


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
