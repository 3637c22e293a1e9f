"""anchors show: the pictures (matplotlib is installed where the stock API is)."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed here")

import repository
from matplotlib import image

from graphfix.cli import command_line

TESTDATA = repository.TESTDATA
DETECTOR = os.path.join(TESTDATA, "shapes_detector")
RECORD = os.path.join(TESTDATA, "shapes", "train.record")
WIDER = "ssd_anchor_generator { num_layers: 6 min_scale: 0.3 max_scale: 0.8 aspect_ratios: [2, 4] }"
FASTER = """model { faster_rcnn { num_classes: 3
image_resizer { keep_aspect_ratio_resizer { min_dimension: 600 max_dimension: 1024 } }
feature_extractor { type: "faster_rcnn_resnet101" } first_stage_anchor_generator {
grid_anchor_generator { scales: [0.5, 1] aspect_ratios: [1, 2] } } } }"""


def show(*words):
    return command_line.main(["anchors", "show"] + [str(word) for word in words])


def share(path, colour):
    """The share of a picture's pixels that have nearly a colour."""
    pixels = image.imread(str(path))[..., :3]
    wanted = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    assert min(pixels.shape[:2]) > 300
    return (np.abs(pixels - wanted).max(-1) < 0.15).mean()


BLUE, ORANGE = "#1f6fb4", "#d9541e"


def test_anchors_alone(tmp_path, capsys):
    (tmp_path / "f.config").write_text(FASTER)
    assert show(tmp_path / "f.config", "--output_directory", tmp_path / "out") == 0
    assert sorted(os.listdir(str(tmp_path / "out"))) == ["grid.png", "manifest.json"]
    assert share(tmp_path / "out" / "grid.png", BLUE) > 0.003
    assert share(tmp_path / "out" / "grid.png", ORANGE) == 0


def test_anchors_and_boxes_and_other_anchors(tmp_path, capsys):
    anchors, out = tmp_path / "a.pbtxt", tmp_path / "out"
    anchors.write_text(WIDER)
    assert (
        show(
            DETECTOR,
            "--train_record",
            RECORD,
            "--anchors",
            anchors,
            "--output_directory",
            out,
            "--json",
        )
        == 0
    )
    data = json.loads(capsys.readouterr().out)
    assert (
        sorted(set(os.listdir(str(out))) - {"manifest.json"})
        == sorted(data["pictures"])
        == ["boxes.png", "coverage.png", "grid.png"]
    )
    assert data["present"]["recall"] > data["new"]["recall"]
    for name in ("grid.png", "coverage.png"):
        assert share(out / name, BLUE) > 0.001 and share(out / name, ORANGE) > 0.001
    # Once more: nothing is replaced unasked.
    assert show(DETECTOR, "--output_directory", out) == 3
    assert show(DETECTOR, "--output_directory", out, "--overwrite") == 0
    assert sorted(os.listdir(str(out))) == ["grid.png", "manifest.json"]


def test_anchors_of_another_generator(tmp_path, capsys):
    (tmp_path / "a.pbtxt").write_text("grid_anchor_generator { scales: 1 aspect_ratios: 1 }")
    assert (
        show(DETECTOR, "--anchors", tmp_path / "a.pbtxt", "--output_directory", tmp_path / "out")
        == 3
    )
    assert re.search("a.pbtxt: is a grid_anchor_generator, but", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_settings_that_lie_in_the_current_directory_are_nobodys(tmp_path):
    """They may have LaTeX run, and what is wrong with them would be written to the terminal."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nevil\x1b[2J: 1\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "graphfix",
            "anchors",
            "show",
            DETECTOR,
            "--output_directory",
            "out",
        ],
        cwd=str(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=os.path.dirname(TESTDATA)),
    )
    assert (done.returncode, done.stderr) == (0, b""), done
    assert (tmp_path / "out" / "grid.png").exists()
