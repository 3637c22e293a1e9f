"""Checks of what the API makes of scores: it takes thresholds whatever they are, which mean nothing
beyond 1, and divides logits by any number."""

from typing import Iterator, Tuple

from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.doctor.builders import LEAST_PERCENT, value_at
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING
from graphfix.pipeline_config.edits import ConfigEdit

_NMS = "batch_non_max_suppression"
_FRACTIONS = (
    (SSD, ("post_processing", _NMS, "score_threshold")),
    (SSD, ("matcher", "argmax_matcher", "matched_threshold")),
    (SSD, ("matcher", "argmax_matcher", "unmatched_threshold")),
    (SSD, ("loss", "hard_example_miner", "iou_threshold")),
    (FASTER_RCNN, ("second_stage_post_processing", _NMS, "score_threshold")),
    (FASTER_RCNN, ("first_stage_nms_score_threshold",)),
    (FASTER_RCNN, ("hard_example_miner", "iou_threshold")),
)


def _beyond_one(setup: Setup) -> Iterator[Symptom]:
    for meta, path in _FRACTIONS:
        value = value_at(setup.body, path) if meta == setup.meta else None
        if value is None or value <= 1:
            continue
        name, remedy = path[-1], f"write {path[-1]}: a number from 0 to 1"
        edits: Tuple[ConfigEdit, ...] = ()
        if LEAST_PERCENT <= value <= 100:
            literal = f"{value / 100:g}"
            remedy = f"write {name}: {literal}: it is a fraction, not a percentage"
            edits = (ConfigEdit(("model", meta, *path), literal, "a fraction"),)
        yield Symptom(setup.where("model", meta, *path), f"{name} is {value:g}", remedy, edits)


def _divided(setup: Setup) -> Iterator[Symptom]:
    for meta, block in ((SSD, "post_processing"), (FASTER_RCNN, "second_stage_post_processing")):
        path = (block, "logit_scale")
        scale = value_at(setup.body, path) if meta == setup.meta else None
        if scale is not None and scale <= 0:
            place = ("model", meta, *path)
            edits = (ConfigEdit(place, None, "logits as they are"),)
            yield Symptom(setup.where(*place), f"logit_scale is {scale:g}", "remove it", edits)


CHECKS = (
    Check(
        "LOGIT_SCALE",
        ERROR,
        "Logits are divided by logit_scale before they become scores: by 0 they are infinite "
        '("float division by zero", "cannot convert float infinity to integer") or nothing is '
        "detected, and by less the best detection has the least score.",
        "write logit_scale: 1.0",
        _divided,
    ),
    Check(
        "THRESHOLD_BEYOND_ONE",
        WARNING,
        "A threshold of scores or overlaps is above 1, which neither ever is: nothing passes it.",
        "write a number from 0 to 1",
        _beyond_one,
    ),
)
