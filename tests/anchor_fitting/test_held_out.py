"""anchor_fitting/held_out.py: the split, and what is said of a gain."""

import dataclasses

import numpy as np
import pytest

from graphfix.anchor_fitting.coverage import Best
from graphfix.anchor_fitting.data import BoxSet
from graphfix.anchor_fitting.held_out import FITTED, judge, split
from graphfix.anchor_fitting.objective import Matching

MATCHING = Matching(0.5)


def boxes(image_of):
    count = len(image_of)
    return BoxSet(
        np.ones((count, 4), np.float32),
        np.float32([[9, 9]]),
        np.zeros(count, np.int32),
        ("a",),
        0,
        np.array(image_of, np.int32),
    )


def best(iou):
    return Best(np.float32(iou), np.float32(iou), [], [], [])


@pytest.mark.parametrize("per_image", [1, 3, 40])
@pytest.mark.parametrize("images", [1, 2, 3, 10, 400])
def test_no_image_is_on_both_sides(images, per_image):
    found = boxes(np.repeat(np.arange(images) * 3, per_image))
    for seed in range(5):
        fitted, held_out = split(found, np.random.RandomState(seed))
        assert sorted([*fitted, *held_out]) == list(range(len(found)))
        assert not set(found.image_of[fitted]) & set(found.image_of[held_out])
        assert len(fitted) and bool(len(held_out)) == (images > 1)
        assert len(fitted) < FITTED + per_image
        wanted = min(max(1, images * 2 // 3) * per_image, FITTED)
        assert wanted <= len(fitted) < wanted + per_image


def test_a_split_is_the_seeds():
    found = boxes(np.arange(50))
    one, same, other = (split(found, np.random.RandomState(seed))[0].tolist() for seed in (1, 1, 2))
    assert one == same != other


def verdict(old, new, image_of=None):
    found = boxes(np.arange(len(old)) if image_of is None else image_of)
    return judge(found, np.arange(len(old)), best(old), best(new), MATCHING)


def test_a_plain_gain_is_taken():
    old = np.linspace(0.2, 0.8, 60)
    made = verdict(old, old + 0.05)
    assert made.take and "on 60 held-out boxes they gain +0." in made.reason


def test_no_gain_is_not():
    old = np.linspace(0.2, 0.8, 60)
    for new in (old, old - 0.05, old + 0.001):
        made = verdict(old, new)
        assert not made.take and "no gain to rely on" in made.reason


def test_a_gain_that_may_be_chance_is_not():
    """Of a hundred draws without a gain, few are taken; of one well above its error, most are."""
    taken = []
    for gain in (0.0, 0.08):
        random = np.random.RandomState(0)
        pairs = [0.5 + 0.15 * random.randn(2, 60).clip(-2, 2) for _ in range(200)]
        taken.append(sum(verdict(old, new + gain).take for old, new in pairs))
    assert taken[0] <= 10 and taken[1] >= 150


def test_boxes_of_one_image_count_as_like_each_other():
    """The same boxes, forty times in each image, are no more evidence."""
    random = np.random.RandomState(1)
    old, gain = 0.5 + 0.1 * random.rand(12), 0.04 * random.randn(12)
    alone = verdict(old, old + gain)
    together = verdict(*(np.repeat(one, 40) for one in (old, old + gain)), np.repeat(range(12), 40))
    assert together.error == pytest.approx(alone.error) and together.gain == pytest.approx(
        alone.gain
    )


def test_too_few_images_cannot_tell():
    made = verdict(np.full(400, 0.3), np.full(400, 0.9), np.repeat(range(4), 100))
    assert not made.take and made.reason.startswith("4 images with boxes held out, too few")
    assert verdict(np.full(400, 0.3), np.full(400, 0.9), np.repeat(range(5), 80)).take
    assert not judge(boxes([1]), np.array([], int), best([0.1]), best([0.9]), MATCHING).take


@pytest.mark.parametrize(
    "old, new, what",
    [([0.51] * 2 + [0.3] * 40, [0.49] * 2 + [0.46] * 40, "recall falls, 0.048 to 0.000")],
)
def test_neither_figure_may_fall(old, new, what):
    made = verdict(old, new)
    assert not made.take and made.gain > 0 and what in made.reason


def test_the_mean_may_not_fall():
    made = verdict([0.95] * 30 + [0.45] * 30, [0.71] * 30 + [0.6] * 30)
    assert not made.take and "mean best IoU falls, 0.700 to 0.655" in made.reason


def test_what_a_matcher_forces_counts():
    far = np.float32([0.2])
    assert Matching(0.5).credit(far) == pytest.approx(0.1)
    assert Matching(0.5, forced=False).credit(far) == 0
    for forced in (True, False):
        credit = dataclasses.replace(MATCHING, forced=forced).credit(np.linspace(0, 1, 101))
        assert (np.diff(credit) >= 0).all() and credit[-1] == 1
