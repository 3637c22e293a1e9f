"""What doctor predicts of every variable is what the stock API does, for all restore flags.

A few models in each revision; with GRAPHFIX_ALL_CONFIGS=1 all that families/ has, and variants
with other widths, levels and layers.
"""

import json
import os
import re
import subprocess

import cells
import pytest
import repository
import thorough

from graphfix.detectors.layer_variables import Unknown
from graphfix.detectors.variables import model_variables
from graphfix.doctor.prediction import predict
from graphfix.doctor.setup import Options, Setup
from graphfix.pipeline_config import schema_history
from graphfix.pipeline_config.document import parse_config
from graphfix.restore import trainers
from graphfix.stock_api import runner

ORACLE = os.path.join(repository.TESTS, "stock", "restore_oracle.py")
MONTHS = {"2019-04": "2019-04", "2019-07": "2019-07", "2021": "2021-06"}
FEW = {
    "2019-04": ("ssd_mobilenet_v1_half",),
    "2019-07": ("ssd_mobilenet_v1_keras",),
    "2021": ("ssd_mobilenet_v2_fpnlite.2", "mask_rcnn"),
}
# What no era's API builds.
UNBUILT = {"ssd_spaghettinet"}
# What some do not build.
SINCE_2019_07 = {
    "faster_rcnn_inception_resnet_v2_keras",
    "ssd_mobilenet_v1_fpn_keras",
    "ssd_mobilenet_v2_fpn_keras",
}
UNTIL_2019_07 = SINCE_2019_07 | {"ssd_mobilenet_v1_keras", "ssd_mobilenet_v2_keras"}
SINCE_2021 = {
    "context_rcnn_resnet50",
    "ssd_mnasfpn",
    "ssdlite_mobiledet_cpu",
    "ssdlite_mobiledet_dsp",
    "ssdlite_mobiledet_edgetpu",
    "ssdlite_mobiledet_gpu",
    "ssdlite_mobilenet_edgetpu",
    "ssdlite_mobilenet_v3_large",
    "ssdlite_mobilenet_v3_small",
}
# Python 3 stops there (graphfix.detectors.availability.PYTHON_3).
OF_PYTHON_2 = {"mask_rcnn_upsample", "ssd_mobilenet_v1_ppn", "ssd_resnet50_ppn"}
MISSING = {
    "2019-04": UNBUILT | OF_PYTHON_2 | SINCE_2019_07 | SINCE_2021 | {"ssd_one_feature_map"},
    "2019-07": UNBUILT | OF_PYTHON_2 | SINCE_2021,
    "2021": UNBUILT | UNTIL_2019_07,
}
KERAS = "ssd_mobilenet_v1_keras"
# Other widths, levels and layers than families/ has: {family: [(era, what changes)...]}.
_NO_NORM = (r"batch_norm \{.*\}", "")
_LEVELS = (r"min_level: 3 max_level: \d",)


def _width(multiplier):
    return r"depth_multiplier: [\d.]+", f"depth_multiplier: {multiplier}"


