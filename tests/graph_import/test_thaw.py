"""thaw.py: variables out of a frozen graph, and what is lost; stock/test_frozen.py has all eras."""

import os

import builders
import numpy as np
import pytest
import repository
from handgraphs import Made

from graphfix.errors import SourceError
from graphfix.graph_import.thaw import thaw
from graphfix.pipeline_config.document import parse_config

DETECTOR = repository.DETECTOR
FROZEN = os.path.join(DETECTOR, "frozen_inference_graph.pb")


def assert_starts_from(out, config):
    """Whether the config of `out` is `config` with all that lets a trainer start from `out`, and
    nothing else."""
    before = parse_config(open(config, "rb").read(), config).message
    after = parse_config((out / "pipeline.config").read_bytes(), "out").message
    train = after.train_config
    assert train.fine_tune_checkpoint == str(out / "model.ckpt")
    assert train.from_detection_checkpoint and train.load_all_detection_checkpoint_vars
    for one in (before, after):
        for field in ("fine_tune_checkpoint", "from_detection_checkpoint"):
            one.train_config.ClearField(field)
        one.train_config.ClearField("load_all_detection_checkpoint_vars")
    assert before == after


def test_every_variable_comes_back_bit_for_bit(graphfix, tmp_path):
    done = graphfix("thaw", FROZEN, "--output_directory", tmp_path / "out")
    assert done.code == 0 and "200 variables" in done.out
    before = builders.read_checkpoint(os.path.join(DETECTOR, "model.ckpt"))
    after = builders.read_checkpoint(str(tmp_path / "out" / "model.ckpt"))
    assert sorted(after) == sorted(before)
    for name, value in before.items():
        if name != "global_step":
            assert after[name].tobytes() == value.tobytes(), name
    assert (after["global_step"].dtype, int(after["global_step"])) == (np.int64, 0)
    assert_starts_from(tmp_path / "out", os.path.join(DETECTOR, "pipeline.config"))
    assert "object_detection.model_main" in done.out and str(tmp_path / "out_legacy") in done.out


def test_a_saved_model_is_thawed_too(graphfix, tmp_path):
    builders.write_saved_model(tmp_path / "saved", FROZEN)
    done = graphfix(
        "thaw",
        tmp_path / "saved",
        "--output_directory",
        tmp_path / "out",
        "--pipeline_config_path",
        os.path.join(DETECTOR, "pipeline.config"),
    )
    assert done.code == 0 and "200 variables" in done.out


def test_a_given_config_wins_over_an_inferred_one(graphfix, tmp_path):
    path = tmp_path / "frozen_inference_graph.pb"
    path.write_bytes(open(FROZEN, "rb").read())
    config = os.path.join(DETECTOR, "pipeline.config")
    done = graphfix(
        "thaw", path, "-v", "--output_directory", tmp_path / "out", "--pipeline_config_path", config
    )
    assert done.code == 0 and "CONFIG_INFERRED" not in done.err
    assert_starts_from(tmp_path / "out", config)


def thawed(made, **options):
    return thaw(made.graph(), subject="g.pb", **options)


def conv(made, scope, kernel_dtype="float32"):
    return (
        made.constant(scope + "/weights", (1, 1, 3, 4), kernel_dtype)
        .node(scope + "/weights/read", "Identity", scope + "/weights")
        .node(scope + "/Conv2D", "Conv2D", "image", scope + "/weights/read")
    )


def test_constants_that_are_no_variables_stay_behind():
    made = conv(Made().node("image", "Placeholder"), "FeatureExtractor/a")
    made.constant("FeatureExtractor/a/biases", (4,)).node(
        "FeatureExtractor/a/BiasAdd",
        "BiasAdd",
        "FeatureExtractor/a/Conv2D",
        "FeatureExtractor/a/biases",
    )
    made.constant("Reshape/shape", (2,), "int32").node(
        "Reshape", "Reshape", "image", "Reshape/shape"
    )
    made.constant("weights", ()).node("mul", "Mul", "image", "weights")
    store, findings = thawed(made)
    assert sorted(store) == [
        "FeatureExtractor/a/biases",
        "FeatureExtractor/a/weights",
        "global_step",
    ]
    assert findings == ()


