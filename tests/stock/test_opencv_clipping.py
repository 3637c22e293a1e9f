"""export opencv of graphs that clip boxes to the picture before they suppress, as until 2018."""

import os
import re

import judged_tf2
import pytest
import tensorflow.compat.v1 as tf
import tf2_cases
import thorough

import graphfix

# Many boxes, of which some reach out of the picture.
MANY = (
    ("height: 128 width: 128", "height: 300 width: 300"),
    ("score_threshold: 1e-8 iou_threshold: 0.6", "score_threshold: 1e-8 iou_threshold: 0.4"),
    (
        "max_detections_per_class: 10 max_total_detections: 10",
        "max_detections_per_class: 100 max_total_detections: 100",
    ),
)
CLIP = '("clip" value . b: )'


def clip_first(path):
    """Has a frozen graph's suppression read clipped boxes."""
    graph_def = tf.GraphDef()
    with open(path, "rb") as file:
        graph_def.ParseFromString(file.read())
    nodes = {node.name: node for node in graph_def.node}
    suppressions = [one for one in nodes.values() if one.op.startswith("NonMaxSuppression")]
    for number, node in enumerate(suppressions):
        scope = f"{node.name[: node.name.index('non_max')]}ClipToWindow/{number}"
        # Constants of a loop's body are tied to it.
        tied = [one for one in nodes[node.input[3]].input if one.startswith("^")]
        boxes = node.input[0]
        for op, bound in (("Maximum", 0.0), ("Minimum", 1.0)):
            limit = graph_def.node.add(name=f"{scope}/{op}/limit", op="Const", input=tied)
            limit.attr["dtype"].type = tf.float32.as_datatype_enum
            limit.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(bound, tf.float32))
            made = graph_def.node.add(name=f"{scope}/{op}", op=op, input=[boxes, limit.name])
            made.attr["T"].type = tf.float32.as_datatype_enum
            boxes = made.name
        node.input[0] = boxes
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())


@pytest.mark.parametrize("major", thorough.cases([4], [5]))
def test_opencv_suppresses_as_the_graph_does(opencv_python, stock_python, major, tmp_path):
    text = judged_tf2.with_training(tf2_cases.edited("ssd_mobilenet_v1", MANY))
    source = judged_tf2.source(text, str(tmp_path / "source"), global_step=True)
    python, opencv = stock_python("2019-07"), opencv_python(major)
    frozen = judged_tf2.frozen(source, str(tmp_path / "frozen"), python)
    clip_first(os.path.join(frozen, "frozen_inference_graph.pb"))
    out = tmp_path / "out"
    found = graphfix.export("opencv", frozen, out, runtime_python=opencv, tf1_python=python)
    assert found.comparison["equal"] and found.comparison["scores"] < 1e-5
    written = (out / "graph.pbtxt").read_text()
    (out / "graph.pbtxt").write_text(re.sub(CLIP + "true", r"\1false", written))
    found = graphfix.try_with_stock_api(str(out), stock_python=opencv, tf1_python=python)
    assert not found.outputs[0].equal
