"""What the same thing is called elsewhere: suggested, and held against the published label maps."""

import os

import pytest
import zoo

from graphfix.detectors import coco
from graphfix.detectors.spellings import same_thing, suggestions
from graphfix.pipeline_config.label_map import Label, LabelMap, fold, parse_label_map


def labels(*names):
    return LabelMap(tuple(Label(number, name, name) for number, name in enumerate(names, 1)))


NAMES_ONLY = labels(*[label.display_name for label in coco.LABEL_MAP.labels])


@pytest.mark.parametrize(
    "name, meant",
    [
        ("motorbike", "motorcycle"),
        ("/m/01g317", "person"),
        ("/m/0cmf2", "airplane"),
        ("Aeroplane", "airplane"),
        ("tvmonitor", "tv"),
        ("sofa", "couch"),
        ("pottedplant", "potted plant"),
        ("dining_table", "dining table"),
        ("Mobile phone", "cell phone"),
        ("cellphone", "cell phone"),
    ],
)
def test_what_people_say(name, meant):
    assert suggestions([name], NAMES_ONLY)[0] == meant


def test_either_way():
    assert same_thing("airplane", labels("bird", "aeroplane")) == ["aeroplane"]
    assert same_thing("sofa", labels("/m/02crq1")) == ["/m/02crq1"]


def test_neither_made_up_names_nor_like_ids():
    made_up = labels("class_1", "class_2")
    assert suggestions(["class_12", "class 3"], made_up) == []
    assert suggestions(["/m/01g318"], labels("/m/01g317")) == []
    # It is a name, where it is no number of its own.
    assert suggestions(["class_12"], labels("x", "class_1")) == ["class_1"]


def published(name):
    path = os.path.join(zoo.model("label_maps"), name)
    with open(path, "rb") as file:
        return parse_label_map(file.read(), path)


def test_all_of_vocs_classes_are_known():
    for label in published("pascal_label_map.pbtxt").labels:
        assert len(suggestions(label.names, NAMES_ONLY)) == 1


@pytest.mark.parametrize("name", ["oid_v4_label_map.pbtxt", "oid_bbox_trainable_label_map.pbtxt"])
def test_open_images_ids_mean_what_it_says_they_do(name):
    """By its own names; a mouse of theirs is an animal, and a bench may be for training on."""
    folded = {fold(label.display_name) for label in NAMES_ONLY.labels}
    for label in published(name).labels:
        by_id = same_thing(label.name, NAMES_ONLY)
        if fold(label.display_name) in folded and label.display_name not in ("Mouse", "Bench"):
            assert [fold(one) for one in by_id] == [fold(label.display_name)], label
        if by_id:
            assert by_id == same_thing(label.display_name, NAMES_ONLY), label
