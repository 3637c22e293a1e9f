"""What the API of TensorFlow 2 makes of an export: whether its trainer restores all of it, whether
the model computes what that of TensorFlow 1 does, and whether it trains.

Each side runs in a process of its own, in its own Python.
"""

import os
from typing import Any, Dict, List, Tuple

from graphfix.exporting import raw_outputs
from graphfix.exporting.targets import Trial
from graphfix.findings import count
from graphfix.modeldir.names import CONFIG, LABEL_MAP
from graphfix.process.scratch import Scratch
from graphfix.report.report import Outputs, Verification
from graphfix.stock_api import runner
from graphfix.verification.stock_trial import StockTrial

# What is compared, where a model has it; a second stage's are behind its suppression of proposals.
_COMPARED = (
    "predict/anchors",
    "predict/box_encodings",
    "predict/class_predictions_with_background",
    "predict/rpn_box_encodings",
    "predict/rpn_objectness_predictions_with_background",
    "predict/refined_box_encodings",
    "mask_head/masks",
)
_PROPOSALS = "predict/proposal_boxes_normalized"
_BEHIND = ("predict/refined_box_encodings", "predict/class_predictions_with_background")
_ROLE = runner.Role(
    "API of TensorFlow 2",
    "name, with --stock_python, the python of an environment that has TensorFlow 2 and its Object "
    "Detection API (docs/tf2.md)",
)
# Of a proposal's right or bottom edge: from here on, a last digit decides whether the last row or
# column of its crop is inside of the picture.
_EDGE = 1 - 1e-6


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> StockTrial:
    """Asks both sides.

    Raises:
      GraphfixError: one cannot be asked.
    """
    python = runner.find_stock_python(trial.python, _ROLE)
    config = os.path.join(directory, CONFIG)
    checkpoint = os.path.join(directory, "checkpoint", "ckpt-0")
    shared = {"pipeline_config": config, "checkpoint": checkpoint}
    remarks: Tuple[str, ...] = ()
    with Scratch() as scratch:
        theirs, ours = (os.path.join(scratch, name) for name in ("tf1.npz", "tf2.npz"))
        first = None
        if trial.tf1_python is None:
            remarks = (raw_outputs.NOT_COMPARED,)
        else:
            first = raw_outputs.of_tensorflow_1(directory, exported, trial, scratch, theirs)
        jobs: List[Dict[str, Any]] = [
            dict(shared, verb="tf2_outputs", output=ours, mask_features=first and theirs)
        ]
        if trial.steps:
            training = dict(shared, verb="tf2_train", steps=trial.steps, batch_size=2)
            if trial.train_record:
                training["record"] = os.path.abspath(trial.train_record)
                # Records have names of classes, which this map numbers.
                training["label_map"] = os.path.abspath(os.path.join(directory, LABEL_MAP))
            jobs.append(training)
        results = runner.run_jobs(jobs, python=python, role=_ROLE)
        outputs: Tuple[Outputs, ...] = ()
        if first is not None and "error" not in results[0]:
            outputs = (compared(_api(results[0]), theirs, ours),)
    details = ([first] if first else []) + results
    return StockTrial(tuple(_verifications(results)), details, remarks, outputs)


def _verifications(results: List[Dict[str, Any]]) -> List[Verification]:
    restored, *trained = results
    verifications = []
    for name, found in [("restoring", restored)] + [("model_main_tf2", one) for one in trained]:
        error = found.get("error")
        unrestored = tuple(found.get("unrestored", ()))
        if error:
            words = f"{error['type']}: {error['message']:.500} ({error['where']})"
        elif name == "restoring":
            words = f"every variable matched, of {count(found['variables'], 'tensor')}"
        else:
            losses = [one if isinstance(one, str) else f"{one:.4g}" for one in found["losses"]]
            words = (
                f"restored {found['restored']} of {found['total']}; "
                f"{count(len(losses), 'step')}, loss {losses[0]} -> {losses[-1]}, "
                f"{'all' if found['finite'] else 'not all'} finite"
            )
        verifications.append(
            Verification(
                _api(found),
                name,
                f"TensorFlow {found['api']['tensorflow']} {name}: {words}",
                not error and not unrestored and found.get("finite", True),
                unrestored,
            )
        )
    return verifications


def _api(found: Dict[str, Any]) -> str:
    return found["api"].get("revision") or "of unknown revision"


def _without_edges(before: Dict[str, Any], after: Dict[str, Any]) -> Tuple[str, ...]:
    """Leaves proposals that end at the picture's edge out of the second stage's outputs, if those
    differ; says so."""
    edges = before[_PROPOSALS].reshape(-1, 4)[:, 2:]
    inside = (edges < _EDGE).all(axis=1)
    names = [name for name in _BEHIND if name in before and name in after]
    figures = [raw_outputs.Figure(name, before[name], after[name]) for name in names]
    sizes = {(len(before[name]), before[name].size - after[name].size) for name in names}
    if all(one.equal for one in figures) or sizes != {(len(inside), 0)} or not inside.any():
        return ()
    for name in names:
        after[name] = after[name].reshape(before[name].shape)[inside]
        before[name] = before[name][inside]
    number = count(int((~inside).sum()), "proposal")
    return (
        f"{number} of {len(inside)} end at the picture's right or bottom edge, where a last digit "
        "decides what is cropped: without them",
    )


def compared(api: str, theirs: str, ours: str) -> Outputs:
    """What a model of TensorFlow 2 computes, beside what TensorFlow 1 does: two .npz files."""
    before, after = raw_outputs.loaded(theirs), raw_outputs.loaded(ours)
    notes: Tuple[str, ...] = ()
    names = [name for name in _COMPARED if name in before]
    if _PROPOSALS in before:
        proposed = raw_outputs.Figure(_PROPOSALS, before[_PROPOSALS], after.get(_PROPOSALS))
        if not proposed.equal:
            names = [name for name in names if name not in _BEHIND]
            notes = (
                "other boxes were proposed, by a last digit: the second stage was not compared",
            )
        else:
            notes = _without_edges(before, after)
    return raw_outputs.compared(api, names, before, after, notes)
