"""Jobs of converters and runtimes: `python tool_jobs.py JOB.json RESULT.json`, in a Python that has
them.

Run by path; needs nothing of graphfix.  JOB.json has a list of one job, an object with a `verb`:

  onnx_convert, openvino_convert  graph, names (of outputs), output: a model of a frozen graph
  onnx_detect, openvino_detect    model, arrays (.npy files of RGB pixels): rows of box (ymin, xmin,
                                  ymax, xmax in 0..1), score and class id
  tensorflow_detect               graph: the same of a frozen graph, by TensorFlow 1 or 2; images
                                  (JPEG or .npy files), whose pixels go to `arrays`
  installed                       packages: which of them Python finds; imports none

  tflite_detect  model, arrays (of the model's size), scale and offset of pixels, `bytes` where it
                 takes them as they are: the same rows
  tflite_raw     model, tensors (numbers by name), pictures (a number; of noise), output (.npz):
                 their values, NAME_PICTURE

RESULT.json has a list of one result, with the `versions` of what was used; whatever that raises is
an `error`.
"""

import importlib
import json
import os
import sys
from typing import Any, Dict

OPSET = 13
_IMAGE = "image_tensor:0"
_DETECTIONS = tuple(f"detection_{name}:0" for name in ("boxes", "scores", "classes"))


def onnx_convert(job, result):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    import tf2onnx.convert

    result["versions"] = {"tf2onnx": tf2onnx.__version__, "tensorflow": tf.__version__}
    graph_def = tf.compat.v1.GraphDef()
    with open(job["graph"], "rb") as file:
        graph_def.ParseFromString(file.read())
    tf2onnx.convert.from_graph_def(
        graph_def,
        input_names=[_IMAGE],
        output_names=[f"{name}:0" for name in job["names"]],
        opset=OPSET,
        output_path=job["output"],
    )


def onnx_detect(job, result):
    import onnxruntime

    result["versions"] = {"onnxruntime": onnxruntime.__version__}
    session = onnxruntime.InferenceSession(job["model"], providers=["CPUExecutionProvider"])
    _detect(job, result, lambda pixels: session.run(_DETECTIONS, {_IMAGE: pixels}))


def tensorflow_detect(job, result):
    import numpy as np
    import tensorflow as tf

    result["versions"] = {"tensorflow": tf.__version__}
    tf = getattr(getattr(tf, "compat", tf), "v1", tf)
    graph_def = tf.GraphDef()
    with open(job["graph"], "rb") as file:
        graph_def.ParseFromString(file.read())
    for node in graph_def.node:
        node.device = ""
    # As the graph is: no rewriting that changes last digits.
    config = tf.ConfigProto()
    config.graph_options.optimizer_options.opt_level = -1
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        encoded = tf.placeholder(tf.string, [])
        decoded = tf.image.decode_jpeg(encoded, channels=3)
        tf.import_graph_def(graph_def, name="")
        for source, array in zip(job["images"], job["arrays"]):
            if source.endswith(".npy"):
                pixels = np.load(source)
            else:
                with open(source, "rb") as file:
                    pixels = session.run(decoded, {encoded: file.read()})
            np.save(array, pixels)
        _detect(job, result, lambda pixels: session.run(_DETECTIONS, {_IMAGE: pixels}))


def installed(job, result):
    import importlib.util

    result["installed"] = {
        name: importlib.util.find_spec(name) is not None for name in job["packages"]
    }


def openvino_convert(job, result):
    import openvino

    result["versions"] = {"openvino": openvino.__version__.partition("-")[0]}
    model = openvino.convert_model(job["graph"])
    # As an ONNX model it keeps all digits: by default half of them go.
    openvino.save_model(model, job["output"], compress_to_fp16=False)
    # A model may be made that the same version does not run.
    openvino.Core().compile_model(model, "CPU")


