"""Doctor's verdict on configs that were changed at random is the stock API's own.

The builders alone take milliseconds, so that `make test` asks only them: what they refuse doctor
refuses.  `make thorough` has the graphs of training and of evaluation built, too, and then either
says what the other says; gives each augmentation each of its numbers at bounds; and has a sample of
what doctor passes take a step, and evaluated.

Seen with seed 18, 2,000 configs an era given to the builders: docs/decisions/015-doctor.md.
"""

import itertools
import json
import os
import subprocess

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import cells
import config_mutations as mutations
import judging
import thorough

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.findings import ERROR
from graphfix.pipeline_config import schema_history

LABELS = os.path.join(judging.TESTDATA, "shapes_detector", "shapes_label_map.pbtxt")
# Whose answers the stock builders have; the other tables look at files, which are not there.
TABLES = ("config", "training")
CODES = {check.code for table, checks in diagnosis.TABLES if table in TABLES for check in checks}
# Training runs to its end, and learns nothing; or stops at the first step, or at some later one.
LATER = {"RATE_ZERO", "BATCH_RAGGED", "AUGMENTATION_REFUSED", "ANCHORS_IMPOSSIBLE", "IMAGE_RESIZER"}
SHORT, MANY, STEPS, SEED = 60, 2000, 40, 18
# Images are given a negative size, but few of them.
BY_CHANCE = {
    "random_image_scale min_scale_ratio -0.5",
    "random_scale_crop_and_pad_to_square scale_min -0.5",
    "ssd_random_crop_pad_fixed_aspect_ratio aspect_ratio -0.5",
}
BUILD, TAKE = "build_graphs.py", "take_steps.py"


def judged(python, changed, month, directory, script, *words):
    """{name: (what was changed, what the stock API raised or None, doctor's errors)} of mutants."""
    what = {}
    for name, text, change in changed:
        what[name] = change
        (directory / (name + ".config")).write_text(text)
    result = directory / "result.json"
    paths = [str(directory / (name + ".config")) for name in what]
    subprocess.run(
        [python, os.path.join(judging.HERE, script), *words, str(result), LABELS, *paths],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    raised = json.loads(result.read_text())
    return {
        name: (what[name], raised[path], errors(path, month)) for name, path in zip(what, paths)
    }


def errors(path, month):
    options = Options(month, schema_history.schema(month), ("model_main",), {})
    with open(path, "rb") as file:
        found = diagnosis.run_checks(file.read(), path, options).findings
    return {one.code for one in found if one.severity == ERROR} & CODES


def differences(found):
    """The mutants of which doctor says another thing than the stock API."""
    return [one for one in found.values() if not one[2] & LATER and bool(one[1]) != bool(one[2])]


def test_what_the_builders_refuse_doctor_refuses(stock_python, tmp_path):
    month = mutations.MONTHS["2019-07"]
    changed = mutations.mutants(SEED, SHORT, month)
    found = judged(stock_python("2019-07"), changed, month, tmp_path, BUILD, "model")
    refused = [one for one in found.values() if one[1]]
    assert len(refused) >= SHORT // 4
    assert not [one for one in refused if not one[2]]


@thorough.only
@pytest.mark.parametrize("revision", cells.ERAS)
def test_doctor_and_the_stock_api_agree(stock_python, tmp_path, revision):
    month = mutations.MONTHS[revision]
    changed = mutations.mutants(SEED, MANY, month)
    assert not differences(judged(stock_python(revision), changed, month, tmp_path, BUILD, "graph"))


@thorough.only
@pytest.mark.parametrize("revision", cells.ERAS)
def test_augmentations_that_the_api_refuses(stock_python, tmp_path, revision):
    month = mutations.MONTHS[revision]
    changed = mutations.augmentations(month)
    found = judged(stock_python(revision), changed, month, tmp_path, BUILD, "model")
    assert {
        change
        for change, raised, codes in found.values()
        if bool(raised) != bool(codes) and change not in BY_CHANCE
    } == set()


@thorough.only
@pytest.mark.parametrize("revision", cells.ERAS)
def test_what_doctor_passes_takes_a_step(stock_python, tmp_path, revision):
    month = mutations.MONTHS[revision]
    changed = mutations.mutants(SEED, MANY, month)
    passed = (one for one in changed if passes(one[1], month, tmp_path / "one.config"))
    sample = list(itertools.islice(passed, STEPS))
    found = judged(stock_python(revision), sample, month, tmp_path, TAKE)
    assert len(found) == STEPS and not [one for one in found.values() if one[1]]


def passes(text, month, path):
    path.write_text(text)
    return not errors(str(path), month)
