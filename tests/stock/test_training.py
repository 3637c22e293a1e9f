"""The stock trainers of three eras fine-tune from what convert wrote, every variable restored."""

import math

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
import thorough

from graphfix.stock_api import runner

RECORD = judging.RECORDS + "/train.record"
VARIABLES = 199  # of the model: the published 200 tensors without global_step
SHADOWED = 129
STEPS = 50


def assert_everything_restored(result, log):
    """By the restored values, and by what the stock code itself printed."""
    assert result["counts"]["model"] == {"total": VARIABLES, "restored": VARIABLES}
    # Of the model, no line.  global_step is kept out of what is looked for, and said to be missing;
    # the legacy trainer looks for its optimizer's slots too, which a fine-tuning checkpoint lacks.
    expected = {"global_step"}
    if result["trainer"] == "legacy":
        expected.update(row["name"] for row in result["missing"] if row["category"] == "optimizer")
        assert len(expected) > SHADOWED
    assert judging.complaints(log) == expected


def assert_trained(result, steps):
    assert len(result["losses"]) == steps
    assert all(isinstance(loss, float) and math.isfinite(loss) for loss in result["losses"])
    assert runner.StockResult(result).ok


def both_trainers(python, out, tmp_path, **others):
    """Results and logs of model_main and legacy, side by side."""
    logs = [tmp_path / (trainer + ".log") for trainer in judging.TRAINERS]
    results = judging.ask(
        [
            (python, judging.job(out, trainer=trainer, log=str(log), **others))
            for trainer, log in zip(judging.TRAINERS, logs)
        ]
    )
    return list(zip(results, logs))


def assert_ignored(result, log):
    """From 2020-07 on, model_main starts from random values and says nothing."""
    assert result["load_pretrained"] is False
    assert result["counts"]["model"] == {"total": VARIABLES, "restored": 0}
    assert result["verdict"] == "nothing restored"
    assert judging.complaints(log) == set()


@thorough.only
@pytest.mark.parametrize("era", judging.ERAS)
def test_the_published_model(era, stock_python, replica, tmp_path):
    # Catches: a name or shape the stock graph does not have, a missing restore flag (without
    # load_all_detection_checkpoint_vars no head is restored), a config an era cannot parse.
    python = stock_python(era)
    out = judging.convert(
        replica,
        tmp_path / "out",
        "--label_map_path",
        judging.write_labels(tmp_path / "labels.pbtxt", ("widget", "person", "tiger")),
        "--map",
        "tiger=cat",
        "--target_api",
        runner.importable_api(python),
    )
    (main, main_log), (legacy, legacy_log) = both_trainers(
        python, out, tmp_path, steps=1, batch_size=2
    )
    if era == "2021":
        assert_ignored(main, main_log)
    else:
        assert_everything_restored(main, main_log)
        assert_trained(main, 1)
    assert_everything_restored(legacy, legacy_log)
    assert_trained(legacy, 1)
    # The config keeps moving averages: each starts from the value of its variable.
    assert legacy["moving_averages"] == {
        "from_checkpoint": SHADOWED,
        "from_variable": 0,
        "from_initialiser": [],
    }


@pytest.mark.parametrize("era", thorough.cases(["2021"], ["2019-04", "2019-07"]))
def test_the_trained_detector(era, stock_python, tmp_path):
    # Catches: weights that restore but do not train (a head of garbage, a step that is too far
    # along), and a config that no longer reads its labels and records.  The records hold objects of
    # classes that the label map does not name; the stock decoder takes those for background.
    python = stock_python(era)
    out = judging.convert(
        judging.DETECTOR,
        tmp_path / "out",
        "--source_label_map_path",
        judging.DETECTOR_LABELS,
        "--label_map_path",
        judging.write_labels(tmp_path / "labels.pbtxt", ("ring", "disc", "crescent", "circle")),
        "--map",
        "disc=hexagon",
        "--map",
        "circle=",
        "--train_record",
        RECORD,
        "--target_api",
        runner.importable_api(python),
    )
    (main, main_log), (legacy, legacy_log) = both_trainers(
        python,
        out,
        tmp_path,
        steps=STEPS,
        batch_size=8,
        record=RECORD,
        label_map=out + "/label_map.pbtxt",
    )
    if era == "2021":
        assert_ignored(main, main_log)
    else:
        assert_everything_restored(main, main_log)
        assert_trained(main, STEPS)
    assert_everything_restored(legacy, legacy_log)
    assert_trained(legacy, STEPS)
    for result in (main, legacy):
        # The new class is learned; single losses jump about.
        assert sum(result["losses"][-10:]) < sum(result["losses"][:10])


@thorough.only
def test_why_moving_averages_are_written(stock_python, small_weights, tmp_path):
    # Catches: the copies missing, or missing for some variables.  The first half shows what for.
    python = stock_python("2019-07")
    config = judging.small_config(tmp_path / "pipeline.config", "momentum", True)
    outs = [
        judging.convert(
            small_weights,
            tmp_path / trainer,
            "--pipeline_config_path",
            config,
            "--num_classes",
            "2",
            "--map",
            "1=3",
            "--trainer",
            trainer,
            "--target_api",
            "2019-07",
        )
        for trainer in ("model_main", "any")
    ]
    without, copies = judging.ask([(python, judging.job(out, trainer="legacy")) for out in outs])
    for result in (without, copies):
        assert result["counts"]["model"] == {"total": VARIABLES, "restored": VARIABLES}
    # Averages take their first value from random initialisers, before anything is restored.
    assert len(without["moving_averages"]["from_initialiser"]) == SHADOWED
    assert not runner.StockResult(without).ok
    assert copies["moving_averages"] == {
        "from_checkpoint": SHADOWED,
        "from_variable": 0,
        "from_initialiser": [],
    }
    assert runner.StockResult(copies).ok


def test_a_trainer_that_waits_for_other_replicas_ends(stock_python, small_weights, tmp_path):
    # Catches: the stock code's complaint that a thread still waits, taken for a failed training.
    # Published FPN configs are such, and train on one machine all the same.
    config = judging.small_config(tmp_path / "pipeline.config", "momentum", False)
    with open(config) as file:
        text = file.read()
    assert "batch_size: 2" in text
    with open(config, "w") as file:
        file.write(
            text.replace(
                "batch_size: 2",
                "batch_size: 2 sync_replicas: true startup_delay_steps: 0 replicas_to_aggregate: 2",
                1,
            )
        )
    out = judging.convert(
        small_weights,
        tmp_path / "out",
        "--pipeline_config_path",
        config,
        "--num_classes",
        "2",
        "--map",
        "1=3",
        "--target_api",
        "2019-07",
    )
    (result,) = judging.ask(
        [(stock_python("2019-07"), judging.job(out, trainer="legacy", steps=1))]
    )
    assert_trained(result, 1)
