"""benchmarks/anchors_fit.py runs, and its aims are those that docs/benchmarks_anchors.md
reached."""

import os
import re
import subprocess
import sys

import pytest
import repository

ROOT = repository.TOP


@pytest.mark.slow
def test_it_runs_on_a_few_boxes(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            os.path.join(ROOT, "benchmarks", "anchors_fit.py"),
            "--boxes",
            "300",
            "--cache",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    assert done.returncode == 0
    assert "on 300 synthetic boxes of " in done.stdout
    assert len(re.findall(r"^\| (?:SSD|Faster).*\d+\.\d \| \d+ \|", done.stdout, re.M)) == 3
    assert os.listdir(str(tmp_path)) == []


def test_a_million_boxes_were_fast_and_small_enough():
    with open(os.path.join(ROOT, "docs", "benchmarks_anchors.md")) as file:
        text = file.read()
    assert "on 1000000 synthetic boxes" in text
    rows = re.findall(r"\| ([\d.]+) \| [\d.]+ \| (\d+) \|", text)
    assert len(rows) == 3
    assert all(float(seconds) < 60 and int(peak) < 500 for seconds, peak in rows)
