"""What OpenCV detects with an export, beside what TensorFlow does with the same frozen graph."""

import os
from typing import Any, Dict, List, Tuple

from graphfix.errors import SourceError
from graphfix.exporting import detections, pictures
from graphfix.exporting.opencv.target import TEXT
from graphfix.exporting.targets import Trial
from graphfix.modeldir.names import EXPORT_JSON, FROZEN
from graphfix.process.scratch import Scratch
from graphfix.verification.stock_trial import StockTrial

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "detect.py")


def _size(details: Dict[str, Any]) -> Tuple[int, int]:
    if "height" in details:
        return details["height"], details["width"]
    longer = min(details["max_dimension"], details["min_dimension"] * 4 // 3)
    return details["min_dimension"], longer


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> StockTrial:
    """Asks OpenCV and, where there is one, TensorFlow.

    Raises:
      GraphfixError: one cannot be asked.
    """
    details, graph = exported["details"], os.path.join(directory, FROZEN)
    if not isinstance(details, dict) or "score_threshold" not in details:
        raise SourceError(os.path.join(directory, EXPORT_JSON), "is damaged", "export again")
    with Scratch() as scratch:
        if trial.images:
            arrays = [os.path.join(scratch, f"{one}.npy") for one in range(len(trial.images))]
        else:
            arrays = pictures.written(scratch, _size(details))
        job = dict(
            details,
            graph=graph,
            text=os.path.join(directory, TEXT),
            images=list(trial.images),
            arrays=arrays,
        )
        ours = detections.of_runtime(job, trial.python, _SCRIPT, "opencv-python-headless")
        theirs = None
        if trial.tf1_python is not None:
            theirs = detections.of_tensorflow(graph, arrays, arrays, trial.tf1_python)
    results: List[Dict[str, Any]] = [ours] + ([theirs] if theirs else [])
    version = f"OpenCV {ours['opencv']}"
    return detections.judged(version, ours, theirs, details["score_threshold"], results)
