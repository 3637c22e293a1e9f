"""infer/: the config of a frozen graph; stock/test_infer.py builds models from it."""

import os
import random
import re
import shutil

import numpy as np
import pytest
import repository
import thorough

from graphfix.errors import SourceError
from graphfix.formats.graphdef import constants, files
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.schema import message_class
from graphfix.graph_import.infer_config import infer_config
from graphfix.graph_import.thaw import thaw
from graphfix.pipeline_config.document import parse_config

DETECTOR = repository.DETECTOR
FROZEN = os.path.join(DETECTOR, "frozen_inference_graph.pb")
POST = "Postprocessor/BatchMultiClassNonMaxSuppression/map/while/"
NMS = POST + "MultiClassNonMaxSuppression/"
GIVEN = files.read_graph_def(FROZEN)


def copied():
    graph_def = message_class("graphfix.graph.GraphDef")()
    graph_def.CopyFrom(GIVEN)
    return graph_def


def inferred(graph_def):
    graph = Graph(graph_def)
    store, _ = thaw(graph, subject="g.pb")
    return infer_config(graph, {name: view.meta for name, view in store.items()}, subject="g.pb")


def ssd(found):
    return parse_config(found.data, "inferred").message.model.ssd


def set_constant(graph_def, name, value):
    (node,) = (node for node in graph_def.node if node.name == name)
    constants.set_value(node, np.asarray(value), constants.meta_of(node).dtype)


def set_everywhere(graph_def, name, value):
    """The same constant of every class: non_max_suppression_1/x beside non_max_suppression/x."""
    scope, slash, leaf = name.rpartition("/")
    for node in list(graph_def.node):
        if re.match(re.escape(scope) + r"(_\d+)?" + slash + leaf + r"\Z", node.name):
            set_constant(graph_def, node.name, value)


def without_assumptions(model):
    """What of an SSD a graph tells."""
    for field in ("loss", "matcher", "similarity_calculator", "normalize_loss_by_num_matches"):
        model.ClearField(field)
    model.feature_extractor.ClearField("override_base_feature_extractor_hyperparams")
    for field in ("regularizer", "initializer"):
        model.feature_extractor.conv_hyperparams.ClearField(field)
    model.feature_extractor.conv_hyperparams.batch_norm.ClearField("decay")
    predictor = model.box_predictor.convolutional_box_predictor
    for field in ("conv_hyperparams", "apply_sigmoid_to_scores", "use_dropout"):
        predictor.ClearField(field)
    return model


def test_the_inferred_model_is_the_configs():
    with open(os.path.join(DETECTOR, "pipeline.config"), "rb") as file:
        original = parse_config(file.read(), "original").message.model.ssd
    found = ssd(inferred(copied()))
    assert str(without_assumptions(found)) == str(without_assumptions(original))


def test_it_says_what_is_inferred_and_what_assumed():
    found = inferred(copied())
    assert [one.code for one in found.findings] == ["CONFIG_INFERRED", "CONFIG_ASSUMED"]
    assert "8 classes" in found.findings[0].message and "optimizer" in found.findings[1].message
    lines = found.data.decode().splitlines()
    for name in ("loss {", "train_config {", "regularizer {", "decay: 0.997", "eval_config {"):
        at = [line for line in lines if line.strip().startswith(name)]
        assert at and all(line.endswith("# assumed") for line in at), name
    for name in ("min_scale", "iou_threshold: 0.6", "depth_multiplier", "y_scale"):
        at = [line for line in lines if line.strip().startswith(name)]
        assert at and not any(line.endswith("# assumed") for line in at), name
    assert inferred(copied()).data == found.data


@pytest.mark.parametrize(
    "name, value, read",
    thorough.sampled(
        [
            (
                NMS + "non_max_suppression_with_scores/iou_threshold",
                0.45,
                lambda model: model.post_processing.batch_non_max_suppression.iou_threshold,
            ),
            (
                NMS + "non_max_suppression_with_scores/score_threshold",
                0.125,
                lambda model: model.post_processing.batch_non_max_suppression.score_threshold,
            ),
            (
                NMS + "non_max_suppression_with_scores/soft_nms_sigma",
                0.5,
                lambda model: model.post_processing.batch_non_max_suppression.soft_nms_sigma,
            ),
            (
                NMS + "Minimum/x",
                30,
                lambda model: (
                    model.post_processing.batch_non_max_suppression.max_detections_per_class
                ),
            ),
            (
                POST + "PadOrClipBoxList/sub/y",
                70,
                lambda model: model.post_processing.batch_non_max_suppression.max_total_detections,
            ),
            ("Postprocessor/scale_logits/y", 3.0, lambda model: model.post_processing.logit_scale),
            (
                "Postprocessor/Decode/truediv_1/y",
                7.0,
                lambda model: model.box_coder.faster_rcnn_box_coder.x_scale,
            ),
            (
                "Postprocessor/Decode/truediv_3/y",
                3.0,
                lambda model: model.box_coder.faster_rcnn_box_coder.width_scale,
            ),
        ],
        3,
    ),
)
def test_a_constant_is_read_where_the_graph_has_it(name, value, read):
    graph_def = copied()
    set_everywhere(graph_def, name, value)
    assert read(ssd(inferred(graph_def))) == np.float32(value) != read(ssd(inferred(copied())))


