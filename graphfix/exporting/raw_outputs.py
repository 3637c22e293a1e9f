"""What the API of TensorFlow 1 computes for one image with what was exported, made of the source
again, and whether a target's runtime computes the same."""

import math
import os
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from graphfix.conversion.output import write_file
from graphfix.errors import GraphfixError, RequestError
from graphfix.exporting.detector import Detector
from graphfix.exporting.targets import Trial
from graphfix.exporting.workflow import decided
from graphfix.findings import count
from graphfix.formats.checkpoint import writer
from graphfix.modeldir.names import CHECKPOINT, CONFIG
from graphfix.modeldir.openers import open_source
from graphfix.options import parsed
from graphfix.report.report import OutputFigure, Outputs
from graphfix.stock_api import runner

# Of the largest value.
TOLERANCE = 1e-5
NOT_COMPARED = "values were not compared: name a Python of TensorFlow 1 as --tf1_python"

Tensors = Mapping[str, np.ndarray]


def of_tensorflow_1(
    directory: str,
    exported: Dict[str, Any],
    trial: Trial,
    scratch: str,
    output: str,
    image: Optional[str] = None,
) -> Dict[str, Any]:
    """Writes the outputs of the same detector, by the names of a `raw_outputs` job
    (stock_api/worker.py), into an .npz, for an .npy image or else noise; gives the job's result.

    Raises:
      GraphfixError: they cannot be had.
    """
    python = runner.find_stock_python(trial.tf1_python, runner.stock_role("--tf1_python"))
    detector = _again(directory, exported, trial, runner.importable_api(python))
    prefix = os.path.join(scratch, CHECKPOINT)
    writer.write_bundle(detector.tensors, prefix)
    write_file(scratch, CONFIG, detector.config.document.encode())
    job = {
        "verb": "raw_outputs",
        "pipeline_config": os.path.join(scratch, CONFIG),
        "checkpoint": prefix,
        "output": output,
        "image": image,
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


def loaded(path: str) -> Dict[str, np.ndarray]:
    """The tensors of an .npz."""
    with np.load(path) as archive:
        return dict(archive)


def compared(
    api: str, names: Sequence[str], before: Tensors, after: Tensors, notes: Tuple[str, ...] = ()
) -> Outputs:
    """How the tensors of `names` differ from TensorFlow 1's, `before`."""
    figures = [Figure(name, before[name], after.get(name)) for name in names]
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


class Figure:
    """The largest difference of a tensor from TensorFlow 1's, and that one's largest value."""

    def __init__(self, name: str, one: np.ndarray, other: Optional[np.ndarray]):
        self.name, self.difference = name, math.inf
        self.largest = float(np.abs(one).max()) if one.size else 0.0
        if other is not None and one.size == other.size:
            gap = np.abs(one.astype(np.float64) - other.reshape(one.shape))
            # A value that is no number equals none.
            if np.isfinite(gap).all():
                self.difference = float(gap.max()) if gap.size else 0.0

    @property
    def relative(self) -> float:
        return self.difference / self.largest if self.largest else math.inf

    @property
    def equal(self) -> bool:
        return self.difference <= TOLERANCE * self.largest
