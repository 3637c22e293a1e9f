"""What the targets have in common for which another project's converter makes the model.

    OUT/MODEL                       what the converter makes
    OUT/frozen_inference_graph.pb   what it makes it of
    OUT/label_map.pbtxt

The converter runs in a process of its own, in the Python that `--runtime_python` names.
"""

import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple

from graphfix.conversion.output import write_file
from graphfix.detectors.families import SSD
from graphfix.errors import Problem, RequestError
from graphfix.exporting.detector import Detector, Written
from graphfix.exporting.targets import Trial
from graphfix.findings import WARNING, Finding
from graphfix.formats.schema import message_class, parse
from graphfix.modeldir.names import FROZEN
from graphfix.process.scratch import Scratch

if TYPE_CHECKING:
    from graphfix.verification.stock_trial import StockTrial

# What the API's exporters call a detector's outputs; the last one is a Mask R-CNN's.
_OUTPUTS = ("num_detections", "detection_boxes", "detection_scores", "detection_classes")
_MASKS = ("detection_masks",)
_SIZE = (240, 320)
# What is compared: detections that are not far below any use.
_LEAST = 0.01


class Tool(NamedTuple):
    """A converter and its runtime: the `verb` that its jobs begin with, its names in sentences, the
    packages they need, the `model`'s file, the lines of Python that run it ("{}": its path), and
    which versions of the packages do for detectors of two stages, where not all do."""

    verb: str
    converter: str
    converter_packages: str
    runtime: str
    runtime_package: str
    model: str
    usage: str
    two_stages: str = ""

    def _packages(self, detector: Detector) -> str:
        versions = "" if detector.model.meta == SSD else self.two_stages
        return f"{self.converter_packages}{versions and ' '}{versions}"

    def problems(self, detector: Detector) -> Iterator[Problem]:
        """Why the converter cannot be asked; what it makes computes what the graph does."""
        if detector.python is None:
            yield Problem(
                "--runtime_python",
                f"is not given: {self.converter} makes the model",
                f"name a Python that has {self._packages(detector)}",
            )

    def write(self, detector: Detector, directory: str) -> Written:
        """Writes the graph and the model."""
        # Asking for problems does without these.
        from graphfix.exporting import detections
        from graphfix.stock_api import runner

        data, told = detector.frozen_graph()
        write_file(directory, FROZEN, data)
        graph_def = parse(message_class("graphfix.graph.GraphDef"), data)
        names = {node.name for node in graph_def.node}
        missing = [name for name in _OUTPUTS if name not in names]
        if missing:
            raise RequestError(
                detector.path,
                f"has a frozen graph without {', '.join(missing)}",
                "export it with the stock exporter",
            )
        job = {
            "verb": f"{self.verb}_convert",
            "graph": os.path.join(directory, FROZEN),
            "output": os.path.join(directory, self.model),
            "names": [name for name in _OUTPUTS + _MASKS if name in names],
        }
        assert detector.python is not None, "problems() asks for it"
        role = runner.Role(
            self.converter, f"name, with --runtime_python, one that has {self._packages(detector)}"
        )
        (made,) = runner.run_jobs([job], python=detector.python, worker=detections.JOBS, role=role)
        if "error" in made:
            error = made["error"]
            raise RequestError(
                "--runtime_python",
                f"did not make the model: {error['type']}: {error['message']:.500}",
                f"name a Python that has {self._packages(detector)}",
            )
        version = made["versions"][self.converter.lower()]
        return Written(
            f"{self.model} by {self.converter} {version}",
            told + self._findings(detector),
            (self.usage.format(os.path.join(detector.place, self.model)),),
            details={"versions": made["versions"], "names": job["names"]},
        )

    def _findings(self, detector: Detector) -> Any:
        if not detector.model.quantized:
            return ()
        return (
            Finding(
                "QUANTIZATION_SIMULATED",
                WARNING,
                self.model,
                "computes with floats that are rounded as the graph rounds them, not with integers",
                f"quantize it with the tools of {self.runtime}",
            ),
        )

    def tried(self, directory: str, exported: Dict[str, Any], trial: Trial) -> "StockTrial":
        """Whether the runtime detects what TensorFlow does, where there is one.

        Raises:
          GraphfixError: one cannot be asked.
        """
        from graphfix.exporting import detections, pictures

        if trial.images and trial.tf1_python is None:
            raise RequestError(
                "--tf1_python", "is needed to read pictures", "name a Python of TensorFlow"
            )
        with Scratch() as scratch:
            if trial.images:
                arrays = [os.path.join(scratch, f"{one}.npy") for one in range(len(trial.images))]
            else:
                arrays = pictures.written(scratch, _SIZE)
            theirs = None
            if trial.tf1_python is not None:
                theirs = detections.of_tensorflow(
                    os.path.join(directory, FROZEN),
                    list(trial.images) or arrays,
                    arrays,
                    trial.tf1_python,
                )
            job = {
                "verb": f"{self.verb}_detect",
                "model": os.path.join(directory, self.model),
                "arrays": arrays,
            }
            ours = detections.of_runtime(job, trial.python, detections.JOBS, self.runtime_package)
        results: List[Dict[str, Any]] = [ours] + ([theirs] if theirs else [])
        version = f"{self.runtime} {ours['versions'][self.runtime_package]}"
        return detections.judged(version, ours, theirs, _LEAST, results)
