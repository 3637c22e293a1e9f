"""opencv: the text graph, and what is refused."""

import json
import os
import re
import shutil

import pytest
import repository
from google.protobuf import text_format

import graphfix
from graphfix.exporting.opencv import text_graph
from graphfix.formats.graphdef import files
from graphfix.formats.schema import message_class

CONFIG = repository.DETECTOR + "/pipeline.config"


@pytest.fixture(scope="module")
def exported():
    memory = graphfix.Memory()
    options = graphfix.ConvertOptions(classes="star,circle,novelty")
    found = graphfix.export("opencv", repository.DETECTOR, memory, options)
    text = memory.files["graph.pbtxt"].decode("ascii")
    parsed = text_format.Parse(text, message_class("graphfix.graph.GraphDef")())
    return found, {node.name: node for node in parsed.node}, memory.files


def test_the_text_hangs_together(exported):
    """Every input is a node before, or a constant of the frozen graph."""
    _, nodes, made = exported
    graph = message_class("graphfix.graph.GraphDef").FromString(made["frozen_inference_graph.pb"])
    seen = {node.name for node in graph.node if node.op == "Const"}
    assert not seen & set(nodes)
    for node in nodes.values():
        assert set(node.input) <= seen, node.name
        seen.add(node.name)


def test_the_last_layer_has_the_configs_suppression(exported):
    _, nodes, _ = exported
    attributes = nodes["detection_out"].attr
    assert attributes["num_classes"].i == 4 and attributes["background_label_id"].i == 0
    assert round(attributes["nms_threshold"].f, 6) == 0.6
    assert round(attributes["confidence_threshold"].f, 6) == 0.02
    assert attributes["keep_top_k"].i == 100 and attributes["top_k"].i == -1
    assert nodes["image_tensor"].attr["shape"].shape.dim[1].size == 160


def test_boxes_are_clipped_before_suppression_where_the_graph_does(exported, tmp_path):
    """As graphs of the API did until 2018: what is left of a box decides what it suppresses."""
    _, nodes, _ = exported
    assert not nodes["detection_out"].attr["clip"].b
    graph = message_class("graphfix.graph.GraphDef")()
    with open(os.path.join(repository.DETECTOR, "frozen_inference_graph.pb"), "rb") as file:
        graph.ParseFromString(file.read())
    suppressions = [one for one in graph.node if one.op.startswith("NonMaxSuppression")]
    for number, node in enumerate(suppressions):
        name = f"{node.name[: node.name.index('non_max')]}ClipToWindow/boxes_{number}"
        clip = graph.node.add(name=name, op="Identity", input=[node.input[0]])
        clip.attr["T"].type = node.attr["T"].type or 1
        node.input[0] = name
    (tmp_path / "frozen_inference_graph.pb").write_bytes(graph.SerializeToString())
    shutil.copy(CONFIG, str(tmp_path))
    memory = graphfix.Memory()
    graphfix.export("opencv", tmp_path, memory)
    text = memory.files["graph.pbtxt"].decode("ascii")
    parsed = text_format.Parse(text, message_class("graphfix.graph.GraphDef")())
    assert parsed.node[-1].name == "detection_out" and parsed.node[-1].attr["clip"].b


def test_the_anchors_are_the_configs(exported):
    _, nodes, _ = exported
    anchors = graphfix.open_model(repository.DETECTOR).model.anchors
    for number, one in enumerate(anchors.maps):
        attributes = nodes[f"PriorBox_{number}"].attr
        widths, heights = (list(attributes[name].tensor.float_val) for name in ("width", "height"))
        wanted = [(height * 160, width * 160) for height, width in one.sizes]
        assert list(zip(heights, widths)) == [pytest.approx(pair) for pair in wanted]
        assert list(attributes["variance"].tensor.float_val) == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_how_a_picture_is_fed_is_told(exported):
    found, _, made = exported
    details = json.loads(made["export.json"].decode())["details"]
    assert details["scale"] == pytest.approx(2 / 255) and details["mean"] == pytest.approx(127.5)
    assert (details["height"], details["width"]) == (160, 160)
    assert "readNetFromTensorflow" in found.next_steps[0]
    assert "frozen_inference_graph.pb" in found.files and "graph.pbtxt" in found.files


@pytest.fixture(scope="module")
def source():
    model = graphfix.open_model(repository.DETECTOR)
    return {name: view.load() for name, view in model.store.items()}, model.config.document.text


@pytest.mark.parametrize(
    "old, new, subject",
    [
        (
            r"fixed_shape_resizer \{[^}]*\}",
            "keep_aspect_ratio_resizer { min_dimension: 160 max_dimension: 160 }",
            "image_resizer.keep_aspect_ratio_resizer",
        ),
        (r"y_scale: 10.0", "y_scale: 9.0", "box_coder.faster_rcnn_box_coder"),
        (r"score_converter: SIGMOID", "score_converter: IDENTITY", "score_converter IDENTITY"),
        (r"score_converter: SIGMOID", "score_converter: SIGMOID logit_scale: 2", "logit_scale"),
        (r"iou_threshold: 0.6", "iou_threshold: 0.6 use_class_agnostic_nms: true", "agnostic"),
        (r"max_detections_per_class: 100", "max_detections_per_class: 7", "max_detections_per"),
        (r"num_layers: 6", "num_layers: 6 height_stride: [1, 2, 3, 4, 5, 6] "
         "width_stride: [1, 2, 3, 4, 5, 6]", "anchor_generator.ssd_anchor_generator"),
    ],
)  # fmt: skip
def test_what_opencv_would_do_otherwise_is_refused(source, old, new, subject):
    arrays, text = source
    assert re.search(old, text), old
    model = graphfix.model_in_memory(arrays, re.sub(old, new, text, count=1))
    with pytest.raises(graphfix.RequestError) as caught:
        graphfix.export("opencv", model, graphfix.Memory())
    assert len(caught.value.problems) == 1 and subject in caught.value.problems[0].subject


def test_a_source_without_a_graph_is_refused(source):
    with pytest.raises(graphfix.RequestError, match="has no frozen graph"):
        graphfix.export("opencv", graphfix.model_in_memory(*source), graphfix.Memory())


@pytest.mark.parametrize(
    "scope, op, words",
    [
        ("Conv2d_5_pointwise/Relu6", "Tanh", "of type Tanh"),
        ("Preprocessor/mul", "Add", "is not preprocessed"),
    ],
)
def test_an_operation_that_is_not_known_is_refused(scope, op, words):
    graph_def = files.read_graph_def(repository.DETECTOR + "/frozen_inference_graph.pb")
    (node,) = [one for one in graph_def.node if one.name.endswith(scope)]
    node.op = op
    heads = graphfix.open_model(repository.DETECTOR).model.heads
    with pytest.raises(graphfix.RequestError, match=words):
        text_graph.network(files.open_graph(graph_def, "graph"), heads, "graph")
