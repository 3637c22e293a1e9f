"""Checks of thresholds that the API takes whatever they are, and that mean nothing beyond 1."""

from typing import Iterator, Tuple

from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.doctor.builders import LEAST_PERCENT, value_at
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import WARNING
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


CHECKS = (
    Check(
        "THRESHOLD_BEYOND_ONE",
        WARNING,
        "A threshold of scores or overlaps is above 1, which neither ever is: nothing passes it.",
        "write a number from 0 to 1",
        _beyond_one,
    ),
)
