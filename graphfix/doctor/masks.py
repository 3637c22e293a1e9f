"""Checks of masks: those that a model learns from, and those that it predicts."""

import functools
from typing import Iterator, Tuple

from graphfix.detectors.families import FASTER_RCNN
from graphfix.doctor.builders import value_at
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import INPUT_READERS
from graphfix.restore import trainers

# The last revision known to divide by a box's size, whatever it is; that of 2021-06 does not.
_DIVIDES_BY_NONE = "2019-07"
# The last revision known to ask of detections in pixels that one is larger than a pixel; that of
# 2019-07 does not.
_NEEDS_ONE = "2019-03"
_SUPPRESSION = ("second_stage_post_processing", "batch_non_max_suppression")


def predicts_masks(setup: Setup) -> bool:
    """Whether the model has a third stage that predicts masks."""
    name, predictor = setup.predictor
    return bool(
        setup.meta == FASTER_RCNN
        and name == "mask_rcnn_box_predictor"
        and predictor.predict_instance_masks
        and setup.body.number_of_stages >= 3
    )


def _not_loaded(setup: Setup) -> Iterator[Symptom]:
    if not predicts_masks(setup):
        return
    for reader, message in setup.readers():
        if message.load_instance_masks:
            continue
        if reader != INPUT_READERS[0] and trainers.MODEL_MAIN not in setup.options.trainers:
            continue
        path = (reader, "load_instance_masks")
        yield Symptom(
            setup.where(*path),
            f"the model predicts masks, and {reader} loads none",
            "write load_instance_masks: true",
            (ConfigEdit(path, "true", "the model predicts masks"),),
        )


def _too_few(setup: Setup) -> Iterator[Symptom]:
    if not predicts_masks(setup) or setup.options.revision > _DIVIDES_BY_NONE:
        return
    suppression = setup.body.second_stage_post_processing.batch_non_max_suppression
    classes, proposals = setup.body.num_classes, setup.body.first_stage_max_proposals
    most = min(suppression.max_detections_per_class, proposals) * classes
    total = suppression.max_total_detections
    if not suppression.use_class_agnostic_nms and 0 < most < total:
        place = ("model", setup.meta, *_SUPPRESSION, "max_total_detections")
        yield Symptom(
            setup.where(*place),
            f"an image has {total} detections, of which at most {most} are found",
            f"write max_total_detections: {most}, or evaluate on a GPU",
            (ConfigEdit(place, str(most), "so many can be found"),),
        )
    for path, value in _thresholds(setup):
        yield Symptom(
            setup.where("model", setup.meta, *path),
            f"an image has {total} detections, of which only those above {path[-1]} {value:g} are "
            "found",
            f"write {path[-1]}: 0.0, or evaluate on a GPU",
            (ConfigEdit(("model", setup.meta, *path), "0.0", "all are found"),),
        )


def _thresholds(setup: Setup) -> Iterator[Tuple[Tuple[str, ...], float]]:
    """(path, value) of the thresholds of scores that may leave something out."""
    for path in (("first_stage_nms_score_threshold",), (*_SUPPRESSION, "score_threshold")):
        value = value_at(setup.body, path)
        if value is not None and value > 0:
            yield path, value


def _unfound(setup: Setup, always: bool) -> Iterator[Symptom]:
    """Evaluation's images in which nothing is found, be they `always` so or maybe."""
    if (
        not predicts_masks(setup)
        or setup.options.revision > _NEEDS_ONE
        or trainers.MODEL_MAIN not in setup.options.trainers
    ):
        return
    for path, value in _thresholds(setup):
        if (value >= 1) == always:
            yield _none(setup, path, value, "0.0")
    for name in ("max_detections_per_class", "max_total_detections"):
        if always and value_at(setup.body, (*_SUPPRESSION, name)) == 0:
            yield _none(setup, (*_SUPPRESSION, name), 0, "100")


def _none(setup: Setup, path: Tuple[str, ...], value: float, usual: str) -> Symptom:
    place = ("model", setup.meta, *path)
    return Symptom(
        setup.where(*place),
        f"{path[-1]} is {value:g}",
        f"write {path[-1]}: {usual}",
        (ConfigEdit(place, usual, "something is found"),),
    )


CHECKS = (
    Check(
        "MASKS_NOT_LOADED",
        ERROR,
        'The model predicts masks, and learns from none ("Groundtruth instance masks not '
        'provided").',
        "write load_instance_masks: true in the input readers",
        _not_loaded,
    ),
    Check(
        "MASKS_UNFOUND",
        ERROR,
        "Nothing is ever found, and this revision's evaluation of masks stops at that (\"max value "
        'is lower than 1.01").',
        "write a threshold that scores are above",
        functools.partial(_unfound, always=True),
    ),
    Check(
        "MASKS_MAY_BE_UNFOUND",
        WARNING,
        "This revision's evaluation of masks stops at an image in which no score is above the "
        'threshold ("max value is lower than 1.01"); early in training there are such images.',
        "write a threshold of 0.0",
        functools.partial(_unfound, always=False),
    ),
    Check(
        "MASKS_PADDED",
        WARNING,
        "The detections that an image lacks have boxes of no size, by which this revision divides "
        'to place their masks: evaluation crashes on a CPU ("Segmentation fault").',
        "write a max_total_detections that is always found, or evaluate on a GPU",
        _too_few,
    ),
)
