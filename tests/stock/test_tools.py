"""export onnx and openvino, made by their converters and judged by their runtimes beside
TensorFlow."""

import shutil

import pytest
import repository
import shapes_pictures
import thorough
from test_opencv import inside_of_the_edge, two_stage  # noqa: F401 - a fixture

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


@thorough.only
@pytest.mark.parametrize("target, name", [("onnx", "onnx"), ("openvino", "openvino-2024")])
def test_two_stages_are_tensorflows(target, name, tool_python, stock_python, two_stage, tmp_path):  # noqa: F811
    """But at the edge, as in OpenCV."""
    python, out = tool_python(name), str(tmp_path / "out")
    edges = tmp_path / "source"
    shutil.copytree(two_stage, str(edges))
    inside_of_the_edge(str(edges / "frozen_inference_graph.pb"))
    tf1 = stock_python("2021")
    found = graphfix.export(target, str(edges), out, runtime_python=python, tf1_python=tf1)
    assert found.comparison["equal"] and found.comparison["scores"] < 1e-5, found.comparison
    # As the graph is, it is exported all the same, and the difference told.
    found = graphfix.export(
        target, two_stage, out, runtime_python=python, tf1_python=tf1, overwrite=True
    )
    codes = {one.code for one in found.findings}
    assert found.comparison["equal"] != ("DETECTIONS_DIFFER" in codes)
