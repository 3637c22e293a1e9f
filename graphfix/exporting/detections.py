"""Whether a device's runtime detects what TensorFlow does: the same boxes, in any order."""

import collections
import os
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.errors import VerificationError
from graphfix.findings import count
from graphfix.report.report import OutputFigure, Outputs, Verification
from graphfix.stock_api import runner
from graphfix.verification.stock_trial import StockTrial

JOBS = os.path.join(os.path.dirname(runner.WORKER), "tool_jobs.py")
_RUNTIME = "--runtime_python (of verify: --stock_python)"
# By how much scores and edges (as parts of the picture) may differ.
NEAR = 1e-3

Detections = Sequence[Dict[str, Any]]


class Agreement(NamedTuple):
    """How many detections there are, how many are found on both sides, and by how much those differ
    at most; how many of the first side's have the score of another one, so that either may
    suppress the other."""

    total: int
    found: int
    score: float
    edge: float
    tied: int

    @property
    def equal(self) -> bool:
        return self.found == self.total

    def __str__(self) -> str:
        return (
            f"{self.found} of {self.total} detections found alike: scores within {self.score:.2g}, "
            f"edges within {self.edge:.2g}" + self._of_ties()
        )

    def _of_ties(self) -> str:
        if self.equal or not self.tied:
            return ""
        return (
            f"; {self.tied} of the graph's have the score of another one, and which of such boxes "
            "stays is arbitrary (pictures without objects or made-up weights give many)"
        )


def compare(
    before: Sequence[Detections], after: Sequence[Detections], least: float, near: float = NEAR
) -> Agreement:
    """Compares detections picture by picture, where either side's score is `least` or more; scores
    and edges that differ by `near` at most are alike."""
    total = found = tied = 0
    score = edge = 0.0
    for one, other in zip(before, after):
        scores = collections.Counter(each["score"] for each in one if each["score"] >= least)
        tied += sum(times for times in scores.values() if times > 1)
        left: List[Dict[str, Any]] = list(other)
        for wanted in one:
            alike = [(_gaps(wanted, given), given) for given in left if _same(wanted, given, near)]
            if alike:
                gaps, given = min(alike, key=lambda pair: pair[0][1])
                left.remove(given)
                score, edge = max(score, gaps[0]), max(edge, gaps[1])
            # What is at the threshold may be on one side only.
            counts = wanted["score"] >= least + near
            total += counts or bool(alike)
            found += bool(alike)
        total += sum(given["score"] >= least + near for given in left)
    return Agreement(total, found, score, edge, tied)


def of_runtime(
    job: Dict[str, Any], python: Optional[str], worker: str, package: str
) -> Dict[str, Any]:
    """What a runtime detects, asked by a script of its own.

    Raises:
      VerificationError: it does not run the model.
    """
    role = runner.Role(package, f"name a Python that has {package} with {_RUNTIME}")
    (found,) = runner.run_jobs([job], python=python or sys.executable, worker=worker, role=role)
    error = found.get("error")
    if error:
        raise VerificationError(
            f"{package} under {python or sys.executable}",
            f"{error['type']}: {error['message']:.500}",
            role.remedy,
        )
    return found


def of_tensorflow(
    graph: str, images: Sequence[str], arrays: Sequence[str], python: str
) -> Dict[str, Any]:
    """What TensorFlow, of any version that reads the graph, detects with a frozen one in JPEG or
    .npy files, whose pixels it writes to `arrays`.

    Raises:
      GraphfixError: it does not run the graph.
    """
    job = {
        "verb": "tensorflow_detect",
        "graph": graph,
        "images": list(images),
        "arrays": list(arrays),
    }
    role = runner.Role("TensorFlow", "name a Python that has TensorFlow with --tf1_python")
    (found,) = runner.run_jobs([job], python=python, worker=JOBS, role=role)
    if "error" in found:
        raise VerificationError(
            f"TensorFlow under {python}",
            f"{found['error']['type']}: {found['error']['message']:.500}",
            role.remedy,
        )
    return found


def installed(python: Optional[str], packages: Sequence[str]) -> Dict[str, bool]:
    """Which of some packages a Python has, this one by default; nothing is imported.

    Raises:
      GraphfixError: it is not a Python that runs.
    """
    job = {"verb": "installed", "packages": list(packages)}
    role = runner.Role("a runtime", f"name a Python with {_RUNTIME} and --tf1_python")
    (found,) = runner.run_jobs([job], python=python or sys.executable, worker=JOBS, role=role)
    return found["installed"]


def judged(
    runtime: str,
    ours: Dict[str, Any],
    theirs: Optional[Dict[str, Any]],
    least: float,
    results: List[Dict[str, Any]],
) -> StockTrial:
    """What a runtime's detections are beside TensorFlow's, where those are known, and there are
    some."""
    pictures = count(len(ours["detections"]), "picture")
    number = count(sum(map(len, ours["detections"])), "detection")
    verification = Verification(
        runtime, "export", f"{runtime} runs it: {number} in {pictures}", True, ()
    )
    outputs: Tuple[Outputs, ...] = ()
    remarks: Tuple[str, ...] = ()
    if theirs is None:
        remarks = ("detections were not compared: name a Python of TensorFlow as --tf1_python",)
    else:
        found = compare(theirs["detections"], ours["detections"], least)
        if not found.total:
            remarks = (
                f"nothing was compared: neither {runtime} nor TensorFlow finds anything in "
                f"{pictures} with a score above {least:g}; name others with --images",
            )
            return StockTrial((verification,), results, remarks, ())
        figures = (OutputFigure("scores", found.score, 1.0), OutputFigure("edges", found.edge, 1.0))
        outputs = (Outputs(runtime, "detections", str(found), found.equal, figures),)
    return StockTrial((verification,), results, remarks, outputs)


def _same(one: Dict[str, Any], other: Dict[str, Any], near: float) -> bool:
    return one["class_id"] == other["class_id"] and max(_gaps(one, other)) <= near


def _gaps(one: Dict[str, Any], other: Dict[str, Any]) -> Any:
    edges = [abs(a - b) for a, b in zip(one["box"], other["box"])]
    return abs(one["score"] - other["score"]), max(edges)
