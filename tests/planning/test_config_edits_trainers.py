"""What convert writes into a config for each trainer of each revision, and what it says about
them."""

import pytest
from config_plans import CONFIG, message, planned, told

from graphfix.errors import RequestError
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.pipeline_config import schema_history
from graphfix.restore import trainers


def test_the_flags_that_make_the_heads_be_restored():
    out, _ = planned(CONFIG)
    train = message(out).train_config
    assert train.from_detection_checkpoint and train.load_all_detection_checkpoint_vars
    assert "load_all_detection_checkpoint_vars" not in planned(CONFIG, "2018-01", "legacy")[0]
    assert "load_all_detection_checkpoint_vars" in planned(CONFIG, "2018-02")[0]


@pytest.mark.parametrize(
    "given, revision, after",
    [
        ('fine_tune_checkpoint_type: "classification"', "2019-07", "detection"),
        ('fine_tune_checkpoint_type: "fine_tune"', "2021-05", "detection"),
        ('fine_tune_checkpoint_type: "full"', "2018-03", "detection"),
        ('fine_tune_checkpoint_type: "detection"', "2019-07", "detection"),
        ('fine_tune_checkpoint_type: "full"', "2018-02", ""),
    ],
)
def test_the_type_of_the_checkpoint(given, revision, after):
    out, findings = planned(
        CONFIG.replace("train_config {", "train_config {\n  " + given), revision
    )
    assert message(out).train_config.fine_tune_checkpoint_type == after
    changed = "detection" not in given
    assert bool([one for one in findings if "fine_tune_checkpoint_type" in one.subject]) == changed


@pytest.mark.parametrize(
    "revision, line", [("2020-05", "fine_tune_checkpoint_version: V1"), ("2020-04", None)]
)
def test_the_version_of_the_checkpoint_is_what_tensorflow_1_writes(revision, line):
    text = CONFIG.replace("train_config {", "train_config {\n  fine_tune_checkpoint_version: V2")
    out, findings = planned(text, revision)
    assert [one.strip() for one in out.split("\n") if "version" in one] == ([line] if line else [])
    assert [one for one in findings if "fine_tune_checkpoint_version" in one.subject]


@pytest.mark.parametrize(
    "revision, trainer, codes",
    [
        ("2017-06", "any", [("HEADS_NOT_RESTORED", "legacy")]),
        ("2018-01", "legacy", [("HEADS_NOT_RESTORED", "legacy")]),
        ("2018-02", "any", [("HEADS_NOT_RESTORED", "legacy")]),
        ("2018-02", "model_main", []),
        ("2018-03", "any", []),
        ("2018-06", "legacy", []),
        ("2020-06", "any", []),
        ("2020-07", "any", [("FINE_TUNE_CHECKPOINT_IGNORED", "model_main")]),
        ("2022-10", "legacy", []),
        ("2022-10", "model_main", [("FINE_TUNE_CHECKPOINT_IGNORED", "model_main")]),
    ],
)
@pytest.mark.parametrize("resumable", [False, True])
def test_what_a_trainer_does_not_restore_is_told(revision, trainer, codes, resumable):
    _, findings = planned(CONFIG, revision, trainer, resumable)
    found = [
        one
        for one in findings
        if one.code in ("HEADS_NOT_RESTORED", "FINE_TUNE_CHECKPOINT_IGNORED")
    ]
    assert [(one.code, one.subject) for one in found] == codes
    # Whoever forgets the directory loses everything, or the heads.
    mild = WARNING if codes and codes[0][0] == "FINE_TUNE_CHECKPOINT_IGNORED" else INFO
    assert {one.severity for one in found} <= {mild if resumable else ERROR}
    assert all("dir" in one.remedy for one in found)


QUANTIZED = CONFIG + "graph_rewriter { quantization { delay: 100 } }\n"


@pytest.mark.parametrize(
    "revision, trainer, expected",
    [
        ("2018-05", "any", ["model_main"]),
        ("2019-07", "model_main", ["model_main"]),
        ("2019-07", "legacy", []),
        ("2020-07", "any", []),
        ("2018-04", "any", []),
    ],
)
def test_quantization_ranges_that_model_main_does_not_restore_are_told(revision, trainer, expected):
    _, findings = planned(QUANTIZED, revision, trainer)
    assert [one.subject for one in told(findings, "QUANTIZATION_NOT_RESTORED")] == expected
    assert not told(planned(CONFIG, revision, trainer)[1], "QUANTIZATION_NOT_RESTORED")


@pytest.mark.parametrize("revision", ["2017-06", "2017-12", "2018-01"])
def test_a_trainer_that_is_not_there_is_refused(revision):
    with pytest.raises(RequestError) as caught:
        planned(CONFIG, revision, "model_main")
    (problem,) = caught.value.problems
    assert "--trainer legacy" in problem.remedy and "2018-02" in problem.remedy


def test_periods_are_in_order_and_name_scripts():
    revisions = [row.since for row in trainers.PERIODS]
    assert revisions == sorted(set(revisions)) and revisions[0] == schema_history.FIRST_MONTH
    assert trainers.script("2018-06", "legacy") == "train.py"
    assert trainers.script("2018-07", "legacy") == "legacy/train.py"
    assert trainers.script("2018-03", "model_main") == "model.py"
    assert trainers.restored("2017-06", "any") == (("legacy", "backbone"),)
    assert trainers.restored("2017-06", "model_main") == ()
