"""tf2: what is written is what the stock code of TensorFlow 2 saves; and what is refused."""

import glob
import os
import re
import types

import numpy as np
import pytest
import tf2_cases

import graphfix
from graphfix.exporting.tf2 import exactness, names, widening
from graphfix.exporting.tf2.config import config_edits
from graphfix.formats.checkpoint import objects, reader
from graphfix.pipeline_config.document import bound_config, parse_config
from graphfix.pipeline_config.edits import apply_edits

RECORDED = tf2_cases.recorded()
SMALL = "ssd_mobilenet_v2"


def test_every_case_is_recorded():
    assert set(RECORDED) == set(tf2_cases.CASES)


@pytest.mark.parametrize("title", tf2_cases.CASES)
def test_the_variables_are_those_that_tensorflow_2_saves(title):
    """Every path, with its shape, and no other: so the trainer finds each, and misses none."""
    shapes, message = tf2_cases.variables(tf2_cases.text_of(title))
    meta = message.model.WhichOneof("model")
    body = getattr(message.model, meta)
    network = exactness.EXACT[body.feature_extractor.type].network
    found = names.naming(meta, network, body).names(
        name for name in shapes if not names.unused(name)
    )
    assert not found.unknown and not found.missing
    recorded = RECORDED[title]
    wide = widening.Widening(body if body.feature_extractor.type == widening.WIDENED else None)
    made = {path: list(wide.shape(name, shapes[name])) for name, path in found.paths.items()}
    assert dict(made, save_counter=[]) == {path: shape for path, (_, shape) in recorded.items()}
    for name, path in found.paths.items():
        assert keras_name(name) in "/" + recorded[path][0], name


# What a scope of TensorFlow 1 is called in TensorFlow 2, which names layers much alike.
NAMES = (
    (r".*/Conv2d_0", "/conv1"),
    (r".*/Conv2d_(\d+)_(d)epth(w)ise", r"/conv_\2\3_\1"),
    (r".*/Conv2d_(\d+)_(p)oint(w)ise", r"/conv_\2\3_\1"),
    (r".*/MobilenetV2/Conv", "Conv1"),
    (r".*/MobilenetV2/Conv_1", "/Conv_1"),
    (r".*/expanded_conv/(\w+)", r"/expanded_conv_\1"),
    (r".*/expanded_conv_(\d+)/(\w+)", r"/block_\1_\2"),
    (r".*/resnet_v1_\d+/conv1", "/conv1"),
    (r".*/block(\d)/unit_(\d+)/bottleneck_v1/conv(\d)", r"/conv<\1>_block\2_\3"),
    (r".*/block(\d)/unit_(\d+)/bottleneck_v1/shortcut", r"/conv<\1>_block\2_0"),
    # Its last number is a width, which may be another one.
    (r"FeatureExtractor/\w+/(\w+_)\d+(?:_depthwise)?", r"/FeatureMaps/\1"),
    (r"(?:BoxPredictor_(\d+)/)?Conv2d_(\d+_1x1_)\d+", r"/SharedConvolutions_\1/Conv2d_\2"),
    (r"(?:BoxPredictor_(\d+)/)?(Box|Class)(\w+)", r"/Convolutional\2Head_\1/\2\3"),
    (r"WeightShared\w+/(ProjectionLayer/conv2d_\d+)", r"/\1/"),
    (r"WeightShared\w+/(\w*Tower/conv2d_\d+)", r"/\1/"),
    (r"WeightShared\w+/(\w*Tower/conv2d_\d+)/(feature_\d+)", r"/\1/BatchNorm/\2/"),
    (r"WeightShared\w+/(Box|Class)Predictor", r"/WeightSharedConvolutional\1Head/\1Predictor/"),
    (r"FirstStageBoxPredictor/(Box|Class)(\w+)", r"/Convolutional\1Head_0/\1\2"),
    (r"SecondStageBoxPredictor/(Box|Class)(\w+)", r"/\1\2_dense"),
    (r"SecondStageBoxPredictor/Conv(_\d+)?", "/MaskPredictor_"),
    (r"Conv", "/RPNConv"),
)


