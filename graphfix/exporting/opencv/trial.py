"""What OpenCV detects with an export, beside what TensorFlow does with the same frozen graph."""

import os
import sys
from typing import Any, Dict, List, Tuple

from graphfix.errors import SourceError, VerificationError
from graphfix.exporting import detections
from graphfix.exporting.opencv.target import TEXT
from graphfix.exporting.targets import Trial
from graphfix.findings import count
from graphfix.modeldir.names import EXPORT_JSON, FROZEN
from graphfix.process.scratch import Scratch
from graphfix.report.report import Outputs, Verification
from graphfix.stock_api import runner
from graphfix.verification.stock_trial import StockTrial

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "detect.py")
_NOISE = 4


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> StockTrial:
    """Asks OpenCV and, where there is one, TensorFlow.

    Raises:
      GraphfixError: one cannot be asked.
    """
    details, graph = exported["details"], os.path.join(directory, FROZEN)
    if not isinstance(details, dict) or "score_threshold" not in details:
        raise SourceError(os.path.join(directory, EXPORT_JSON), "is damaged", "export again")
    with Scratch() as scratch:
        number = len(trial.images) or _NOISE
        arrays = [os.path.join(scratch, f"{one}.npy") for one in range(number)]
        job = dict(
            details,
            graph=graph,
            text=os.path.join(directory, TEXT),
            images=list(trial.images),
            arrays=arrays,
        )
        (ours,) = runner.run_jobs([job], python=trial.python or sys.executable, worker=_SCRIPT)
        error = ours.get("error")
        if error:
            raise VerificationError(
                f"OpenCV under {trial.python}",
                f"{error['type']}: {error['message']:.500}",
                "name a Python that has opencv-python-headless",
            )
        words = f"OpenCV {ours['opencv']} runs it: {_found(ours)} in {count(number, 'picture')}"
        verification = Verification(ours["opencv"], "opencv", words, True, ())
        outputs: Tuple[Outputs, ...] = ()
        remarks: Tuple[str, ...] = ()
        results: List[Dict[str, Any]] = [ours]
        if trial.tf1_python is None:
            remarks = ("detections were not compared: name a Python of TensorFlow as --tf1_python",)
        else:
            theirs = _of_tensorflow(graph, arrays, trial.tf1_python)
            results.append(theirs)
            found = detections.compare(
                theirs["detections"], ours["detections"], details["score_threshold"]
            )
            outputs = (Outputs(ours["opencv"], "detections", str(found), found.equal),)
    return StockTrial((verification,), results, remarks, outputs)


def _of_tensorflow(graph: str, arrays: List[str], python: str) -> Dict[str, Any]:
    job = {"verb": "detect", "graph": graph, "images": arrays}
    found = runner.run_job(job, python=runner.find_stock_python(python))
    if "error" in found:
        raise VerificationError(
            f"TensorFlow under {python}", found["error"]["message"][:500], "name another Python"
        )
    return found


def _found(result: Dict[str, Any]) -> str:
    return count(sum(map(len, result["detections"])), "detection")
