"""Checks of blocks in which the API's builders need one of several, and find none."""

from typing import Any, Iterator, Tuple

from graphfix.detectors.families import FASTER_RCNN, PREDICTOR_FIELD, SSD
from graphfix.doctor.builders import SUPPRESSIONS, Path, value_at
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.config_revision import is_keras
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR
from graphfix.pipeline_config.edits import ConfigEdit

_CALIBRATION = "calibration_config"
# The blocks of a model in which the API needs one of several: meta-architecture, path, and the one
# that most configs have.  Hyperparameters, anchors, resizer and optimizer are looked at elsewhere.
_CHOICES: Tuple[Tuple[str, Path, str], ...] = (
    (
        SSD,
        ("box_coder",),
        "faster_rcnn_box_coder { y_scale: 10 x_scale: 10 height_scale: 5 width_scale: 5 }",
    ),
    (
        SSD,
        ("matcher",),
        "argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.5 "
        "force_match_for_each_row: true }",
    ),
    (SSD, ("similarity_calculator",), "iou_similarity {}"),
    (SSD, ("box_predictor",), "the model's own box predictor"),
    (SSD, ("loss", "classification_loss"), "weighted_sigmoid {}"),
    (SSD, ("loss", "localization_loss"), "weighted_smooth_l1 {}"),
    (FASTER_RCNN, ("second_stage_box_predictor",), "the model's own box predictor"),
)
# Measured: 2019-07 needs an initializer (and, for Keras, a regularizer), 2021-06 does not.  Taken
# to have changed together with the builder's code for this field.
_OPTIONAL_SINCE = "keras_initializer_by_name"
_HYPERPARAMS = ("conv_hyperparams", "fc_hyperparams")


def hyperparams(setup: Setup) -> Iterator[Tuple[Path, Any]]:
    """The hyperparameters that the builders read, as (path below the model's, message)."""
    name, predictor = setup.predictor
    if setup.meta == SSD:
        yield ("feature_extractor", _HYPERPARAMS[0]), setup.body.feature_extractor.conv_hyperparams
    elif setup.meta == FASTER_RCNN:
        one = "first_stage_box_predictor_conv_hyperparams"
        yield (one,), getattr(setup.body, one)
    if name is None:
        return
    field = PREDICTOR_FIELD[setup.meta]
    if name == "mask_rcnn_box_predictor":
        yield (field, name, _HYPERPARAMS[1]), predictor.fc_hyperparams
        # slim's are looked at when a layer is made of them, Keras's at once.
        if predictor.predict_instance_masks or (
            is_keras(setup) and predictor.HasField(_HYPERPARAMS[0])
        ):
            yield (field, name, _HYPERPARAMS[0]), predictor.conv_hyperparams
    else:
        yield (field, name, _HYPERPARAMS[0]), predictor.conv_hyperparams


def _no_mask_layers(setup: Setup) -> Iterator[Symptom]:
    name, predictor = setup.predictor
    if name != "mask_rcnn_box_predictor" or not predictor.predict_instance_masks:
        return
    if not predictor.HasField(_HYPERPARAMS[0]):
        yield Symptom(
            setup.where("model", setup.meta, PREDICTOR_FIELD[setup.meta], name, _HYPERPARAMS[0]),
            f"the mask head has no {_HYPERPARAMS[0]}",
            f"write {_HYPERPARAMS[0]} as the model's sample config has them",
        )


def _empty(setup: Setup) -> Iterator[Symptom]:
    for meta, path, usual in _CHOICES:
        if meta != setup.meta:
            continue
        message = value_at(setup.body, path)
        # A block that is missing is an empty one to the builder.
        if message is None or not message.ListFields():
            yield Symptom(
                setup.where("model", meta, *path),
                f"{path[-1]} is {'empty' if _is_there(setup, path) else 'not there'}",
                f"write {path[-1]} {{ {usual} }}" if "{" in usual else f"write {usual}",
            )
    yield from _calibration(setup)
    yield from _no_mask_layers(setup)
    blocks = list(hyperparams(setup))
    needed: Tuple[str, ...] = ()
    if blocks and not setup.options.schema.field("Initializer", _OPTIONAL_SINCE):
        needed = ("initializer", "regularizer") if is_keras(setup) else ("initializer",)
    for path, message in blocks:
        for one in needed:
            if not getattr(message, one).WhichOneof(one + "_oneof"):
                usual = {
                    "initializer": "truncated_normal_initializer { stddev: 0.03 }",
                    "regularizer": "l2_regularizer { weight: 0.00004 }",
                }[one]
                yield Symptom(
                    setup.where("model", setup.meta, *path, one),
                    f"{'.'.join(path)} has no {one}",
                    f"write {one} {{ {usual} }}, or as the model's sample config has it",
                )
    for number, step in enumerate(setup.train.data_augmentation_options):
        if not step.ListFields():
            yield Symptom(
                setup.where("train_config", "data_augmentation_options"),
                f"block {number + 1} of data_augmentation_options is empty",
                "remove it",
            )


def _calibration(setup: Setup) -> Iterator[Symptom]:
    for meta, path in SUPPRESSIONS:
        calibration = value_at(setup.body, (path[0], _CALIBRATION)) if meta == setup.meta else None
        if calibration is None or calibration.ListFields():
            continue
        here = ("model", meta, path[0], _CALIBRATION)
        if _is_there(setup, here[2:]):
            edit = ConfigEdit(here, None, "it calibrates nothing")
            where = setup.where(*here)
            yield Symptom(where, f"{_CALIBRATION} is empty", f"remove {_CALIBRATION}", (edit,))


def _is_there(setup: Setup, path: Path) -> bool:
    return bool(setup.document.find(("model", setup.meta) + path))


CHECKS = (
    Check(
        "CHOICE_MISSING",
        ERROR,
        'The builder needs one of several, and the block has none ("Empty matcher.", "Empty box '
        'coder.", "Empty loss config.", "Unknown region similarity calculator.", "Unknown box '
        'predictor: None", "Unknown initializer function: None", '
        '"conv_hyperparams_fn is None").',
        "copy the block from the model's sample config",
        _empty,
    ),
)
