"""The text graph of a Faster R-CNN, on a graph made by hand: a layer of each stage."""

import types

import numpy as np
import pytest
import tf2_cases
from google.protobuf import text_format

import graphfix
from graphfix.exporting.opencv import two_stage
from graphfix.exporting.opencv.text_graph import Suppression
from graphfix.formats.graphdef import files
from graphfix.formats.schema import message_class

FLOAT, INT32 = 1, 3


class Graph:
    """A GraphDef that is written node by node."""

    def __init__(self):
        self.message = message_class("graphfix.graph.GraphDef")()

    def node(self, name, op, *inputs, **attributes):
        node = self.message.node.add(name=name, op=op, input=inputs)
        for key, content in attributes.items():
            if isinstance(content, str):
                node.attr[key].s = content.encode()
            elif isinstance(content, list):
                node.attr[key].list.i.extend(content)
            else:
                node.attr[key].b = content
        return name

    def constant(self, name, array):
        array = np.asarray(array)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
        node = self.message.node.add(name=name, op="Const")
        dtype = FLOAT if array.dtype == np.float32 else INT32
        node.attr["dtype"].type = dtype
        tensor = node.attr["value"].tensor
        tensor.dtype = dtype
        tensor.tensor_content = array.tobytes()
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        return name

    def layer(self, scope, op, source, shape):
        weights = self.constant(f"{scope}/weights", np.zeros(shape))
        biases = self.constant(f"{scope}/biases", np.zeros(shape[-1]))
        made = self.node(
            f"{scope}/{op}", op, source, self.node(f"{weights}/read", "Identity", weights)
        )
        return self.node(f"{scope}/BiasAdd", "BiasAdd", made, biases)


@pytest.fixture
def graph():
    made = Graph()
    made.node("image_tensor", "Placeholder")
    made.node("resized", "Resize", "image_tensor")
    made.constant("Preprocessor/sub/y", [123.68, 116.78, 103.94])
    made.node("Preprocessor/sub", "Sub", "resized", "Preprocessor/sub/y")
    features = made.layer("FirstStage/conv", "Conv2D", "Preprocessor/sub", (1, 1, 3, 8))
    for head, width in (("ClassPredictor", 4), ("BoxEncodingPredictor", 8)):
        made.layer(f"FirstStageBoxPredictor/{head}", "Conv2D", features, (1, 1, 8, width))
    made.constant("Crop/size", [14, 14])
    made.node("boxes", "Where", "image_tensor")
    crops = made.node("Crop", "CropAndResize", features, "boxes", "boxes", "Crop/size")
    folded = made.node(
        "folded", "Reshape", made.node("unfolded", "Reshape", crops, "boxes"), "boxes"
    )
    pooled = made.node("pool", "MaxPool", folded, ksize=[1, 2, 2, 1])
    made.constant("axes", [1, 2])
    mean = made.node("mean", "Mean", pooled, "axes", keep_dims=True)
    flat = made.node("flat", "Reshape", mean, "boxes")
    for head, width in (("ClassPredictor", 4), ("BoxEncodingPredictor", 12)):
        made.layer(f"SecondStageBoxPredictor/{head}", "MatMul", flat, (8, width))
    return made


HEADS = [
    types.SimpleNamespace(
        role=role,
        scope=f"{stage}BoxPredictor/{head}",
        tensors=[f"{stage}BoxPredictor/{head}/biases"],
    )
    for stage, role, head in (
        ("FirstStage", "objectness", "ClassPredictor"),
        ("FirstStage", "box", "BoxEncodingPredictor"),
        ("SecondStage", "class", "ClassPredictor"),
        ("SecondStage", "box", "BoxEncodingPredictor"),
    )
]


def settings(**changes):
    return two_stage.Settings(
        anchors=((64.0, 32.0), (32.0, 64.0)),
        stride=16.0,
        first=Suppression(1, True, (0.1, 0.2), 0.7, 0.0, 300, False),
        second=Suppression(3, True, (0.1, 0.2), 0.6, 0.3, 100, False),
        shared_boxes=False,
    )._replace(**changes)