def keras_name(name):
    """A part of the name that the variable of TensorFlow 1 has in TensorFlow 2."""
    scope = name.replace("/BatchNorm/", "/").rpartition("/")[0]
    for pattern, words in NAMES:
        match = re.fullmatch(pattern, scope)
        if match:
            found = match.expand(words)
            # The blocks of a ResNet count from 2; a single map is number 0.
            found = re.sub(r"<(\d)>", lambda one: str(int(one[1]) + 1), found)
            found = re.sub("(Head|Convolutions)_/", r"\1_0/", found)
            normalized = "/BatchNorm/" in name
            if "/conv" in found and "_block" in found:
                found += "_bn/" if normalized else "_conv/"
            return found
    raise AssertionError(name)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A small detector exported to two classes, one of them new."""
    model = tf2_cases.model_of(tf2_cases.text_of(SMALL), seed=1)
    where = tmp_path_factory.mktemp("tf2") / "out"
    options = graphfix.ConvertOptions(num_classes=2, map=["1=3"])
    return model, graphfix.export("tf2", model, where, options), str(where)


def test_values_are_the_sources(out):
    model, found, where = out
    store = reader.open_bundle(os.path.join(where, "checkpoint", "ckpt-0"))
    keys = objects.paths(store, where)
    assert set(keys) == {*found.names.values(), "save_counter"}
    assert len(found.names) == found.variables == len(set(found.names.values()))
    kept = {}
    for name, path in found.names.items():
        before, after = model.store[name].load(), store[keys[path]].load()
        kept[name] = before.shape == after.shape and np.array_equal(before, after)
        if "ClassPredictor" in name:
            # Slots are background and 20 classes; of the new ones the first is the old third.
            before = before.reshape(before.shape[:-1] + (-1, 21))
            after = after.reshape(after.shape[:-1] + (-1, 3))
            assert np.array_equal(after[..., :2], before[..., [0, 3]]), name
    assert all(("ClassPredictor" in name) != same for name, same in kept.items())


def test_the_directory_is_as_the_zoo_has_it(out):
    _, found, where = out
    assert sorted(os.listdir(where)) == [
        "checkpoint",
        "export.json",
        "label_map.pbtxt",
        "manifest.json",
        "pipeline.config",
    ]
    with open(os.path.join(where, "checkpoint", "checkpoint")) as file:
        assert 'model_checkpoint_path: "ckpt-0"' in file.read()
    assert graphfix.verify(where).tensors == found.variables + 2
    assert "model_main_tf2" in found.next_steps[0] and where in found.next_steps[0]
    with pytest.raises(graphfix.SourceError, match="model of TensorFlow 2"):
        graphfix.open_model(where)


def config_of(text, **options):
    memory = graphfix.Memory()
    options = graphfix.ConvertOptions(**options)
    found = graphfix.export("tf2", tf2_cases.model_of(text), memory, options)
    data = memory.files["pipeline.config"]
    codes = {one.code: one for one in found.findings}
    return parse_config(data, "pipeline.config").message, data.decode(), codes


def test_the_config_is_for_tensorflow_2():
    message, text, codes = config_of(tf2_cases.text_of(SMALL), num_classes=2)
    train = message.train_config
    assert message.model.ssd.feature_extractor.type == "ssd_mobilenet_v2_keras"
    assert message.model.ssd.num_classes == 2
    assert train.fine_tune_checkpoint == "PATH_TO_BE_CONFIGURED/checkpoint/ckpt-0"
    assert train.fine_tune_checkpoint_type == "full"
    assert "fine_tune_checkpoint_version: V2" in text
    assert "load_all" not in text and "from_detection" not in text
    assert not any("fine_tune_checkpoint" in one.subject for one in codes.values())


RMS = """optimizer {
    rms_prop_optimizer {
      learning_rate { manual_step_learning_rate {
        initial_learning_rate: 0.004
        schedule { step: 10 learning_rate: 0.002 } schedule { step: 20 learning_rate: .001 } } }
      momentum_optimizer_value: 0.8 decay: 0.9 epsilon: 1.0
    }
    use_moving_average: true
  }
  freeze_variables: "FeatureExtractor"
