"""Has the stock API's exporter and TensorFlow's converter make a .tflite."""

import os
from typing import Any, Dict, List

from graphfix.conversion.output import write_file
from graphfix.errors import RequestError
from graphfix.exporting.detector import Detector, Written
from graphfix.exporting.tflite.labels import LABELS, labels_text
from graphfix.exporting.tflite.metadata import about, normalization, with_metadata
from graphfix.exporting.tflite.model import DETECT, LiteModel, open_lite
from graphfix.exporting.tflite.traps import traps
from graphfix.exporting.workflow import decided
from graphfix.findings import INFO, Finding
from graphfix.formats.checkpoint import writer
from graphfix.modeldir.names import CHECKPOINT, CONFIG, FROZEN
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits
from graphfix.process.scratch import Scratch
from graphfix.stock_api import runner

_SHOWN = 500
_SUPPRESSION = ("post_processing", "batch_non_max_suppression")


def write(detector: Detector, directory: str) -> Written:
    """Writes the model, and what it is judged by."""
    python = runner.find_stock_python(detector.python, runner.stock_role("--runtime_python"))
    source, options = detector.context.source, detector.context.options
    # The config is for the API that exports, which may be older.
    api = runner.importable_api(python) or "auto"
    made = decided(source, options, detector.place, api=api)
    with Scratch() as scratch:
        found = runner.run_job(_job(made, scratch), python=python)
        if "error" in found:
            error = found["error"]
            raise RequestError(
                "--runtime_python",
                # The converter's own words come last, behind its warnings.
                f"did not make the model: {error['type']}: {error['message'].strip()[-_SHOWN:]}",
                "name a Python that has TensorFlow 1.15 and the stock API; if it has them, its "
                "converter does not take this model",
            )
        with open(os.path.join(scratch, "frozen", FROZEN), "rb") as file:
            write_file(directory, FROZEN, file.read())
        model = open_lite(os.path.join(scratch, DETECT))
    if model.classes != len(detector.classes):
        raise RequestError(
            "--runtime_python",
            f"made a model of {model.classes} classes, and not {len(detector.classes)}",
            "name another Python",
        )
    labels = labels_text(detector.classes)
    write_file(directory, LABELS, labels)
    pixels = normalization(found["scale"], found["offset"])
    write_file(directory, DETECT, with_metadata(model, labels, pixels))
    details = _details(detector, model, found)
    return Written(
        f"{DETECT} by TensorFlow {found['tensorflow']}, "
        + ("of integers" if detector.model.quantized else "of floats"),
        (*traps(DETECT, model.options, _remedy(detector)), _feeding(details), about(pixels)),
        (_usage(detector.place, details),),
        details=details,
    )


def _job(made: Detector, scratch: str) -> Dict[str, Any]:
    """The job, its checkpoint and config in a scratch directory."""
    prefix, config = (os.path.join(scratch, name) for name in (CHECKPOINT, CONFIG))
    writer.write_bundle(made.tensors, prefix)
    edits = []
    if made.config.message.eval_config.use_moving_averages:
        # The variables are the averages already.
        path = ("eval_config", "use_moving_averages")
        edits.append(ConfigEdit(path, "false", "the checkpoint has their values"))
    write_file(scratch, CONFIG, apply_edits(made.config.document, edits).encode())
    suppression = made.body.post_processing.batch_non_max_suppression
    return {
        "verb": "lite",
        "pipeline_config": config,
        "checkpoint": prefix,
        "directory": scratch,
        "frozen_directory": os.path.join(scratch, "frozen"),
        "model": os.path.join(scratch, DETECT),
        "max_detections": suppression.max_total_detections,
        "detections_per_class": suppression.max_detections_per_class,
        "use_regular_nms": not suppression.use_class_agnostic_nms,
        "quantized": made.model.quantized,
    }


def _remedy(detector: Detector) -> str:
    where = ".".join(("model", detector.model.meta, *_SUPPRESSION))
    return f"change {where} in the source's config, if that is not what you want"


def _details(detector: Detector, model: LiteModel, found: Dict[str, Any]) -> Dict[str, Any]:
    size = detector.body.image_resizer.fixed_shape_resizer
    return {
        "height": size.height,
        "width": size.width,
        "scale": _one(found["scale"]),
        "offset": _one(found["offset"]),
        "quantized": detector.model.quantized,
        "detection": model.options,
        "score_threshold": model.options.get("nms_score_threshold", 0.0),
        "tensorflow": found["tensorflow"],
    }


def _one(values: List[float]) -> Any:
    """The number of all channels, or that of each."""
    return values if len(set(values)) > 1 else values[0]


def _feeding(details: Dict[str, Any]) -> Finding:
    if details["quantized"]:
        what = "takes pixels as they are, bytes of RGB"
    else:
        what = "takes pixels of RGB, times {scale} plus {offset}".format(**details)
    return Finding(
        "INPUT",
        INFO,
        DETECT,
        f"{what}, {details['width']} wide and {details['height']} high",
        "resize pictures to that, without keeping their aspect ratio",
    )


def _usage(place: str, details: Dict[str, Any]) -> str:
    picture = "rgb" if details["quantized"] else "rgb * {scale} + {offset}".format(**details)
    return (
        f"interpreter = ai_edge_litert.interpreter.Interpreter({os.path.join(place, DETECT)!r})\n"
        f"interpreter.allocate_tensors()  # its input: {picture}, of the shape "
        f"(1, {details['height']}, {details['width']}, 3)\n"
        "boxes, labels, scores, number = (interpreter.get_tensor(one['index'])[0] "
        f"for one in interpreter.get_output_details())  # labels: lines of {LABELS}, from 0"
    )
