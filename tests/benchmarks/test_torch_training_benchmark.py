"""benchmarks/torch_training.py: what it says, and that docs/torch.md says what was measured.

Its arm in PyTorch is in tests/torch, that of TensorFlow in tests/stock/test_benchmarks.py.
"""

import json
import os
import re
import sys

import pytest
import repository

sys.path.insert(0, os.path.join(repository.TOP, "benchmarks"))

import torch_training


def run_of(*values):
    return {10 * number: {"map": value, "ap": {}} for number, value in enumerate(values)}


FIGURES = {
    torch_training.TENSORFLOW: [run_of(0.5, 0.7), run_of(0.5, 0.8)],
    torch_training.PYTORCH: [run_of(0.5, 0.75), run_of(0.5, 0.85)],
}
TIMES = {arm: [{"train": 0.25, "detect": 0.02}, {"train": 0.35, "detect": 0.02}] for arm in FIGURES}


def test_the_report():
    text = "\n".join(torch_training.report(FIGURES, {"map": 0.751}, TIMES, [0, 10], 2))
    assert "| PyTorch | 0.500 (0.500-0.500) | 0.800 (0.750-0.850) |" in text
    assert "ends with 0.7500, and with 0.7510 where TensorFlow 1" in text
    assert text.count("| 300.0 (250.0-350.0) | 20.0 (20.0-20.0) |") == 2


def test_a_section_is_put_in_its_place(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(f"before\n{torch_training.BEGIN}\nold\n{torch_training.END}\nafter\n")
    torch_training.write_section(str(path), ["", "new", ""])
    torch_training.write_section(str(path), ["", "new", ""])
    between = f"{torch_training.BEGIN}\n\nnew\n\n{torch_training.END}"
    assert path.read_text() == f"before\n{between}\nafter\n"
    path.write_text("nothing")
    with pytest.raises(AssertionError, match="has no place"):
        torch_training.write_section(str(path), [])


def test_the_documentation_says_what_was_measured():
    docs = os.path.join(repository.TOP, "docs")
    with open(os.path.join(docs, "torch_training.json")) as file:
        found = json.load(file)
    arms = (torch_training.TENSORFLOW, torch_training.PYTORCH)
    figures = {
        arm: [{int(step): one for step, one in run.items()} for run in found["figures"][arm]]
        for arm in arms
    }
    times = {arm: found["seconds"][arm] for arm in arms}
    assert [len(runs) for runs in figures.values()] == [3, 3]
    steps = sorted(figures[torch_training.PYTORCH][0])
    with open(os.path.join(docs, "torch.md")) as file:
        text = file.read()
    dated = re.compile(r"Measured \d{4}-\d\d-\d\d ")
    lines = torch_training.report(figures, found["back"], times, steps, 3)
    wanted = dated.sub("", "\n".join(lines))
    section = text.partition(torch_training.BEGIN)[2].partition(torch_training.END)[0]
    assert dated.sub("", section).strip() == wanted.strip()
    assert os.path.getsize(os.path.join(docs, "torch_training.png")) > 5000
