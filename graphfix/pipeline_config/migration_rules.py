"""Rules that translate a field which a revision does not know into what that revision calls it.

Each rule in RULES takes one violation and the revision's schema.  It returns the edits that mean
the same, or nearly, or None where it does not apply.
"""

import math
from typing import NamedTuple, Optional, Tuple

from graphfix.formats.textproto import Block, Scalar
from graphfix.pipeline_config.edits import EMPTY_BLOCK
from graphfix.pipeline_config.migration_effects import TRAINING, Effect
from graphfix.pipeline_config.migration_tables import (
    CODE_SIZES,
    EQUIVALENT_VALUES,
    MOVES,
    SAME,
    STAND_INS,
)
from graphfix.pipeline_config.schema_history import INTEGERS, FieldSpec, Schema
from graphfix.pipeline_config.schema_violations import SchemaViolation

Path = Tuple[str, ...]

# In how many steps a cosine schedule goes down.
_STEPS = 8


class Translation(NamedTuple):
    """Literals to set, by path, and what differs from the field they replace."""

    sets: Tuple[Tuple[Path, str], ...]
    effect: Effect


def is_default(value: Scalar, spec: FieldSpec) -> bool:
    """Whether a scalar is a field's default (zero, false or empty where none is declared)."""
    if spec.type == "bool":
        return (value.value in ("true", "True", "t", 1)) == (spec.default == "true")
    if spec.type in INTEGERS + ("float", "double"):
        return isinstance(value.value, (int, float)) and value.value == float(spec.default or 0)
    return value.value == (spec.default or "")


def _move(violation: SchemaViolation, schema: Schema) -> Optional[Translation]:
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
                    return Translation(
                        (
                            (
                                violation.path[: -len(path)] + other_path,
                                violation.field.values[0].raw,
                            ),
                        ),
                        SAME,
                    )
    return None


def _equivalent_value(violation: SchemaViolation, schema: Schema) -> Optional[Translation]:
    for key, value, out, path, message, literal, effect in EQUIVALENT_VALUES:
        if (
            key == violation.key
            and _word(violation.field.values[0]) == value
            and schema.field(message, path[-1])
        ):
            return Translation(((violation.path[: -1 - out] + path, literal),), effect)
    return None


def _word(value) -> str:
    if isinstance(value, Block):
        return ""
    return {"True": "true", "t": "true", "False": "false", "f": "false"}.get(
        str(value.value), str(value.value)
    )


def _masks(violation: SchemaViolation, schema: Schema) -> Optional[Translation]:
    """Before number_of_stages existed, masks were predicted whenever the predictor could."""
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
    return Translation(((violation.path[:-1] + ("number_of_stages",), "3"),), SAME)


def _code_size(violation: SchemaViolation, schema: Schema) -> Optional[Translation]:
    """Dividing the box loss by the size of the box encoding equals dividing its weight."""
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
    return Translation(
        (
            (
                violation.path[:-1] + ("loss", "localization_weight"),
                repr(weight / float(CODE_SIZES[coders[0]])),
            ),
        ),
        SAME,
    )


def _stand_in(violation: SchemaViolation, schema: Schema) -> Optional[Translation]:
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
    return Translation(tuple(taken) or ((path, EMPTY_BLOCK),), effect)


def _cosine(violation: SchemaViolation, schema: Schema) -> Optional[Translation]:
    """Constant steps along the cosine, each with the rate at its middle."""
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
        return None  # inf and nan are words in the text format
    base, warm = given["learning_rate_base"], int(given["warmup_steps"])
    start = warm + int(given["hold_base_rate_steps"])
    length = (int(given["total_steps"]) - start) / float(_STEPS)
    if length < 1:
        return None
    steps = [(warm, base)] if warm else []
    steps += [
        (
            int(start + number * length),
            base * 0.5 * (1 + math.cos(math.pi * (number + 0.5) / _STEPS)),
        )
        for number in range(1, _STEPS)
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
    return Translation(
        tuple(sets),
        Effect(TRAINING, f"the learning rate falls in {_STEPS} steps, and warms up in one"),
    )


def _padding(violation: SchemaViolation, schema: Schema) -> Optional[Translation]:
    """Padded sizes of SSD's random crop: first one for each operation, later one for all."""
    name = violation.field.name
    if name not in ("min_padded_size_ratio", "max_padded_size_ratio"):
        return None
    inner = "SSDRandomCropPadFixedAspectRatioOperation"
    outer = "SSDRandomCropPadFixedAspectRatio"
    values = [value.raw for field in violation.block.named(name) for value in field.values]
    literal = f"[{', '.join(values)}]"
    if violation.message == inner and schema.field(outer, name):
        return Translation(
            ((violation.path[:-2] + (name,), literal),),
            Effect(TRAINING, "it applies to all operations"),
        )
    if violation.message == outer and schema.field(inner, name):
        operations = len(violation.block.values(("operations",)))
        return (
            Translation(
                tuple(
                    (violation.path[:-1] + (f"operations[{number}]", name), literal)
                    for number in range(operations)
                ),
                SAME,
            )
            if operations
            else None
        )
    return None


RULES = (_masks, _move, _equivalent_value, _code_size, _stand_in, _cosine, _padding)
