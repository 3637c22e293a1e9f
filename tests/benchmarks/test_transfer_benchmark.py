"""benchmarks/transfer: what it works out and says; and docs/transfer.md says what was measured.

Its training and evaluation are in tests/stock/test_benchmarks.py.
"""

import json
import os
import re
import sys

import numpy as np
import pytest
import repository

ROOT = repository.TOP
sys.path.insert(0, os.path.join(ROOT, "benchmarks"))

import training  # noqa: E402
from transfer import __main__ as experiment  # noqa: E402
from transfer import report, targets  # noqa: E402

KNOWN = open(training.LABELS).read()


def run_of(*values, **per_class):
    """A run of the mixed target that evaluates every 10 steps."""
    classes = targets.TARGETS["mixed"].classes
    return {
        10 * number: {"map": value, "ap": {name: per_class.get(name, value) for name in classes}}
        for number, value in enumerate(values)
    }


@pytest.mark.parametrize(
    "values, level, steps",
    [
        ((0.6, 0.9), 0.5, 0),
        ((0.5, 0.9), 0.5, 0),
        ((0.1, 0.3, 0.7), 0.5, 15),
        ((0.1, 0.3, 0.7), 0.7, 20),
        ((0.2, 0.6, 0.3, 0.9), 0.4, 5),  # the first time counts
        ((0.1, 0.3), 0.5, None),
    ],
)
def test_steps_to_a_level(values, level, steps):
    assert report.steps_to(run_of(*values), level) == (
        None if steps is None else pytest.approx(steps)
    )


def test_seeds_that_never_get_there_are_told():
    good, bad = run_of(0.0, 1.0), run_of(0.0, 0.1)
    assert report.told_steps([good, good], 0.5) == "5 (5-5)"
    assert report.told_steps([good, bad], 0.5) == "5 (5-5), 1 of 2 seeds"
    assert report.told_steps([bad, bad], 0.5) == "not reached"


@pytest.mark.parametrize(
    "ours, theirs, fewer, said",
    [
        ((0.8, 0.9), (0.6, 0.7), False, "better"),
        ((0.6, 0.7), (0.8, 0.9), False, "worse"),
        ((0.6, 0.8), (0.7, 0.9), False, "no difference"),
        ((0.7,), (0.7,), False, "no difference"),
        ((10, 12), (20, 30), True, "better"),
        ((20, 30), (10, 12), True, "worse"),
    ],
)
def test_verdict(ours, theirs, fewer, said):
    assert report.verdict(ours, theirs, fewer) == said


def test_what_does_not_help_is_told():
    figures = {
        "mixed": {
            report.DEFAULTS: [run_of(0.0, 0.3)],
            report.LOAD_ALL: [run_of(0.0, 0.6)],
            report.GRAPHFIX: [run_of(0.2, 0.6, ring=0.9)],
            report.FROZEN: [run_of(0.2, 0.1)],
            report.ROWS % "zero": [run_of(0.2, 0.6, ring=0.9)],
        }
    }
    text = report.text(figures, "--steps 10", experiment.__doc__)
    part = text[text.index("## Where graphfix") : text.index("## What `--freeze")]
    assert (
        "| mAP of new classes at step 10 | graphfix | 0.600 (0.600-0.600) | stock load_all |"
        in part
    )
    assert "mAP of kept classes" not in part
    rest = text[text.index("## What `--freeze") :]
    assert (
        "| mAP of new classes at step 10 | graphfix, frozen backbone | 0.100 (0.100-0.100) |"
        in rest
        and "worse |" in rest
    )
    assert "rows zero" not in rest


@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_target_has_its_tables(name):
    target = targets.TARGETS[name]
    run = {step: {"map": 0.25, "ap": dict.fromkeys(target.classes, 0.25)} for step in (0, 10)}
    arms = {arm: [run] for arm in experiment.arms_of(target)}
    head = (
        f"| start | {'kept classes, step 0 | ' if target.kept else ''}steps to 0.5 | steps to 0.7 |"
    )
    lines = list(report.target_lines(target, arms))
    assert any(line.startswith(head) for line in lines)
    rows = [line for line in lines if line.startswith("| graphfix |")]
    assert [row.count("0.250 (0.250-0.250)") for row in rows] == [
        2,
        (
            len(set(target.kept) & set(target.classes))
            and 2 + (len(target.kept) < len(target.classes))
        )
        or 1,
    ]


