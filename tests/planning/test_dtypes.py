"""Types that no trainer restores, and tensors that are not the model's."""

import json
import types

import builders
import numpy as np
import pytest
import thorough
import zoo

from graphfix.detectors.describe import describe
from graphfix.detectors.families import second_name
from graphfix.detectors.layer_variables import Unknown
from graphfix.detectors.membership import strangers
from graphfix.detectors.variables import model_variables
from graphfix.errors import SourceError
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import reader
from graphfix.formats.tensors import TensorMeta
from graphfix.pipeline_config.document import parse_config

FLAGS = ["--num_classes", "2", "--map", "1=1", "--target_api", "2019-07"]
BACKBONE = "FeatureExtractor/MobilenetV1/Conv2d_0/weights"
HEAD = "BoxPredictor_1/ClassPredictor/biases"


@pytest.fixture
def with_types(tmp_path):
    """A model of which some tensors are cast, and some are more."""

    def made(kinds, more=None):
        tensors = builders.trained_state(builders.values(4))
        for name, kind in kinds.items():
            tensors[name] = tensors[name].astype(kind)
        tensors.update(more or {})
        return builders.write_model(tmp_path / "model", tensors=tensors)

    return made


@pytest.mark.parametrize("name", [BACKBONE, HEAD])
@pytest.mark.parametrize("kind", ["f8", "f2", "i4"])
@pytest.mark.parametrize("verb", ["plan", "convert"])
def test_a_variable_of_another_type(graphfix, with_types, tmp_path, name, kind, verb):
    done = graphfix(
        verb,
        with_types({name: kind}),
        *(FLAGS + (["--output_directory", tmp_path / "out"] if verb == "convert" else [])),
    )
    assert (done.code, done.out) == (3, "") and not (tmp_path / "out").exists()
    if name == HEAD and kind == "i4":
        assert HEAD + " has type int32, which graphfix cannot compute with" in done.err
        return
    assert done.err == (
        "graphfix: model.ckpt: has variables of other types than float32, at which both trainers "
        f"stop: {name} ({ {'f8': 'float64', 'f2': 'float16', 'i4': 'int32'}[kind] }); save it "
        "again with these cast to float32 (tf.cast)\n"
    )


def test_what_is_dropped_or_not_the_models_may_have_any(graphfix, with_types, tmp_path):
    model = with_types(
        {
            BACKBONE + "/RMSProp": "f8",
            "global_step": "i4",
            BACKBONE + "/ExponentialMovingAverage": "f8",
        },
        {"mine/counter": np.asarray(3, np.int64), "mine/w": np.zeros(2, "f8")},
    )
    done = graphfix("convert", model, "--output_directory", tmp_path / "out", "-v", *FLAGS)
    assert done.code == 0 and "stock API 2019-07 restores 199 of 199;" in done.out
    assert (
        "info NOT_OF_THE_MODEL: model.ckpt has tensors that the model does not have, which no "
        "trainer restores: mine/counter, mine/w; there is nothing to do\n" in done.err
    )
    with open(str(tmp_path / "out" / "report.json")) as file:
        assert json.load(file)["strangers"] == ["mine/counter", "mine/w"]
    assert set(reader.open_bundle(str(tmp_path / "out" / "model.ckpt"))) >= {"mine/w"}
    done = graphfix(
        "convert", model, "--output_directory", tmp_path / "ema", "--weights", "ema", *FLAGS
    )
    assert done.code == 3 and BACKBONE + " (float64)" in done.err


@pytest.mark.slow
def test_doctor_says_so(graphfix, tmp_path, with_types):
    model = with_types({BACKBONE: "f8", HEAD: "f2"})
    config = (
        (builders.CONFIG % {"classes": 4})
        .replace("PATH_TO_BE_CONFIGURED", model)
        .replace(
            "num_steps",
            "from_detection_checkpoint: true load_all_detection_checkpoint_vars: true num_steps",
        )
    )
    path = builders.write(tmp_path, "it.config", config)
    done = graphfix("doctor", path, "--target_api", "2019-07")
    assert done.code == 1 and "error CHECKPOINT_TYPES" in done.out
    assert "has 2 variables that are not float32, such as" in done.out
    assert "197 of 199 variables are restored; it stops at" in done.out
    data = json.loads(graphfix("doctor", path, "--target_api", "2019-07", "--json").out)
    assert {one["counts"]["type_differs"] for one in data["prediction"]["trainers"]} == {2}
    # Where the head is not asked for, its type makes no difference.
    path = builders.write(
        tmp_path, "it.config", config.replace("load_all_detection_checkpoint_vars: true", "")
    )
    assert "has 1 variable that is" in graphfix("doctor", path, "--target_api", "2019-07").out
    # No prediction: the feature extractor's are looked at all the same.
    path = builders.write(
        tmp_path,
        "it.config",
        config.replace("kernel_size: 1", "kernel_size: 1 conv_hyperparams { group_norm {} }"),
    )
    done = graphfix("doctor", path, "--target_api", "2021-01")
    assert done.code == 1


