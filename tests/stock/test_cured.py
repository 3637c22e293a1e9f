"""The stock trainers train with what doctor --fix makes of testdata/broken, and do with each
variable what doctor predicted.

One of the cases; with GRAPHFIX_ALL_CONFIGS=1 all that --fix fixes (about ten minutes).
"""

import json
import os

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import cells
import judging
import thorough

from graphfix.doctor import diagnosis
from graphfix.doctor.prediction import predict
from graphfix.doctor.setup import Options, Setup
from graphfix.pipeline_config import schema_history
from graphfix.stock_api import runner

ERA = "2019-07"
BROKEN = os.path.join(judging.TESTDATA, "broken")
FEW = ("biases_of_keras",)


def fixable():
    for name in sorted(os.listdir(BROKEN)):
        with open(os.path.join(BROKEN, name, "expected.json")) as file:
            if json.load(file)["fixable"]:
                yield name


NAMES = list(fixable()) if thorough.ALL else FEW


def options():
    return Options(ERA, schema_history.schema(ERA), judging.TRAINERS, {})


@pytest.fixture(scope="module")
def results(stock_python, tmp_path_factory):
    """{(case, trainer): (what the trainer did, what was predicted)}, by one worker."""
    directory, before = tmp_path_factory.mktemp("cured"), os.getcwd()
    os.chdir(judging.TESTDATA)
    try:
        jobs, predicted = {}, {}
        for name in NAMES:
            broken, path = f"broken/{name}/pipeline.config", str(directory / (name + ".config"))
            with open(broken, "rb") as file:
                data, done, _ = diagnosis.fix(file.read(), broken, options())
            assert done
            with open(path, "wb") as file:
                file.write(data)
            predictions = predict(Setup(data, path, options()))
            assert not predictions.unknown, (name, predictions.unknown)
            for one in predictions.trainers:
                predicted[name, one.trainer] = one
                # Nothing of the config is replaced: its own paths have to be right.
                jobs[name, one.trainer] = {
                    "verb": "restore",
                    "pipeline_config": path,
                    "steps": 1,
                    "trainer": one.trainer,
                    "batch_size": 2,
                }
        assert len(jobs) == 2 * len(NAMES)
        done = runner.run_jobs(
            list(jobs.values()), python=stock_python(ERA), timeout=judging.SECONDS * len(NAMES)
        )
        return {key: (result, predicted[key]) for key, result in zip(jobs, done)}
    finally:
        os.chdir(before)


@pytest.mark.parametrize("trainer", judging.TRAINERS)
@pytest.mark.parametrize("name", NAMES)
def test_it_trains_as_predicted(name, trainer, results):
    result, prediction = results[name, trainer]
    assert "error" not in result, result["error"]
    assert len(result["losses"]) == 1 and result["finite"]
    # The trainer's own lists of what it restores and leaves, with the values bit for bit.
    seen = cells.verdicts(result)
    assert all(row["bit_equal"] for row in result["restored"])
    assert {one.variable.name: one.verdict for one in prediction.variables} == seen["model"]
    assert {one.variable.name: one.verdict for one in prediction.added} == dict(
        seen.get("optimizer", {}), **seen.get("moving_average", {})
    )
