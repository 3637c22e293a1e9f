"""What one date's config says that another date's says otherwise, as literal tables.

Each rule in RULES looks at one unknown field and gives what says the same, or nearly, in a
schema, or None.
"""

import math
from typing import NamedTuple, Optional, Tuple

from graphfix.formats.textproto import Block, Scalar
from graphfix.pipeline_config.edits import EMPTY_BLOCK
from graphfix.pipeline_config.migration_effects import EVALUATION, NOTHING, TRAINING, Effect
from graphfix.pipeline_config.schema_history import INTEGERS, FieldSpec, Schema
from graphfix.pipeline_config.schema_violations import SchemaViolation

Path = Tuple[str, ...]

_SAME = Effect(NOTHING, "it means the same")

# The names one value had: the message of the block they have in common, and in order of time each
# name's own message and its path from there.  A value moves to the first that the target knows.
MOVES = (
    (
        "Ssd",
        (
            ("Ssd", ("minimum_negative_sampling",)),
            ("Ssd", ("min_num_negative_samples",)),
            ("Loss", ("loss", "min_num_negative_samples")),
        ),
    ),
    (
        "Ssd",
        (
            ("Ssd", ("desired_negative_sampling_ratio",)),
            ("Loss", ("loss", "desired_negative_sampling_ratio")),
        ),
    ),
    (
        "InputReader",
        (("InputReader", ("prefetch_buffer_size",)), ("InputReader", ("prefetch_size",))),
    ),
)

# A field at a value says what another field says at its value: the field and the value, how many
# blocks further out the other's path begins, that path, its message, its value, and what differs.
SAYINGS = (
    ("FasterRcnn.first_stage_only", "true", 0, ("number_of_stages",), "FasterRcnn", "1", _SAME),
    ("FasterRcnn.number_of_stages", "1", 0, ("first_stage_only",), "FasterRcnn", "true", _SAME),
    (
        "SsdFeatureExtractor.batch_norm_trainable",
        "false",
        1,
        ("freeze_batchnorm",),
        "Ssd",
        "true",
        Effect(TRAINING, "BatchNorm of the box predictor is frozen too"),
    ),
    (
        "Ssd.freeze_batchnorm",
        "true",
        0,
        ("feature_extractor", "batch_norm_trainable"),
        "SsdFeatureExtractor",
        "false",
        Effect(TRAINING, "BatchNorm of the box predictor is not frozen"),
    ),
    (
        "Ssd.use_expected_classification_loss_under_sampling",
        "true",
        0,
        ("loss", "expected_loss_weights"),
        "Loss",
        "EXPECTED_SAMPLING",
        _SAME,
    ),
    (
        "Loss.expected_loss_weights",
        "EXPECTED_SAMPLING",
        1,
        ("use_expected_classification_loss_under_sampling",),
        "Ssd",
        "true",
        _SAME,
    ),
)

# What stands in for a choice that leaves its block without any, which the API does not take: the
# stand-in, the fields that go over to it, and what differs.  (New values are few: the checkpoint
# has one for every variable that it restores.)
STAND_INS = {
    "ClassificationLoss.weighted_sigmoid_focal": (
        "weighted_sigmoid",
        (),
        Effect(TRAINING, "easy examples weigh as much as hard ones"),
    ),
    "ClassificationLoss.penalty_reduced_logistic_focal_loss": (
        "weighted_sigmoid",
        (),
        Effect(TRAINING, "easy examples weigh as much as hard ones"),
    ),
    "ClassificationLoss.weighted_dice_classification_loss": (
        "weighted_sigmoid",
        (),
        Effect(TRAINING, "the class loss is a cross entropy"),
    ),
    "ClassificationLoss.weighted_logits_softmax": (
        "weighted_softmax",
        (),
        Effect(TRAINING, "targets are classes, not logits"),
    ),
    "LocalizationLoss.l1_localization_loss": (
        "weighted_smooth_l1",
        (),
        Effect(TRAINING, "the box loss is smooth where it is small"),
    ),
    "LocalizationLoss.weighted_giou": (
        "weighted_smooth_l1",
        (),
        Effect(TRAINING, "the box loss compares codes, not overlaps"),
    ),
    "RegionSimilarityCalculator.thresholded_iou_similarity": (
        "iou_similarity",
        (),
        Effect(TRAINING, "small overlaps count when anchors are matched"),
    ),
    "Initializer.random_normal_initializer": (
        "truncated_normal_initializer",
        ("mean", "stddev"),
        Effect(NOTHING, "no new value is further from the mean than two standard deviations"),
    ),
}

