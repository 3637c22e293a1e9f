"""export opencv of graphs as those of 2017: batch normalization is several operations."""

import os

import judged_tf2
import old_matrix
import pytest
import tf2_cases
import thorough
from test_opencv import inside_of_the_edge

import graphfix
from graphfix.formats.graphdef import files

MORE_PROPOSALS = (("first_stage_max_proposals: 8", "first_stage_max_proposals: 30"),)
FAMILIES = {"ssd_mobilenet_v1": (), "faster_rcnn_resnet50": MORE_PROPOSALS}


def exported(version, family, top):
    """The directory of a small detector that an earlier TensorFlow exports."""
    text = tf2_cases.edited(family, FAMILIES[family])
    source = judged_tf2.source(text, os.path.join(top, "source"), global_step=True)
    job = {
        "verb": "export",
        "config": os.path.join(source, "pipeline.config"),
        "checkpoint": os.path.join(source, "model.ckpt"),
        "directory": os.path.join(top, "frozen"),
        "unfused": True,
    }
    assert old_matrix.ask(old_matrix.python_of(version), top, [job]) == [None]
    graph_def = files.read_graph_def(os.path.join(job["directory"], "frozen_inference_graph.pb"))
    assert not any(node.op.startswith("FusedBatchNorm") for node in graph_def.node)
    assert sum(node.op == "Rsqrt" for node in graph_def.node) > 30
    return job["directory"]


@pytest.mark.parametrize("version", thorough.cases(["1.15"], ["1.4", "1.8"]))
@pytest.mark.parametrize("family", thorough.cases(["ssd_mobilenet_v1"], ["faster_rcnn_resnet50"]))
def test_detections_are_tensorflows(opencv_python, stock_python, version, family, tmp_path):
    source, out = exported(version, family, str(tmp_path)), str(tmp_path / "out")
    options = graphfix.ConvertOptions(num_classes=3, map=["1=2", "2=1", "3="])
    graphfix.export("opencv", source, out, options, compare=False)
    if family.startswith("faster_rcnn"):
        inside_of_the_edge(os.path.join(out, "frozen_inference_graph.pb"))
    for major in (4, 5):
        found = graphfix.try_with_stock_api(
            out, stock_python=opencv_python(major), tf1_python=stock_python("2021")
        )
        assert found.outputs[0].equal, (major, found.to_lines())
        assert sum(map(len, found.details[0]["detections"])) >= 20
        assert found.outputs[0].figures[0].difference < 1e-5
