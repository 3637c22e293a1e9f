"""TensorFlow Lite: published models for fewer classes, and export tflite, judged by the runtime."""

import os
import subprocess

import lite_cases
import numpy as np
import pytest
import replica
import repository
import shapes_pictures
import thorough
import zoo

import graphfix

pytestmark = thorough.only


@pytest.fixture(scope="module")
def litert(tool_python):
    return tool_python("litert")


def test_the_schema_is_the_packages(litert):
    script = os.path.join(repository.TESTS, "formats", "flatbuffers", "record_schema.py")
    found = subprocess.run([litert, script], stdout=subprocess.PIPE, check=True)
    where = os.path.join(repository.TOP, "graphfix", "formats", "flatbuffers", "tflite.txt")
    with open(where, "rb") as file:
        assert found.stdout == file.read()


@pytest.mark.parametrize("classes", ["four,two", "three", "five,four,three,two,one"])
@pytest.mark.parametrize("kind", lite_cases.KINDS)
def test_kept_classes_have_their_scores_bit_for_bit(kind, classes, litert, tmp_path):
    """Of a softmax, what it is made of."""
    out = str(tmp_path / "out")
    options = graphfix.ConvertOptions(
        classes=classes, source_label_map_path=lite_cases.labels(tmp_path)
    )
    graphfix.convert_lite(lite_cases.path(kind), out, options)
    found = graphfix.try_with_stock_api(out, stock_python=litert)
    (outputs,) = found.outputs
    assert outputs.equal and found.complete, found.to_lines()


def test_exported_detectors_detect_what_tensorflow_does(litert, stock_python, tmp_path):
    """Of the pictures of testdata, in classes of another order."""
    out, python = str(tmp_path / "out"), stock_python("2021")
    options = graphfix.ConvertOptions(classes="star,circle,ring")
    graphfix.export("tflite", repository.DETECTOR, out, options, runtime_python=python)
    found = graphfix.try_with_stock_api(
        out, stock_python=litert, tf1_python=python, images=shapes_pictures.written(tmp_path)
    )
    assert found.complete and found.outputs, found.to_lines()
    assert len(found.details[0]["detections"]) == shapes_pictures.PICTURES
    fewer = str(tmp_path / "fewer")
    only = graphfix.ConvertOptions(classes="ring", source_label_map_path=out + "/label_map.pbtxt")
    graphfix.convert_lite(out + "/detect.tflite", fewer, only)
    assert graphfix.try_with_stock_api(fewer, stock_python=litert).complete


@pytest.mark.parametrize("name", ["ssd_mobilenet_v1_quantized_300x300_coco14_sync_2018_07_18"])
def test_a_published_layout_of_integers(name, litert, stock_python, tmp_path):
    """Its weights are made up, so only what conversion keeps is judged."""
    source = tmp_path / "source"
    source.mkdir()
    replica.make(zoo.model(name), str(source))
    values = {one: view.load() for one, view in graphfix.open_model(str(source)).store.items()}
    for one, value in values.items():
        # Ranges that have 0 in them, as trained ones have.
        if one.endswith(("_quant/min", "_quant/max")):
            values[one] = np.full_like(value, -6 if one.endswith("min") else 6)
    replica.save(values, str(source / "model.ckpt"))
    out, fewer = str(tmp_path / "out"), str(tmp_path / "fewer")
    python = stock_python("2021")
    made = graphfix.export("tflite", str(source), out, runtime_python=python)
    assert "of integers" in made.summary
    options = graphfix.ConvertOptions(
        classes="car,person", source_label_map_path=out + "/labels.txt"
    )
    graphfix.convert_lite(out + "/detect.tflite", fewer, options)
    found = graphfix.try_with_stock_api(fewer, stock_python=litert)
    assert found.complete and found.outputs, found.to_lines()