# Metrics: the first month that was seen to have one, and what is nearest before.
METRICS = {
    "coco_detection_metrics": ("2018-02", "pascal_voc_metrics"),
    "coco_mask_metrics": ("2018-02", "pascal_voc_metrics"),
    "pascal_voc_detection_metrics": ("2018-02", "pascal_voc_metrics"),
    "weighted_pascal_voc_detection_metrics": ("2018-02", "pascal_voc_metrics"),
    "pascal_voc_instance_segmentation_metrics": ("2018-02", "pascal_voc_metrics"),
    "weighted_pascal_voc_instance_segmentation_metrics": ("2018-02", "pascal_voc_metrics"),
    "oid_V2_detection_metrics": ("2019-04", "pascal_voc_detection_metrics"),
    "oid_challenge_detection_metrics": ("2019-04", "pascal_voc_detection_metrics"),
    "precision_at_recall_detection_metrics": ("2019-07", "coco_detection_metrics"),
    "oid_challenge_segmentation_metrics": ("2019-07", "coco_mask_metrics"),
    "lvis_mask_metrics": ("2020-10", "coco_mask_metrics"),
}
# Metrics that went: the month, and the name from then on.
OLD_METRICS = {
    "pascal_voc_metrics": ("2018-02", "pascal_voc_detection_metrics"),
    "weighted_pascal_voc_metrics": ("2018-02", "weighted_pascal_voc_detection_metrics"),
    "open_images_metrics": ("2018-02", "oid_V2_detection_metrics"),
}

# What it means that only the first of several values stays.
FIRST_ONLY = {
    "TFRecordInputReader.input_path": Effect(
        TRAINING, "records of the other paths are not read; one pattern may name them all"
    ),
    "TrainEvalPipelineConfig.eval_input_reader": Effect(
        EVALUATION, "the other data sets are not evaluated"
    ),
}

# Fields whose default changed in a way that matters: the block, its message, the field, and why.
DEFAULTS = (
    (
        ("train_config",),
        "TrainConfig",
        "max_number_of_boxes",
        "an image's boxes beyond that number are left out",
    ),
    (
        ("model", "faster_rcnn", "context_config"),
        "Context",
        "max_num_context_features",
        "so many features of an image's context are looked at",
    ),
)

# Elements of a box code, by coder.
CODE_SIZES = {"faster_rcnn_box_coder": 4, "mean_stddev_box_coder": 4, "square_box_coder": 3}
_STAIRS = 8


class Saying(NamedTuple):
    """What says it otherwise: literals by path, and what differs."""

    sets: Tuple[Tuple[Path, str], ...]
    effect: Effect


def says(value: Scalar, spec: FieldSpec) -> bool:
    """Whether a scalar is the default of a field (of none given: zero, false, empty)."""
    if spec.type == "bool":
        return (value.value in ("true", "True", "t", 1)) == (spec.default == "true")
    if spec.type in INTEGERS + ("float", "double"):
        return isinstance(value.value, (int, float)) and value.value == float(spec.default or 0)
    return value.value == (spec.default or "")


def _move(violation: SchemaViolation, schema: Schema) -> Optional[Saying]:
    for common, names in MOVES:
        for message, path in names:
            if (
                violation.message != message
                or violation.field.name != path[-1]
                or violation.above[-len(path) :][:1] != (common,)
            ):
                continue
            for other, other_path in names:
                if schema.field(other, other_path[-1]):
                    return Saying(
                        (
                            (
                                violation.path[: -len(path)] + other_path,
                                violation.field.values[0].raw,
                            ),
                        ),
                        _SAME,
                    )
    return None


def _otherwise(violation: SchemaViolation, schema: Schema) -> Optional[Saying]:
    for key, value, out, path, message, literal, effect in SAYINGS:
        if (
            key == violation.key
            and _word(violation.field.values[0]) == value
            and schema.field(message, path[-1])
        ):
            return Saying(((violation.path[: -1 - out] + path, literal),), effect)
    return None


def _word(value) -> str:
    if isinstance(value, Block):
        return ""
    return {"True": "true", "t": "true", "False": "false", "f": "false"}.get(
        str(value.value), str(value.value)
    )


def _masks(violation: SchemaViolation, schema: Schema) -> Optional[Saying]:
    """Before number_of_stages masks were predicted whenever the predictor could."""
    if (
        violation.key != "FasterRcnn.first_stage_only"
        or not schema.field("FasterRcnn", "number_of_stages")
        or _word(violation.field.values[0]) == "true"
    ):
        return None
    masks = violation.block.values(
        ("second_stage_box_predictor", "mask_rcnn_box_predictor", "predict_instance_masks")
    )
    if [_word(value) for value in masks] != ["true"]:
        return None
    return Saying(((violation.path[:-1] + ("number_of_stages",), "3"),), _SAME)


