"""agreement: what counts as the same, and which step is named where it is not."""

import numpy as np
import pytest

from graphfix.stock_api import agreement

ANCHORS, CLASSES = 12, 3
SPEC = {
    "name": "",
    "logits": [(0, 0), (3, 1)],  # the background, and the old class 3 as the new class 1
    "channels": [4, 3],
    "boxes": [(0, 0)],
    "classes": [1, 1],
    "codes": 4,
    "proposals": False,
}


def side(logits=4, order=None):
    random = np.random.RandomState(0)
    order = np.arange(ANCHORS) if order is None else order
    values = {
        "logits": random.standard_normal((1, ANCHORS, 4))[:, order][..., [0, 3, 1, 2][:logits]],
        "encodings": random.standard_normal((1, ANCHORS, 1, 4))[:, order],
        "anchors": random.uniform(0, 1, (ANCHORS, 4))[order],
        "decoded": random.uniform(0, 1, (ANCHORS, 4))[order],
    }
    if logits == 4:
        values["logits"] = values["logits"][..., [0, 2, 3, 1]]
    return dict(values, conversion="Sigmoid")


def compared(source, output, **changes):
    found = agreement.Stage(dict(SPEC, **changes)).compare(source, output)
    return [step for step, _ in found["parts"]], found


def test_what_is_carried_is_compared_and_no_more():
    source, output = side(), side(logits=3)
    output["logits"][..., 2] += 1  # of a new class
    steps, found = compared(source, output)
    assert steps == [] and found["notes"] == []
    assert found["rows"] == found["anchors"] == ANCHORS
    assert found["logit"]["largest"] == 0 and found["box"]["scale"] > 0


@pytest.mark.parametrize(
    "key, step",
    [
        ("encodings", agreement.BOXES),
        ("logits", agreement.LOGITS),
        ("decoded", agreement.DECODED),
        ("anchors", agreement.ANCHORS),
    ],
)
@pytest.mark.parametrize("times, equal", [(0.5, True), (2, False)])
def test_the_tolerance_is_a_part_of_the_largest_value(key, step, times, equal):
    source, output = side(), side(logits=3)
    for one in (source, output):
        one[key] = one[key] * 1e4
    largest = np.abs(source[key][..., [0, 3]] if key == "logits" else source[key]).max()
    output[key][0, ..., 0] += times * agreement.TOLERANCE * largest
    steps, _ = compared(source, output)
    assert steps == ([] if equal else [step])


def test_what_is_not_finite_or_of_another_shape_is_not_equal():
    for wrong in (np.nan, np.inf):
        output = side(logits=3)
        output["logits"][0, 0, 1] = wrong
        steps, found = compared(side(), output)
        assert steps == [agreement.LOGITS] and "not finite" in found["parts"][0][1]
    gap = agreement.gap(np.zeros((2, 3)), np.zeros((3, 2)))
    assert not gap.equal and str(gap) == "are of shape [2, 3] and [3, 2]"
    assert agreement.gap(np.zeros(3), np.zeros(3)).equal
    for wrong in (np.nan, np.inf):  # in both
        assert not agreement.gap(np.array([wrong, 1]), np.array([wrong, 1])).equal


def test_one_huge_value_excuses_no_other():
    values = np.array([1e9, 1, -2, 3, 0, 0], np.float32)
    assert agreement.gap(values, values * np.float32(1 + 1e-6)).equal
    assert not agreement.gap(values, values * np.array([1, -1, -1, -1, 1, 1], np.float32)).equal


def test_anchors_in_another_order_are_matched_by_position():
    order = np.arange(ANCHORS)
    order[3:9] = [3, 5, 6, 7, 8, 4]
    steps, found = compared(side(), side(logits=3, order=order))
    assert steps == [] and "5 of 12 anchors are in another order" in found["notes"][0]
    assert "so are the heads" in found["notes"][0]


def test_heads_that_do_not_follow_the_order_of_the_anchors_are_found_out():
    order = np.arange(ANCHORS)
    order[3:9] = [3, 5, 6, 7, 8, 4]
    output = side(logits=3)
    output["anchors"] = output["anchors"][order]
    output["decoded"] = output["decoded"] + 0.01
    steps, found = compared(side(), output)
    assert steps[0] == agreement.ANCHORS and "heads do not follow" in found["parts"][0][1]
    # Row by row, encodings and logits are the source's.
    assert steps[1:] == [agreement.DECODED]


