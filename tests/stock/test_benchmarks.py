"""Benchmarks run on the detector in testdata/, and notice arms that do different work."""

import os
import subprocess
import sys

import pytest
import repository

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")
pytest.importorskip("object_detection", reason="the stock API is not installed here")

ROOT = repository.TOP
ARMS = os.path.join(ROOT, "benchmarks", "arms")
DETECTOR = os.path.join(ROOT, "testdata", "shapes_detector")


def run(*command, **environment):
    return subprocess.run(
        (sys.executable,) + command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        env=dict(os.environ, **environment),
    )


def test_without_published_models(tmp_path):
    done = run(
        os.path.join(ROOT, "benchmarks", "convert.py"),
        "--repetitions",
        "1",
        "--cache",
        str(tmp_path / "cache"),
        GRAPHFIX_ZOO_DIR=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "no published models in" in done.stderr
    assert (
        "graphfix and the script agree: 200 tensors equal, of 12 of them the carried classes"
        in done.stdout
    )
    rows = [line.split(" | ")[0] for line in done.stdout.splitlines() if line.count(" | ") == 6]
    assert [row for row in rows if row.startswith("| graphfix convert")]
    assert [row for row in rows if row.startswith("| TensorFlow script")]
    assert sorted(os.listdir(str(tmp_path / "cache"))) == ["checkpoints", "lock"]


@pytest.mark.parametrize(
    "rows, status, words",
    [
        ("0,1,2", 0, "200 tensors equal"),
        ("0,1,3", 1, "differ: BoxPredictor_0/ClassPredictor/biases, "),
    ],
    ids=["same", "another class"],
)
def test_compare(rows, status, words, tmp_path):
    for name, classes in (("one", "0,1,2"), ("other", rows)):
        done = run(
            os.path.join(ARMS, "tf_script.py"),
            os.path.join(DETECTOR, "model.ckpt"),
            os.path.join(DETECTOR, "pipeline.config"),
            str(tmp_path / name),
            "--rows",
            classes,
        )
        assert done.returncode == 0, done.stderr
    done = run(
        os.path.join(ARMS, "compare.py"),
        str(tmp_path / "one"),
        str(tmp_path / "other"),
        "--rows",
        "0,1,2",
    )
    assert done.returncode == status
    assert words in done.stdout


def test_an_arm_of_the_transfer_experiment(tmp_path):
    sys.path.insert(0, os.path.join(ROOT, "benchmarks"))
    from transfer import __main__ as experiment
    from transfer import report, targets

    target = targets.TARGETS["mixed"]
    pictures = {"train": 8, "val": 24}
    records, labels = targets.draw(str(tmp_path), target, pictures)
    settings = {"steps": [0, 2], "batch": 2, "pictures": pictures}
    found = experiment.run(str(tmp_path), report.GRAPHFIX, settings, 0, records, labels)
    assert sorted(found) == [0, 2]
    assert set(found[0]["ap"]) == set(target.classes)
    # What the detector knew it finds before the first step, and nothing of what it never saw.
    assert (
        report.mean_ap(found[0], target.kept)
        > 0.5
        > 0.2
        > report.mean_ap(found[0], ("arrow", "heart"))
    )


def test_doctor_and_the_script_count_the_same_records(tmp_path):
    done = run(
        os.path.join(ROOT, "benchmarks", "doctor.py"),
        "--megabytes",
        "2",
        "--repetitions",
        "1",
        "--cache",
        str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "2 MB, 13 records in 1000 files, 104 boxes" in done.stdout
    assert "2 MB, 98 records in 1000 files, 784 boxes" in done.stdout
    assert len(os.listdir(str(tmp_path))) == 2
