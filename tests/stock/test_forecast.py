"""What doctor foretells of every variable is what the stock API does, for all restore flags.

A few models in each revision; with GRAPHFIX_ALL_CONFIGS=1 all that families/ has.
"""

import json
import os
import subprocess

import pytest

import cells
from graphfix.config import history, trainers
from graphfix.doctor.outlook import look_ahead
from graphfix.doctor.setup import Options, Setup
from graphfix.stock import runner

ORACLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "forecast_oracle.py")
MONTHS = {"2019-04": "2019-04", "2019-07": "2019-07", "2021": "2021-06"}
FEW = {
    "2019-04": ("faster_rcnn_shared_boxes", "ssd_mobilenet_v1_half"),
    "2019-07": ("mask_rcnn", "ssd_resnet50_fpn"),
    "2021": ("ssdlite_mobilenet_v2", "ssd_mobilenet_v2_fpnlite", "rfcn_resnet50"),
}
ALL = bool(os.environ.get("GRAPHFIX_ALL_CONFIGS"))
# No forecast is made of these, and why.
UNKNOWN = {
    "context_rcnn_resnet50": "attend to other images",
    "faster_rcnn_inception_resnet_v2_keras": "not recorded",
    "ssd_inception_v2": "depth_multiplier of 1 alone",
    "ssd_inception_v3": "depth_multiplier of 1 alone",
    "ssd_mobilenet_v1_fpn_keras": "not recorded",
    "ssd_mobilenet_v1_keras": "not recorded",
    "ssd_mobilenet_v2_fpn_keras": "not recorded",
    "ssd_mobilenet_v2_keras": "not recorded",
    "ssd_pnasnet": "not recorded",
    "ssd_spaghettinet": "not recorded",
    "ssdlite_mobiledet_edgetpu": "depth_multiplier of 1 alone",
}
# Four ways to say what the checkpoint is; what they mean.
KINDS = (
    ("from_detection_checkpoint: true", "detection"), ("", "classification"),
    ('fine_tune_checkpoint_type: "detection"', "detection"),
    ('from_detection_checkpoint: true fine_tune_checkpoint_type: "classification"',
     "classification"),
)


@pytest.fixture(scope="module")
def asked(stock_python, tmp_path_factory):
    """asked(era): {family: (config's text, oracle's answer, checkpoint)} of all that it builds."""
    known = cells.families()

    def ask(era):
        directory = tmp_path_factory.mktemp("forecast-" + era)
        paths = []
        for name in sorted(known) if ALL else FEW[era]:
            paths.append(str(directory / (name + ".config")))
            with open(paths[-1], "w") as file:
                file.write(known[name].config(cells.EDITS["shrink"]))
        subprocess.run([stock_python(era), ORACLE] + paths + [str(directory)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env=dict(os.environ, PYTHONPATH=os.path.dirname(runner.WORKER),
                                TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1"))
        found = {}
        for path in paths:
            stem = os.path.splitext(path)[0]
            if os.path.exists(stem + ".json"):
                with open(path) as config, open(stem + ".json") as answer:
                    found[os.path.basename(stem)] = (config.read(), json.load(answer),
                                                     stem + ".ckpt")
        return found
    return ask


def forecasts(text, checkpoint, month, train, cache):
    """{trainer: its forecast} of a config with these lines in its train_config."""
    text = text.replace("PATH_TO_BE_CONFIGURED/model.ckpt", checkpoint)
    assert text.count("train_config {\n") == 1
    text = text.replace("train_config {\n", "train_config {\n  %s\n" % train)
    outlook = look_ahead(Setup(text.encode(), "pipeline.config", Options(
        month, history.schema(month), (trainers.MODEL_MAIN, trainers.LEGACY), cache)))
    return outlook.unknown or {one.trainer: one for one in outlook.forecasts}


@pytest.mark.parametrize("era", cells.ERAS)
def test_forecast(era, asked):
    month, seen = MONTHS[era], 0
    for name, (text, oracle, checkpoint) in asked(era).items():
        cache = {}
        found = forecasts(text, checkpoint, month, "", cache)
        if isinstance(found, str):
            assert name in UNKNOWN and UNKNOWN[name] in found, (name, found)
            continue
        assert name not in UNKNOWN
        seen += 1
        for one in found.values():
            assert {fate.variable.name: list(fate.variable.shape)
                    for fate in one.fates} == oracle["variables"], name
        assert_restored(name, text, oracle, checkpoint, month, cache)
        assert_trained(name, text, oracle, checkpoint, month, cache)
    assert seen >= len(FEW[era])


def assert_restored(name, text, oracle, checkpoint, month, cache):
    answers = {(kind, every): verdicts for kind, every, verdicts in oracle["restored"]}
    # The checkpoint is such that everything happens.
    happened = {one for verdicts in answers.values() for one in verdicts.values()}
    assert len(happened) == 4, (name, happened)
    nothing = dict.fromkeys(oracle["variables"], "not_asked_for")
    for (kind, every), verdicts in answers.items():
        for words, meaning in KINDS:
            if meaning == kind:
                found = forecasts(text, checkpoint, month, "%s load_all_detection_checkpoint_vars:"
                                  " %s" % (words, str(every).lower()), cache)
                for trainer, one in found.items():
                    ignored = dict(trainers.restored(month, trainer))[trainer] == trainers.NOTHING
                    assert ignored == (trainer == trainers.MODEL_MAIN and month > "2020-06")
                    assert {fate.variable.name: fate.verdict for fate in one.fates} == (
                        nothing if ignored else verdicts), (name, trainer, words, every)


def assert_trained(name, text, oracle, checkpoint, month, cache):
    for frozen, included, legacy, model_main in oracle["trained"]:
        train = "".join("%s: %s " % (field, json.dumps(pattern)) for field, patterns in (
            ("freeze_variables", frozen), ("update_trainable_variables", included))
            for pattern in patterns)
        found = forecasts(text, checkpoint, month, train, cache)
        assert {trainer: {fate.variable.name for fate in one.fates if fate.trains}
                for trainer, one in found.items()} == {
                    trainers.LEGACY: set(legacy), trainers.MODEL_MAIN: set(model_main)}, (
                        name, train)
    found = forecasts(text, checkpoint, month, "bias_grad_multiplier: 2", cache)
    assert {trainer: {fate.variable.name for fate in one.fates if fate.multiplier == 2}
            for trainer, one in found.items()} == {
                trainers.LEGACY: set(oracle["biases"]), trainers.MODEL_MAIN: set()}, name
