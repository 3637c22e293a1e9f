"""export onnx and openvino, made by their converters and judged by their runtimes beside
TensorFlow."""

import pytest
import repository
import shapes_pictures
import thorough

import graphfix


@thorough.only
@pytest.mark.parametrize("classes", ["star,circle,ring", None])
@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_detections_are_tensorflows(tool_python, stock_python, target, classes, tmp_path):
    python = tool_python(target)
    out = str(tmp_path / "out")
    options = graphfix.ConvertOptions(**({"classes": classes} if classes else {}))
    graphfix.export(target, repository.DETECTOR, out, options, runtime_python=python)
    found = graphfix.try_with_stock_api(
        out,
        stock_python=python,
        tf1_python=stock_python("2019-07"),
        images=shapes_pictures.written(tmp_path),
    )
    assert found.complete and found.outputs, found.to_lines()
    assert len(found.details[0]["detections"]) == shapes_pictures.PICTURES