@pytest.mark.parametrize("scale", [2.0, 3.0, 0.7])
def test_logits_may_be_multiplied_by_the_inverse_of_their_scale(scale):
    graph_def = copied()
    set_constant(graph_def, "Postprocessor/scale_logits/y", 1 / scale)
    change_operation("Postprocessor/scale_logits", "Mul")(graph_def)
    assert ssd(inferred(graph_def)).post_processing.logit_scale == np.float32(scale)
    set_constant(graph_def, "Postprocessor/scale_logits/y", 0.0)
    with pytest.raises(SourceError, match="the logits' scale"):
        inferred(graph_def)


@pytest.mark.parametrize("op, name", [("Softmax", "SOFTMAX"), ("Identity", "IDENTITY")])
def test_the_score_converter_is_the_operation(op, name):
    graph_def = copied()
    for node in graph_def.node:
        if node.name == "Postprocessor/convert_scores":
            node.op = op
    assert f"score_converter: {name}\n" in inferred(graph_def).data.decode()


def test_ranges_in_the_graph_are_a_rewriters():
    graph_def = copied()
    for part, bits in (("weights_quant", 6), ("act_quant", 8)):
        node = graph_def.node.add(
            name=f"x/{part}/FakeQuant", op="FakeQuantWithMinMaxVars", input=["image_tensor"] * 3
        )
        node.attr["num_bits"].i = bits
    quantization = parse_config(inferred(graph_def).data, "g").message.graph_rewriter.quantization
    assert (quantization.weight_bits, quantization.activation_bits) == (6, 8)


def rename(graph_def, old, new):
    for node in graph_def.node:
        node.name = node.name.replace(old, new)
        node.input[:] = [text.replace(old, new) for text in node.input]


def change_operation(name, op):
    def change(graph_def):
        changed = [node for node in graph_def.node if node.name.endswith(name)]
        assert changed
        for node in changed:
            node.op = op

    return change


@pytest.mark.parametrize(
    "change, words",
    thorough.sampled(
        [
            (
                lambda graph_def: rename(graph_def, "MobilenetV1", "Homemade"),
                "FeatureExtractor/Homemade",
            ),
            (
                lambda graph_def: rename(graph_def, "BoxPredictor_2/", "AttentionBlock/"),
                "AttentionBlock",
            ),
            (
                lambda graph_def: rename(graph_def, "MultipleGridAnchorGenerator", "Grid"),
                "anchor generators",
            ),
            (change_operation("Postprocessor/convert_scores", "Tanh"), "convert_scores is Tanh"),
            (change_operation("ResizeBilinear", "ResizeStrangely"), "resizing of images"),
            (
                change_operation("NonMaxSuppressionV5", "CombinedNonMaxSuppression"),
                "CombinedNonMaxSuppression",
            ),
            (change_operation("Decode/Exp", "Sigmoid"), "faster_rcnn_box_coder"),
            (
                lambda graph_def: rename(graph_def, "BoxPredictor_5/", "BoxPredictor_9/"),
                "BoxPredictor_5/ClassPredictor/weights",
            ),
            (
                lambda graph_def: set_constant(
                    graph_def,
                    "MultipleGridAnchorGenerator/Sqrt_2/x",
                    [1.0, 2.0, 0.5, 3.0, 0.25, 1.0],
                ),
                "scales differ",
            ),
            (
                lambda graph_def: set_constant(
                    graph_def, NMS + "non_max_suppression_with_scores_1/iou_threshold", 0.3
                ),
                "differ between classes",
            ),
            (
                lambda graph_def: graph_def.node.add(
                    name="Postprocessor/calibrate_scores", op="Identity", input=["image_tensor"]
                ),
                "calibrated",
            ),
        ],
        3,
    ),
)
def test_what_is_not_recognised_is_refused_by_name(change, words):
    graph_def = copied()
    change(graph_def)
    with pytest.raises(SourceError) as caught:
        inferred(graph_def)
    (problem,) = caught.value.problems
    assert words in problem.message and problem.subject == "g.pb"
    assert "--pipeline_config_path" in problem.remedy


