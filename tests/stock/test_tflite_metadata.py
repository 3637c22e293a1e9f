"""Metadata in a .tflite, judged by tflite-support: its schema, its writer and its detector."""

import os
import subprocess

import judged_metadata
import lite_cases
import numpy as np
import pytest
import repository
import thorough

import graphfix
from graphfix.exporting import detections
from graphfix.exporting.tflite import metadata
from graphfix.exporting.tflite.model import open_lite

pytestmark = thorough.only


@pytest.fixture(scope="module")
def support(tool_python):
    return tool_python("tflite-support")


def test_the_schema_is_the_packages(support):
    script = os.path.join(repository.TESTS, "formats", "flatbuffers", "record_metadata.py")
    found = subprocess.run([support, script], stdout=subprocess.PIPE, check=True)
    where = os.path.join(repository.TOP, "graphfix", "formats", "flatbuffers", "metadata.txt")
    with open(where, "rb") as file:
        assert found.stdout == file.read()


@pytest.mark.parametrize("kind", lite_cases.KINDS)
def test_the_runtime_computes_the_same_bit_for_bit(kind, tool_python, tmp_path):
    made, found = tmp_path / "made.tflite", []
    model = open_lite(lite_cases.path(kind))
    made.write_bytes(metadata.with_metadata(model, b"one\n", None))
    for number, path in enumerate((model.path, str(made))):
        output = str(tmp_path / f"{number}.npz")
        job = {
            "verb": "tflite_raw",
            "model": path,
            "tensors": {str(one): one for one in model.detection.outputs},
            "pictures": 4,
            "output": output,
        }
        detections.of_runtime(job, tool_python("litert"), detections.JOBS, "ai-edge-litert")
        with np.load(output) as values:
            found.append({name: one.tobytes() for name, one in values.items()})
    assert found[0] == found[1] and len(found[0]) == 16


def test_the_task_library_detects_what_the_runtime_does(
    support, tool_python, stock_python, tmp_path
):
    """And in fewer classes, under their names."""
    out, litert = str(tmp_path / "out"), tool_python("litert")
    options = graphfix.ConvertOptions(classes="star,circle,ring")
    python = stock_python("2019-07")
    graphfix.export("tflite", repository.DETECTOR, out, options, runtime_python=python)
    number = judged_metadata.check(out, support, litert, tmp_path)
    assert number > 60
    fewer, pictures = str(tmp_path / "fewer"), sorted(map(str, tmp_path.glob("*.jpg")))
    only = graphfix.ConvertOptions(classes="ring,star")
    graphfix.convert_lite(out + "/detect.tflite", fewer, only)
    arrays = [one + ".npy" for one in pictures]
    before, after = (
        judged_metadata.asked(
            support,
            tmp_path,
            model=one + "/detect.tflite",
            least=judged_metadata.LEAST,
            images=pictures,
            arrays=arrays,
        )
        for one in (out, fewer)
    )
    assert after["files"] == {"labels.txt": "ring\nstar\n"}
    kept = [
        [(one["name"], one["score"], one["pixels"]) for one in picture if one["name"] != "circle"]
        for picture in before["detections"]
    ]
    assert kept == [
        [(one["name"], one["score"], one["pixels"]) for one in picture]
        for picture in after["detections"]
    ]
    assert 10 < sum(map(len, kept)) < number