VARIANTS = {
    "ssd_mobilenet_v1_fpn": [
        ("2019-04", [_LEVELS + ("min_level: 2 max_level: 9",)]),
        ("2019-07", [_LEVELS + ("min_level: 4 max_level: 4",), (r"depth_multiplier: 0.5", "")]),
    ],
    "ssd_mobilenet_v2_fpnlite": [
        (
            "2021",
            [
                _LEVELS + ("min_level: 2 max_level: 6",),
                (
                    "share_prediction_tower: true",
                    "apply_conv_hyperparams_to_heads: true apply_conv_hyperparams_pointwise: true",
                ),
            ],
        ),
        ("2021", [_LEVELS + ("min_level: 4 max_level: 8",), _width(1.5)]),
    ],
    "ssd_resnet50_fpn": [
        (
            "2019-07",
            [_LEVELS + ("min_level: 2 max_level: 5",), ("fpn ", "depth_multiplier: 0.25 fpn ")],
        ),
        ("2019-04", [("fpn ", "depth_multiplier: 0.6 min_depth: 100 use_depthwise: true fpn ")]),
        ("2021", [("resnet50", "resnet152"), ("fpn ", "depth_multiplier: 1.3 fpn ")]),
    ],
    "ssd_resnet50_ppn": [
        ("2021", [("resnet50", "resnet101")]),
        ("2021", [("resnet50", "resnet152")]),
    ],
    "ssd_inception_v2": [("2019-07", [_width(0.7)]), ("2021", [_width(0.1)])],
    "ssd_inception_v3": [("2021", [_width(0.7)])],
    "ssdlite_mobiledet_cpu": [("2021", [_width(2.8)])],
    "ssdlite_mobiledet_dsp": [("2021", [_width(2.8)])],
    "ssdlite_mobiledet_edgetpu": [("2021", [_width(2.8)])],
    "ssdlite_mobiledet_gpu": [("2021", [_width(2.8)])],
    "ssdlite_mobilenet_v3_large": [("2021", [_width(2.8)])],
    "ssdlite_mobilenet_v3_small": [("2021", [_width(0.6)])],
    "ssdlite_mobilenet_edgetpu": [("2021", [_width(1.3)])],
    "ssd_mobilenet_v1_keras": [
        (
            "2019-07",
            [
                _width(0.6),
                (
                    "kernel_size: 1",
                    "kernel_size: 3 use_depthwise: true min_depth: 8 "
                    "max_depth: 64 num_layers_before_predictor: 2",
                ),
            ],
        ),
        ("2019-04", [_width(1.3), _NO_NORM]),
    ],
    "ssd_mobilenet_v2_keras": [
        (
            "2019-07",
            [
                ("depth_multiplier: 0.35", "depth_multiplier: 1.4 use_depthwise: true"),
                ("center: true", "center: false"),
            ],
        )
    ],
    "ssd_mobilenet_v2_fpn_keras": [
        (
            "2019-07",
            [
                _LEVELS + ("min_level: 2 max_level: 8",),
                ("depth_multiplier", "use_depthwise: true depth_multiplier"),
                (
                    "kernel_size: 3",
                    "kernel_size: 3 use_depthwise: true share_prediction_tower: true",
                ),
            ],
        )
    ],
    "context_rcnn_resnet50": [
        (
            "2021",
            [
                (
                    "context_feature_length: 64",
                    "context_feature_length: 64 "
                    "attention_bottleneck_dimension: 32 use_self_attention: true "
                    "num_attention_heads: 2 num_attention_layers: 2 attention_position: POST_RPN",
                )
            ],
        )
    ],
}
# Four ways to say what the checkpoint is; what they mean.
KINDS = (
    ("from_detection_checkpoint: true", "detection"),
    ("", "classification"),
    ('fine_tune_checkpoint_type: "detection"', "detection"),
    (
        'from_detection_checkpoint: true fine_tune_checkpoint_type: "classification"',
        "classification",
    ),
)