def test_targets_are_what_they_are_called():
    # The shapes the detector knows, without importing what draws them, which needs Pillow.
    known = {line.split("'")[1] for line in KNOWN.splitlines() if "name" in line}
    assert len(known) == 8
    for target in targets.TARGETS.values():
        assert set(target.kept) == set(target.classes) & known
        assert set(target.classes) - known <= set(targets.outlines())
    kept = targets.TARGETS["kept"].classes
    order = [KNOWN.index(f"'{name}'") for name in kept]
    assert order != sorted(order)


def test_new_outlines_fill_the_unit_circle():
    for name, (outline, hole) in targets.outlines().items():
        assert hole is None
        assert np.linalg.norm(outline, axis=1).max() == pytest.approx(1), name
        x, y = outline.T
        area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        assert 0.3 < area < np.pi, name


@pytest.mark.slow
def test_arms_differ_in_what_they_are_called_for(tmp_path):
    target = targets.TARGETS["mixed"]
    labels = tmp_path / "labels.pbtxt"
    labels.write_text(targets.label_map(target))
    settings = {"steps": [0, 50], "batch": 4}
    texts = {}
    for arm in (report.DEFAULTS, report.LOAD_ALL, report.GRAPHFIX, report.FROZEN):
        path = experiment.write_config(
            str(tmp_path), arm, settings, 0, {"train": "t.record", "val": "v.record"}, str(labels)
        )
        with open(path) as file:
            texts[arm] = file.read().replace(os.path.dirname(path), "OUT").splitlines()
    source = os.path.join(training.DETECTOR, "model.ckpt")

    def changed(arm, before):
        return [line.strip() for line in texts[arm] if line not in texts[before]]

    assert changed(report.LOAD_ALL, report.GRAPHFIX) == [f'fine_tune_checkpoint: "{source}"']
    assert changed(report.DEFAULTS, report.LOAD_ALL) == [
        "load_all_detection_checkpoint_vars: false"
    ]
    assert changed(report.FROZEN, report.GRAPHFIX) == [
        'freeze_variables: ["^FeatureExtractor(_1)?/"]'
    ]
    assert [line.strip() for line in texts[report.GRAPHFIX] if "_steps:" in line] == [
        "num_steps: 6000",
        "total_steps: 50",
        "warmup_steps: 5",
    ]


def test_a_work_directory_is_of_one_experiment(tmp_path):
    training.open_work(str(tmp_path / "work"), {"steps": [0, 5]})
    training.open_work(str(tmp_path / "work"), {"steps": [0, 5]})
    with pytest.raises(SystemExit, match="another experiment"):
        training.open_work(str(tmp_path / "work"), {"steps": [0, 6]})


def test_a_finished_run_is_not_run_again(tmp_path):
    (tmp_path / "one.json").write_text('{"0": {"map": 0.5}}')
    assert training.fine_tune(str(tmp_path), "one", "no config", [0], 0, "no record", "no map") == {
        0: {"map": 0.5}
    }


def test_replaced_wants_what_it_replaces_once():
    assert training.replaced("a b", {"a": "c"}) == "c b"
    for text in ("b", "a a"):
        with pytest.raises(AssertionError):
            training.replaced(text, {"a": "c"})


@pytest.fixture(scope="module")
def measured():
    with open(os.path.join(training.DOCS, "transfer.json")) as file:
        data = json.load(file)
    return data["settings"], {
        name: {
            arm: [{int(step): one for step, one in run.items()} for run in arms[arm]]
            # JSON has no order; the page has the experiment's.
            for arm in experiment.arms_of(targets.TARGETS[name])
        }
        for name, arms in sorted(
            data["targets"].items(), key=lambda item: list(targets.TARGETS).index(item[0])
        )
    }


def test_the_page_is_of_all_targets_arms_and_seeds(measured):
    settings, figures = measured
    assert list(figures) == list(targets.TARGETS)
    for arms in figures.values():
        for runs in arms.values():
            assert len(runs) >= 3
            assert all(sorted(run) == settings["steps"] for run in runs)


def test_the_page_says_what_the_figures_are(measured):
    with open(os.path.join(training.DOCS, "transfer.md")) as file:
        page = file.read()
    date, command = re.search(
        r"Measured (\S+) with `python benchmarks/transfer (.*?)`", page
    ).groups()
    made = report.text(measured[1], command, experiment.__doc__)
    assert re.sub(r"Measured \S+ with", f"Measured {date} with", made) == page