def _code_size(violation: SchemaViolation, schema: Schema) -> Optional[Saying]:
    """The box loss divided by the code's size: the same as that much less of its weight."""
    if (
        violation.key != "Ssd.normalize_loc_loss_by_codesize"
        or _word(violation.field.values[0]) != "true"
    ):
        return None
    coders = [
        field.name
        for field in violation.block.find(("box_coder",))
        for value in field.values
        for field in getattr(value, "fields", ())
    ]
    weights = violation.block.values(("loss", "localization_weight"))
    weight = weights[0].value if weights else 1.0
    if len(coders) != 1 or coders[0] not in CODE_SIZES or not isinstance(weight, (int, float)):
        return None
    return Saying(
        (
            (
                violation.path[:-1] + ("loss", "localization_weight"),
                repr(weight / float(CODE_SIZES[coders[0]])),
            ),
        ),
        _SAME,
    )


def _stand_in(violation: SchemaViolation, schema: Schema) -> Optional[Saying]:
    if violation.key not in STAND_INS:
        return None
    name, fields, effect = STAND_INS[violation.key]
    if not schema.field(violation.message, name):
        return None
    path = violation.path[:-1] + (name,)
    taken = [
        (path + (field.name,), field.values[0].raw)
        for value in violation.field.values
        for field in getattr(value, "fields", ())
        if field.name in fields
    ]
    return Saying(tuple(taken) or ((path, EMPTY_BLOCK),), effect)


def _cosine(violation: SchemaViolation, schema: Schema) -> Optional[Saying]:
    """Stairs down a cosine: the rate of each stretch is that of its middle."""
    if violation.key != "LearningRate.cosine_decay_learning_rate":
        return None
    given = {
        "learning_rate_base": 0.002,
        "total_steps": 4000000,
        "warmup_learning_rate": 0.0002,
        "warmup_steps": 10000,
        "hold_base_rate_steps": 0,
    }
    for value in violation.field.values:
        given.update((field.name, field.values[0].value) for field in getattr(value, "fields", ()))
    if not all(isinstance(value, (int, float)) for value in given.values()):
        return None  # inf or nan, which the text format spells as words
    base, warm = given["learning_rate_base"], int(given["warmup_steps"])
    start = warm + int(given["hold_base_rate_steps"])
    stretch = (int(given["total_steps"]) - start) / float(_STAIRS)
    if stretch < 1:
        return None
    steps = [(warm, base)] if warm else []
    steps += [
        (
            int(start + number * stretch),
            base * 0.5 * (1 + math.cos(math.pi * (number + 0.5) / _STAIRS)),
        )
        for number in range(1, _STAIRS)
    ]
    path = violation.path[:-1] + ("manual_step_learning_rate",)
    sets = [
        (
            path + ("initial_learning_rate",),
            f"{given['warmup_learning_rate'] if warm else base:.6g}",
        )
    ]
    for number, (step, rate) in enumerate(steps):
        schedule = path + (f"schedule[{number}]",)
        sets += [(schedule + ("step",), str(step)), (schedule + ("learning_rate",), f"{rate:.6g}")]
    return Saying(
        tuple(sets),
        Effect(TRAINING, f"the learning rate goes down in {_STAIRS} steps, and rises in one"),
    )


def _padding(violation: SchemaViolation, schema: Schema) -> Optional[Saying]:
    """Padded sizes of SSD's random crop: given for each operation once, for all of them later."""
    name = violation.field.name
    if name not in ("min_padded_size_ratio", "max_padded_size_ratio"):
        return None
    inner = "SSDRandomCropPadFixedAspectRatioOperation"
    outer = "SSDRandomCropPadFixedAspectRatio"
    values = [value.raw for field in violation.block.named(name) for value in field.values]
    literal = f"[{', '.join(values)}]"
    if violation.message == inner and schema.field(outer, name):
        return Saying(
            ((violation.path[:-2] + (name,), literal),),
            Effect(TRAINING, "it holds for all operations"),
        )
    if violation.message == outer and schema.field(inner, name):
        operations = len(violation.block.values(("operations",)))
        return (
            Saying(
                tuple(
                    (violation.path[:-1] + (f"operations[{number}]", name), literal)
                    for number in range(operations)
                ),
                _SAME,
            )
            if operations
            else None
        )
    return None


RULES = (_masks, _move, _otherwise, _code_size, _stand_in, _cosine, _padding)
