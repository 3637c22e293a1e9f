"""The environments of tests/environments have the stock API that their names say."""

import json
import os
import subprocess

import pytest

from graphfix.stock_api import api_revision

# Era: revision.
ERAS = {"2019-04": "2019-04", "2019-07": "2019-07", "2021": "2021-06"}
# The two trainers define the same flags, so each is imported by a process of its own.
TRAINERS = ("object_detection.model_main", "object_detection.legacy.train")


def output(python, *arguments):
    return subprocess.run(
        [python] + list(arguments),
        stdin=subprocess.DEVNULL,
        check=True,
        stdout=subprocess.PIPE,
        universal_newlines=True,
        env=dict(os.environ, PYTHONPATH=""),
    ).stdout


@pytest.mark.parametrize("era", sorted(ERAS))
def test_the_api_is_of_its_era(stock_python, era):
    found = json.loads(output(stock_python(era), api_revision.__file__))
    assert found["tensorflow"]
    assert found["api"]["revision"] == ERAS[era]


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("era", sorted(ERAS))
def test_what_the_trainers_need_is_there(stock_python, era, trainer):
    program = (
        f"import object_detection.builders.model_builder, {trainer}, tensorflow, sys; "
        "sys.stdout.write(tensorflow.__version__)"
    )
    assert output(stock_python(era), "-c", program).endswith("1.15.5")
