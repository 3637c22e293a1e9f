"""planning/anchors.py: which old anchor becomes which new one, and what is said about it."""

import pytest

from graphfix.detectors.anchor_generators import AnchorSpec, MapAnchors
from graphfix.detectors.box_coders import FIRST_STAGE
from graphfix.errors import RequestError
from graphfix.findings import INFO, WARNING
from graphfix.planning.anchors import carry_anchors, clipped


def spec(*maps, generator="grid_anchor_generator", stride=16.0, offset=0.0):
    return AnchorSpec(
        generator, tuple(MapAnchors(sizes, (stride, stride), (offset, offset)) for sizes in maps)
    )


OLD = ((10.0, 10.0), (10.0, 20.0), (20.0, 10.0))


def carry(old, new, **options):
    return carry_anchors(old, new, FIRST_STAGE, **dict(dict(shared=False, image=None), **options))


def test_each_new_anchor_takes_the_one_most_like_it():
    found, (finding,) = carry(spec(OLD), spec(((21.0, 9.0), (11.0, 10.0), (9.0, 22.0))))
    assert found.sources == ((2, 0, 1),)
    assert finding.severity == INFO


def test_no_old_anchor_is_left_out_while_another_has_several():
    found, (finding,) = carry(spec(OLD), spec(((10.0, 10.0), (10.1, 10.0), (10.0, 10.2))))
    assert sorted(found.sources[0]) == [0, 1, 2]
    assert found.sources[0][0] == 0
    assert finding.severity == INFO


def test_with_fewer_anchors_what_is_lost_is_said():
    found, (finding,) = carry(spec(OLD), spec(((10.0, 10.0), (10.0, 20.0))))
    assert found.sources == ((0, 1),)
    assert finding.severity == WARNING and "1 of the old ones" in finding.message


def test_a_shared_head_follows_a_change_that_is_the_same_on_all_maps():
    double = tuple((2 * h, 2 * w) for h, w in OLD)
    found, findings = carry(
        spec(OLD, double), spec(double, tuple((4 * h, 4 * w) for h, w in OLD)), shared=True
    )
    assert len(found.sources) == len(found.recodes) == 1
    assert [one.code for one in findings] == ["ANCHORS"]


def test_a_shared_head_cannot_follow_maps_that_change_differently():
    _, findings = carry(
        spec(OLD, OLD), spec(OLD, tuple((1.5 * h, 1.5 * w) for h, w in OLD)), shared=True
    )
    found = {one.code: one for one in findings}
    assert found["ANCHORS_INEXACT"].severity == WARNING


@pytest.mark.parametrize(
    "old, new, options",
    [
        (spec(OLD), spec(OLD, OLD), {}),
        (spec(OLD), spec(OLD, stride=8.0), {}),
        (spec(OLD, OLD), spec(OLD, OLD[:2]), dict(shared=True)),
        (spec(OLD), spec(OLD, generator="ssd_anchor_generator"), {}),
    ],
)
def test_what_no_head_can_follow_is_refused(old, new, options):
    with pytest.raises(RequestError) as caught:
        carry(old, new, **options)
    assert caught.value.problems[0].subject == "--anchors"


def test_an_offset_is_followed():
    found, _ = carry(spec(OLD), spec(OLD, offset=8.0))
    assert found.recodes[0][0][0] == (1.0, 10.0 * -8.0 / 10.0)


def test_the_share_of_unclipped_anchors_is_counted():
    old, new = spec(((8.0, 8.0),), offset=8.0), spec(((40.0, 40.0),), offset=8.0)
    found, _ = carry(old, new)
    finding = clipped(old, new, found, (64.0, 64.0))
    # 4 x 4 locations; of anchors 40 wide, those around 8 and 56 reach out of 0..64.
    assert " 25% " in finding.message and finding.severity == WARNING
    same = clipped(old, old, carry(old, old)[0], (64.0, 64.0))
    assert " 100% " in same.message and same.severity == INFO
