"""graph_import.graph_meanings.py: graphs made by hand, with the old meaning and with the new."""

import re

import handgraphs
import pytest
import zoo

from graphfix.detectors import meanings
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.graphdef import node_scan, skeleton
from graphfix.formats.tensors import TensorMeta
from graphfix.graph_import.graph_meanings import graph_meanings
from graphfix.pipeline_config.document import parse_config

FIRST = "FeatureExtractor/MobilenetV1/Conv2d_0/"
OPS = "FeatureExtractor/MobilenetV1/MobilenetV1/Conv2d_0/"
TOP = "FeatureExtractor/MobilenetV1/fpn/top_down/"


def seen(made, activation="RELU", epsilon=0.01):
    given = f"activation: {activation} batch_norm {{ epsilon: {epsilon} }}"
    text = f"model {{ ssd {{ feature_extractor {{ conv_hyperparams {{ {given} }} }} }} }}"
    settings = parse_config(text.encode(), "c").message.model.ssd.feature_extractor
    names = ("weights", "BatchNorm/gamma", "BatchNorm/moving_mean", "BatchNorm/moving_variance")
    metas = {FIRST + name: TensorMeta(FIRST + name, BY_NAME["float32"], (1,)) for name in names}
    return graph_meanings(
        made.graph().nodes, metas, find_extractor("ssd_mobilenet_v1"), settings.conv_hyperparams
    )


def preprocessing(order):
    """Image, then the operations in the order given."""
    made = handgraphs.Made().node("image_tensor", "Placeholder")
    made.value("Preprocessor/mul/x", 2 / 255.0).value("size", [3, 3], "int32")
    made.value("Preprocessor/sub/y", 1.0)
    before = "image_tensor"
    for name in order:
        scope = "Preprocessor/map/while/ResizeToRange/resize_images/ResizeBilinear"
        if name == "resize":
            made.node(scope, "ResizeBilinear", before, "size")
            before = scope
        else:
            made.node("Preprocessor/mul", "Mul", "Preprocessor/mul/x", before)
            made.node("Preprocessor/sub", "Sub", "Preprocessor/mul", "Preprocessor/sub/y")
            before = "Preprocessor/sub"
    return made


@pytest.mark.parametrize("order, new", [(("resize", ""), False), (("", "resize"), True)])
def test_images_are_normalized_after_they_are_resized_or_before(order, new):
    assert seen(preprocessing(order)) == {
        meanings.PADDED_PIXELS: new,
        meanings.GREY: new,
        meanings.PREDICTOR_DROPOUT: True,
    }


@pytest.mark.parametrize("passed_on, new", [("Pad", False), ("add", True)])
def test_a_pyramids_level_is_passed_on_padded_or_as_it_is(passed_on, new):
    made = handgraphs.Made().node("x", "Placeholder").constant("kernel", (1,))
    made.node(TOP + "add", "Add", "x", "x").constant("by", (4, 2), "int32")
    made.node(TOP + "Pad", "Pad", TOP + "add", "by")
    made.node(TOP + "smoothing_2/Conv2D", "Conv2D", TOP + "Pad", "kernel")
    made.node(TOP + "nearest_neighbor_upsampling/stack", "Pack", TOP + passed_on)
    assert seen(made) == {meanings.PYRAMID_PADDING: new}


@pytest.mark.parametrize("exported", [True, False])
def test_a_predictor_drops_in_an_exported_graph(exported):
    made = handgraphs.Made().node("image_tensor" if exported else "x", "Placeholder")
    made.node("WeightSharedConvolutionalBoxPredictor_1/dropout/random_uniform", "RandomUniform")
    assert seen(made) == ({meanings.PREDICTOR_DROPOUT: False} if exported else {})


@pytest.mark.parametrize("clipped, new", [("ClipToWindow/Concat", False), ("unstack", True)])
def test_boxes_are_suppressed_clipped_or_before(clipped, new):
    scope = "Postprocessor/BatchMultiClassNonMaxSuppression/map/while/MultiClassNonMaxSuppression/"
    made = handgraphs.Made().node("before/ClipToWindow/boxes", "Placeholder")
    made.node(scope + "unstack", "Unpack", "before/ClipToWindow/boxes")
    made.node(scope + "ClipToWindow/Concat", "ConcatV2", scope + "unstack")
    made.node(
        scope + "non_max_suppression/NonMaxSuppressionV3", "NonMaxSuppressionV3", scope + clipped
    )
    assert seen(made) == {meanings.SUPPRESSION: new}


def layer(activation, epsilon):
    made = handgraphs.Made().node("x", "Placeholder").value(FIRST + "weights", [1.0])
    made.value(FIRST + "BatchNorm/moving_variance", [1.0]).value(OPS + "BatchNorm/e", epsilon)
    made.node(OPS + "Conv2D", "Conv2D", "x", FIRST + "weights")
    made.node(
        OPS + "BatchNorm/add", "Add", FIRST + "BatchNorm/moving_variance", OPS + "BatchNorm/e"
    )
    made.node(OPS + "BatchNorm/mul", "Mul", OPS + "Conv2D", OPS + "BatchNorm/add")
    return made.node(OPS + "Relu", activation, OPS + "BatchNorm/mul")


@pytest.mark.parametrize(
    "activation, epsilon, new",
    [("Relu", 0.01, False), ("Relu6", 0.001, True), ("Relu6", 0.02, None)],
)
def test_the_base_network_has_the_configs_settings_its_own_or_others(activation, epsilon, new):
    found = seen(layer(activation, epsilon))
    assert found == ({} if new is None else {meanings.BASE_SETTINGS: new})


def test_the_base_network_tells_nothing_where_both_are_the_same():
    assert seen(layer("Relu6", 0.001), activation="RELU_6", epsilon=0.001) == {}


@pytest.mark.parametrize("path", zoo.files("*/*.meta"))
def test_published_graphs_have_the_meanings_of_their_time(path):
    nodes = node_scan.read_nodes(path, skeleton.META_GRAPH)
    settings = parse_config(b"model { ssd { } }", "c").message.model.ssd.feature_extractor
    found = graph_meanings(nodes, {}, find_extractor("ssd_mobilenet_v1"), settings.conv_hyperparams)
    month = "-".join(re.search(r"_(20\d\d)_(\d\d)_\d\d", path).groups())
    assert found == {
        meanings.PADDED_PIXELS: False,
        meanings.GREY: False,
        meanings.PREDICTOR_DROPOUT: True,
        meanings.SUPPRESSION: month >= "2018-07",
    }