def nan(name, value):
    return np.full_like(value, np.nan) if name.startswith("FeatureExtractor/") else value


def test_a_backbone_of_nan(graphfix, tmp_path):
    """From a checkpoint, whose tensors are copied unread, and from a frozen graph."""
    tensors = builders.values(4)
    model = builders.write_model(
        tmp_path / "model", tensors={name: nan(name, value) for name, value in tensors.items()}
    )
    done = graphfix("convert", model, "--output_directory", tmp_path / "out", *FLAGS)
    count = sum(name.startswith("FeatureExtractor/") for name in tensors)
    assert done.code == 0
    assert (
        "error NOT_FINITE: the feature extractor has values in the source that are not finite, "
        "in FeatureExtractor/MobilenetV1/Conv2d_0/BatchNorm/beta, " in done.err
    )
    assert f" and {count - 5} more; start from another checkpoint" in done.err
    config = (builders.CONFIG % {"classes": 4}).replace("PATH_TO_BE_CONFIGURED", model)
    done = graphfix("doctor", builders.write(tmp_path, "it.config", config))
    assert "error CHECKPOINT_NOT_FINITE" in done.out
    assert f"has NaN or infinite values in {count} tensors" in done.out


def test_a_single_one_in_a_small_tensor(graphfix, tmp_path):
    tensors = builders.values(4)
    name = "FeatureExtractor/MobilenetV1/Conv2d_13_pointwise/BatchNorm/moving_variance"
    tensors[name][-1] = np.inf
    done = graphfix(
        "convert",
        builders.write_model(tmp_path / "model", tensors=tensors),
        "--output_directory",
        tmp_path / "out",
        *FLAGS,
    )
    assert (
        f"the feature extractor has values in the source that are not finite, in {name}; start"
        in done.err
    )


@pytest.mark.parametrize(
    "path",
    thorough.sampled(
        zoo.files("sample_configs/*.config", "*/pipeline.config", "finetuned/*/pipeline.config"), 8
    ),
)
@pytest.mark.parametrize("revision", ["2018-08", "2019-07", "2021-01"])
def test_every_variable_of_a_model_is_its_own(path, revision):
    """As graphfix.detectors.variables lists them, under both names that Keras may give them; a
    letter before the name makes it a stranger's."""
    with open(path, "rb") as file:
        message = parse_config(file.read(), path).message
    try:
        names = [one.name for one in model_variables(message, revision=revision, config=path)]
        metas = {
            one.name: TensorMeta(one.name, dtypes.FLOAT32, one.shape)
            for one in model_variables(message, revision=revision, config=path)
        }
        model = describe(message, metas, config=path, checkpoint="it")
    except (Unknown, SourceError) as error:
        pytest.skip(str(error))
    assert strangers(model, names + [second_name(name) for name in names]) == ()
    others = ["x" + name for name in names]
    assert strangers(model, others) == tuple(others)


@pytest.mark.parametrize(
    "meta, backbone, own, others",
    [
        (
            "faster_rcnn",
            "FirstStageFeatureExtractor/",
            [
                "Conv/weights",
                "AttentionBlock/Key/weights",
                "FirstStageRPNFeatures/RPNConv/kernel",
                "AttentionBlock0_AttentionLayer0/QueryFeature/weights",
            ],
            ["Conv_1/weights", "ConvX/weights"],
        ),
        (
            "ssd",
            "ssd_mobilenet_v2keras_feature_extractor/",
            [
                "ssd_mobilenet_v2keras_feature_extractor_1/Conv1/kernel",
                "Conv2d_0_1x1_64/weights",
                "heads/a",
                "global_step",
                "beta1_power",
                "fake_quantization_step",
                "x/act_quant/min",
            ],
            ["Conv/weights", "ssd_mobilenet_v2keras_feature_extractor_2/Conv1/kernel", "head"],
        ),
    ],
)
def test_what_no_published_model_has(meta, backbone, own, others):
    model = types.SimpleNamespace(
        meta=meta, backbone=(backbone,), heads=[types.SimpleNamespace(tensors=("heads/b",))]
    )
    assert strangers(model, own + [backbone + "x"] + others) == tuple(others)