"""


def test_what_tensorflow_2_takes_otherwise_is_edited_and_told():
    text = tf2_cases.text_of(SMALL)
    text += f"\ntrain_config {{ {RMS} }}\neval_config {{ use_moving_averages: true }}\n"
    message, _, codes = config_of(text)
    made = message.train_config.optimizer
    rms = made.rms_prop_optimizer
    assert rms.decay == 0 and not made.use_moving_average
    rate = rms.learning_rate.manual_step_learning_rate
    assert [one.step for one in rate.schedule] == [10, 20]
    assert round(rms.momentum_optimizer_value, 6) == 0.8
    assert not message.eval_config.use_moving_averages
    assert {"RMSPROP_DECAY", "MOVING_AVERAGES_OFF", "FIELD_IGNORED"} <= set(codes)


def test_what_quantizes_in_training_is_removed_and_told():
    text = tf2_cases.text_of(SMALL)
    text += "\ngraph_rewriter { quantization { delay: 100 weight_bits: 8 activation_bits: 8 } }\n"
    message, written, codes = config_of(text)
    assert not message.HasField("graph_rewriter") and "graph_rewriter" not in written
    assert codes["FIELD_REMOVED"].subject == "graph_rewriter"


def problems(text, **more):
    """Why a config's detector is refused; `quantization` are the names of its ranges."""
    message = parse_config(text.encode(), "config").message
    meta = message.model.WhichOneof("model")
    body = getattr(message.model, meta)
    model = types.SimpleNamespace(meta=meta, feature_extractor=body.feature_extractor.type)
    variables = {}
    if model.feature_extractor == "ssd_mobilenet_v2":
        for name, shape in tf2_cases.variables(text)[0].items():
            variables[name] = types.SimpleNamespace(meta=types.SimpleNamespace(shape=shape))
    detector = types.SimpleNamespace(
        **{
            "variables": variables,
            "body": body,
            "model": model,
            "quantization": (),
            "drop_quantization": False,
            **more,
        }
    )
    return [f"{one.subject} {one.message}" for one in exactness.problems(detector)]


EXACT = {family for family, _ in tf2_cases.CASES.values()} | {
    "ssd_mobilenet_v1_quantized",
    "ssd_mobilenet_v2_quantized",
}
# What is refused, by family: words of the reason.
REFUSED = {
    "ssd_mobilenet_v1_fpn": "feature pyramid",
    "ssd_mobilenet_v2_fpnlite": "feature pyramid",
    "ssd_mobilenet_v2_fpnlite_quantized": "feature pyramid",
    "ssd_resnet50_fpn": "feature pyramid",
    "ssd_resnet101_fpn": "feature pyramid",
    "ssd_fpn_no_background": "feature pyramid",
    "ssd_fpn_shared_tower": "feature pyramid",
    "rfcn_resnet101": "rfcn_box_predictor is R-FCN's",
    "rfcn_resnet50": "rfcn_box_predictor is R-FCN's",
    "faster_rcnn_inception_resnet_v2": "atrous",
    "context_rcnn_resnet50": "context_config",
}


@pytest.mark.parametrize(
    "family",
    sorted(
        os.path.basename(one)[: -len(".config")]
        for one in glob.glob(f"{tf2_cases.FAMILIES}/*")
        if one.endswith(".config")
    ),
)
def test_every_other_family_is_refused_by_name(family):
    found = problems(tf2_cases.edited(family, ()))
    whole = problems(tf2_cases.edited(family, ()).replace(": 0.25", ": 1.0"))
    if family in EXACT:
        assert not whole
    else:
        words = REFUSED.get(family, "has no class in TensorFlow 2's API")
        assert words in found[0] and whole


def test_a_two_stage_detector_is_refused_for_its_strides():
    text = tf2_cases.text_of("faster_rcnn_resnet50")
    assert not problems(text)
    (problem,) = problems(text.replace("maxpool_stride: 2", "maxpool_stride: 1"))
    assert problem.startswith("maxpool_stride 1 cannot be halved")
    assert not problems(text.replace("maxpool_stride", "first_stage_atrous_rate: 2 maxpool_stride"))
    (problem,) = problems(text.replace("features_stride: 16", "features_stride: 8"))
    assert problem.startswith("feature_extractor.first_stage_features_stride 8")


