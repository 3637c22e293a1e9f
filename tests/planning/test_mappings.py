"""A --map in another notation is refused with the right one."""

import pytest

from graphfix.detectors import coco
from graphfix.errors import RequestError
from graphfix.pipeline_config.label_map import listed
from graphfix.planning.classes import resolve_classes


def resolved(mapping):
    return resolve_classes(
        source=coco.LABEL_MAP,
        source_classes=90,
        target=listed(["van", "person", "a,b"]),
        num_classes=None,
        mappings=mapping if isinstance(mapping, list) else [mapping],
    )[0]


@pytest.mark.parametrize(
    "mapping, right",
    [
        ("truck=van", ["van=truck"]),
        ("truck+bus=van", ["van=truck+bus"]),
        ("traffic light = van", ["van=traffic light"]),
        ("van=truck,bus", ["van=truck+bus"]),
        ("van=truck, bus", ["van=truck+bus"]),
        ("van=truck & bus", ["van=truck+bus"]),
        ("van=8,9", ["van=8+9"]),
        ("8=van", ["van=8"]),
        ("van:truck", ["van=truck"]),
        ("van->truck+bus", ["van=truck+bus"]),
        ("truck -> van", ["van=truck"]),
        ("van=truck,person=person", ["van=truck", "person=person"]),
        ("van=truck+bus; person=", ["van=truck+bus", "person="]),
    ],
)
def test_the_right_spelling(mapping, right):
    with pytest.raises(RequestError) as caught:
        resolved(mapping)
    (problem,) = caught.value.problems
    assert problem.remedy == "write " + " ".join(f"--map '{one}'" for one in right)
    resolved(right)


@pytest.mark.parametrize("mapping", ["van truck", "van", "lorry=van=x", "x:y", "=", "van=truk,bus"])
def test_what_means_nothing(mapping):
    with pytest.raises(RequestError) as caught:
        resolved(mapping)
    assert "write --map" not in str(caught.value)


def test_names_with_commas_are_names():
    assert resolved("a,b=truck")[2].sources == (8,)


def test_the_same_thing_is_suggested():
    with pytest.raises(RequestError, match="did you mean 'motorcycle'"):
        resolved("van=motorbike")


@pytest.mark.parametrize(
    "mapping, remedy",
    [
        ("van=bsu", "did you mean 'bus'?"),
        ("van=trk", "did you mean 'truck'?"),
        ("van=lorri", "did you mean 'truck'?"),
        ("vna=bus", "did you mean 'van'?"),
        ("van=truck+bsu", "did you mean 'bus'?"),
        ("van:trk", "did you mean --map 'van=truck'?"),
        ("vna -> trk, bsu", "did you mean --map 'van=truck+bus'?"),
        ("van=trk,bus", "did you mean --map 'van=truck+bus'?"),
        ("van=xyz", "give a name or id from the source label map"),
    ],
)
def test_what_a_misspelt_name_means(mapping, remedy):
    with pytest.raises(RequestError) as caught:
        resolved(mapping)
    (problem,) = caught.value.problems
    assert problem.remedy == remedy