@pytest.fixture(scope="module")
def asked(stock_python, tmp_path_factory):
    """asked(era, names): {name: (config's text, oracle's answer, checkpoint)} of all of these
    configs that the era's API builds."""

    def ask(era, names):
        directory = tmp_path_factory.mktemp("predict-" + era)
        paths = []
        for name in names:
            paths.append(str(directory / (name + ".config")))
            with open(paths[-1], "w") as file:
                file.write(configs(era)[name])
        subprocess.run(
            [stock_python(era), ORACLE] + paths + [str(directory)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(
                os.environ,
                PYTHONPATH=os.path.dirname(runner.WORKER),
                TF_CPP_MIN_LOG_LEVEL="3",
                CUDA_VISIBLE_DEVICES="-1",
            ),
        )
        found = {}
        for path in paths:
            stem = os.path.splitext(path)[0]
            if os.path.exists(stem + ".json"):
                with open(path) as config, open(stem + ".json") as answer:
                    found[os.path.basename(stem)] = (
                        config.read(),
                        json.load(answer),
                        stem + ".ckpt",
                    )
        return found

    return ask


def configs(era):
    """{name: config's text} of what is asked in an era: families, and NAME.1 ... their variants."""
    known, found = cells.families(), {}
    for name in sorted(known):
        found[name] = known[name].config(cells.EDITS["shrink"])
        for number, (own, changes) in enumerate(VARIANTS.get(name, ()), start=1):
            if own == era:
                text = found[name]
                for pattern, words in changes:
                    text, count = re.subn(pattern, words, text)
                    assert count, (name, pattern)
                found[f"{name}.{number}"] = text
    return found


def predictions(text, checkpoint, revision, train, cache):
    """{trainer: its prediction} of a config with these lines in its train_config."""
    found = predict(opened(with_train(text, checkpoint, train), revision, cache))
    return found.unknown or {one.trainer: one for one in found.trainers}


def with_train(text, checkpoint, train):
    """A config with a checkpoint and these lines in its train_config."""
    text = text.replace("PATH_TO_BE_CONFIGURED/model.ckpt", checkpoint)
    assert text.count("train_config {\n") == 1
    return text.replace("train_config {\n", f"train_config {{\n  {train}\n")


def opened(text, revision, cache):
    return Setup(
        text.encode(),
        "pipeline.config",
        Options(
            revision, schema_history.schema(revision), (trainers.MODEL_MAIN, trainers.LEGACY), cache
        ),
    )


@pytest.mark.parametrize("era", cells.ERAS)
def test_restore_prediction(era, asked):
    names = list(configs(era)) if thorough.ALL else FEW[era]
    revision, answers = MONTHS[era], asked(era, names)
    assert set(answers) == set(names) - MISSING[era]
    for name, (text, oracle, checkpoint) in answers.items():
        cache = {}
        found = predictions(text, checkpoint, revision, "from_detection_checkpoint: true", cache)
        oracles = {trainers.LEGACY: oracle, trainers.MODEL_MAIN: oracle}
        if revision == "2019-07" and oracle["second"]:
            # It builds the model twice in one graph.
            oracles[trainers.MODEL_MAIN] = oracle["second"]
        for trainer, one in found.items():
            assert {
                row.variable.name: list(row.variable.shape) for row in one.variables
            } == oracles[trainer]["variables"], name
        for trainer in found:
            assert_restored(name, text, oracles[trainer], checkpoint, revision, cache, trainer)
            assert_trained(name, text, oracles[trainer], checkpoint, revision, cache, trainer)


@pytest.mark.parametrize("name", sorted(UNBUILT))
def test_no_prediction_of_what_no_era_builds(name):
    message = parse_config(cells.families()[name].model.encode(), name).message
    with pytest.raises(Unknown, match="not recorded"):
        model_variables(message, revision="2021-10", config=name)


def assert_restored(name, text, oracle, checkpoint, revision, cache, trainer):
    answers = {(kind, every): verdicts for kind, every, verdicts in oracle["restored"]}
    # The checkpoint is such that everything happens.
    happened = {one for verdicts in answers.values() for one in verdicts.values()}
    assert len(happened) == 4, (name, happened)
    ignored = dict(trainers.restored(revision, trainer))[trainer] == trainers.NOTHING
    assert ignored == (trainer == trainers.MODEL_MAIN and revision > "2020-06")
    nothing = dict.fromkeys(oracle["variables"], "not_asked_for")
    for (kind, every), verdicts in answers.items():
        for words, meaning in KINDS:
            if meaning == kind:
                found = predictions(
                    text,
                    checkpoint,
                    revision,
                    (f"{words} load_all_detection_checkpoint_vars: {str(every).lower()}"),
                    cache,
                )
                assert {row.variable.name: row.verdict for row in found[trainer].variables} == (
                    nothing if ignored else verdicts
                ), (name, trainer, words, every)


def assert_trained(name, text, oracle, checkpoint, revision, cache, trainer):
    detector = "from_detection_checkpoint: true "
    for frozen, included, legacy, model_main in oracle["trained"]:
        train = detector + "".join(
            f"{field}: {json.dumps(pattern)} "
            for field, patterns in (
                ("freeze_variables", frozen),
                ("update_trainable_variables", included),
            )
            for pattern in patterns
        )
        one = predictions(text, checkpoint, revision, train, cache)[trainer]
        assert {row.variable.name for row in one.variables if row.trains} == set(
            legacy if trainer == trainers.LEGACY else model_main
        ), (name, train)
    one = predictions(text, checkpoint, revision, detector + "bias_grad_multiplier: 2", cache)[
        trainer
    ]
    multiplied = {row.variable.name for row in one.variables if row.multiplier == 2}
    if trainer == trainers.MODEL_MAIN:
        assert not multiplied
    elif oracle["biases"] is None:
        assert "bias_grad_multiplier" in one.stops and not multiplied
    else:
        assert multiplied == set(oracle["biases"]), name


@pytest.mark.parametrize("trainer", (trainers.MODEL_MAIN, trainers.LEGACY))
@pytest.mark.parametrize("era", ["2019-04", "2019-07"])
@thorough.only
def test_trainers_call_keras_variables_so(era, trainer, asked, stock_python, tmp_path):
    """The oracle builds models as the trainers do; here the trainers themselves are run."""
    text, _, checkpoint = asked(era, [KERAS])[KERAS]
    train = "from_detection_checkpoint: true load_all_detection_checkpoint_vars: true"
    path = tmp_path / "pipeline.config"
    path.write_text(with_train(text, checkpoint, train))
    result = runner.run_job(
        {
            "verb": "restore",
            "pipeline_config": str(path),
            "trainer": trainer,
            "checkpoint": checkpoint,
            "steps": 1,
            "batch_size": 2,
        },
        python=stock_python(era),
        timeout=600,
    )
    assert "error" not in result, result["error"]
    seen = cells.verdicts(result)["model"]
    one = predictions(text, checkpoint, MONTHS[era], train, {})[trainer]
    assert {row.variable.name: row.verdict for row in one.variables} == seen
    assert ("ssd_mobile_net_v1keras_feature_extractor_1/conv1/kernel" in seen) == (
        era == "2019-07" and trainer == trainers.MODEL_MAIN
    )
