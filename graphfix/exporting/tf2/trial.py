"""What the API of TensorFlow 2 makes of an export: whether its trainer restores all of it, whether
the model computes what that of TensorFlow 1 does, and whether it trains.

Each side runs in a process of its own, in its own Python.
"""

import math
import os
from typing import Any, Dict, List, Tuple

import numpy as np

from graphfix.conversion.output import write_file
from graphfix.errors import GraphfixError, RequestError
from graphfix.exporting.detector import Detector
from graphfix.exporting.targets import Trial
from graphfix.exporting.workflow import decided
from graphfix.findings import count
from graphfix.formats.checkpoint import writer
from graphfix.modeldir.names import CHECKPOINT, CONFIG, LABEL_MAP
from graphfix.modeldir.openers import open_source
from graphfix.options import parsed
from graphfix.process.scratch import Scratch
from graphfix.report.report import OutputFigure, Outputs, Verification
from graphfix.stock_api import runner
from graphfix.verification.stock_trial import StockTrial

# Of the largest value.
TOLERANCE = 1e-5
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


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> StockTrial:
    """Asks both sides.

    Raises:
      GraphfixError: one cannot be asked.
    """
    python = runner.find_stock_python(trial.python)
    config = os.path.join(directory, CONFIG)
    checkpoint = os.path.join(directory, "checkpoint", "ckpt-0")
    shared = {"pipeline_config": config, "checkpoint": checkpoint}
    remarks: Tuple[str, ...] = ()
    with Scratch() as scratch:
        theirs, ours = (os.path.join(scratch, name) for name in ("tf1.npz", "tf2.npz"))
        first = None
        if trial.tf1_python is None:
            remarks = ("values were not compared: name a Python of TensorFlow 1 as --tf1_python",)
        else:
            first = _of_tensorflow_1(directory, exported, trial, scratch, theirs)
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
        results = runner.run_jobs(jobs, python=python)
        outputs: Tuple[Outputs, ...] = ()
        if first is not None and "error" not in results[0]:
            outputs = (compared(_api(results[0]), theirs, ours),)
    details = ([first] if first else []) + results
    return StockTrial(tuple(_verifications(results)), details, remarks, outputs)


def _of_tensorflow_1(
    directory: str, exported: Dict[str, Any], trial: Trial, scratch: str, output: str
) -> Dict[str, Any]:
    """The outputs of the same detector in TensorFlow 1, made of the source again."""
    python = runner.find_stock_python(trial.tf1_python)
    detector = _again(directory, exported, trial, runner.importable_api(python))
    prefix = os.path.join(scratch, CHECKPOINT)
    writer.write_bundle(detector.tensors, prefix)
    write_file(scratch, CONFIG, detector.config.document.encode())
    job = {
        "verb": "raw_outputs",
        "pipeline_config": os.path.join(scratch, CONFIG),
        "checkpoint": prefix,
        "output": output,
    }
    found = runner.run_job(job, python=python)
    if "error" in found:
        raise RequestError(
            "--tf1_python",
            f"cannot run the source: {found['error']['message']:.500}",
            "name another",
        )
    return found


def _again(directory: str, exported: Dict[str, Any], trial: Trial, api: Any) -> Detector:
    source = trial.source or exported["source"]
    try:
        options = parsed(exported["options"])
        model = open_source(source, config_path=options.pipeline_config_path)
        return decided(model, options, os.path.abspath(directory), api=api)
    except GraphfixError as error:
        problem = error.problems[0]
        raise RequestError(
            "--source",
            f"is needed to compare values, and {problem.subject} {problem.message}",
            "name what was exported, or leave --tf1_python out",
        ) from None


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


def compared(api: str, theirs: str, ours: str) -> Outputs:
    """What a model of TensorFlow 2 computes, beside what TensorFlow 1 does: two .npz files."""
    with np.load(theirs) as one, np.load(ours) as other:
        before, after = dict(one), dict(other)
    notes: Tuple[str, ...] = ()
    names = [name for name in _COMPARED if name in before]
    if _PROPOSALS in before and not _figure(_PROPOSALS, before, after).equal:
        names = [name for name in names if name not in _BEHIND]
        notes = ("other boxes were proposed, by a last digit: the second stage was not compared",)
    figures = [_figure(name, before, after) for name in names]
    worst = max(figures, key=lambda one: one.relative)
    equal = all(one.equal for one in figures)
    words = "outputs equal" if equal else "outputs differ"
    return Outputs(
        api,
        "checkpoint",
        f"{words}: {worst.name} by {worst.difference:.2g} of {worst.largest:.4g}, "
        f"{count(len(figures), 'tensor')} compared",
        equal,
        tuple(OutputFigure(one.name, one.difference, one.largest) for one in figures),
        notes,
    )


class _Figure:
    """The largest difference of a tensor from TensorFlow 1's, and that one's largest value."""

    def __init__(self, name: str, difference: float, largest: float):
        self.name, self.difference, self.largest = name, difference, largest

    @property
    def relative(self) -> float:
        return self.difference / self.largest if self.largest else math.inf

    @property
    def equal(self) -> bool:
        return self.difference <= TOLERANCE * self.largest


def _figure(name: str, before: Dict[str, np.ndarray], after: Dict[str, np.ndarray]) -> _Figure:
    one, other = before[name], after.get(name)
    largest = float(np.abs(one).max()) if one.size else 0.0
    if other is None or one.size != other.size:
        return _Figure(name, math.inf, largest)
    gap = np.abs(one.astype(np.float64) - other.reshape(one.shape))
    # A value that is no number equals none.
    return _Figure(name, float(gap.max()) if np.isfinite(gap).all() else math.inf, largest)
