"""The prediction in words: how many variables are restored, and why the others are not.

A reason is expected (a new class head starts at random, as it must) or wrong (the checkpoint lacks
layers of the feature extractor).
"""

import re
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

from graphfix.detectors import families
from graphfix.doctor import checkpoint_fit
from graphfix.doctor.prediction import predict
from graphfix.doctor.setup import Setup
from graphfix.findings import count
from graphfix.restore import trainers
from graphfix.restore.predict import (
    MISSING,
    NOT_ASKED,
    RESTORED,
    SHAPE_DIFFERS,
    TYPE_DIFFERS,
    RestorePrediction,
    VariablePrediction,
)
from graphfix.restore.requested import DETECTION, is_extractor_variable

EXPECTED, WRONG, NEUTRAL = "expected", "wrong", ""
_WORDS = {
    SHAPE_DIFFERS: "shape differs",
    MISSING: "missing",
    NOT_ASKED: "not asked for",
    TYPE_DIFFERS: "type differs",
}
# What happens to quantization's ranges.
_RANGES: Dict[str, str] = {
    trainers.MODEL_MAIN: "restores none, since it adds them afterwards",
    trainers.LEGACY: "asks for them by the same rules as for variables",
}
# Layers that a detector adds to a classifier's.
_ADDED = re.compile(r"_[12]_Conv2d_\d+_|/fpn/|_hyperfeature|bottom_up|/(projection|smoothing)_\d")


class Reason(NamedTuple):
    """Why variables of a scope are not restored; `judgement` is EXPECTED, WRONG or NEUTRAL."""

    verdict: str
    scope: str
    judgement: str
    words: str


def lines(setup: Setup) -> List[str]:
    """What is restored and what trains, in a few lines."""
    predicted = predict(setup)
    if predicted.unknown:
        return [f"No prediction: {predicted.unknown}."]
    out: List[str] = []
    if setup.train.fine_tune_checkpoint:
        for names, prediction in _together(
            predicted.trainers,
            lambda one: [row.verdict for row in one.variables] + [one.stops, one.added_restored],
        ):
            out += _restored(setup, names, prediction)
        if setup.message.HasField("graph_rewriter"):
            ranges = "; ".join(
                f"{trainers.script(setup.options.revision, name)} {_RANGES[name]}"
                for name in setup.options.trainers
            )
            out.append(f"The ranges of quantization are not among these: {ranges}.")
    if (
        setup.train.freeze_variables
        or setup.train.update_trainable_variables
        or setup.train.bias_grad_multiplier
    ):
        for names, prediction in _together(
            predicted.trainers, lambda one: [(row.trains, row.multiplier) for row in one.variables]
        ):
            out += _trained(names, prediction)
    return out


def _together(
    predictions: Sequence[RestorePrediction], key
) -> Iterator[Tuple[str, RestorePrediction]]:
    """Predictions with the same key as one, under the names of both trainers' scripts."""
    found: List[Tuple[List[str], RestorePrediction]] = []
    for prediction in predictions:
        for names, other in found:
            if key(other) == key(prediction):
                names.append(prediction.script)
                break
        else:
            found.append(([prediction.script], prediction))
    return ((" and ".join(names), prediction) for names, prediction in found)


def _restored(setup: Setup, names: str, prediction: RestorePrediction) -> Iterator[str]:
    total, restored = len(prediction.variables), prediction.count(RESTORED)
    end = f"; {prediction.stops}" if prediction.stops else "" if restored == total else ":"
    yield f"{names}: {restored} of {total} variables are restored{end}"
    if prediction.stops:
        return
    for reason, rows in reasons(setup, prediction).items():
        first = rows[0]
        why = reason.words
        if reason.judgement:
            why = f"{reason.judgement}: {why}"
        if first.found is not None:
            name, shape = first.variable
            why += f", as {name} is {list(first.found)} there and {list(shape)} here"
        yield f"  {len(rows):4d} {_WORDS[reason.verdict]:13}  {reason.scope}  ({why})"
    if prediction.added_restored:
        yield (
            f"  of {count(len(prediction.added or ()), 'variable')} of the optimizer and moving "
            f"averages, {prediction.added_restored} are restored"
        )


