"""Label maps: what is read, what is refused, and which names mean which class."""

import difflib
import os
import random
import time
import unicodedata

import pytest
import thorough
import zoo

from graphfix.detectors import coco
from graphfix.errors import SourceError
from graphfix.pipeline_config.label_map import (
    Label,
    LabelMap,
    fold,
    format_label_map,
    parse_label_map,
)


def read(text):
    return parse_label_map(text.encode("utf-8"), "labels.pbtxt")


def item(number, name, display_name=None):
    shown = f' display_name: "{display_name}"' if display_name else ""
    return f'item {{ id: {number} name: "{name}"{shown} }}\n'


def ids(label_map, name):
    return [label.id for label in label_map.matches(name)]


def test_items_come_in_id_order_with_gaps_comments_and_any_formatting():
    labels = read(
        "# two of them\n"
        "item { name: 'b'  id: 12 }  # twelve\n"
        "item: <\n  id: 3;\n  name: \"a\", display_name: 'An \\u00e9'\n>\n"
    )
    assert labels.labels == (Label(3, "a", "An \u00e9"), Label(12, "b", "b"))
    assert labels.max_id == 12
    assert sorted(labels.by_id()) == [3, 12]


def test_a_display_name_alone_is_the_name():
    assert read('item { id: 1 display_name: "cat" }').labels == (Label(1, "cat", "cat"),)


def test_an_item_for_the_background_is_no_class():
    for text in (
        'item { id: 0 name: "background" }',
        'item { name: "none_of_the_above" display_name: "background" }',
    ):
        assert read(text + item(1, "cat")).labels == (Label(1, "cat", "cat"),)


@pytest.mark.parametrize(
    "text, faults",
    [
        ("", ["holds no classes"]),
        ("# nothing\n", ["holds no classes"]),
        (item(0, "background"), ["holds no classes"]),
        (item(0, "cat"), ["item 'cat' has id 0 (or none), which is the background's"]),
        ("item { name: 'cat' }", ["item 'cat' has id 0 (or none), which is the background's"]),
        (item(-1, "cat"), ["item 'cat' has id -1"]),
        (item(10001, "cat"), ["item 'cat' has id 10001"]),
        ("item { id: 3 }", ["the item with id 3 has no name"]),
        (item(1, "cat") + item(1, "dog"), ["two items have the id '1'"]),
        (item(1, "cat") + item(2, "cat"), ["two items have the name 'cat'"]),
        (
            item(1, "cat") + item(1, "cat") + item(0, "dog") + "item { id: 9 }",
            [
                "item 'dog' has id 0 (or none), which is the background's",
                "the item with id 9 has no name",
                "two items have the id '1'",
                "two items have the name 'cat'",
            ],
        ),
        ("item { id: 'one' name: 'cat' }", ["'id' cannot be 'one'"]),
        ("item { id: 1 id: 2 name: 'cat' }", ["'id' may be given once, and line 1 has it already"]),
        ("item { id: 99999999999 name: 'cat' }", ["'id' cannot be 99999999999"]),
    ],
)
def test_what_is_wrong_is_listed_whole_with_its_remedy(text, faults):
    with pytest.raises(SourceError) as caught:
        read(text)
    found = [
        problem
        for problem in caught.value.problems
        if not problem.message.startswith("item '' has id")
    ]
    assert [problem.message for problem in found][: len(faults)] == faults
    assert all(problem.subject.startswith("labels.pbtxt") and problem.remedy for problem in found)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"\x00",
        b"item {",
        b'item { id: 1 name: "cat }',
        b"\x0a\x07\x0a\x03cat\x10\x01",
        b'{"item": 1}',
    ],
)
def test_what_is_no_label_map_is_refused_by_name(data):
    with pytest.raises(SourceError) as caught:
        parse_label_map(data, "labels.pbtxt")
    assert caught.value.problems[0].subject.startswith("labels.pbtxt")


def test_a_name_means_what_is_written_so_and_else_what_differs_in_case_and_joints():
    labels = read(
        item(1, "traffic light") + item(2, "/m/01", "Hair-Drier") + item(3, "Stra\u00dfe")
    )
    for name in ("traffic light", "Traffic_Light", "  TRAFFIC-light ", "traffic _ light"):
        assert ids(labels, name) == [1]
    for name in ("/m/01", "hair drier", "HAIR_DRIER"):
        assert ids(labels, name) == [2]
    assert ids(labels, "STRASSE") == [3]
    for name in ("trafficlight", "traffic lights", "light", "m/01", "", "hair dryer"):
        assert ids(labels, name) == []


def test_upper_and_lower_case_may_be_two_classes():
    labels = read(item(1, "A") + item(2, "a") + item(3, "B"))
    assert ids(labels, "A") == [1]
    assert ids(labels, "a") == [2]
    assert ids(labels, "b") == [3]
    assert ids(labels, " a ") == [1, 2]


def test_two_classes_may_share_a_display_name_and_then_it_says_nothing():
    labels = read(
        item(1, "/m/04rmv", "Mouse") + item(2, "/m/020lf", "Mouse") + item(3, "mouse_pad", "Pad")
    )
    assert ids(labels, "Mouse") == ids(labels, "mouse") == [1, 2]
    assert ids(labels, "/m/020lf") == [2]
    assert ids(labels, "mouse pad") == [3]


