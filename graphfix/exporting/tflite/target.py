"""tflite: a .tflite file that the stock API's exporter and TensorFlow's converter make.

OUT/detect.tflite               with metadata, and the labels in it
OUT/frozen_inference_graph.pb   the stock exporter's, which it is judged by
OUT/labels.txt                  classes as TensorFlow Lite numbers them
OUT/label_map.pbtxt

Both run in a process of their own, in the Python that `--runtime_python` names.
"""

from typing import TYPE_CHECKING, Any, Dict, Iterator

from graphfix.choices import Target
from graphfix.detectors.families import SSD
from graphfix.errors import Problem
from graphfix.exporting.detector import Detector, Written
from graphfix.exporting.targets import Trial

if TYPE_CHECKING:
    from graphfix.verification.stock_trial import StockTrial

_OTHERS = f"export it to {Target.ONNX} or {Target.OPENVINO}"


def problems(detector: Detector) -> Iterator[Problem]:
    """Why TensorFlow Lite would not detect what TensorFlow does."""
    if detector.python is None:
        yield Problem(
            "--runtime_python",
            "is not given: the stock API's exporter and TensorFlow's converter make the model",
            "name a Python that has TensorFlow 1.15 and the stock API",
        )
    if detector.model.meta != SSD:
        yield Problem(
            f"model.{detector.model.meta}",
            "is a detector of two stages, which the API exports to TensorFlow Lite not at all",
            _OTHERS,
        )
        return
    body = detector.body
    resizer = body.image_resizer.WhichOneof("image_resizer_oneof")
    if resizer != "fixed_shape_resizer":
        yield Problem(
            f"image_resizer.{resizer}",
            "has no fixed size, which TensorFlow Lite's input has",
            f"train with a fixed_shape_resizer, or {_OTHERS}",
        )
    elif body.image_resizer.fixed_shape_resizer.convert_to_grayscale:
        yield Problem(
            "fixed_shape_resizer.convert_to_grayscale",
            "makes an input of one channel, which was not tried",
            _OTHERS,
        )
    coder = body.box_coder.WhichOneof("box_coder_oneof")
    if coder != "faster_rcnn_box_coder":
        yield Problem(
            f"box_coder.{coder}",
            "is not the one that TensorFlow Lite decodes: boxes would be elsewhere",
            _OTHERS,
        )
    suppression = body.post_processing.batch_non_max_suppression
    if suppression.soft_nms_sigma:
        yield Problem(
            "batch_non_max_suppression.soft_nms_sigma",
            "lowers scores, and TensorFlow Lite only leaves boxes out",
            f"set it to 0, or {_OTHERS}",
        )


def write(detector: Detector, directory: str) -> Written:
    """Writes the model, and what it is judged by."""
    from graphfix.exporting.tflite.making import write as work  # which asking for problems has not

    return work(detector, directory)


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> "StockTrial":
    """Whether the runtime detects what the frozen graph, or a published model, does."""
    from graphfix.exporting.tflite.trial import tried as work  # which exporting does without

    return work(directory, exported, trial)
