"""What a report says of exports is what `export` does."""

import json

import numpy as np
import pytest
import repository
import tf2_cases

import graphfix
from graphfix.choices import Target
from graphfix.errors import GraphfixError, RequestError
from graphfix.exporting.targets import TARGETS


def told(source, **options):
    """{target: its row in the report} of a conversion of a source."""
    memory = graphfix.Memory()
    options = graphfix.ConvertOptions(num_classes=2, target_api="2019-07", **options)
    report = graphfix.convert(source, memory, options)
    stored = json.loads(memory.files["report.json"].decode())["exports"]
    assert [one["target"] for one in stored] == [one.target for one in report.exports]
    return {Target(one.target): one for one in report.exports}


def in_the_way(target, source, **more):
    """What `export` refuses, "" where it does not."""
    try:
        graphfix.export(
            target, source, graphfix.Memory(), graphfix.ConvertOptions(num_classes=2), **more
        )
    except GraphfixError as error:
        return [f"{one.subject} {one.message}" for one in error.problems]
    return []


@pytest.fixture(scope="module")
def exact():
    """A small detector that TensorFlow 2 computes alike, without a graph."""
    return tf2_cases.model_of(tf2_cases.text_of("ssd_mobilenet_v2"))


def test_every_target_has_its_row(exact):
    assert list(told(repository.DETECTOR)) == list(TARGETS) == list(told(exact))


@pytest.mark.parametrize("target", [Target.TF2, Target.TORCH, Target.OPENCV])
def test_what_the_report_says_is_what_export_does(target, exact):
    for source in (repository.DETECTOR, exact):
        row = told(source)[target]
        refused = in_the_way(target, source)
        if refused and not row.problems:
            # The exported model has a graph; this source has none.
            assert source is exact and "has no frozen graph" in refused[0]
        else:
            assert list(row.problems) == refused
        assert not row.python and not row.drop_quantization


def test_the_tools_need_a_python(exact):
    for source in (repository.DETECTOR, exact):
        for target in (Target.ONNX, Target.OPENVINO):
            row = told(source)[target]
            assert not row.problems and row.python.startswith("name a Python that has")


@pytest.mark.parametrize(
    "old, new, wanted",
    [
        ("", "", {"max_output_boxes": 10, "background_class": 0, "class_agnostic": False}),
        ("score_threshold: 1e-8", "score_threshold: 0.3", {"score_threshold": 0.3}),
        ("iou_threshold", "use_class_agnostic_nms: true iou_threshold", {"class_agnostic": True}),
        ("iou_threshold", "soft_nms_sigma: 0.5 iou_threshold", None),
        ("max_detections_per_class: 10", "max_detections_per_class: 9", None),
        ("fixed_shape_resizer {", "fixed_shape_resizer { convert_to_grayscale: true", None),
        ("fixed_shape_resizer { height: 128 width: 128 }", "identity_resizer {}", None),
    ],
)
def test_what_tensorrts_plugin_is_told(old, new, wanted):
    rows = told(tf2_cases.model_of(tf2_cases.edited("ssd_mobilenet_v2", ((old, new),))))
    found = rows[Target.ONNX].suppression
    assert (found is None) == (wanted is None)
    assert {name: getattr(found, name) for name in wanted or {}} == (wanted or {})
    assert not any(row.suppression for target, row in rows.items() if target != Target.ONNX)


@pytest.mark.parametrize(
    "title, background", [("ssd_mobilenet_v1, no background", -1), ("faster_rcnn_resnet50", None)]
)
def test_what_tensorrts_plugin_is_told_of_the_background(title, background):
    found = told(tf2_cases.model_of(tf2_cases.text_of(title)))[Target.ONNX].suppression
    assert (found and found.background_class) == background


def test_quantization_that_can_be_dropped_is_no_problem():
    text = tf2_cases.edited("ssd_mobilenet_v2_quantized", ())
    arrays = {
        name: np.zeros(shape, np.float32) for name, shape in tf2_cases.variables(text)[0].items()
    }
    scope = "FeatureExtractor/MobilenetV2/expanded_conv/depthwise/act_quant/"
    arrays.update({scope + "min": np.float32(0), scope + "max": np.float32(6)})
    model = graphfix.model_in_memory(arrays, text)
    row = told(model)[Target.TF2]
    assert row.drop_quantization and not row.problems
    assert "graph_rewriter" in in_the_way(Target.TF2, model)[0]
    assert not in_the_way(Target.TF2, model, drop_quantization=True)
    row = told(model)[Target.TORCH]  # to which that is no help
    assert not row.drop_quantization and "graph_rewriter" in row.problems[0]


def test_a_fault_of_a_target_is_its_own(monkeypatch):
    def problems(row, detector):
        raise RequestError("the model", "cannot be told from another", "report it")

    monkeypatch.setattr(type(TARGETS[Target.TF2]), "problems", problems)
    assert told(repository.DETECTOR)[Target.TF2].problems == (
        "the model cannot be told from another",
    )