def test_scores_that_are_sigmoids_already_are_refused():
    text = tf2_cases.edited(SMALL, ((r"(kernel_size: \d)", r"\1 apply_sigmoid_to_scores: true"),))
    (problem,) = problems(text)
    assert problem.startswith("convolutional_box_predictor.apply_sigmoid_to_scores")


def test_heads_that_maps_share_are_refused_where_tensorflow_2_has_others():
    text = tf2_cases.text_of("ssd_mobilenet_v2, heads that share weights")
    assert not problems(text)
    none = re.sub(r"(?s)(weight_shared.*?)RELU_6", r"\1NONE", text, count=1)
    (problem,) = problems(none)
    assert problem.startswith("weight_shared_convolutional_box_predictor.conv_hyperparams.act")
    assert "activation NONE" in problem
    assert not problems(none.replace("num_layers_before_predictor: 2", ""))
    (problem,) = problems(tf2_cases.edited("ssd_mobilenet_v1", tf2_cases.FOUR_SHARED))
    assert problem.startswith("feature_extractor.depth_multiplier 0.25 with weight_shared")


def test_quantization_is_dropped_only_when_asked():
    text = tf2_cases.text_of(SMALL)
    (problem,) = problems(text, quantization=("a/act_quant/min",))
    assert problem.startswith("graph_rewriter trained the model with quantization")
    assert not problems(text, quantization=("a/act_quant/min",), drop_quantization=True)


@pytest.mark.parametrize(
    "multiplier, least, words",
    [
        (1.0, 16, None),
        (0.5, 8, None),
        (0.25, 8, None),
        (0.5, 16, "expanded_conv/ 16 to 16 channels wide, and only one"),
        (0.25, 16, "only one of TensorFlow 1 and 2 adds"),
        (1.4, 8, "Conv_1 1792 channels wide, and TensorFlow 2 1280"),
    ],
)
def test_mobilenet_v2_is_exact_where_its_widths_are_keras_own(multiplier, least, words):
    text = tf2_cases.edited(
        SMALL,
        (
            (
                r"depth_multiplier: 0.25 min_depth: 8",
                f"depth_multiplier: {multiplier} min_depth: {least}",
            ),
        ),
    )
    found = problems(text)
    assert words in found[0] if words else not found


def test_a_two_stage_config_pools_with_half_the_stride():
    """And lacks the fields at which TensorFlow 2 fails."""
    text = tf2_cases.edited(
        "faster_rcnn_resnet50",
        (
            (r"(feature_extractor \{)", r"\1 conv_hyperparams { activation: RELU }"),
            (r"maxpool_stride: 2", "maxpool_stride: 4 inplace_batchnorm_update: true"),
        ),
    )
    config = parse_config(text.encode(), "config")
    edits, told = config_edits(
        config.document, config.message, "faster_rcnn", "faster_rcnn_resnet50", "x/ckpt-0"
    )
    edited = bound_config(apply_edits(config.document, edits)).message.model.faster_rcnn
    assert edited.maxpool_stride == 2 and edited.maxpool_kernel_size == 2
    assert edited.feature_extractor.type == "faster_rcnn_resnet50_keras"
    assert not edited.feature_extractor.HasField("conv_hyperparams")
    assert not edited.HasField("inplace_batchnorm_update")
    codes = [one.code for one in told if one.code != "MOVING_AVERAGES_OFF"]
    assert codes == ["FIELD_REMOVED", "FIELD_REMOVED", "POOLING_STRIDE"]


def test_a_variable_without_a_layer_and_a_layer_without_a_variable_are_refused(monkeypatch):
    class Named:
        paths, unknown, missing = {}, ("FeatureExtractor/odd",), ("box_predictor/odd",)

    monkeypatch.setattr(names.Naming, "names", lambda self, found: Named)
    source, memory = tf2_cases.model_of(tf2_cases.text_of(SMALL)), graphfix.Memory()
    with pytest.raises(graphfix.RequestError) as caught:
        graphfix.export("tf2", source, memory)
    assert [one.subject for one in caught.value.problems] == [
        "FeatureExtractor/odd",
        "box_predictor/odd",
    ]
    assert not memory.files
