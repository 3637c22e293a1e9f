"""export tflite: what the stock exporter is asked, what is refused, what is made of the answer."""

import io
import json
import os
import shutil
import zipfile

import lite_cases
import pytest
import repository

import graphfix
from graphfix.exporting.tflite import making

CLASSES = "star,circle,ring,cross,novelty"
FROZEN = "frozen_inference_graph.pb"


@pytest.fixture
def stock(monkeypatch):
    """An answer in the place of the stock API's, and the jobs and configs that it gets."""
    asked = []

    def run_job(job, *, python):
        assert python == "python-of-tf1"
        with open(job["pipeline_config"]) as file:
            asked.append((job, file.read(), sorted(os.listdir(job["directory"]))))
        shutil.copy(lite_cases.path("quantized"), job["model"])
        os.mkdir(job["frozen_directory"])
        with open(os.path.join(job["frozen_directory"], FROZEN), "wb") as file:
            file.write(b"frozen")
        return {"tensorflow": "1.15.5", "scale": [1 / 127.5] * 3, "offset": [-1.0] * 3}

    monkeypatch.setattr(making.runner, "run_job", run_job)
    monkeypatch.setattr(making.runner, "find_stock_python", lambda python, role: python)
    monkeypatch.setattr(making.runner, "importable_api", lambda python: "2019-07")
    return asked


def export(where, source=repository.DETECTOR, **options):
    return graphfix.export(
        "tflite",
        source,
        where,
        graphfix.ConvertOptions(**options),
        runtime_python="python-of-tf1",
        compare=False,
    )


def test_the_exporter_is_asked_with_the_models_flags(stock):
    memory = graphfix.Memory()
    found = export(memory, classes=CLASSES)
    ((job, config, there),) = stock
    assert job["verb"] == "lite" and not job["quantized"]
    # As the config has them, and not as the stock exporter's flags default.
    assert (job["max_detections"], job["detections_per_class"]) == (100, 100)
    assert job["use_regular_nms"] is True
    assert "num_classes: 5" in config and "model.ckpt.index" in there
    assert set(found.files) | {"export.json", "manifest.json"} == set(memory.files)
    assert memory.files[FROZEN] == b"frozen"
    assert memory.files["labels.txt"] == b"star\ncircle\nring\ncross\nnovelty\n"
    details = json.loads(memory.files["export.json"].decode())["details"]
    assert (
        details["scale"] == 1 / 127.5
        and details["offset"] == -1
        and details["detection"]["num_classes"] == 5
    )
    # What is told is what the file has.
    codes = {one.code for one in found.findings}
    assert {"FEW_DETECTIONS", "CLASS_AGNOSTIC", "INPUT", "METADATA"} <= codes
    with zipfile.ZipFile(io.BytesIO(memory.files["detect.tflite"])) as archive:
        assert archive.read("labels.txt") == memory.files["labels.txt"]
    root, _, _ = lite_cases.tables(memory.files["detect.tflite"])
    assert root.get("Metadata")[-1].get("Name") == b"TFLITE_METADATA"
    assert "TensorFlow 1.15.5" in found.summary and "interpreter" in found.next_steps[0]


def edited(tmp_path, *edits):
    """The config of the detector, edited."""
    with open(os.path.join(repository.DETECTOR, "pipeline.config")) as file:
        text = file.read()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "edited.config"
    path.write_text(text)
    return str(path)


NMS = "batch_non_max_suppression {"


@pytest.mark.slow
def test_a_config_of_class_agnostic_suppression(stock, tmp_path):
    path = edited(tmp_path, (NMS, NMS + " use_class_agnostic_nms: true"))
    export(graphfix.Memory(), classes=CLASSES, pipeline_config_path=path)
    assert stock[0][0]["use_regular_nms"] is False


@pytest.mark.parametrize(
    "edit, message",
    [
        ((NMS, NMS + " soft_nms_sigma: 0.5"), "soft_nms_sigma: lowers scores"),
        (("faster_rcnn_box_coder {", "keypoint_box_coder {"), "box_coder.keypoint_box_coder"),
    ],
)
def test_what_tensorflow_lite_would_do_otherwise(stock, tmp_path, edit, message):
    with pytest.raises(graphfix.RequestError, match=message):
        export(tmp_path / "out", classes=CLASSES, pipeline_config_path=edited(tmp_path, edit))
    assert not stock and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_another_number_of_classes_than_asked_for(stock, tmp_path):
    with pytest.raises(graphfix.RequestError, match="a model of 5 classes, and not 2"):
        export(tmp_path / "out", classes="star,circle")
    assert not (tmp_path / "out").exists()


def test_it_takes_a_python(tmp_path):
    with pytest.raises(graphfix.RequestError, match="runtime_python=: is not given"):
        graphfix.export("tflite", repository.DETECTOR, tmp_path / "out")
    assert not os.listdir(tmp_path)
