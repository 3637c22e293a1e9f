"""Every argument of every public function: a wrong value is refused by name, before any work."""

import inspect
import itertools

import numpy as np
import pytest
import repository

import graphfix
from graphfix.options import OPTIONS, Kind

NO_TEXTS = (5, 1.5, True, b"x", ["a"], object(), {"a": "b"})
NO_PATHS = (*NO_TEXTS, "", "a\0b", "\ud800")
NO_FUNCTIONS = (5, "x", True, [])
NO_NUMBERS = (True, 1.5, "3", "", b"3", [3], object(), np.float32(2), np.bool_(True))
NO_FLAGS = (0, 1, "x", "", None, [], object(), np.int64(1))
NO_LISTS = (5, True, b"x", {"a": "b"}, object(), [5], [None], [b"x"])
NO_CHOICES = (*NO_TEXTS, "", "x", "a\0")
NO_PATH_LISTS = (*NO_LISTS, "", "a\0b", [""], ["a\0b"], [["a"]])

# The wrong values of each argument.  One that may be left out takes None.
WRONG = {
    **dict.fromkeys(
        "anchors config directory fix golden junit label_map_path model_dir one output "
        "output_directory path pipeline_config_path place plan recipe runtime_python source "
        "source_label_map_path stock_python tf1_python train_record two".split(),
        NO_PATHS,
    ),
    **dict.fromkeys("allow_effects compare drop_quantization overwrite partial".split(), NO_FLAGS),
    **dict.fromkeys("num_anchors sample seed steps jobs".split(), NO_NUMBERS),
    **dict.fromkeys("images records".split(), NO_PATH_LISTS),
    "jobs": (*NO_NUMBERS, 0, -1, 257, 10**30),
    "mapper": NO_FUNCTIONS,
    "name": NO_PATHS,
    "options": (5, "x", {"seed": 3}, object()),
    "pipeline_config": (5, "\ud800", ["a"], object()),
    "pictures": (*NO_NUMBERS, 0, -1, 10001),
    "progress": NO_FUNCTIONS,
    "target": NO_CHOICES,
    "sample": (*NO_NUMBERS, -1),
    "steps": (*NO_NUMBERS, -1),
    "target_api": (*NO_PATHS, " ", "x", "2019-13", "2030-01"),
    "tensors": (5, "x", [1], [("a", 1)], {5: 1}, {None: 1}, {"": 1}, {"a\0": 1}, {"\ud800": 1}),
    "text": NO_TEXTS,
    "trainer": NO_CHOICES,
}
# How a message names the argument, where it is not by its own name.
NAMED = {("Directory", "path"): "output_directory"}
# Values for those that have no default, and the others in whose company they are looked at.
GIVEN = dict.fromkeys(WRONG, "nothing")
GIVEN.update(tensors={}, text="x", target="tf2")
FUNCTIONS = [
    getattr(graphfix, name)
    for name in graphfix.__all__
    if inspect.isfunction(getattr(graphfix, name)) or name in ("Directory", "Memory")
]


def calls():
    for function in FUNCTIONS:
        parameters = inspect.signature(function).parameters
        given = {name: GIVEN[name] for name, one in parameters.items() if one.default is one.empty}
        for name, one in parameters.items():
            required = () if one.default is None else (None,)
            for value in dict.fromkeys(map(Value, (*WRONG[name], *required))):
                yield function, dict(given, **{name: value.value}), name


class Value:
    """A value of any kind, hashable."""

    def __init__(self, value):
        self.value = value


def refused(call, name):
    with pytest.raises(graphfix.RequestError) as caught:
        call()
    first = str(caught.value).split("\n")[0]
    assert first.startswith(f"{name}=: is ") and len(first) < 300, first
    for problem in caught.value.problems:
        assert problem.subject and problem.message and problem.remedy


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.__name__)
def test_wrong_values_are_refused_by_name(function, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for called, given, name in calls():
        if called is function:
            refused(lambda: called(**given), NAMED.get((called.__name__, name), name))
    assert not list(tmp_path.iterdir())


WRONG_OPTIONS = {
    Kind.PATH: NO_PATHS,
    Kind.TEXT: NO_PATHS,
    Kind.TEXTS: (*NO_LISTS, "a=b", ""),
    Kind.INTEGER: NO_NUMBERS,
    Kind.CHOICE: NO_CHOICES,
    Kind.SWITCH: NO_FLAGS,
}


@pytest.mark.parametrize("name", OPTIONS)
def test_wrong_options_are_refused_by_name(name):
    option = OPTIONS[name]
    required = () if option.default is None else (None,)
    # To names, a text is a list with commas.
    wrong = [one for one in WRONG_OPTIONS[option.kind] if not (option.commas and one == "a=b")]
    for value in (*wrong, *required):
        refused(lambda: graphfix.ConvertOptions(**{name: value}), name)


def test_all_wrong_options_are_told_at_once():
    with pytest.raises(graphfix.RequestError) as caught:
        graphfix.ConvertOptions(seed="x", freeze=3, map=5)
    assert [one.subject for one in caught.value.problems] == ["--map", "--freeze", "--seed"]


def test_what_can_be_gone_through_once_is_a_list():
    assert graphfix.ConvertOptions(map=(one for one in ["a=b", "c=d"])).map == ("a=b", "c=d")
    assert graphfix.ConvertOptions(map=itertools.repeat("a=b", 2)).map == ("a=b", "a=b")
    assert graphfix.ConvertOptions(map=np.array(["a=b"])).map == ("a=b",)


def test_numpys_numbers_are_numbers():
    assert graphfix.ConvertOptions(seed=np.int64(3)).seed == 3


def test_one_path_is_a_list_of_it():
    """Not of its letters."""
    for given in ("nothing.csv", ["nothing.csv"], iter(["nothing.csv"])):
        with pytest.raises(graphfix.GraphfixError, match=r"nothing\.csv"):
            graphfix.fit_anchors(repository.DETECTOR, given, "anchors")


def test_thaw_writes_no_training_checkpoint(tmp_path):
    where = graphfix.Directory(tmp_path / "out", model_dir=tmp_path / "train")
    with pytest.raises(graphfix.RequestError, match=r"^model_dir=: is for a complete training"):
        graphfix.thaw(repository.DETECTOR + "/frozen_inference_graph.pb", where)
    assert not list(tmp_path.iterdir())
