"""Where the names of a source's classes come from, and that a target's label map is never taken for
it."""

import json
import os
import shutil

import builders
import pytest

from graphfix.detectors import coco

FLAGS = ["--target_api", "2019-07", "--train_record", "t", "--eval_record", "e"]
MINE = ["forklift", "person", "van"]
COCO = {label.id: label.display_name for label in coco.LABEL_MAP.labels}


@pytest.fixture(scope="module")
def of_coco(tmp_path_factory):
    config = (builders.CONFIG % {"classes": 90}).replace("records/label", "records/mscoco_label")
    return builders.write_model(
        tmp_path_factory.mktemp("coco") / "model", names=(), classes=90, config=config
    )


@pytest.fixture(scope="module")
def of_three(tmp_path_factory):
    return builders.write_model(tmp_path_factory.mktemp("three") / "model", names=(), classes=3)


@pytest.fixture
def planned(graphfix, tmp_path):
    """Plans a copy of a model with a label map beside it; `target`: names, or how the target's file
    is the one beside; what each class is made of, and [(code, severity)] of the findings on
    names."""

    def run(model, beside, target, *flags):
        source = str(tmp_path / "source")
        shutil.copytree(model, source)
        path = os.path.join(source, "label_map.pbtxt")
        if beside:
            builders.write(source, "label_map.pbtxt", builders.label_map(beside))
        given = str(tmp_path / "mine.pbtxt")
        if target == "same":
            given = path
        elif target in ("link", "hard link", "copy"):
            {"link": os.symlink, "hard link": os.link, "copy": shutil.copy}[target](path, given)
        elif target:
            builders.write(tmp_path, "mine.pbtxt", builders.label_map(target))
        words = (
            ["plan", source, "--json"]
            + FLAGS
            + [source + "/label_map.pbtxt" if word == "BESIDE" else word for word in flags]
            + (["--label_map_path", given] if target else [])
        )
        done = graphfix(*words)
        if done.code:
            return done.err
        data = json.loads(done.out)
        told = [
            (one["code"], one["severity"])
            for one in data["findings"]
            if one["code"] in ("SOURCE_NAMES", "LABEL_MAP_NOT_THE_SOURCES")
        ]
        return {one["name"]: one["sources"] for one in data["classes"]}, told

    return run


INFO, WARNING = ("SOURCE_NAMES", "info"), ("SOURCE_NAMES", "warning")
FOREIGN = ("LABEL_MAP_NOT_THE_SOURCES", "warning")


@pytest.mark.parametrize("how", ["same", "link", "hard link", "copy"])
def test_the_targets_map_beside_cocos_model(planned, of_coco, how):
    """With as many ids as it likes, unless they are COCO's."""
    assert planned(of_coco, MINE, how) == (
        {"forklift": [], "person": [1], "van": []},
        [FOREIGN, INFO],
    )


@pytest.mark.parametrize(
    "beside, sources",
    [(None, [1]), (COCO, [1]), ({**COCO, 1: "human"}, [])],
    ids=["none", "coco", "90 others"],
)
def test_other_maps_beside_it(planned, of_coco, beside, sources):
    assert planned(of_coco, beside, MINE)[0]["person"] == sources


def test_an_older_target_is_not_cocos_either(planned, of_coco):
    assert planned(of_coco, ["forklift", "truck"], MINE) == (
        {"forklift": [], "person": [1], "van": []},
        [FOREIGN, INFO],
    )


def test_cocos_own_map_as_target(planned, of_coco):
    classes, told = planned(of_coco, COCO, "same")
    assert all(classes[name] == [number] for number, name in COCO.items()) and told == [INFO]


@pytest.mark.parametrize("how", ["same", "link", "hard link"])
def test_as_many_classes_as_the_source(planned, of_three, how):
    """It may be what the source was trained with; only the user knows."""
    said = planned(of_three, MINE, how)
    assert "--label_map_path: is the label_map.pbtxt next to the source, and has as many" in said


def test_the_user_knows(planned, of_three):
    assert planned(of_three, MINE, "same", "--source_label_map_path", "BESIDE") == (
        {"forklift": [1], "person": [2], "van": [3]},
        [],
    )


def test_the_targets_map_given_as_the_sources(planned, of_three):
    assert planned(of_three, ["a", "b"], "copy", "--source_label_map_path", "BESIDE") == (
        {"a": [1], "b": [2]},
        [WARNING],
    )


@pytest.mark.parametrize("last, told", [("c", []), (None, [WARNING])])
def test_a_given_map_that_names_too_few(planned, of_three, last, told):
    """It may be another model's; one with gaps is none, such as COCO's."""
    beside = {1: "a", 3: last} if last else {1: "a"}
    found = planned(of_three, beside, ["a", "new"], "--source_label_map_path", "BESIDE")
    assert found == ({"a": [1], "new": []}, told)


