"""The report's way to TensorRT, but for TensorRT: its commands as pasted, and its plugin's settings
by what the plugin's README says that they mean."""

import json
import os
import stat
import subprocess

import judged_tf2
import pytest
import repository
import shapes_pictures
import thorough

import graphfix
from graphfix.exporting import detections
from graphfix.formats.schema import message_class, parse
from graphfix.report import tensorrt
from graphfix.report.stages import to_tensorrt

PICTURES = 20
# Runs what comes before the plugin, and then what the plugin is to do.
_PLUGIN = """
import json, sys
import numpy as np, onnx, onnxruntime
model = onnx.load(sys.argv[1])
clip, plugin = model.graph.node.pop(), model.graph.node.pop()
assert clip.op_type == "Clip" and (clip.input[0], clip.output[0]) == (
    plugin.output[1], "detection_boxes")
assert plugin.op_type == "EfficientNMS_TRT" and plugin.domain == ""
wanted = {one.name: onnx.helper.get_attribute_value(one) for one in plugin.attribute}
assert (wanted["score_activation"], wanted["box_coding"]) == (0, 0)
outputs = {one.name: [side.dim_value for side in one.type.tensor_type.shape.dim]
           for one in model.graph.output}
assert [one.replace("_uncut", "_boxes") for one in plugin.output] == list(outputs)
most = wanted["max_output_boxes"]
assert outputs["detection_boxes"] == [1, most, 4] and outputs["detection_scores"] == [1, most]
del model.graph.output[:]
model.graph.output.extend(
    onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    for name in plugin.input)
session = onnxruntime.InferenceSession(model.SerializeToString())

def overlap(box, others):
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    area = lambda one: np.prod(one[..., 2:] - one[..., :2], axis=-1)
    return shared / (area(box) + area(others) - shared)

found = []
for path in sys.argv[2:]:
    boxes, scores = session.run(None, {"image_tensor:0": np.load(path)[None]})
    boxes, scores, rows = boxes[0], scores[0], []
    kept = np.zeros((0, 5))
    for at in np.argsort(-scores, axis=None):
        row, label = divmod(int(at), scores.shape[1])
        score = float(scores[row, label])
        if score < wanted["score_threshold"] or len(rows) == most:
            break
        if label == wanted["background_class"]:
            continue
        rivals = kept if wanted["class_agnostic"] else kept[kept[:, 4] == label]
        if (overlap(boxes[row], rivals[:, :4]) > wanted["iou_threshold"]).any():
            continue
        kept = np.concatenate([kept, [[*boxes[row], label]]])
        rows.append({"box": np.clip(boxes[row], 0, 1).tolist(), "score": score,
                     "class_id": label})
    found.append(rows)
json.dump(found, sys.stdout)
"""


def run_by(python, top, command):
    """Runs a command in bash, in which `python` is one, and TensorRT's program says its words."""
    programs = top / "programs"
    programs.mkdir()
    for name, line in (("python", f'exec "{python}" "$@"'), ("trtexec", 'echo "$@" >&3')):
        path = programs / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    words = ["bash", "-c", command + f" 3> '{top}/said'"]
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    done = subprocess.run(
        words, env=dict(os.environ, PATH=path), stderr=subprocess.PIPE, timeout=600
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return (top / "said").read_text()


@thorough.only
@pytest.mark.parametrize("agnostic", [False, True])
def test_what_the_plugin_is_told_gives_the_graphs_detections(
    tool_python, stock_python, agnostic, tmp_path
):
    python, out = tool_python("onnx"), tmp_path / "it's out"
    report = graphfix.convert(
        repository.DETECTOR,
        str(out),
        graphfix.ConvertOptions(classes="star,circle,ring", target_api="2019-07"),
    )
    exported = tmp_path / "it's out_exported"
    exported.mkdir()
    graph = exported / "frozen_inference_graph.pb"
    os.link(str(out / "frozen_inference_graph.pb"), str(graph))
    command = to_tensorrt(report)
    if agnostic:  # which this graph is not: the settings are seen to matter
        command = command.replace("class_agnostic=0", "class_agnostic=1")
    said = run_by(python, tmp_path, command)
    made = f"{out}_tensorrt.onnx"
    assert said.split(" --") == [f"--onnx={made}", f"saveEngine={out}_tensorrt.engine\n"]

    files = shapes_pictures.written(tmp_path)[:PICTURES]
    arrays = [f"{one}.npy" for one in files]
    wanted = detections.of_tensorflow(str(graph), files, arrays, stock_python("2019-07"))
    done = subprocess.run([python, "-c", _PLUGIN, made, *arrays], stdout=subprocess.PIPE)
    assert done.returncode == 0
    found = detections.compare(wanted["detections"], json.loads(done.stdout.decode()), 0.02)
    assert found.total > PICTURES
    assert found.equal != agnostic, found


@thorough.only
@pytest.mark.parametrize("era", ["2019-04", "2019-07", "2021"])
def test_the_stock_exporter_has_these_names(stock_python, era, tmp_path):
    judged_tf2.frozen(repository.DETECTOR, str(tmp_path / "out"), stock_python(era))
    data = (tmp_path / "out" / "frozen_inference_graph.pb").read_bytes()
    names = {node.name for node in parse(message_class("graphfix.graph.GraphDef"), data).node}
    assert {one.partition(":")[0] for one in (tensorrt.BOXES, tensorrt.SCORES)} <= names