def test_equal_anchors_keep_their_places():
    anchors = np.zeros((4, 4))
    assert agreement.match_anchors(anchors, anchors).places.tolist() == [0, 1, 2, 3]
    assert agreement.match_anchors(anchors, anchors + 1).missing == 4


def test_another_number_of_anchors():
    source, output = side(), side(logits=3)
    for key in ("anchors", "decoded"):
        output[key] = output[key][:-1]
    for key in ("logits", "encodings"):
        output[key] = output[key][:, :-1]
    steps, found = compared(source, output)
    assert steps[0] == agreement.ANCHORS and "11 anchors" in found["parts"][0][1]


def test_scores_made_in_another_way():
    steps, found = compared(side(), dict(side(logits=3), conversion="Softmax"))
    assert steps == [agreement.SCORES] and "Sigmoid in the source" in found["parts"][0][1]


def test_boxes_of_classes():
    random = np.random.RandomState(1)
    source = dict(side(), encodings=random.standard_normal((ANCHORS, CLASSES * 4)))
    for one in ("anchors", "decoded"):
        del source[one]
    output = dict(side(logits=3), encodings=source["encodings"][:, [8, 9, 10, 11, 0, 1, 2, 3]])
    same = {"boxes": [(2, 0), (0, 1)], "classes": [CLASSES, 2], "proposals": True}
    assert compared(source, output, **same)[0] == []
    assert compared(source, output, **dict(same, boxes=[(1, 0)]))[0] == [agreement.BOXES]


def test_where_no_class_is_carried_nothing_is_called_equal():
    """Boxes of each class, none of which is carried."""
    random = np.random.RandomState(1)
    source = dict(side(), encodings=random.standard_normal((ANCHORS, CLASSES * 4)))
    source["decoded"] = source["encodings"]
    del source["anchors"]
    output = dict(side(logits=3), encodings=source["encodings"][:, :8])
    output["decoded"] = output["encodings"]
    none = {"boxes": [], "classes": [CLASSES, 2], "proposals": True}
    for rounding in (0.0, 1.0):
        stage = agreement.Stage(dict(SPEC, **none))
        found = stage.compare(source, output, rounding)
        assert found["parts"] == [] and "logit" in found
        assert "encoding" not in found and "box" not in found
        assert [note[:13] for note in found["notes"]] == ["there are no "] * 2


def test_channels_of_carried_anchors():
    random = np.random.RandomState(2)
    source = random.standard_normal((1, 2, 2, 4))
    output = np.stack([source[..., 2] * 3 + 1, source[..., 0] * 0, source[..., 1]], axis=-1)
    index, affine = [2, -1, 1], [(3.0, 1.0), (1.0, 0.0), (1.0, 0.0)]
    assert agreement.compare_channels(source, output, index, affine).equal
    assert not agreement.compare_channels(source, output, index, []).equal
    assert not agreement.compare_channels(source, output, [2, 0, 1], affine).equal
    assert agreement.compare_channels(source, source, None, []).equal


@pytest.mark.parametrize(
    "rows, by, left_out", [([], 0, 0), ([5], 0.019, 1), ([5, 6, 7], 0.019, None), ([5], 0.04, None)]
)
def test_single_rows_may_be_rounded_to_another_step(rows, by, left_out):
    source, output = (
        {
            "logits": np.tile(random.standard_normal((200, 1)), side),
            "encodings": np.tile(np.linspace(1, 2, 4), (200, 1)),
            "decoded": np.tile(np.linspace(1, 2, 4), (200, 1)),
            "conversion": "Sigmoid",
        }
        for side, random in ((number, np.random.RandomState(3)) for number in (4, 3))
    )
    output["logits"][rows] += by
    output["decoded"][rows] += 1  # which follows
    found = agreement.Stage(SPEC).compare(source, output, agreement.step(0, 5))
    assert not found["parts"] if left_out is not None else found["parts"]
    if left_out:
        assert f"{left_out} boxes are rounded" in found["notes"][0]
    assert len(agreement.Stage(SPEC).compare(source, output)["parts"]) == (2 if rows else 0)