def test_a_copy_of_the_sources_map(planned, of_three):
    assert planned(of_three, MINE, "copy") == ({"forklift": [1], "person": [2], "van": [3]}, [INFO])


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c", "d"]], ids=["fewer", "more"])
@pytest.mark.parametrize("how", ["same", "copy"])
def test_another_number_of_classes(planned, of_three, names, how):
    said = planned(of_three, names, how, "--map", "a=", "--map", "b=2")
    if len(names) == 2:
        assert said == ({"a": [], "b": [2]}, [FOREIGN])
    else:
        assert "--source_label_map_path: is needed" in said


def test_maps_that_do_not_fit(planned, of_three):
    assert planned(of_three, ["person", "b"], MINE) == (
        {"forklift": [], "person": [1], "van": []},
        [WARNING],
    )


def test_more_ids_than_classes(planned, of_three):
    assert "has the id 4, but the model of" in planned(of_three, list("abcd"), MINE)


def test_no_names_and_none_asked_for(planned, of_three):
    assert planned(of_three, None, None, "--num_classes", "2")[1] == []


def test_graphfixs_own_output(graphfix, of_coco, tmp_path):
    """Its label map belongs to it, as its plan says; a map that was edited since does not."""
    mine = builders.write(tmp_path, "mine.pbtxt", builders.label_map(MINE))
    out = tmp_path / "out"
    assert (
        graphfix(
            "convert", of_coco, "--label_map_path", mine, "--output_directory", out, *FLAGS
        ).code
        == 0
    )
    for path in (out / "label_map.pbtxt", mine):
        done = graphfix("plan", out, "--label_map_path", path, "--json", *FLAGS)
        assert [one["sources"] for one in json.loads(done.out)["classes"]] == [[1], [2], [3]]
    builders.write(out, "label_map.pbtxt", builders.label_map(["forklift", "crane", "van"]))
    done = graphfix("plan", out, "--label_map_path", out / "label_map.pbtxt", *FLAGS)
    assert done.code == 3 and "is unknown" in done.err
    builders.write(out, "plan.json", "[")
    done = graphfix("plan", out, "--label_map_path", out / "label_map.pbtxt", *FLAGS)
    assert done.code == 3 and "is unknown" in done.err


def test_fewer_names_than_slots_of_graphfixs_own(graphfix, of_three, tmp_path):
    names = builders.write(tmp_path, "names.pbtxt", builders.label_map(["a", "b"]))
    out = tmp_path / "out"
    words = ["--label_map_path", names] + FLAGS
    assert (
        graphfix(
            "convert",
            of_three,
            "--num_classes",
            "3",
            "--map",
            "a=1",
            "--map",
            "b=2",
            "--output_directory",
            out,
            *words,
        ).code
        == 0
    )
    done = graphfix("plan", out, "--json", *words)
    assert [one["sources"] for one in json.loads(done.out)["classes"]] == [[1], [2]]


@pytest.mark.parametrize("classes, first", [(90, "person"), (3, "")])
def test_the_report_names_what_the_plan_knew(graphfix, of_coco, of_three, tmp_path, classes, first):
    """Also when the plan is carried out later, without the flags it was made with."""
    source = tmp_path / "source"
    shutil.copytree(of_coco if classes == 90 else of_three, str(source))
    beside = builders.write(source, "label_map.pbtxt", builders.label_map(["x", "y"]))
    words = ["--label_map_path", beside, "--map", "x=1", "--map", "y="] + FLAGS
    plan = builders.write(tmp_path, "plan.json", graphfix("plan", source, "--json", *words).out)
    for name, more in (("a", words), ("b", ["--plan", plan])):
        assert graphfix("convert", source, "--output_directory", tmp_path / name, *more).code == 0
        with open(str(tmp_path / name / "report.json")) as file:
            assert json.load(file)["source_names"][0] == first


@pytest.mark.slow
def test_batch_says_so_too(graphfix, of_coco, tmp_path):
    shutil.copytree(of_coco, str(tmp_path / "one"))
    builders.write(tmp_path / "one", "label_map.pbtxt", builders.label_map(MINE))
    recipe = builders.write(
        tmp_path,
        "recipe.txt",
        'defaults { label_map_path: "one/label_map.pbtxt" } model { source: "one" }',
    )
    assert graphfix("batch", recipe, "--output_directory", tmp_path / "out").code == 0
    with open(str(tmp_path / "out" / "one" / "report.json")) as file:
        report = json.load(file)
    assert [one["sources"] for one in report["classes"]] == [[], [1], []]
    assert FOREIGN[0] in [one["code"] for one in report["findings"]]
