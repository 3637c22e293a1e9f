"""What people trip over on devices, each provoked once: what goes wrong in silence is seen by the
comparison, and what fails is told."""

import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
import repository
import shapes_pictures
import thorough
from test_opencv import two_stage  # noqa: F401 - a fixture

import graphfix
from graphfix.exporting import detections
from graphfix.exporting.tflite import traps
from graphfix.exporting.tflite.model import open_lite
from graphfix.formats import tfrecord
from graphfix.formats.schema import message_class
from graphfix.pipeline_config.label_map import parse_label_map
from graphfix.stock_api import runner

pytestmark = thorough.only

CLASSES = "star,circle,ring"
LEAST = 0.02
# How many pictures are looked at, where any will do.
FEW = 20


@pytest.fixture(scope="module")
def pictures(stock_python, tmp_path_factory):
    """The pictures of testdata as arrays of RGB, and what the frozen graph of three classes finds
    in them: (paths, detections)."""
    top = tmp_path_factory.mktemp("pictures")
    files = shapes_pictures.written(top)[:FEW]
    memory = graphfix.Memory()
    options = graphfix.ConvertOptions(classes=CLASSES, target_api="2019-07")
    graphfix.convert(repository.DETECTOR, memory, options)
    graph = top / "graph.pb"
    graph.write_bytes(memory.files["frozen_inference_graph.pb"])
    arrays = [f"{one}.npy" for one in files]
    found = detections.of_tensorflow(str(graph), files, arrays, stock_python("2019-07"))
    return arrays, found["detections"]


@pytest.fixture(scope="module")
def exported(tool_python, stock_python, tmp_path_factory):
    """exported(target): the directory and the Python of its runtime; made once."""
    top, known = tmp_path_factory.mktemp("exported"), {}

    def make(target):
        runtime = tool_python({"tflite": "litert"}.get(target, target))
        if target not in known:
            known[target] = str(top / target)
            maker = stock_python("2019-07") if target == "tflite" else runtime
            graphfix.export(
                target,
                repository.DETECTOR,
                known[target],
                graphfix.ConvertOptions(classes=CLASSES),
                runtime_python=maker,
                compare=False,
            )
        return known[target], runtime

    return make


def model_job(target, directory, arrays):
    """The job that detects with an export."""
    name = {"onnx": "model.onnx", "openvino": "model.xml", "tflite": "detect.tflite"}[target]
    job = {"verb": f"{target}_detect", "model": os.path.join(directory, name), "arrays": arrays}
    if target == "tflite":
        with open(os.path.join(directory, "export.json")) as file:
            details = json.load(file)["details"]
        job.update(scale=details["scale"], offset=details["offset"], bytes=False)
    return job


def detected(job, python):
    return detections.of_runtime(job, python, detections.JOBS, job["verb"])["detections"]


def test_nothing_of_it_is_there_without_a_trap(exported, pictures):
    arrays, wanted = pictures
    for target in ("onnx", "openvino", "tflite"):
        directory, python = exported(target)
        found = detected(model_job(target, directory, arrays), python)
        agreement = detections.compare(wanted, found, LEAST)
        assert agreement.equal and agreement.total > FEW, (target, agreement)


@pytest.mark.parametrize("target", ["onnx", "openvino", "tflite"])
def test_names_are_those_in_the_records(target, exported, pictures):
    """By the list of labels beside a model; a class off by one, or a background that is counted,
    would give other names."""
    directory, python = exported(target)
    found = detected(model_job(target, directory, pictures[0]), python)
    if target == "tflite":  # its own ids are lines of labels.txt; the job has added 1
        lines = pathlib.Path(directory, "labels.txt").read_text().split()
        names = dict(enumerate(lines, 1))
    else:
        data = pathlib.Path(directory, "label_map.pbtxt").read_bytes()
        names = {number: one.name for number, one in parse_label_map(data, "it").by_id().items()}
    right = wrong = 0
    for picture, (boxes, classes) in zip(found, annotated()):
        for one in picture:
            if one["score"] < 0.5:
                continue
            overlaps = [overlap(one["box"], box) for box in boxes]
            name = classes[int(np.argmax(overlaps))]
            if max(overlaps) > 0.5 and name in CLASSES.split(","):
                right += names[one["class_id"]] == name
                wrong += names[one["class_id"]] != name
    assert right > 10 and wrong <= right // 10, (right, wrong)


