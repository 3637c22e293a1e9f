"""The complete training checkpoint of --model_dir: each era's trainers resume from it, strictly.

That is the only way to start model_main of 2020-07 and later from a checkpoint at all.  In every
run each optimizer is resumed by two of the six trainers, with averages by one and without by
another; with GRAPHFIX_ALL_CONFIGS=1 by all.
"""

import itertools
import json
import os

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
import thorough

from graphfix.stock_api import runner

SHADOWED = 129
SLOTS = {
    "rms_prop": ("/RMSProp", "/RMSProp_1"),
    "momentum": ("/Momentum",),
    "adam": ("/Adam", "/Adam_1"),
}
SCALARS = {"rms_prop": 0, "momentum": 0, "adam": 2}
TRAINERS = tuple(itertools.product(judging.ERAS, judging.TRAINERS))
TARGET = ("--num_classes", "2", "--map", "1=3", "--target_api", "2021-06")


@pytest.mark.parametrize("averaged", [True, False], ids=["averages", "no averages"])
@pytest.mark.parametrize("optimizer", sorted(SLOTS))
def test_every_trainer_resumes(optimizer, averaged, stock_python, small_weights, tmp_path):
    # Catches: a slot or average missing, misnamed or of another shape or type (a strict restore
    # fails), one too many, slots that do not start at the optimizer's own initial value, a step
    # other than 0, and a model variable that is not the converted one.
    config = judging.small_config(tmp_path / "small.config", optimizer, averaged)
    model_dir = str(tmp_path / "model_dir")
    out = judging.convert(
        small_weights,
        tmp_path / "out",
        "--pipeline_config_path",
        config,
        "--model_dir",
        model_dir,
        *TARGET,
    )
    complete = judging.tensors(os.path.join(model_dir, "model.ckpt-0"))
    converted = judging.tensors(os.path.join(out, "model.ckpt"))
    for name, value in converted.items():
        assert complete[name].tobytes() == value.tobytes(), name
    expected = {
        "model": 199,
        "step": 1,
        "optimizer": SHADOWED * len(SLOTS[optimizer]) + SCALARS[optimizer],
    }
    if averaged:
        expected["moving_average"] = SHADOWED
    assert len(complete) == sum(expected.values())

    # One step each in the trainer that cannot do without.
    first = sorted(SLOTS).index(optimizer) + 3 * averaged
    jobs = [
        (
            stock_python(era),
            judging.job(
                out,
                trainer=trainer,
                model_dir=model_dir,
                steps=int((era, trainer) == ("2021", "model_main")),
            ),
        )
        for era, trainer in thorough.cases(
            TRAINERS[first : first + 1], TRAINERS[:first] + TRAINERS[first + 1 :]
        )
    ]
    for (_, job), result in zip(jobs, judging.ask(jobs)):
        assert result["resumed_from"] == "model.ckpt-0" and result["global_step"] == 0
        for key in ("total", "restored"):
            assert {name: count[key] for name, count in result["counts"].items()} == expected
        # What this graph would have given the optimizer had it started by itself.
        assert result["counts"]["optimizer"]["initial"] == expected["optimizer"]
        assert {row["name"] for row in result["restored"]} == set(complete)
        assert runner.StockResult(result).ok
        assert len(result["losses"]) == job["steps"] and result["finite"]


@pytest.mark.parametrize("flags", [(), ("--model_dir", "model_dir")], ids=["without", "with"])
@pytest.mark.parametrize("trainer", ["any", "model_main"])
def test_the_report_says_so_first(flags, trainer, small_weights, tmp_path, monkeypatch):
    # Catches: the finding missing, or lost behind the placeholders this config has.
    monkeypatch.chdir(tmp_path)
    config = judging.small_config("small.config", "momentum", True)
    out = judging.convert(
        small_weights,
        "out",
        "--pipeline_config_path",
        config,
        "--trainer",
        trainer,
        *(TARGET + flags),
    )
    with open(os.path.join(out, "report.json")) as file:
        findings = json.load(file)["findings"]
    assert "PLACEHOLDER" in {finding["code"] for finding in findings}
    assert findings[0]["code"] == "FINE_TUNE_CHECKPOINT_IGNORED"
    assert "model_main" in findings[0]["subject"] and "--model_dir" in findings[0]["remedy"]
