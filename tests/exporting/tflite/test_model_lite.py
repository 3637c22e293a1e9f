"""What is opened as a detector in a .tflite, and what is refused, whatever the bytes."""

import lite_cases
import numpy as np
import pytest

import graphfix
from graphfix.exporting.tflite.model import open_lite
from graphfix.formats.flatbuffers.reader import Table


def refused(tmp_path, content, match):
    path = tmp_path / "x.tflite"
    path.write_bytes(content)
    with pytest.raises(graphfix.SourceError, match=match):
        open_lite(str(path))


@pytest.mark.parametrize("kind", lite_cases.KINDS)
def test_classes_are_counted(kind):
    model = open_lite(lite_cases.path(kind))
    background = lite_cases.BACKGROUNDS.get(kind, 1)
    assert (model.classes, model.channels, model.background) == (5, 5 + background, background)
    assert model.options["max_detections"] == 10 and not model.options["use_regular_nms"]
    assert model.name(model.scores).startswith(("Sigmoid", "Softmax"))


def test_what_is_compiled_for_the_edge_tpu(tmp_path):
    def edit(root, tensors, operators):
        root.fields["OperatorCodes"].append(
            Table("OperatorCode", {"CustomCode": b"edgetpu-custom-op", "DeprecatedBuiltinCode": 32})
        )

    content = lite_cases.edited("float", edit)
    refused(tmp_path, content, "compiled for the Edge TPU.*run edgetpu_compiler on the result")


def test_what_is_no_detector(tmp_path):
    def without(root, tensors, operators):
        operators.pop()

    def twice(root, tensors, operators):
        operators.append(operators[-1])

    refused(tmp_path, lite_cases.edited("float", without), "has no operations TFLite_Det")
    refused(tmp_path, lite_cases.edited("float", twice), "has 2 operations")


def test_damage(tmp_path):
    content = lite_cases.data("float")
    refused(tmp_path, b"", "is empty")
    refused(tmp_path, content[:4] + b"TFL2" + content[8:], "identifier TFL3")
    refused(tmp_path, content[: len(content) // 2], "cut off or damaged")
    refused(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS")

    def operator(root, tensors, operators):
        operators[0].fields["Inputs"] = np.array([0, 1000, 2], np.int32)

    def buffer(root, tensors, operators):
        tensors[3].fields["Buffer"] = 999

    def classes(root, tensors, operators):
        scores = int(operators[-1].get("Inputs")[1])
        tensors[scores].fields["Shape"] = np.array([1, 7, 9], np.int32)

    refused(tmp_path, lite_cases.edited("float", operator), "refers to what is not there")
    refused(tmp_path, lite_cases.edited("float", buffer), "a buffer that is not there")
    refused(tmp_path, lite_cases.edited("float", classes), "scores of the shape")


def test_weights_outside(tmp_path):
    def edit(root, tensors, operators):
        root.fields["Buffers"][1].fields.update(Offset=4096, Size=16)

    refused(tmp_path, lite_cases.edited("float", edit), "outside of its tables")
