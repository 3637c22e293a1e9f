"""The programs in examples/, each in an environment of its own."""

import json
import os
import subprocess

import pytest
import repository
import thorough
from environment_python import python_or_skip

from graphfix.cli import command_line

BEAM = os.path.join(repository.TOP, "examples", "beam_scan.py")


@thorough.only
@pytest.mark.slow
def test_beam_gives_doctors_report(tmp_path, broken_files, capsys):
    python = python_or_skip("beam")
    faults = ({}, {"box": (0.5, 0.2, 1.3, 0.9)}, {"text": [b"nobody"]}, {"source": [b"same"]})
    for number in range(8):
        records = [broken_files.example(9 * number + one, **faults[one % 4]) for one in range(9)]
        data = broken_files.records(records)
        (tmp_path / f"x.record-{number}").write_bytes(data[: -9 * (number == 5) or None])
    with open(os.path.join(repository.DETECTOR, "pipeline.config"), encoding="utf-8") as file:
        text = file.read().replace("shapes/train.record*", f"{tmp_path}/x.record-?")
    text = text.replace('"shapes_detector/', f'"{repository.DETECTOR}/')
    config = tmp_path / "pipeline.config"
    config.write_text(text)
    capsys.readouterr()
    code = command_line.main(["doctor", str(config), "--json", "--target_api", "2019-07"])
    expected = json.loads(capsys.readouterr().out)
    done = subprocess.run(
        [python, BEAM, str(config), "--json"],
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=repository.TOP),
    )
    assert done.returncode == code
    assert json.loads(done.stdout.decode()) == expected
    codes = {one["code"] for one in expected["findings"]}
    assert {"RECORDS_DAMAGED", "BOX_OUTSIDE", "CLASS_TEXT_UNKNOWN"} <= codes, codes
