"""Doctor's verdict on configs that were changed at random is the stock API's own.

The builders alone take milliseconds, so that `make test` asks only them: what they refuse doctor
refuses.  `make thorough` has the graphs of training and of evaluation built, too, and then either
says what the other says.
"""

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
# Training runs to its end, and learns nothing; or stops at the first step.
LATER = {"RATE_ZERO", "BATCH_RAGGED"}
SHORT, MANY, SEED = 60, 2000, 18


def judged(stock_python, revision, verb, count, directory):
    """{name: (what was changed, what the stock API raised or None, doctor's errors)}."""
    changed = {}
    for name, text, what in mutations.mutants(SEED, count, mutations.MONTHS[revision]):
        changed[name] = what
        (directory / (name + ".config")).write_text(text)
    result = directory / "result.json"
    paths = [str(directory / (name + ".config")) for name in changed]
    subprocess.run(
        [
            stock_python(revision),
            os.path.join(judging.HERE, "build_graphs.py"),
            *(verb, str(result), LABELS),
            *paths,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    raised = json.loads(result.read_text())
    return {
        name: (what, raised[path], errors(path, mutations.MONTHS[revision]))
        for (name, what), path in zip(changed.items(), paths)
    }


def errors(path, month):
    codes = {
        check.code for table, checks in diagnosis.TABLES if table in TABLES for check in checks
    }
    options = Options(month, schema_history.schema(month), ("model_main",), {})
    with open(path, "rb") as file:
        found = diagnosis.run_checks(file.read(), path, options).findings
    return [
        one.code
        for one in found
        if one.severity == ERROR and one.code in codes and one.code not in LATER
    ]


def test_what_the_builders_refuse_doctor_refuses(stock_python, tmp_path):
    found = judged(stock_python, "2019-07", "model", SHORT, tmp_path)
    refused = [name for name, (_, raised, _) in found.items() if raised]
    assert len(refused) >= SHORT // 4
    assert not [found[name] for name in refused if not found[name][2]]


@thorough.only
@pytest.mark.parametrize("revision", cells.ERAS)
def test_doctor_and_the_stock_api_agree(stock_python, tmp_path, revision):
    found = judged(stock_python, revision, "graph", MANY, tmp_path)
    assert not [one for one in found.values() if bool(one[1]) != bool(one[2])]
