"""convert --anchor_boxes random: box heads that start afresh on other anchors."""

import json

import numpy as np
import pytest
import repository

from graphfix.cli import command_line
from graphfix.formats.checkpoint.reader import open_bundle
from graphfix.report import report as reports

DETECTOR = repository.DETECTOR
ANCHORS = (
    "ssd_anchor_generator { num_layers: 6 min_scale: 0.1 max_scale: 0.9 "
    "aspect_ratios: [1, 2, 0.5, 4] %s }"
)
STRIDES = " ".join(f"{side}_stride: [8, 16, 32, 64, 128, 256]" for side in ("height", "width"))


def convert(directory, *flags, anchors=ANCHORS % ""):
    path = directory / "anchors.pbtxt"
    path.write_text(anchors)
    out = directory / "out"
    status = command_line.main(
        ["convert", DETECTOR, "--anchors", str(path), "--output_directory", str(out), "--overwrite"]
        + list(flags)
    )
    if status:
        return status
    return {name: view.load() for name, view in open_bundle(str(out / "model.ckpt")).items()}


def heads(tensors, what):
    return {
        name: value for name, value in tensors.items() if "BoxPredictor" in name and what in name
    }


@pytest.fixture(scope="module")
def carried(tmp_path_factory):
    return convert(tmp_path_factory.mktemp("carried"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fresh")
    return directory, convert(directory, "--anchor_boxes", "random")


@pytest.mark.slow
def test_box_heads_are_what_the_stock_api_would_start_with(carried, fresh):
    kernels = []
    for name, value in heads(fresh[1], "BoxEncodingPredictor").items():
        assert value.shape == carried[name].shape
        assert not np.array_equal(value, carried[name])
        if name.endswith("biases"):
            assert not value.any()
        else:
            kernels.append(value.ravel())
    drawn = np.concatenate(kernels)
    # The config's truncated normal with a standard deviation of 0.03, cut at twice that: 0.88 *
    # 0.03.
    assert np.abs(drawn).max() <= 0.06 and drawn.std() == pytest.approx(0.0264, rel=0.02)
    assert len(kernels) == 6 and len(np.unique(drawn[:1000])) > 900


def test_all_else_is_as_when_boxes_are_carried(carried, fresh):
    assert set(fresh[1]) == set(carried)
    rest = [name for name in carried if "BoxEncodingPredictor" not in name]
    assert len(rest) > 100
    for name in rest:
        np.testing.assert_array_equal(fresh[1][name], carried[name])


def test_it_is_said(fresh):
    with open(str(fresh[0] / "out" / "report.json")) as file:
        found = [one for one in json.load(file)["findings"] if one["code"] == "BOXES_RANDOM"]
    assert [one["severity"] for one in found] == ["warning"]


@pytest.mark.slow
def test_the_seed_decides(fresh, tmp_path):
    again = convert(tmp_path, "--anchor_boxes", "random", "--seed", "0")
    other = convert(tmp_path, "--anchor_boxes", "random", "--seed", "1")
    kernels = [name for name in heads(again, "BoxEncodingPredictor") if name.endswith("weights")]
    for name in kernels:
        np.testing.assert_array_equal(again[name], fresh[1][name])
        assert not np.array_equal(other[name], again[name])


def test_other_strides_need_it(tmp_path, capsys):
    assert convert(tmp_path, anchors=ANCHORS % STRIDES) == 3
    message = capsys.readouterr().err
    assert "strides" in message and "--anchor_boxes random" in message
    assert not (tmp_path / "out").exists()
    assert len(convert(tmp_path, "--anchor_boxes", "random", anchors=ANCHORS % STRIDES)) > 100


def test_without_anchors_it_makes_no_sense(tmp_path, capsys):
    assert (
        command_line.main(
            [
                "convert",
                DETECTOR,
                "--num_classes",
                "8",
                "--anchor_boxes",
                "random",
                "--output_directory",
                str(tmp_path / "out"),
            ]
        )
        == 3
    )
    assert "--anchors" in capsys.readouterr().err


def test_the_report_draws_the_anchors(fresh):
    out = fresh[0] / "out"
    with open(str(out / "report.json")) as file:
        maps = json.load(file)["anchors"]
    assert [(len(one["before"]), len(one["after"])) for one in maps] == [(3, 3)] + [(6, 5)] * 5
    # Aspect ratio 4 at scale 0.9: half as high, twice as wide.
    assert maps[-1]["after"][3] == pytest.approx([0.45, 1.8])
    page = (out / "report.html").read_text()
    assert page.count("aria-label='anchors of map ") == 6
    # All of both are drawn, and the widest one from edge to edge.
    drawn = page[page.index("<div class=anchors>") :]
    assert drawn[: drawn.index("</div>")].count("<rect ") == 3 + 3 + 5 * (6 + 5)
    assert "width='150.0'" in drawn
    assert reports.load(str(out)).anchors[0].before == tuple(map(tuple, maps[0]["before"]))


def test_without_other_anchors_none_are_drawn(tmp_path):
    out = tmp_path / "out"
    assert (
        command_line.main(
            [
                "convert",
                DETECTOR,
                "--num_classes",
                "2",
                "--map",
                "1=1",
                "--output_directory",
                str(out),
            ]
        )
        == 0
    )
    assert reports.load(str(out)).anchors == ()
    assert "anchors of map" not in (out / "report.html").read_text()