def alone(directory):
    """The detector's frozen graph, and nothing beside it."""
    path = str(directory / "frozen_inference_graph.pb")
    shutil.copy(FROZEN, path)
    return path


def test_thaw_writes_a_config_that_restores_what_was_thawed(graphfix, tmp_path):
    done = graphfix("thaw", alone(tmp_path), "--output_directory", tmp_path / "out", "-v")
    assert done.code == 0 and "CONFIG_INFERRED" in done.err and "CONFIG_ASSUMED" in done.err
    train = parse_config(
        (tmp_path / "out" / "pipeline.config").read_bytes(), "out"
    ).message.train_config
    assert train.fine_tune_checkpoint == str(tmp_path / "out" / "model.ckpt")
    assert train.load_all_detection_checkpoint_vars
    done = graphfix("inspect", tmp_path / "out")
    assert done.code == 0 and "8 (names unknown)" in done.out and "inferred" not in done.out


@pytest.mark.slow
def test_a_graph_alone_is_converted_and_the_plan_replayed(graphfix, tmp_path):
    path = alone(tmp_path)
    done = graphfix("inspect", path)
    assert done.code == 0 and "inferred from the graph" in done.out and "CONFIG_ASSUMED" in done.out
    flags = ["--num_classes", "2", "--map", "1=6", "--map", "2=4"]
    done = graphfix("convert", path, "--output_directory", tmp_path / "out", "-v", *flags)
    assert done.code == 0 and "CONFIG_INFERRED" in done.err
    config = parse_config((tmp_path / "out" / "pipeline.config").read_bytes(), "out").message
    assert config.model.ssd.num_classes == 2
    done = graphfix(
        "convert",
        path,
        "--output_directory",
        tmp_path / "again",
        "--plan",
        tmp_path / "out" / "plan.json",
    )
    assert done.code == 0, done.err
    for name in ("model.ckpt.index", "frozen_inference_graph.pb"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_where_none_can_be_inferred_nothing_is_written(graphfix, tmp_path):
    graph_def = copied()
    rename(graph_def, "MobilenetV1", "Homemade")
    path = tmp_path / "graph.pb"
    path.write_bytes(files.to_bytes(graph_def))
    for words in (["thaw"], ["convert", "--num_classes", "2", "--map", "1=6"]):
        done = graphfix(words[0], path, "--output_directory", tmp_path / "out", *words[1:])
        assert done.code == 3 and "Homemade" in done.err and "--pipeline_config_path" in done.err
        assert sorted(os.listdir(str(tmp_path))) == ["graph.pb"]


def mutate(random, graph_def):
    """One of: an operation exchanged, an input redirected or dropped, a constant or its shape
    changed, an attribute dropped, a node gone from where it was read."""
    node = random.choice(
        [node for node in graph_def.node if node.op != "NoOp" and "/Meshgrid" not in node.name]
    )
    kind = random.randrange(5)
    if kind == 0:
        node.op = random.choice(graph_def.node).op
    elif kind == 1 and node.input:
        node.input[random.randrange(len(node.input))] = random.choice(graph_def.node).name
    elif kind == 2 and node.input:
        del node.input[random.randrange(len(node.input))]
    elif kind == 3 and node.op == "Const" and node.attr["value"].tensor.dtype in (1, 3):
        dtype = constants.meta_of(node).dtype
        shape = random.choice(((), (0,), (1,), (3,), (2, 2), (0, 4)))
        constants.set_value(
            node,
            np.full(
                shape,
                random.choice((-1, 0, 1, 7, 1 << 30, 3.5, float("nan"), float("inf")))
                if dtype.is_floating
                else random.choice((-1, 0, 1, 7, 1 << 30)),
                dtype.numpy,
            ),
            dtype,
        )
    elif node.attr:
        del node.attr[random.choice(sorted(node.attr))]


@pytest.mark.slow
def test_any_graph_gives_a_config_or_is_refused():
    kept = {}
    for seed in range(45):
        source = random.Random(seed)
        graph_def = copied()
        for _ in range(source.choice((1, 5, 30))):
            mutate(source, graph_def)
        try:
            ssd(inferred(graph_def))
            kept["config"] = kept.get("config", 0) + 1
        except SourceError:
            kept["refused"] = kept.get("refused", 0) + 1
    assert kept["config"] > 5 and kept["refused"] > 5, kept