def made(graph, **changes):
    opened = files.open_graph(graph.message, "graph")
    found = two_stage.text_and_preprocessing(opened, HEADS, settings(**changes), "graph")
    parsed = text_format.Parse(found.text, message_class("graphfix.graph.GraphDef")())
    return {node.name: node for node in parsed.node}, found.mean, found.scale, found.layers


def test_every_input_is_a_node_before_or_a_constant(graph):
    nodes, mean, scale, layers = made(graph)
    seen = {node.name for node in graph.message.node if node.op == "Const"}
    assert not seen & set(nodes)
    for node in nodes.values():
        assert set(node.input) <= seen, node.name
        seen.add(node.name)
    assert mean == pytest.approx((123.68, 116.78, 103.94)) and scale == 1
    assert layers == 14


def test_crops_are_of_proposals_and_nothing_else_is_between(graph):
    nodes, _, _, _ = made(graph)
    assert list(nodes["Crop"].input) == ["FirstStage/conv/BiasAdd", "proposals/clip", "Crop/size"]
    assert list(nodes["pool"].input) == ["Crop"] and not {"folded", "unfolded"} & set(nodes)
    assert nodes["flat"].op == "Flatten" and nodes["mean"].attr["keep_dims"].b


def test_both_suppressions_are_the_configs(graph):
    nodes, _, _, _ = made(graph)
    first, second = nodes["proposals"].attr, nodes["detection_out"].attr
    assert first["num_classes"].i == 2 and first["keep_top_k"].i == 300
    assert second["num_classes"].i == 4 and second["background_label_id"].i == 0
    assert not second["share_location"].b and second["variance_encoded_in_target"].b
    assert round(second["confidence_threshold"].f, 6) == 0.3
    anchors = nodes["proposals/anchors"].attr
    assert list(anchors["height"].tensor.float_val) == [64, 32]
    assert anchors["step"].f == 16 and anchors["offset"].f == 0 and anchors["clip"].b


def test_the_background_gets_a_box_unless_all_share_one(graph):
    nodes, _, _, _ = made(graph)
    assert list(nodes["second/background"].attr["value"].tensor.int_val) == [0, 0, 1, 0, 0, 0]
    nodes, _, _, _ = made(graph, shared_boxes=True)
    assert "second/background" not in nodes and nodes["detection_out"].attr["share_location"].b


@pytest.mark.parametrize(
    "family, old, new, words",
    [
        ("rfcn_resnet50", "", "", "rfcn_box_predictor: pools crops as OpenCV does not"),
        ("mask_rcnn_resnet50", "", "", "predict_instance_masks: is not exported"),
        ("faster_rcnn_resnet50", "SOFTMAX", "SIGMOID", "score_converter SIGMOID"),
        ("faster_rcnn_resnet50", "width_stride: 16", "width_stride: 8", "corner of square cells"),
        (
            "faster_rcnn_resnet50",
            "fixed_shape_resizer { height: 128 width: 128 }",
            "keep_aspect_ratio_resizer { pad_to_max_dimension: true }",
            "image_resizer.keep_aspect_ratio_resizer",
        ),
        ("faster_rcnn_resnet50", "", "", "has no frozen graph"),
    ],
)
def test_other_two_stage_detectors_are_refused_by_name(family, old, new, words):
    text = tf2_cases.edited(family, ((old, new),) if old else ())
    with pytest.raises(graphfix.GraphfixError, match=words):
        graphfix.export("opencv", tf2_cases.model_of(text), graphfix.Memory())


def test_other_crops_are_refused(graph):
    (crop,) = [node for node in graph.message.node if node.op == "CropAndResize"]
    crop.op = "Relu"
    del crop.input[1:]
    with pytest.raises(graphfix.RequestError, match="crops proposals in another way"):
        made(graph)