def test_variables_of_keras_layers():
    """A layer reads LAYER/kernel at LAYER/Conv2D/ReadVariableOp."""
    scope = "ssd_mobile_net_v1keras_feature_extractor/conv1"
    made = (
        Made()
        .node("image", "Placeholder")
        .constant(scope + "/kernel", (1, 1, 3, 4))
        .node(scope + "/Conv2D/ReadVariableOp", "Identity", scope + "/kernel")
        .node(scope + "/Conv2D", "Conv2D", "image", scope + "/Conv2D/ReadVariableOp")
    )
    with pytest.raises(SourceError) as caught:
        thawed(made)
    assert f"BatchNorm of '{scope}' is folded" in str(caught.value)
    for number, name in enumerate(("gamma", "beta")):
        made.constant(f"{scope}_bn/{name}", (4,)).node(
            scope + "_bn/ReadVariableOp" + (f"_{number}" if number else ""),
            "Identity",
            f"{scope}_bn/{name}",
        )
    store, findings = thawed(made)
    assert sorted(store) == [
        "global_step",
        scope + "/kernel",
        scope + "_bn/beta",
        scope + "_bn/gamma",
    ]
    assert findings == ()


def test_folded_normalization_is_refused_or_told():
    made = conv(Made().node("image", "Placeholder"), "FeatureExtractor/a")
    with pytest.raises(SourceError) as caught:
        thawed(made)
    assert "folded" in str(caught.value) and "FeatureExtractor/a" in str(caught.value)
    store, findings = thawed(made, partial=True)
    assert "FeatureExtractor/a/weights" in store
    assert [one.code for one in findings] == ["NOT_RECOVERED"]


def test_quantized_weights_are_refused():
    made = (
        Made()
        .node("image", "Placeholder")
        .constant("FeatureExtractor/a/weights_quantized", (1, 1, 3, 4), "quint8")
    )
    made.node("FeatureExtractor/a/weights", "Dequantize", "FeatureExtractor/a/weights_quantized")
    made.node("FeatureExtractor/a/Conv2D", "Conv2D", "image", "FeatureExtractor/a/weights")
    made.constant("b/biases", (4,)).node("b", "BiasAdd", "image", "b/biases")
    with pytest.raises(SourceError) as caught:
        thawed(made)
    assert "FeatureExtractor/a/Conv2D" in str(caught.value)


def test_kernels_of_one_kind_are_told_in_one_line():
    made = Made().node("image", "Placeholder")
    for name in "abc":
        scope = f"FeatureExtractor/{name}"
        made.constant(scope + "/weights_quantized_const", (1, 1, 3, 4), "quint8")
        made.node(scope + "/weights", "Dequantize", scope + "/weights_quantized_const")
        made.node(scope + "/Conv2D", "Conv2D", "image", scope + "/weights")
    for name in "de":
        conv(made, f"FeatureExtractor/{name}")
    with pytest.raises(SourceError) as caught:
        thawed(made)
    quantized, folded = caught.value.problems
    assert quantized.message.startswith(
        "the kernels of 3 layers (the first is 'FeatureExtractor/a/Conv2D') are no variables any "
    )
    assert "quantize_weights" in quantized.message
    assert "of 2 layers (the first is 'FeatureExtractor/d')" in folded.message
    assert "fold_batch_norms" in folded.message


