"""What a detector can be exported to.

A target is a row of TARGETS, and two functions, of one module or of two:

    problems(detector: Detector) -> Iterable[Problem]
        why the target cannot be exact for this detector, each thing by its name, as far as a config
        tells; nothing is written then.  A problem names the field of the config that it is about,
        where there is one.  Each conversion asks every target, for its report: what only `write`
        needs is not imported for it.
    write(detector: Detector, directory: str) -> Written
        writes the target's files into a directory, which is published when all went well; refuses
        what more it finds with a RequestError.

and, where something can judge the result, a third:

    tried(directory: str, exported: Dict[str, Any], trial: Trial) -> StockTrial
        what the target's own runtime makes of an export; `exported` is the content of export.json.

The modules are loaded when their target is asked for; what they need besides NumPy and protobuf
they import in these functions, and refuse by name what is not installed.
"""

import importlib
import importlib.util
import sys
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

from graphfix.choices import Target
from graphfix.errors import Problem


class Trial(NamedTuple):
    """How to judge an export: the Python that has the target's runtime, one that has TensorFlow
    (tf2: TensorFlow 1 and the stock API; without it, values are not compared), training steps to
    take, the records for them, what was exported, where that is not what export.json names, and
    pictures to detect in."""

    python: Optional[str]
    tf1_python: Optional[str] = None
    steps: int = 0
    train_record: Optional[str] = None
    source: Optional[str] = None
    images: Sequence[str] = ()


class TargetRow(NamedTuple):
    """A target: what it is called in a sentence, its module, the one of its `refusals` if that is
    another, whether it `trains`, so that records and their paths mean something, the Python package
    of the `runtime` by which export compares detections with the frozen graph's, where it does, and
    those of its `tools`, where others make the model."""

    title: str
    module: str
    refusals: Optional[str] = None
    trains: bool = False
    runtime: Optional[str] = None
    tools: Tuple[str, ...] = ()

    def load(self) -> Any:
        return importlib.import_module(self.module)

    def problems(self, detector: Any) -> Tuple[Problem, ...]:
        """Why the target cannot be exact for a detector, as far as its config tells."""
        return tuple(importlib.import_module(self.refusals or self.module).problems(detector))

    def python(self) -> Optional[str]:
        """This Python, if it has the tools.  None of them is imported."""
        found = self.tools and all(importlib.util.find_spec(one) for one in self.tools)
        return sys.executable if found else None


TARGETS: Dict[Target, TargetRow] = {
    Target.TF2: TargetRow(
        "TensorFlow 2",
        "graphfix.exporting.tf2.target",
        "graphfix.exporting.tf2.exactness",
        trains=True,
    ),
    Target.OPENCV: TargetRow(
        "OpenCV",
        "graphfix.exporting.opencv.target",
        "graphfix.exporting.opencv.refusals",
        runtime="cv2",
    ),
    Target.ONNX: TargetRow(
        "ONNX",
        "graphfix.exporting.tools.to_onnx",
        runtime="onnxruntime",
        tools=("tensorflow", "tf2onnx"),
    ),
    Target.OPENVINO: TargetRow(
        "OpenVINO", "graphfix.exporting.tools.to_openvino", runtime="openvino", tools=("openvino",)
    ),
    Target.TORCH: TargetRow(
        "PyTorch", "graphfix.exporting.torch.target", "graphfix.exporting.torch.refusals"
    ),
    # TensorFlow, which makes the model, has an interpreter of its own.
    Target.TFLITE: TargetRow(
        "TensorFlow Lite",
        "graphfix.exporting.tflite.target",
        runtime="tensorflow",
        tools=("tensorflow", "object_detection"),
    ),
}
