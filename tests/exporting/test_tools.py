"""onnx, openvino: what the converter is asked, what is refused, and what is made of its answers."""

import json
import os

import pytest
import repository
import tf2_cases

import graphfix
from graphfix.exporting import detections
from graphfix.stock_api import runner, tool_jobs


@pytest.fixture
def answers(monkeypatch):
    """Answers in the place of tf2onnx, and the jobs that it gets."""
    asked = []

    def install(result, data=b"onnx"):
        def run_jobs(given, *, python, worker, role):
            assert worker == detections.JOBS and python == "python-of-onnx"
            asked.extend(given)
            with open(given[0]["output"], "wb") as file:
                file.write(data)
            return [result]

        monkeypatch.setattr(runner, "run_jobs", run_jobs)
        return asked

    return install


def export(where, **options):
    options = graphfix.ConvertOptions(**options)
    return graphfix.export(
        "onnx", repository.DETECTOR, where, options, runtime_python="python-of-onnx", compare=False
    )


def test_the_new_graph_is_converted(answers):
    asked = answers({"versions": {"tf2onnx": "1.16.1"}})
    memory = graphfix.Memory()
    found = export(memory, classes="star,circle")
    (job,) = asked
    assert job["names"] == [
        "num_detections",
        "detection_boxes",
        "detection_scores",
        "detection_classes",
    ]
    assert job["graph"].endswith("frozen_inference_graph.pb")
    assert memory.files["model.onnx"] == b"onnx" and "model.onnx" in found.files
    converted = graphfix.Memory()
    options = graphfix.ConvertOptions(classes="star,circle", target_api="2022-10")
    graphfix.convert(repository.DETECTOR, converted, options)
    name = "frozen_inference_graph.pb"
    assert memory.files[name] == converted.files[name]
    details = json.loads(memory.files["export.json"].decode())["details"]
    assert details["versions"] == {"tf2onnx": "1.16.1"}
    assert "onnxruntime" in found.next_steps[0] and "tf2onnx 1.16.1" in found.summary


def test_openvino_is_asked_alike(answers):
    asked = answers({"versions": {"openvino": "2026.4.1"}})
    memory = graphfix.Memory()
    found = graphfix.export(
        "openvino", repository.DETECTOR, memory, runtime_python="python-of-onnx", compare=False
    )
    assert asked[0]["verb"] == "openvino_convert" and asked[0]["output"].endswith("model.xml")
    assert "OpenVINO 2026.4.1" in found.summary and "compile_model" in found.next_steps[0]


def test_what_the_converter_says_is_the_users_to_know(answers, tmp_path):
    answers({"error": {"type": "ValueError", "message": "no such operation"}})
    with pytest.raises(graphfix.RequestError, match="ValueError: no such operation"):
        export(tmp_path / "out")
    assert not os.listdir(tmp_path)


def test_openvinos_versions_are_told_for_two_stages_alone():
    """Of the others it is the newest that one has."""
    for title, told in (("ssd_mobilenet_v2", False), ("faster_rcnn_resnet50", True)):
        model = tf2_cases.model_of(tf2_cases.text_of(title))
        with pytest.raises(graphfix.RequestError) as caught:
            graphfix.export("openvino", model, graphfix.Memory())
        (problem,) = caught.value.problems
        assert ("2025.1" in problem.remedy) == told and "openvino" in problem.remedy


@pytest.mark.slow
def test_it_takes_a_python(tmp_path):
    with pytest.raises(graphfix.RequestError, match="runtime_python=: is not given"):
        graphfix.export("onnx", repository.DETECTOR, tmp_path / "out")
    for wrong, words in ((tmp_path / "none", "not a Python that runs"), ("/bin/ls", "status 2")):
        with pytest.raises(graphfix.GraphfixError, match=words) as caught:
            graphfix.export("onnx", repository.DETECTOR, tmp_path / "out", runtime_python=wrong)
        (problem,) = caught.value.problems
        # It is about this flag and these packages, and not about the stock API.
        assert "--runtime_python" in problem.remedy and "tf2onnx" in problem.remedy
        assert "stock API" not in problem.subject + problem.message
    assert not os.listdir(tmp_path)


def test_the_jobs_answer_without_the_tools(tmp_path):
    """As a Python does that has none of them."""
    job, result = tmp_path / "job.json", tmp_path / "result.json"
    for verb, more in (
        ("onnx_convert", {"graph": "x"}),
        ("onnx_detect", {"model": "x"}),
        ("openvino_convert", {"graph": "x"}),
        ("openvino_detect", {"model": "x"}),
        ("tensorflow_detect", {"graph": "x"}),
        ("tflite_detect", {"model": "x"}),
        ("tflite_raw", {"model": "x"}),
    ):
        job.write_text(json.dumps([{"verb": verb, **more}]))
        tool_jobs.main([str(job), str(result)])
        (found,) = json.loads(result.read_text())
        assert found["verb"] == verb and found["error"]["type"]


def test_nothing_beside_the_jobs_hides_a_tool():
    """Python looks in the script's folder first."""
    beside = {name.partition(".")[0] for name in os.listdir(os.path.dirname(detections.JOBS))}
    assert not beside & {
        *("onnx", "onnxruntime", "openvino", "tensorflow", "tf2onnx", "numpy"),
        *("ai_edge_litert", "tflite_runtime"),
    }