def openvino_detect(job, result):
    import openvino

    result["versions"] = {"openvino": openvino.__version__.partition("-")[0]}
    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(job["model"], "CPU", exact)

    def run(pixels):
        found = compiled([pixels])
        return [found[name] for name in _DETECTIONS]

    _detect(job, result, run)


def _interpreter(job, result, **more):
    """The first that there is of TensorFlow Lite's runtimes, in the order of their age."""
    for package, name in (
        ("ai_edge_litert", "ai_edge_litert.interpreter"),
        ("tflite_runtime", "tflite_runtime.interpreter"),
        ("tensorflow", "tensorflow"),
    ):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        version = getattr(importlib.import_module(package), "__version__", "of unknown version")
        result["versions"] = {"ai-edge-litert": version, "package": package}
        found = getattr(module, "lite", module).Interpreter(model_path=job["model"], **more)
        found.allocate_tensors()
        return found
    raise ImportError("there is no ai_edge_litert, tflite_runtime or tensorflow")


def tflite_detect(job, result):
    import numpy as np

    interpreter = _interpreter(job, result)
    image = interpreter.get_input_details()[0]["index"]
    outputs = [one["index"] for one in interpreter.get_output_details()]
    result["detections"] = []
    for array in job["arrays"]:
        pixels = np.load(array)[None]
        if not job["bytes"]:
            pixels = (pixels * np.array(job["scale"]) + job["offset"]).astype(np.float32)
        interpreter.set_tensor(image, pixels)
        interpreter.invoke()
        boxes, classes, scores, number = (interpreter.get_tensor(one)[0] for one in outputs)
        rows = range(int(number))
        result["detections"].append(
            [
                {
                    "box": np.clip(boxes[row], 0, 1).tolist(),
                    "score": float(scores[row]),
                    "class_id": int(classes[row]) + 1,
                }
                for row in rows
            ]
        )


def tflite_raw(job, result):
    import numpy as np

    interpreter = _interpreter(job, result, experimental_preserve_all_tensors=True)
    (image,) = interpreter.get_input_details()
    found = {}
    for picture in range(job["pictures"]):
        random = np.random.RandomState(picture)
        if image["dtype"] == np.float32:
            pixels = random.uniform(-1, 1, image["shape"]).astype(np.float32)
        else:
            limits = np.iinfo(image["dtype"])
            pixels = random.randint(limits.min, limits.max + 1, image["shape"])
        interpreter.set_tensor(image["index"], pixels.astype(image["dtype"]))
        interpreter.invoke()
        for name, tensor in job["tensors"].items():
            found[f"{name}_{picture}"] = interpreter.get_tensor(tensor)
    np.savez(job["output"], **found)


def _detect(job, result, run):
    import numpy as np

    result["detections"] = []
    for array in job["arrays"]:
        boxes, scores, classes = run(np.load(array)[None])
        result["detections"].append(
            [
                {"box": box.tolist(), "score": float(score), "class_id": int(label)}
                for box, score, label in zip(boxes[0], scores[0], classes[0])
                if score > 0
            ]
        )


VERBS = {
    "tflite_detect": tflite_detect,
    "tflite_raw": tflite_raw,
    "onnx_convert": onnx_convert,
    "installed": installed,
    "onnx_detect": onnx_detect,
    "openvino_convert": openvino_convert,
    "openvino_detect": openvino_detect,
    "tensorflow_detect": tensorflow_detect,
}


def main(arguments):
    job_path, result_path = arguments[:2]
    with open(job_path, encoding="utf-8") as file:
        (job,) = json.load(file)
    result: Dict[str, Any] = {"verb": job["verb"]}
    try:
        VERBS[job["verb"]](job, result)
    except Exception as error:  # whatever the tools raise is the answer
        result["error"] = {"type": type(error).__name__, "message": str(error).strip()}
    with open(result_path, "w", encoding="utf-8") as file:
        json.dump([result], file)


if __name__ == "__main__":
    main(sys.argv[1:])
