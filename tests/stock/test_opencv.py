"""export opencv, judged by OpenCV beside TensorFlow, on the validation pictures of testdata."""

import os
import re

import judged_tf2
import pytest
import repository
import shapes_pictures
import tensorflow.compat.v1 as tf
import tf2_cases
import thorough

import graphfix


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return shapes_pictures.written(tmp_path_factory.mktemp("pictures"))


def tried(out, opencv, tensorflow, pictures):
    return graphfix.try_with_stock_api(
        out, stock_python=opencv, tf1_python=tensorflow, images=pictures
    )


@pytest.mark.parametrize("major", thorough.cases([4], [5]))
@pytest.mark.parametrize("classes", thorough.cases(["star,circle,ring"], [None]))
def test_detections_are_tensorflows(
    opencv_python, stock_python, pictures, major, classes, tmp_path
):
    out = str(tmp_path / "out")
    options = graphfix.ConvertOptions(**({"classes": classes} if classes else {}))
    graphfix.export("opencv", repository.DETECTOR, out, options)
    found = tried(out, opencv_python(major), stock_python("2019-07"), pictures)
    assert found.complete and found.outputs, found.to_lines()
    assert len(found.details[0]["detections"]) == shapes_pictures.PICTURES
    assert sum(map(len, found.details[0]["detections"])) > shapes_pictures.PICTURES


@thorough.only
@pytest.mark.parametrize(
    "old, new, loud",
    [
        (r"float_val: (\d\d)\.", r"float_val: 1\1.", False),
        (r"(num_classes.*i: )9", r"\g<1>12", True),
        ('op: "Sigmoid"', 'op: "Identity"', False),
        # As few as this detector has: of others, 100 are too few.
        (r'("top_k" value . i: )-1', r"\g<1>3", False),
    ],
)
def test_what_is_stale_is_seen(opencv_python, stock_python, pictures, old, new, loud, tmp_path):
    """Of a text made by hand: anchors and the score converter differ in silence, classes do not."""
    out = tmp_path / "out"
    graphfix.export("opencv", repository.DETECTOR, str(out))
    text = (out / "graph.pbtxt").read_text()
    assert re.search(old, text)
    (out / "graph.pbtxt").write_text(re.sub(old, new, text))
    asked = (str(out), opencv_python(4), stock_python("2019-07"), pictures[:10])
    if loud:
        with pytest.raises(graphfix.VerificationError):
            tried(*asked)
    else:
        assert not tried(*asked).complete


@pytest.fixture(scope="module")
def two_stage(stock_python, tmp_path_factory):
    """Directory of a small Faster R-CNN with made-up weights, as the stock exporter writes it."""
    top = tmp_path_factory.mktemp("two_stage")
    text = judged_tf2.with_training(
        tf2_cases.edited(
            "faster_rcnn_resnet50",
            (("first_stage_max_proposals: 8", "first_stage_max_proposals: 30"),),
        )
    )
    source = judged_tf2.source(text, str(top / "source"), global_step=True)
    return judged_tf2.frozen(source, str(top / "frozen"), stock_python("2021"))


@thorough.only
@pytest.mark.parametrize("major", [4, 5])
@pytest.mark.parametrize("size", ["height: 128 width: 128", "height: 64 width: 160"])
def test_maps_of_one_pixel(opencv_python, stock_python, size, major, tmp_path):
    """On which OpenCV computes a padded depthwise convolution wrong: SSDLite's last maps."""
    text = judged_tf2.with_training(
        tf2_cases.edited("ssdlite_mobilenet_v2", (("height: 128 width: 128", size),))
    )
    source = judged_tf2.source(text, str(tmp_path / "source"), global_step=True)
    python, opencv = stock_python("2019-07"), opencv_python(major)
    frozen = judged_tf2.frozen(source, str(tmp_path / "frozen"), python)
    out = str(tmp_path / "out")
    found = graphfix.export("opencv", frozen, out, runtime_python=opencv, tf1_python=python)
    assert found.comparison["equal"] and found.comparison["scores"] < 1e-5


def inside_of_the_edge(path):
    """Has TensorFlow crop a little inside of each proposal, so that none reaches beyond an edge."""
    graph_def = tf.GraphDef()
    with open(path, "rb") as file:
        graph_def.ParseFromString(file.read())
    with tf.Graph().as_default():
        tf.constant(1 - 1e-6, tf.float32, name="a_little_less")
        graph_def.node.extend(tf.get_default_graph().as_graph_def().node)
    for crop in [node for node in graph_def.node if node.op == "CropAndResize"]:
        node = graph_def.node.add(op="Mul", input=[crop.input[1], "a_little_less"])
        node.name = crop.name + "_inside"
        node.attr["T"].type = tf.float32.as_datatype_enum
        crop.input[1] = node.name
    with open(path, "wb") as file:
        file.write(graph_def.SerializeToString())


@thorough.only
@pytest.mark.parametrize("major", [4, 5])
def test_a_two_stage_detectors_detections_are_tensorflows(
    opencv_python, stock_python, two_stage, major, tmp_path
):
    """But at the edge, where TensorFlow itself is a last digit from other values."""
    out = str(tmp_path / "out")
    graphfix.export("opencv", two_stage, out, compare=False)
    inside_of_the_edge(os.path.join(out, "frozen_inference_graph.pb"))
    found = graphfix.try_with_stock_api(
        out, stock_python=opencv_python(major), tf1_python=stock_python("2021")
    )
    assert found.outputs[0].equal, found.to_lines()
    assert sum(map(len, found.details[0]["detections"])) >= 20
    assert found.outputs[0].figures[0].difference < 1e-4