def annotated():
    """The boxes and the names of the classes in each picture."""
    example = message_class("graphfix.example.Example")
    for _, _, data in tfrecord.read_records(shapes_pictures.RECORD):
        features = {one.key: one.value for one in example.FromString(data).features.feature}
        sides = [
            features[b"image/object/bbox/" + side].float_list.value
            for side in (b"ymin", b"xmin", b"ymax", b"xmax")
        ]
        names = features[b"image/object/class/text"].bytes_list.value
        yield list(zip(*sides)), [name.decode() for name in names]


def overlap(one, other):
    """Intersection over union."""
    top, left = (max(one[side], other[side]) for side in (0, 1))
    bottom, right = (min(one[side], other[side]) for side in (2, 3))
    shared = max(0, bottom - top) * max(0, right - left)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


@pytest.mark.parametrize("target", ["onnx", "openvino", "tflite"])
def test_blue_for_red_is_seen(target, exported, pictures, tmp_path):
    """As OpenCV reads pictures."""
    arrays, wanted = pictures
    swapped = []
    for number, path in enumerate(arrays):
        swapped.append(str(tmp_path / f"{number}.npy"))
        np.save(swapped[-1], np.load(path)[..., ::-1])
    directory, python = exported(target)
    found = detected(model_job(target, directory, swapped), python)
    assert not detections.compare(wanted, found, LEAST).equal


@pytest.mark.parametrize("scale, offset", [(1, 0), (1 / 255, 0)])
def test_other_pixels_than_the_models_are_seen(scale, offset, exported, pictures):
    """As they are, or from 0 to 1, where the model was trained on -1 to 1."""
    arrays, wanted = pictures
    directory, python = exported("tflite")
    job = dict(model_job("tflite", directory, arrays), scale=scale, offset=offset)
    assert not detections.compare(wanted, detected(job, python), LEAST).equal


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_channels_first_fail(target, exported, pictures, tmp_path):
    path = str(tmp_path / "one.npy")
    np.save(path, np.load(pictures[0][0]).transpose(2, 0, 1))
    directory, python = exported(target)
    with pytest.raises(graphfix.VerificationError):
        detected(model_job(target, directory, [path]), python)


@pytest.fixture(scope="module")
def by_default(stock_python, tmp_path_factory):
    """A .tflite as the stock exporter makes it where nobody passes flags, of all classes."""
    top = tmp_path_factory.mktemp("by_default")
    job = {
        "verb": "lite",
        "pipeline_config": os.path.join(repository.DETECTOR, "pipeline.config"),
        "checkpoint": os.path.join(repository.DETECTOR, "model.ckpt"),
        "directory": str(top),
        "model": str(top / "detect.tflite"),
        "max_detections": 10,
        "detections_per_class": 100,
        "use_regular_nms": False,
        "quantized": False,
    }
    found = runner.run_job(job, python=stock_python("2019-07"))
    assert "error" not in found, found["error"]
    return job["model"]


