"""What doctor says of broken setups is what the stock API does with them, and --fix cures it."""

import json
import os
import subprocess

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import cells
import config_mutations as mutations
import judging

import graphfix
from graphfix.cli import command_line
from graphfix.pipeline_config.migration_tables import (
    LEGACY_METRICS,
    METRICS,
    OLD_METRICS,
    OTHER_METRICS,
)
from graphfix.stock_api import runner

VARIABLES = 199
# (case, trainer) -> the type of the error it stops with.
PATTERNS = {
    ("pattern_unclosed", "model_main"): "error",
    ("pattern_unclosed", "legacy"): "error",
    ("pattern_of_one_trainer", "model_main"): "error",
    ("pattern_of_one_trainer", "legacy"): None,
}


@pytest.fixture(scope="module")
def results(stock_python, tmp_path_factory):
    """{(case, "broken" or "fixed"): the trainer's result}, of one worker."""
    directory = tmp_path_factory.mktemp("doctor")
    before = os.getcwd()
    os.chdir(judging.TESTDATA)
    try:
        jobs = {}
        for case, trainer in (
            ("detector_taken_for_classifier", "model_main"),
            ("warmup_longer_than_decay", "legacy"),
        ):
            broken = f"broken/{case}/pipeline.config"
            fixed = str(directory / (case + ".config"))
            assert command_line.main(["doctor", broken]) == 1
            assert command_line.main(["doctor", broken, "--fix", fixed]) == 0
            jobs[case, "broken"] = job(broken, trainer)
            jobs[case, "fixed"] = job(fixed, trainer)
        jobs["biases_of_keras", "broken"] = job("broken/biases_of_keras/pipeline.config", "legacy")
        jobs["batch_shared_by_replicas", "broken"] = job(
            "broken/batch_shared_by_replicas/pipeline.config", "legacy"
        )
        for case, trainer in PATTERNS:
            jobs[case, trainer] = job(f"broken/{case}/pipeline.config", trainer)
        case = "boxes_as_corner_and_size"
        jobs[case, "broken"] = job(
            f"broken/{case}/pipeline.config", "legacy", record=f"broken/{case}/train.record"
        )
        done = runner.run_jobs(
            list(jobs.values()), python=stock_python("2019-07"), timeout=judging.SECONDS
        )
        return dict(zip(jobs, done))
    finally:
        os.chdir(before)


def job(config, trainer, record="shapes/train.record"):
    return {
        "verb": "restore",
        "pipeline_config": config,
        "trainer": trainer,
        "steps": 1,
        "batch_size": 2,
        "record": record,
        "label_map": "shapes_detector/shapes_label_map.pbtxt",
    }


def assert_trains(result):
    assert "error" not in result
    assert result["counts"]["model"] == {"total": VARIABLES, "restored": VARIABLES}
    assert len(result["losses"]) == 1 and result["finite"]


def test_a_detector_taken_for_a_classifier_is_not_restored(results):
    broken = results["detector_taken_for_classifier", "broken"]
    # Without a message: it trains, and starts from random values.
    assert "error" not in broken and broken["losses"]
    assert broken["counts"]["model"] == {"total": VARIABLES, "restored": 0}
    assert_trains(results["detector_taken_for_classifier", "fixed"])


def test_a_schedule_that_ends_before_it_starts_is_refused(results):
    error = results["warmup_longer_than_decay", "broken"]["error"]
    assert "total_steps must be larger or equal to warmup_steps" in error["message"]
    assert_trains(results["warmup_longer_than_decay", "fixed"])


def test_ssd_says_nothing_of_boxes_that_end_before_they_begin(results):
    # Its loss leaves out targets that are NaN.
    result = results["boxes_as_corner_and_size", "broken"]
    assert "error" not in result and result["finite"]


def test_the_legacy_trainer_finds_no_biases_that_keras_names(results):
    # Fixed, both trainers train: test_cured.py.
    assert "gradient_multipliers" in results["biases_of_keras", "broken"]["error"]["message"]


def test_the_legacy_trainer_shares_a_batch_among_replicas(results):
    # Fixed, it is the config that the case was made of.
    message = results["batch_shared_by_replicas", "broken"]["error"]["message"]
    assert "not enough values to unpack (expected 7, got 0)" in message


def test_slim_builds_nothing_from_hyperparameters_of_keras(stock_python, tmp_path):
    path = os.path.join(judging.TESTDATA, "broken", "hyperparams_of_keras", "pipeline.config")
    result = tmp_path / "result.json"
    subprocess.run(
        [
            stock_python("2021"),
            os.path.join(judging.HERE, "build_configs.py"),
            "build",
            str(result),
            path,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert "only supported by KerasLayerHyperparams" in json.loads(result.read_text())[path]


@pytest.mark.parametrize("revision", cells.ERAS)
def test_the_api_has_the_metrics_that_doctor_knows_and_no_other(stock_python, revision):
    program = (
        "import json; from object_detection import eval_util; from object_detection.legacy import "
        "evaluator; print(json.dumps([sorted(one.EVAL_METRICS_CLASS_DICT) for one in "
        "(eval_util, evaluator)]))"
    )
    done = subprocess.run(
        [stock_python(revision), "-c", program], check=True, stdout=subprocess.PIPE
    )
    ours, legacy = map(set, json.loads(done.stdout.decode().splitlines()[-1]))
    month = mutations.MONTHS[revision]
    assert ours == {name for name, (first, _) in METRICS.items() if first <= month} | {
        name for name, last in OTHER_METRICS.items() if last < month
    }
    assert legacy - ours == set(LEGACY_METRICS) and set(LEGACY_METRICS.values()) <= ours
    assert not (ours | legacy) & set(OLD_METRICS)


@pytest.mark.parametrize("case, trainer", sorted(PATTERNS))
def test_a_pattern_that_is_no_regular_expression_stops_who_reads_it(results, case, trainer):
    error = results[case, trainer].get("error")
    assert (error and error["type"]) == PATTERNS[case, trainer], error


def test_the_environment_that_trains_is_found_fit(stock_python):
    found = graphfix.check_environment(stock_python("2019-07"))
    assert found.trains
    assert not [row for row in found.rows if row.severity == "error"]
    assert [row.found for row in found.rows if row.thing == "TensorFlow"] == ["tensorflow 1.15.5"]


@pytest.mark.parametrize("revision", cells.ERAS)
def test_the_stock_reader_refuses_label_maps_that_doctor_refuses(stock_python, revision):
    program = """
import json, sys
from object_detection.utils import label_map_util
found = []
for path in sys.argv[1:]:
    try:
        found.append(label_map_util.get_label_map_dict(path))
    except Exception as error:
        found.append(None)
print(json.dumps(found))
"""
    cases = ("label_map_with_bom", "label_ids_quoted", "label_items", "label_map_of_records")
    broken = os.path.join(judging.TESTDATA, "broken")
    paths = [os.path.join(broken, case, "labels.pbtxt") for case in (*cases, "labels_in_one_item")]
    done = subprocess.run(
        [stock_python(revision), "-c", program] + paths, check=True, stdout=subprocess.PIPE
    )
    *refused, last = json.loads(done.stdout.decode().splitlines()[-1])
    assert refused == [None] * len(cases)
    assert last == {"crescent": 8}
