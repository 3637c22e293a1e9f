"""Numbers of a difference against brute force, and what is told apart in configs."""

import math
import struct

import builders
import numpy as np
import pytest

from graphfix.comparison.configs import changed_fields, config_fields, relative_to
from graphfix.comparison.tensor_differ import compare_arrays
from graphfix.pipeline_config.document import parse_config


def brute(one, two):
    """By Python's own arithmetic, element by element."""
    count, most, relative = 0, 0.0, 0.0
    for left, right in zip(one.reshape(-1), two.reshape(-1)):
        if left.tobytes() == right.tobytes():
            continue
        count += 1
        left, right = float(left), float(right)
        gap = abs(left - right)
        gap = math.inf if math.isnan(gap) else gap
        most = max(most, gap)
        largest = max(abs(left), abs(right))
        relative = max(relative, math.inf if gap == math.inf else gap / largest if largest else 0.0)
    return count, one.size, most, relative


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", "<i4", "<i8", "<u1", "?"])
@pytest.mark.parametrize("seed", range(4))
def test_numbers(dtype, seed):
    random = np.random.RandomState(seed)
    one = (random.standard_normal((3, 5)) * 100).astype(dtype)
    two = one.copy()
    for place in random.randint(0, 15, 4):
        two.reshape(-1)[place] = (random.standard_normal(1) * 100).astype(dtype)[0]
    if dtype.startswith("<f") and seed:
        one[0, 0], two[0, 1], two[1, 1] = np.nan, np.inf, -0.0
    found = compare_arrays(one, two)
    assert (found.count, found.total) == brute(one, two)[:2]
    assert (found.max_abs, found.max_rel) == pytest.approx(brute(one, two)[2:], rel=1e-12)
    assert compare_arrays(one, one.copy()).count == 0


def test_numbers_of_types_numpy_lacks():
    patterns = [
        np.array([struct.unpack("<I", struct.pack("<f", value))[0] >> 16], "<u2")
        for value in (1.0, 1.5)
    ]
    assert compare_arrays(*patterns, bfloat16=True).max_abs == 0.5
    assert compare_arrays(np.array([3 + 4j]), np.array([0j])).max_abs == 5


def changed(text, old, new):
    assert old in text
    sides = [
        config_fields(parse_config(one.encode(), "c")) for one in (text, text.replace(old, new))
    ]
    return list(changed_fields(*sides, only_in=lambda new: "only in " + "AB"[new is not None]))


@pytest.mark.parametrize(
    "old, new",
    [
        ("# how many", "# what for"),
        ("min_scale: 0.2", "min_scale: 0.20000000000001  # rounds to the same float"),
        ("num_classes: 4  ", "  num_classes : 0x4;"),
        ("shuffle: false", "shuffle: 0"),
        ("shuffle: false", "shuffle: false num_readers: 64"),  # the default
        ("aspect_ratios: 1.0\n        aspect_ratios: 2.0", "aspect_ratios: [1, 2]"),
        ('"records/train.record"', "'records/' 'train.record'"),
    ],
)
def test_what_means_the_same_is_the_same(old, new):
    assert changed(builders.CONFIG % {"classes": 4}, old, new) == []


@pytest.mark.parametrize(
    "old, new, path, message",
    [
        ("num_classes: 4", "num_classes: 5", "model.ssd.num_classes", "4 -> 5"),
        (
            "min_scale: 0.2",
            "min_scale: 0.21",
            "model.ssd.anchor_generator.ssd_anchor_generator.min_scale",
            "(default) -> 0.21",
        ),
        ("shuffle: false", "", "eval_input_reader[0].shuffle", "false -> (default)"),
        (
            "random_horizontal_flip {\n    }",
            "random_vertical_flip { }",
            "train_config.data_augmentation_options[0].random_horizontal_flip",
            "only in A",
        ),
        (
            "shuffle: false",
            "shuffle: false wholly_new: 3",
            "eval_input_reader[0].wholly_new",
            "(default) -> wholly_new: 3",
        ),
    ],
)
def test_what_means_something_else_is_told(old, new, path, message):
    assert (path, message) in changed(builders.CONFIG % {"classes": 4}, old, new)


def test_a_path_into_the_directory_itself_does_not_tell_where_that_is(tmp_path):
    text = builders.CONFIG % {"classes": 4}
    text = text.replace("PATH_TO_BE_CONFIGURED", str(tmp_path))
    fields = relative_to(str(tmp_path), config_fields(parse_config(text.encode(), "c")))
    assert fields["train_config.fine_tune_checkpoint"] == '"<directory>/model.ckpt"'