def test_the_stock_exporters_flags_are_told_and_find_less(
    by_default, tool_python, stock_python, pictures, tmp_path
):
    python, out = tool_python("litert"), str(tmp_path / "out")
    told = {one.code for one in traps.traps("detect.tflite", open_lite(by_default).options)}
    assert {"FEW_DETECTIONS", "CLASS_AGNOSTIC", "ROWS", "IDS_FROM_0"} == told
    graphfix.export(
        "tflite", repository.DETECTOR, out, runtime_python=stock_python("2019-07"), compare=False
    )
    job = model_job("tflite", out, pictures[0])
    ours = detected(job, python)
    theirs = detected(dict(job, model=by_default), python)
    assert max(map(len, ours)) > 10 >= max(map(len, theirs))
    # Of two classes in one place, only one is left, be there room for ten or not.
    assert any(
        overlap(one["box"], other["box"]) > 0.6 and one["class_id"] != other["class_id"]
        for picture in ours
        for one in picture
        for other in picture
        if one["score"] > LEAST and other["score"] > LEAST
    )
    assert not any(
        overlap(one["box"], other["box"]) > 0.6 and one is not other
        for picture in theirs
        for one in picture
        for other in picture
    )


# Two pictures, one after the other; the rows of the second, as a list, and how many there are.
_TWICE = """
import json, sys
import numpy as np
from ai_edge_litert.interpreter import Interpreter
model, scale, offset, *paths = sys.argv[1:]
interpreter = Interpreter(model)
interpreter.allocate_tensors()
for path in paths:
    pixels = np.load(path)[None] * float(scale) + float(offset)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels.astype(np.float32))
    interpreter.invoke()
outputs = [one["index"] for one in interpreter.get_output_details()]
_, _, scores, number = map(interpreter.get_tensor, outputs)
print(json.dumps([scores[0].tolist(), int(number[0])]))
"""


@pytest.mark.parametrize("regular", [True, False])
def test_rows_behind_the_last(regular, exported, by_default, pictures, tmp_path):
    """Of suppression across classes, what the picture before had; else zeros, a first class."""
    directory, python = exported("tflite")
    arrays, wanted = pictures
    most = arrays[max(range(len(arrays)), key=lambda at: len(wanted[at]))]
    grey = str(tmp_path / "grey.npy")
    np.save(grey, np.full_like(np.load(most), 128))
    job = model_job("tflite", directory, [])
    model = job["model"] if regular else by_default
    words = [model, str(job["scale"]), str(job["offset"]), most, grey]
    done = subprocess.run([python, "-c", _TWICE, *words], check=True, stdout=subprocess.PIPE)
    scores, number = json.loads(done.stdout.decode())
    (told,) = [one for one in traps.traps("x", open_lite(model).options) if one.code == "ROWS"]
    assert len(scores) == (100 if regular else 10) > number
    if regular:
        assert not any(scores[number:]) and "zeros" in told.message
    else:
        assert max(scores[number:]) > 0.1 and "not cleared" in told.message


def test_a_two_stage_detector_that_openvino_does_not_compile(two_stage, tool_python, tmp_path):  # noqa: F811
    with pytest.raises(graphfix.RequestError, match="did not make the model"):
        graphfix.export(
            "openvino", two_stage, str(tmp_path / "out"), runtime_python=tool_python("openvino")
        )
    assert not os.path.exists(tmp_path / "out")


_BACKGROUND = 'background_label_id" value { i: '


@pytest.mark.parametrize(
    "key, value",
    [("mean", 0.0), ("scale", 1 / 255), ("text", (_BACKGROUND + "0", _BACKGROUND + "1"))],
)
def test_opencvs_own(key, value, opencv_python, stock_python, tmp_path):
    """Another normalization, or the first class for the background."""
    out = tmp_path / "out"
    graphfix.export("opencv", repository.DETECTOR, str(out))
    if key == "text":
        path = out / "graph.pbtxt"
        text = path.read_text()
        assert value[0] in text
        path.write_text(text.replace(*value))
    else:
        path = out / "export.json"
        data = json.loads(path.read_text())
        data["details"][key] = value
        path.write_text(json.dumps(data))
    found = graphfix.try_with_stock_api(
        str(out),
        stock_python=opencv_python(4),
        tf1_python=stock_python("2019-07"),
        images=shapes_pictures.written(tmp_path)[:FEW],
    )
    assert not found.complete and found.verifications[0].complete
