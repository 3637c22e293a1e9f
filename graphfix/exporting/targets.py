"""What a detector can be exported to.

A target is a row of TARGETS, and a module with two functions:

    problems(detector: Detector) -> Iterable[Problem]
        why the target cannot be exact for this detector, each thing by its name; nothing is written
        then.  A problem names the field of the config that it is about, where there is one.
    write(detector: Detector, directory: str) -> Written
        writes the target's files into a directory, which is published when all went well.

and, where something can judge the result, a third:

    tried(directory: str, exported: Dict[str, Any], trial: Trial) -> StockTrial
        what the target's own runtime makes of an export; `exported` is the content of export.json.

The module is loaded when its target is asked for; what it needs besides NumPy and protobuf it
imports in these functions, and refuses by name what is not installed.
"""

import importlib
import importlib.util
import sys
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

from graphfix.choices import Target


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
    """A target: what it is called in a sentence, its module, whether it `trains`, so that records
    and their paths mean something, the Python package of the `runtime` by which export compares
    detections with the frozen graph's, where it does, and those of its `tools`, where others make
    the model."""

    title: str
    module: str
    trains: bool = False
    runtime: Optional[str] = None
    tools: Tuple[str, ...] = ()

    def load(self) -> Any:
        return importlib.import_module(self.module)

    def python(self) -> Optional[str]:
        """This Python, if it has the tools.  None of them is imported."""
        found = self.tools and all(importlib.util.find_spec(one) for one in self.tools)
        return sys.executable if found else None


TARGETS: Dict[Target, TargetRow] = {
    Target.TF2: TargetRow("TensorFlow 2", "graphfix.exporting.tf2.target", trains=True),
    Target.OPENCV: TargetRow("OpenCV", "graphfix.exporting.opencv.target", runtime="cv2"),
    Target.ONNX: TargetRow(
        "ONNX",
        "graphfix.exporting.tools.to_onnx",
        runtime="onnxruntime",
        tools=("tensorflow", "tf2onnx"),
    ),
    Target.OPENVINO: TargetRow(
        "OpenVINO", "graphfix.exporting.tools.to_openvino", runtime="openvino", tools=("openvino",)
    ),
    Target.TORCH: TargetRow("PyTorch", "graphfix.exporting.torch.target"),
    # TensorFlow, which makes the model, has an interpreter of its own.
    Target.TFLITE: TargetRow(
        "TensorFlow Lite",
        "graphfix.exporting.tflite.target",
        runtime="tensorflow",
        tools=("tensorflow", "object_detection"),
    ),
}
