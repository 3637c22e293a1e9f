"""Weights that are no numbers are told, by class; and so is what a label map had besides."""

import json
import os

import builders
import numpy as np
import pytest

COUNTED = "NUM_EXAMPLES_KEPT"
NAMED = "info SOURCE_NAMES: label_map.pbtxt next to the source "
FLAGS = ["--target_api", "2019-07", "--train_record", __file__, "--eval_record", __file__]


def convert(graphfix, tmp_path, change, labels, *flags):
    tensors = builders.values(4)
    change(tensors)
    source = builders.write_model(tmp_path / "model", tensors=tensors)
    labels = builders.write(tmp_path, "labels.pbtxt", labels)
    return graphfix(
        "convert",
        source,
        "--label_map_path",
        labels,
        "--output_directory",
        tmp_path / "out",
        "--verbose",
        *(tuple(FLAGS) + flags),
    )


def told(done):
    """What was said, but for the number of the evaluation records, which is another matter."""
    return [line for line in done.err.splitlines() if f"info {COUNTED}" not in line]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_class_with_such_a_value(graphfix, tmp_path, value):
    def change(tensors):
        tensors["BoxPredictor_1/ClassPredictor/weights"][0, 0, 5, 3 * 5 + 2] = value  # dog
        tensors["BoxPredictor_2/ClassPredictor/biases"][2] = value
        tensors["BoxPredictor_3/ClassPredictor/biases"][5] = value

    done = convert(
        graphfix, tmp_path, change, builders.label_map(["person", "zebra"]), "--new_rows", "mean"
    )
    assert done.code == 0
    lines = told(done)
    assert len(lines) == 3 and lines[2].startswith(NAMED), lines
    assert lines[0] == (
        "error NOT_FINITE: the old class 2 'dog' has values in the source that are not finite, in "
        "BoxPredictor_1/ClassPredictor/weights, BoxPredictor_2/ClassPredictor/biases; they go into "
        "the mean that new classes start from; start from another checkpoint, or from one saved "
        "before training diverged"
    )
    assert (
        lines[1].startswith("error NOT_FINITE: the background has values")
        and "mean" not in lines[1]
    )
    with open(os.path.join(str(tmp_path / "out"), "report.json")) as file:
        assert [one["code"] for one in json.load(file)["findings"]] == ["NOT_FINITE"] * 2 + [
            "SOURCE_NAMES",
            COUNTED,
        ]


def test_a_class_left_out_of_every_mean(graphfix, tmp_path):
    def change(tensors):
        tensors["BoxPredictor_1/ClassPredictor/weights"][0, 0, 5, 2] = np.nan

    done = convert(graphfix, tmp_path, change, builders.label_map(["person", "dog"]))
    assert "the old class 2 'dog'" in done.err and "mean" not in done.err


def test_sound_weights_are_no_finding(graphfix, tmp_path):
    done = convert(graphfix, tmp_path, lambda tensors: None, builders.label_map(["person", "cow"]))
    (line,) = told(done)
    assert done.code == 0 and line.startswith(NAMED)


def test_fields_of_the_label_map_that_are_not_written(graphfix, tmp_path):
    labels = (
        'item { id: 1 name: "person" keypoints { id: 1 label: "nose" } frequency: RARE }\n'
        'item { id: 2 name: "cow" display_name: "Cow" mine: 3 }\n'
    )
    done = convert(graphfix, tmp_path, lambda tensors: None, labels)
    line, named = told(done)
    assert named.startswith(NAMED)
    assert (
        line.startswith("warning LABEL_MAP_FIELDS: ")
        and "label map: frequency, keypoints, mine; point the config" in line
    )
