"""planning/freeze.py: patterns that mean the same layers to both trainers, and no others."""

import os
import re

import pytest
import repository

from graphfix.cli import command_line
from graphfix.modeldir.openers import open_source
from graphfix.pipeline_config.document import parse_config
from graphfix.planning import freeze

DETECTOR = repository.DETECTOR


@pytest.fixture(scope="module")
def detector():
    return open_source(DETECTOR)


def planned(source, what):
    edits, findings = freeze.plan_freeze(source.model, source.metas, what, source.config.message)
    literal = edits[0].literal
    patterns = (
        []
        if literal is None
        else [one.replace("\\\\", "\\") for one in re.findall(r'"([^"]*)"', literal)]
    )
    return patterns, edits, findings


@pytest.mark.parametrize(
    "what, frozen",
    [
        ("none", lambda name: False),
        ("backbone", lambda name: name.startswith("FeatureExtractor/")),
        ("all_but_heads", lambda name: not name.startswith("BoxPredictor_")),
        ("all_but_class_heads", lambda name: "ClassPredictor" not in name),
    ],
)
def test_both_trainers_freeze_the_same(detector, what, frozen):
    patterns, edits, _ = planned(detector, what)
    assert edits[0].path == ("train_config", "freeze_variables")
    names = sorted(detector.metas)
    wanted = [name for name in names if frozen(name)]
    # As legacy/trainer.py and as model_lib read them.
    assert [name for name in names if any(re.match(one, name) for one in patterns)] == wanted
    assert [
        name for name in names if any(re.search(one, name + ":0") for one in patterns)
    ] == wanted
    assert (len(wanted) > 100) == (what != "none")


@pytest.mark.parametrize(
    "name, kept",
    [
        ("BoxPredictor_0/ClassPredictor_depthwise/depthwise_weights", False),
        ("BoxPredictor_0/ClassPredictor/weights", False),
        ("BoxPredictor_0/ClassPredictorTower/weights", True),
        ("x/BoxPredictor_0/ClassPredictor/weights", True),
    ],
)
def test_what_a_head_is(detector, name, kept):
    patterns, _, _ = planned(detector, "all_but_heads")
    assert freeze.matched(patterns, name) == kept


def test_what_keras_names_twice_is_frozen_twice(detector):
    patterns, _, _ = planned(detector, "backbone")
    assert freeze.matched(patterns, "FeatureExtractor_1/a/weights")
    assert not freeze.matched(patterns, "FeatureExtractor_10/a/weights")


def test_statistics_that_go_on_are_told(detector):
    _, _, findings = planned(detector, "backbone")
    told = {one.code: one for one in findings}
    statistics = [
        name
        for name in detector.metas
        if name.startswith("FeatureExtractor/")
        and name.endswith(("moving_mean", "moving_variance"))
    ]
    assert f"{len(statistics)} BatchNorm statistics" in told["FREEZE_BATCHNORM"].message
    trained = [
        name
        for name in detector.metas
        if not name.endswith(("moving_mean", "moving_variance", "global_step"))
    ]
    frozen = sum(name.startswith("FeatureExtractor/") for name in trained)
    assert f"freezes {frozen} of the {len(trained)} variables" in told["FREEZE"].message


def test_the_config_says_it_and_no_more(tmp_path):
    with open(os.path.join(DETECTOR, "pipeline.config")) as file:
        text = file.read()
    config = tmp_path / "pipeline.config"
    config.write_text(
        text.replace(
            "train_config {",
            'train_config {\n  freeze_variables: "x"\n'
            '  freeze_variables: "y"\n  update_trainable_variables: "z"',
            1,
        )
    )
    out = tmp_path / "out"
    assert (
        command_line.main(
            [
                "convert",
                DETECTOR,
                "--pipeline_config_path",
                str(config),
                "--num_classes",
                "2",
                "--map",
                "1=1",
                "--freeze",
                "backbone",
                "--output_directory",
                str(out),
            ]
        )
        == 0
    )
    emitted = parse_config((out / "pipeline.config").read_bytes(), "out").message.train_config
    assert list(emitted.freeze_variables) == ["^FeatureExtractor(_1)?/"]
    assert not emitted.update_trainable_variables
    assert (
        command_line.main(
            [
                "convert",
                DETECTOR,
                "--pipeline_config_path",
                str(config),
                "--num_classes",
                "2",
                "--map",
                "1=1",
                "--overwrite",
                "--output_directory",
                str(out),
            ]
        )
        == 0
    )
    emitted = parse_config((out / "pipeline.config").read_bytes(), "out").message.train_config
    assert list(emitted.freeze_variables) == ["x", "y"]


@pytest.mark.parametrize("flags, told", [((), True), (("--freeze", "backbone"), False)])
def test_patterns_that_stop_the_trainers_are_told(tmp_path, capsys, flags, told):
    with open(os.path.join(DETECTOR, "pipeline.config")) as file:
        text = file.read()
    path = tmp_path / "pipeline.config"
    path.write_text(
        text.replace(
            "train_config {",
            "train_config { freeze_variables: '(' update_trainable_variables: ['a', '*b']",
        )
    )
    assert (
        command_line.main(
            [
                "plan",
                DETECTOR,
                "--pipeline_config_path",
                str(path),
                "--num_classes",
                "3",
                "--target_api",
                "2019-07",
            ]
            + list(flags)
        )
        == 0
    )
    out = capsys.readouterr().err
    assert ("error FREEZE_PATTERN: train_config.freeze_variables has '('" in out) == told
    assert ("'*b', which is not a valid regular expression" in out) == told and "'a'" not in out
