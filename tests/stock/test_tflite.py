"""TensorFlow Lite: published models for fewer classes, and export tflite, judged by the runtime."""

import os
import subprocess

import lite_cases
import pytest
import repository
import thorough

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
