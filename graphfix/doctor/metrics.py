"""Checks of eval_config's metrics: whether the API that evaluates has them, and the model what they
measure.

Measured by evaluating an SSD and a Mask R-CNN with each metric in the API of 2019-04, 2019-07 and
2021.
"""

import difflib
import functools
from typing import Iterator, List, Tuple

from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.masks import predicts_masks
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING
from graphfix.formats.textproto import Scalar, quote
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.migration_tables import (
    LEGACY_METRICS,
    METRICS,
    OLD_METRICS,
    OTHER_METRICS,
)
from graphfix.restore import trainers

_PATH = ("eval_config", "metrics_set")
_PARAMETERIZED = ("eval_config", "parameterized_metric")
# How alike a misspelled name and the right one are.
_TYPO = 0.9
_OF_MASKS = frozenset(
    "coco_mask_metrics coco_panoptic_metrics lvis_mask_metrics oid_challenge_segmentation_metrics "
    "pascal_voc_instance_segmentation_metrics "
    "weighted_pascal_voc_instance_segmentation_metrics".split()
)
# What model_main cannot make of these, whatever the model is.
_NEVER = {
    "coco_keypoint_metrics": "needs the keypoints that parameterized_metric names",
    "lvis_mask_metrics": "has an evaluator that lacks an attribute",
}


def _named(setup: Setup) -> List[Tuple[str, str]]:
    """(where, the name) of each metric in the config."""
    fields = setup.document.find(_PATH) if setup.document else ()
    values = [value for field in fields for value in field.values if isinstance(value, Scalar)]
    # Escapes that are not UTF-8 are WINDOWS_PATH's.
    return [(value.where, value.value) for value in values if isinstance(value.value, str)]


def _unknown(setup: Setup) -> Iterator[Symptom]:
    revision, named = setup.options.revision, _named(setup)
    known = sorted(
        [name for name, (first, _) in METRICS.items() if first <= revision]
        + [name for name, last in OTHER_METRICS.items() if last < revision]
    )
    for where, name in named:
        gone, newer = OLD_METRICS.get(name, ("", ""))
        if name in known or name in LEGACY_METRICS or (gone and revision < gone):
            continue
        while newer in METRICS and revision < METRICS[newer][0]:
            newer = METRICS[newer][1]
        older = METRICS[name][1] if name in METRICS else ""
        other = newer or older
        near = [other] if other else difflib.get_close_matches(name, known, 1, _TYPO)
        yield Symptom(
            where,
            f"metrics_set has '{name}', which the API of {revision} does not know",
            f"write {quote(near[0])}" if near else f"write one of: {', '.join(known)}",
            _written(named, near[0]) if near else (),
        )


def _written(named: List[Tuple[str, str]], metric: str) -> Tuple[ConfigEdit, ...]:
    edit = ConfigEdit(_PATH, quote(metric), "the metrics meant")
    return (edit,) if len(named) == 1 else ()


def _of_legacy(setup: Setup, every: bool) -> Iterator[Symptom]:
    able = trainers.MODEL_MAIN in setup.options.trainers
    if not able or (len(setup.options.trainers) == 1) != every:
        return
    named = _named(setup)
    for where, name in named:
        if name in LEGACY_METRICS:
            yield Symptom(
                where,
                f"metrics_set has '{name}', which only the legacy evaluation knows",
                f"write {quote(LEGACY_METRICS[name])}",
                _written(named, LEGACY_METRICS[name]),
            )


def _unfit(setup: Setup) -> Iterator[Symptom]:
    if setup.meta not in (SSD, FASTER_RCNN) or trainers.MODEL_MAIN not in setup.options.trainers:
        return
    named, masks = _named(setup), predicts_masks(setup)
    for where, name in named:
        why = _NEVER.get(name, "")
        if name in _OF_MASKS and not masks:
            why = "measures masks, which the model does not predict"
        if why:
            metric = "coco_mask_metrics" if masks else "coco_detection_metrics"
            yield Symptom(where, f"{name} {why}", f"write {quote(metric)}", _written(named, metric))
    if setup.options.schema.field("EvalConfig", _PARAMETERIZED[1]):
        for metric in setup.message.eval_config.parameterized_metric:
            if not metric.WhichOneof(_PARAMETERIZED[1]):
                edits = (ConfigEdit(_PARAMETERIZED, None, "it is empty"),)
                where = setup.where(*_PARAMETERIZED)
                yield Symptom(where, "parameterized_metric is empty", "remove it", edits)


CHECKS = (
    Check(
        "METRICS_UNKNOWN",
        ERROR,
        'The API has no such metrics, so that the first evaluation stops ("Metric not found").',
        "correct the name",
        _unknown,
    ),
    Check(
        "METRICS_OF_LEGACY",
        ERROR,
        'The first evaluation stops ("Metric not found"): model_main has these metrics under '
        "another name.",
        "write model_main's name of them",
        functools.partial(_of_legacy, every=True),
    ),
    Check(
        "ONE_TRAINER_METRICS",
        WARNING,
        "Only the legacy evaluation has metrics of this name; model_main's stops.",
        "write model_main's name of them, or evaluate with legacy/eval.py",
        functools.partial(_of_legacy, every=False),
    ),
    Check(
        "METRICS_UNFIT",
        ERROR,
        'The first evaluation stops at metrics of what the model does not predict ("KeyError: '
        '\'detection_masks\'", "Detection masks not in detections dictionary"), or that the API '
        'cannot make ("missing 2 required positional arguments").',
        "write metrics of boxes for a model of boxes",
        _unfit,
    ),
)