def test_a_name_may_fold_to_anothers_display_name():
    labels = read(item(1, "dining_table", "table") + item(2, "/m/2", "Dining Table"))
    assert ids(labels, "dining_table") == [1]
    assert ids(labels, "Dining Table") == [2]
    assert ids(labels, "dining table") == [1, 2]


def test_names_of_nothing_but_joints_are_told_apart():
    labels = read(item(1, "-") + item(2, "_"))
    assert ids(labels, "-") == [1]
    assert ids(labels, "_") == [2]
    assert ids(labels, " ") == ids(labels, "--") == []


def test_near_names_are_suggested_by_their_display_name():
    labels = coco.LABEL_MAP
    assert labels.near("hair dryer")[0] == "hair drier"
    assert labels.near("Trafic_Light")[0] == "traffic light"
    assert labels.near("aeroplane")[0] == "airplane"
    assert labels.near("zzzz") == labels.near("") == []
    assert read(item(1, "-")).near("x") == []


def test_suggestions_are_those_of_comparing_every_name():
    words = ["".join(random.Random(seed).choice("abcde") for _ in range(6)) for seed in range(300)]
    labels = LabelMap(
        tuple(Label(number, word, word) for number, word in enumerate(sorted(set(words)), 1))
    )
    suggested = 0
    for word in words[:40]:
        asked = word[:3] + "x" + word[3:]
        whole = difflib.get_close_matches(asked, sorted(set(words)), 1, 0.8)
        assert labels.near(asked)[:1] == whole
        suggested += bool(whole)
    assert suggested > 30


def test_what_is_written_is_read_back():
    labels = LabelMap(
        (Label(1, 'a "quoted" \\ name', 'a "quoted" \\ name'), Label(7, "/m/7", "\u00e9\n\u4e2d"))
    )
    assert read(format_label_map(labels)) == labels


def test_coco_is_the_published_map():
    published = os.path.join(zoo.DIRECTORY, "label_maps", "mscoco_label_map.pbtxt")
    if not os.path.exists(published):
        pytest.skip("no published label maps: set GRAPHFIX_ZOO_DIR (or have ../shared/zoo)")
    with open(published, "rb") as file:
        assert parse_label_map(file.read(), published) == coco.LABEL_MAP
    assert len(coco.LABEL_MAP.labels) == 80 and coco.LABEL_MAP.max_id == coco.NUM_CLASSES == 90


@pytest.mark.parametrize("path", thorough.sampled(zoo.files("label_maps/*.pbtxt"), 4))
def test_every_published_map_is_read_and_every_name_finds_its_class(path):
    with open(path, "rb") as file:
        data = file.read()
    labels = parse_label_map(data, path)
    assert len(labels.labels) == data.count(b"item") - data.count(b'"background"') // 2
    for label in labels.labels:
        assert labels.matches(label.name) == (label,)
        assert label in labels.matches(label.display_name.upper())
    assert parse_label_map(format_label_map(labels).encode(), path).labels == labels.labels


def test_folding():
    assert fold(" Hair__-Drier\t") == "hair drier"
    assert fold("_-_") == ""


COMPOSED, DECOMPOSED = "Schl\u00fcssel", "Schlu\u0308ssel"


def test_spellings_of_unicode_are_one_name():
    for own in (COMPOSED, DECOMPOSED):
        labels = read(item(1, own) + item(2, "/m/2", "\u00c5ngstr\u00f6m"))
        for name in (COMPOSED, DECOMPOSED, COMPOSED.upper(), DECOMPOSED.upper() + " "):
            assert ids(labels, name) == [1]
        assert ids(labels, "A\u030angstro\u0308m") == ids(labels, "\u212bngstr\u00f6m") == [2]
        # A label map goes out as it came: the API compares bytes.
        assert own in format_label_map(labels)
    both = read(item(1, COMPOSED) + item(2, DECOMPOSED))
    assert ids(both, COMPOSED) == [1] and ids(both, DECOMPOSED) == [2]
    assert ids(both, COMPOSED.upper()) == [1, 2]
    # No compatibility: a superscript is another name.
    assert ids(read(item(1, "m2")), "m\u00b2") == []


def test_normalizing_changes_nothing_about_what_matches_in_one_spelling():
    made = random.Random("spellings")
    letters = ["a", "\u00e4", "\u212b", "A", "s", "\u017f", "_", " ", "\u0308", "\uac00", "\u1100"]
    for _ in range(3000):
        one, two = (
            "".join(made.choice(letters) for _ in range(made.randrange(1, 4))) for _ in range(2)
        )
        same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", two)
        assert bool(LabelMap((Label(1, one, one),)).matches(two)) >= same
        if same:
            assert fold(one) == fold(two)
        assert fold(one) == fold(fold(one)) == unicodedata.normalize("NFC", fold(one))


def test_thousands_of_names_take_no_time():
    names = [f"species {number} of the {fold(str(number * 7919 % 3001))}" for number in range(3000)]
    labels = LabelMap(tuple(Label(number, name, name) for number, name in enumerate(names, 1)))
    start = time.process_time()
    for name in names:
        assert labels.matches(name.upper().replace(" ", "_"))
    assert time.process_time() - start < 0.5
