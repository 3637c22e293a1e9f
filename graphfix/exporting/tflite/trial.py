"""What TensorFlow Lite's runtime makes of an export, beside TensorFlow; of a published model for
fewer classes, beside that."""

import dataclasses
import os
from typing import Any, Dict, List

import numpy as np

from graphfix.errors import GraphfixError, RequestError, SourceError
from graphfix.exporting import detections, pictures
from graphfix.exporting.targets import Trial
from graphfix.exporting.tflite.model import DETECT, open_lite
from graphfix.findings import count
from graphfix.modeldir.names import EXPORT_JSON, FROZEN
from graphfix.process.scratch import Scratch
from graphfix.report.report import OutputFigure, Outputs, Verification
from graphfix.verification.stock_trial import StockTrial

_PACKAGE = "ai-edge-litert"
_NOISE = 4
# Detections that are far below any use are not compared.
_LEAST = 0.01
# Integers have 256 steps, of scores and of codes of boxes: by how much they may differ, and which
# part of the detections is to be found alike.
NEAR_QUANTIZED = 0.05
SHARE_QUANTIZED = 0.9


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> StockTrial:
    """Asks the runtime and, where there is one, TensorFlow.

    Raises:
      GraphfixError: one cannot be asked.
    """
    details = exported["details"]
    try:
        if details.get("published"):
            return _beside_the_source(directory, exported, trial)
        return _beside_tensorflow(directory, details, trial)
    except (KeyError, TypeError, AttributeError):
        raise SourceError(
            os.path.join(directory, EXPORT_JSON), "is damaged", "export again"
        ) from None


def _beside_tensorflow(directory: str, details: Dict[str, Any], trial: Trial) -> StockTrial:
    if trial.images and trial.tf1_python is None:
        raise RequestError(
            "--tf1_python", "is needed to read pictures", "name a Python of TensorFlow"
        )
    graph = os.path.join(directory, FROZEN)
    with Scratch() as scratch:
        # Both sides see pictures of the model's size, so that neither resizes any.
        size = (details["height"], details["width"])
        if trial.images:
            assert trial.tf1_python is not None
            arrays = [os.path.join(scratch, f"{one}.npy") for one in range(len(trial.images))]
            detections.of_tensorflow(graph, trial.images, arrays, trial.tf1_python)
            for array in arrays:
                np.save(array, _sized(np.load(array), *size))
        else:
            arrays = pictures.written(scratch, size)
        theirs = None
        if trial.tf1_python is not None:
            theirs = detections.of_tensorflow(graph, arrays, arrays, trial.tf1_python)
        job = {
            "verb": "tflite_detect",
            "model": os.path.join(directory, DETECT),
            "arrays": arrays,
            "scale": details["scale"],
            "offset": details["offset"],
            "bytes": details["quantized"],
        }
        ours = detections.of_runtime(job, trial.python, detections.JOBS, _PACKAGE)
    results: List[Dict[str, Any]] = [ours] + ([theirs] if theirs else [])
    least = max(_LEAST, details["score_threshold"])
    found = detections.judged(_version(ours), ours, theirs, least, results)
    if theirs and found.outputs and details["quantized"]:
        return _rounded(found, ours, theirs, least)
    return found


def _rounded(
    found: StockTrial, ours: Dict[str, Any], theirs: Dict[str, Any], least: float
) -> StockTrial:
    """The verdict on integers.  The graph computes with floats that are rounded: near a threshold,
    and where suppression decides, boxes come and go."""
    alike = detections.compare(theirs["detections"], ours["detections"], least, NEAR_QUANTIZED)
    (outputs,) = found.outputs
    equal = alike.found >= SHARE_QUANTIZED * alike.total
    figures = tuple(
        OutputFigure(one.name, value, 1.0)
        for one, value in zip(outputs.figures, (alike.score, alike.edge))
    )
    summary = f"integers beside rounded floats: {alike}"
    changed = dataclasses.replace(outputs, summary=summary, equal=equal, figures=figures)
    return dataclasses.replace(found, outputs=(changed,))


def _sized(pixels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A picture of another size, by the nearest pixels."""
    height, width = pixels.shape[:2]
    chosen = pixels[np.arange(rows) * height // rows]
    return chosen[:, np.arange(columns) * width // columns]


def _beside_the_source(directory: str, exported: Dict[str, Any], trial: Trial) -> StockTrial:
    """Whether kept classes have the source's scores, and boxes its codes, bit for bit."""
    path = trial.source or exported["source"]
    try:
        source = open_lite(path)
    except GraphfixError as error:
        problem = error.problems[0]
        raise RequestError(
            "--source",
            f"is needed to compare values, and {problem.subject} {problem.message}",
            "name what was converted",
        ) from None
    details = exported["details"]
    if source.digest != details["digest"]:
        raise RequestError("--source", f"{path} is not what was converted", "name that")
    made = open_lite(os.path.join(directory, DETECT))
    found: List[Dict[str, np.ndarray]] = []
    results = []
    with Scratch() as scratch:
        for number, model in enumerate((source, made)):
            output = os.path.join(scratch, f"{number}.npz")
            boxes = model.detection.inputs[0]
            job = {
                "verb": "tflite_raw",
                "model": model.path,
                "tensors": {"boxes": boxes, "scores": details["compared"]},
                "pictures": _NOISE,
                "output": output,
            }
            results.append(detections.of_runtime(job, trial.python, detections.JOBS, _PACKAGE))
            with np.load(output) as values:
                found.append(dict(values))
    version = _version(results[0])
    outputs = _compared(version, found[0], found[1], details["rows"])
    summary = f"{version} runs it on {count(_NOISE, 'picture')} of noise"
    verification = Verification(version, "export", summary, True, ())
    return StockTrial((verification,), results, (), (outputs,))


def _compared(
    version: str, before: Dict[str, np.ndarray], after: Dict[str, np.ndarray], rows: List[List[int]]
) -> Outputs:
    kept = [(new, row[0]) for new, row in enumerate(rows) if len(row) == 1]
    new, old = (list(one) for one in zip(*kept)) if kept else ([], [])
    pairs = [
        (before[name][..., old], after[name][..., new])
        if name.startswith("scores")
        else (before[name], after[name])
        for name in sorted(before)
    ]
    equal = all(one.tobytes() == other.tobytes() for one, other in pairs)
    worst = max(
        float(np.abs(one.astype(np.float64) - other).max()) if one.size else 0.0
        for one, other in pairs
    )
    words = f"{len(kept)} of {len(rows)} channels of scores, and boxes"
    return Outputs(
        version,
        "scores",
        f"{words}, equal bit for bit" if equal else f"{words}, differ by up to {worst:.2g}",
        equal,
    )


def _version(found: Dict[str, Any]) -> str:
    versions = found["versions"]
    return f"{versions['package']} {versions[_PACKAGE]}"
