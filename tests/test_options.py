"""The one list of options, and all that is made from it."""

import argparse
import dataclasses
import json
import os

import pytest
import repository

import graphfix
from graphfix.cli import flags
from graphfix.options import MAX_CLASSES, OPTIONS, ConvertOptions, Freeze, Kind, NewRows


def refusal(**given):
    with pytest.raises(graphfix.RequestError) as caught:
        ConvertOptions(**given)
    return [(one.subject, one.message) for one in caught.value.problems]


def test_values_become_their_type(tmp_path):
    found = ConvertOptions(label_map_path=tmp_path, freeze="backbone", map=["a=b"], new_rows="zero")
    assert found.label_map_path == str(tmp_path)
    assert found.freeze is Freeze.BACKBONE and found.new_rows is NewRows.ZERO
    assert found.map == ("a=b",)
    assert dataclasses.replace(found, freeze=None).freeze is None


@pytest.mark.parametrize(
    "given, words",
    [
        ({"weights": "emma"}, "is 'emma'"),
        ({"freeze": "backbon"}, "is 'backbon'"),
        ({"new_rows": "priro"}, "is 'priro'"),
        ({"trainer": None}, "is None"),
        ({"seed": "1"}, "is '1', which is not a whole number"),
        ({"seed": True}, "is True, which is not a whole number"),
        ({"num_classes": 0}, "is 0"),
        ({"num_classes": MAX_CLASSES + 1}, f"is {MAX_CLASSES + 1}"),
        ({"map": "a=b"}, "is 'a=b'"),
        ({"target_api": 2019}, "is 2019"),
        ({"classes": ""}, "is ''"),
        ({"classes": "a,,b"}, "is 'a,,b'"),
        ({"classes": ["a", "b,a"]}, "is 'a,b,a'"),
        ({"classes": [1]}, "is [1]"),
        ({"classes": map(str, range(10001))}, "has 10001 names"),
    ],
)
def test_what_is_no_value_is_refused(given, words):
    assert refusal(**given) == [("--" + next(iter(given)), words)]


def test_all_problems_are_named_at_once():
    assert [subject for subject, _ in refusal(weights="emma", freeze="x", num_classes=-1)] == [
        "--num_classes",
        "--freeze",
        "--weights",
    ]


@pytest.mark.parametrize(
    "given",
    [
        "person, traffic light,van",
        ["person", "traffic light", "van"],
        ["person,traffic light", "van"],
    ],
)
def test_names_of_classes_are_given_with_commas_or_one_by_one(given):
    assert ConvertOptions(classes=given).classes == ("person", "traffic light", "van")


def test_classes_are_named_once():
    words = "is given beside --label_map_path"
    assert refusal(classes="a", label_map_path="x") == [("--classes", words)]
    assert ConvertOptions(classes="a").fixed_by_a_plan() == ("--classes",)


def test_a_word_is_no_file(tmp_path):
    option = OPTIONS["source_label_map_path"]
    assert not option.is_read("coco") and not option.is_read(str(tmp_path / "coco"))
    (tmp_path / "coco").write_text("")
    assert option.is_read(str(tmp_path / "coco")) and option.is_read("coco.pbtxt")
    assert ConvertOptions(source_label_map_path="coco").paths() == ()


def test_every_option_says_what_it_is():
    for option in OPTIONS.values():
        assert option.help and (option.kind is Kind.CHOICE) == (option.choices is not None)
        # The default is a value of its own.
        assert getattr(ConvertOptions(), option.name) == option.default


def test_every_option_is_a_flag():
    parser = argparse.ArgumentParser()
    flags.add_options(parser)
    assert flags.options(parser.parse_args([])) == ConvertOptions()
    actions = {one.dest: one for one in parser._actions}
    for option in OPTIONS.values():
        choices = actions[option.name].choices
        assert choices == ([one.value for one in option.choices] if option.choices else None)


def test_errors_name_options_as_python_does(model):
    with pytest.raises(graphfix.RequestError, match=r"classes= or label_map_path=.* num_classes="):
        graphfix.plan(model)


def test_the_reference_has_every_option():
    with open(os.path.join(repository.TOP, "docs", "options.md"), encoding="utf-8") as file:
        rows = [line for line in file if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(OPTIONS)


def test_a_choice_is_its_text():
    """Wherever it meets plain text: of a plan file, of a table, in a message."""
    assert {NewRows.PRIOR: 1}["prior"] == {"prior": 1}[NewRows.PRIOR] == 1
    assert f"{Freeze.NONE} {Freeze.NONE!s:>6} %s" % Freeze.NONE == "none   none none"
    assert json.dumps({"a": NewRows.ZERO}) == '{"a": "zero"}'


def test_their_repr_makes_them_again():
    given = {"freeze": "backbone", "map": ("a=b",), "seed": 3, "anchors": "it's"}
    options = ConvertOptions(**given)
    assert repr(ConvertOptions()) == "ConvertOptions()"
    assert repr(options) == (
        "ConvertOptions(map=('a=b',), anchors=\"it's\", freeze='backbone', seed=3)"
    )
    assert eval(repr(options)) == options