def reasons(setup: Setup, prediction: RestorePrediction) -> Dict[Reason, List[VariablePrediction]]:
    """The variables that are not restored, by reason; what is wrong comes first."""
    found: Dict[Reason, List[VariablePrediction]] = {}
    heads = {name: head for head in setup.heads("") for name in head.tensors}
    for row in prediction.variables:
        if row.verdict != RESTORED:
            found.setdefault(_reason(setup, prediction, row, heads), []).append(row)
    order = (WRONG, EXPECTED, NEUTRAL)
    return dict(sorted(found.items(), key=lambda pair: order.index(pair[0].judgement)))


def _reason(
    setup: Setup, prediction: RestorePrediction, row: VariablePrediction, heads: dict
) -> Reason:
    name, shape = row.variable
    scope = _scope(name)
    if row.verdict == NOT_ASKED:
        return Reason(NOT_ASKED, scope, NEUTRAL, _not_asked(setup, prediction, name))
    if row.verdict == MISSING:
        if checkpoint_fit.kind(setup) != DETECTION and _ADDED.search(name):
            return Reason(MISSING, scope, EXPECTED, "a classifier has no such layers")
        return Reason(MISSING, scope, WRONG, "the checkpoint has no such layers")
    if row.verdict == TYPE_DIFFERS:
        return Reason(TYPE_DIFFERS, scope, WRONG, "restoring stops there")
    head = heads.get(name)
    if head is not None and row.found and row.found[:-1] == shape[:-1]:
        if (
            head.class_axis
            and row.found[-1] % (head.layout.channels // head.layout.size(head.class_axis)) == 0
        ):
            return Reason(SHAPE_DIFFERS, scope, EXPECTED, "a new class head")
        return Reason(SHAPE_DIFFERS, scope, WRONG, "a head for other anchors")
    predictor = setup.predictor[1]
    if (
        name.startswith("SecondStageBoxPredictor/Conv")
        and predictor.mask_prediction_conv_depth == 0
    ):
        return Reason(
            SHAPE_DIFFERS,
            scope,
            EXPECTED,
            "its width follows from the number of classes, since mask_prediction_conv_depth is 0",
        )
    return Reason(SHAPE_DIFFERS, scope, WRONG, "of another variant")


def _not_asked(setup: Setup, prediction: RestorePrediction, name: str) -> str:
    restored = dict(trainers.restored(setup.options.revision, prediction.trainer))
    what = restored[prediction.trainer]
    if what == trainers.NOTHING:
        return "this trainer ignores fine_tune_checkpoint"
    if is_extractor_variable(name):
        return "another layer takes its name in a classifier"
    if checkpoint_fit.kind(setup) != DETECTION:
        return "a classifier has none"
    if what == trainers.BACKBONE:
        return "this trainer restores only the feature extractor"
    return "load_all_detection_checkpoint_vars is not set"


def _scope(name: str) -> str:
    """The scope that a variable is listed under: of feature extractors the first two parts, of
    others the same without numbers."""
    parts = name.split("/")[:-1]
    if "keras_feature_extractor" in name:
        return parts[0]
    if not is_extractor_variable(name):
        parts = [re.sub(r"_\d+\Z", "_*", part) for part in parts]
    return "/".join(parts[:2]) or name


def _trained(names: str, prediction: RestorePrediction) -> Iterator[str]:
    rows = [
        row
        for row in prediction.variables
        if not row.variable.name.endswith(families.UNTRAINED_LEAVES)
    ]
    frozen = [row for row in rows if not row.trains]
    yield (
        f"{names}: {len(rows) - len(frozen)} of {len(rows)} variables "
        f"train{'; these do not:' if frozen else ''}"
    )
    for scope, number in _by_scope(frozen).items():
        yield f"  {number:4d} in {scope}"
    scaled = [row for row in rows if row.multiplier != 1]
    if scaled:
        yield f"  bias_grad_multiplier {scaled[0].multiplier:g} applies to {len(scaled)} of them"


def _by_scope(rows: Sequence[VariablePrediction]) -> Dict[str, int]:
    counts: Dict[str, int] = {}
    for row in rows:
        scope = _scope(row.variable.name)
        counts[scope] = counts.get(scope, 0) + 1
    return counts