def test_variables_whose_reads_were_folded_come_back():
    """The transform fold_constants leaves NAME/read/_N__cf__M, others NAME/read."""
    made = Made().node("image", "Placeholder")
    for name, read in (("a", "/read/_3__cf__12"), ("b", "/read"), ("c", "")):
        scope = f"FeatureExtractor/{name}"
        made.constant(f"{scope}/weights{read}", (1, 1, 3, 4)).constant(
            f"{scope}/biases{read}", (4,)
        )
        made.node(scope + "/Conv2D", "Conv2D", "image", f"{scope}/weights{read}")
        made.node(scope + "/BiasAdd", "BiasAdd", scope + "/Conv2D", f"{scope}/biases{read}")
    store, findings = thawed(made)
    assert findings == () and sorted(store) == sorted(
        [f"FeatureExtractor/{name}/{leaf}" for name in "abc" for leaf in ("weights", "biases")]
        + ["global_step"]
    )


@pytest.mark.parametrize(
    "op, word, remedy",
    [
        ("TRTEngineOp", "3 segments of TensorRT", "without transforming"),
        ("QuantizedConv2D", "quantize_nodes", "without transforming"),
        ("StatefulPartitionedCall", "TensorFlow 2", "TensorFlow 1"),
        ("VarHandleOp", "not frozen: it has 3 variables", "checkpoint"),
        ("VariableV2", "not frozen", "frozen_inference_graph.pb"),
    ],
)
def test_graphs_without_variables_are_named(op, word, remedy):
    made = Made().node("image", "Placeholder")
    for number in range(3):
        made.node(f"a/{number}", op)
    with pytest.raises(SourceError) as caught:
        thawed(made)
    (problem,) = caught.value.problems
    assert problem.subject == "g.pb" and word in problem.message and remedy in problem.remedy


def test_a_graph_without_names_is_named():
    made = Made()
    for letter in "abcdefghijkl":
        made.constant(letter, (1,))
    with pytest.raises(SourceError, match="obfuscate_names"):
        thawed(made)


def test_the_unread_block_of_a_resnet_gets_the_second_stages_values():
    made = Made().node("image", "Placeholder")
    scope = "SecondStageFeatureExtractor/resnet_v1_50/block4/unit_1/conv1"
    conv(made, scope).constant(scope + "/BatchNorm/gamma", (4,)).node(
        scope + "/BatchNorm/gamma/read", "Identity", scope + "/BatchNorm/gamma"
    )
    store, findings = thawed(made)
    dead = scope.replace("SecondStage", "FirstStage") + "/weights"
    assert store[dead].load().tobytes() == store[scope + "/weights"].load().tobytes()
    assert [one.code for one in findings] == ["DEAD_VARIABLES"]


def test_unread_halves_of_a_keras_network_get_the_other_stages_values():
    made, scope = Made().node("image", "Placeholder"), "%sStageFeatureExtractor/InceptionResnetV2/"
    # Of six layers the first stage reads one unnamed and one named, the second one of each kind.
    read = {"First": ("conv2d", "block1_conv"), "Second": ("conv2d_5", "block2_conv")}
    for number, (stage, layers) in enumerate(sorted(read.items()), 1):
        for layer in layers:
            name = scope % stage + layer + "/kernel"
            made.value(name, np.full((1, 1, 3, 4), number)).node(name + "/read", "Identity", name)
    store, findings = thawed(made)
    own = {name: view.load().flat[0] for name, view in store.items() if name != "global_step"}
    assert own == {
        scope % stage + layer + "/kernel": number
        for stage, layer, number in (
            ("First", "conv2d", 1),
            ("Second", "conv2d_3", 1),
            ("First", "block1_conv", 1),
            ("Second", "block1_conv", 1),
            ("Second", "conv2d_5", 2),
            ("First", "conv2d_2", 2),
            ("Second", "block2_conv", 2),
            ("First", "block2_conv", 2),
        )
    }
    assert "4 variables" in findings[0].message


def test_a_graph_without_variables_is_refused():
    with pytest.raises(SourceError):
        thawed(Made().node("image", "Placeholder").constant("c", (2,)))
