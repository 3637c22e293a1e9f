"""Where the names of a source's classes come from when no label_map.pbtxt lies next to it."""

import json
import os
import shutil
import tarfile

import builders
import pytest
import zoo

from graphfix.detectors import coco
from graphfix.pipeline_config.document import parse_config

FLAGS = ["--target_api", "2019-07", "--train_record", "t", "--eval_record", "e"]
NAMES = list(builders.CLASSES)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Models without names, by their number of classes."""
    top = tmp_path_factory.mktemp("made")
    return {
        count: builders.write_model(top / str(count), names=(), classes=count) for count in (4, 90)
    }


@pytest.fixture
def planned(graphfix, made, tmp_path):
    """Plans `classes` for a copy of a model: what each is made of, and {code: finding} on names."""

    def run(count, *flags, name="source", named="", files=(), classes="person,zebra"):
        source = str(tmp_path / name)
        shutil.copytree(made[count], source)
        path = os.path.join(source, "pipeline.config")
        with open(path) as file:
            text = file.read()
        builders.write(source, "pipeline.config", text.replace("records/label_map.pbtxt", named))
        for file, content in dict(files).items():
            builders.write(source, file, content)
        done = graphfix("plan", source, "--json", "--classes", classes, *FLAGS, *flags)
        if done.code:
            return done.err, {}
        plan = json.loads(done.out)
        told = {
            one["code"]: one
            for one in plan["findings"]
            if "NAMES" in one["code"] or "LABEL" in one["code"]
        }
        return [one["sources"] for one in plan["classes"]], told

    return run


QUESTION = "SOURCE_NAMES_UNKNOWN"


def test_ninety_classes_alone_are_not_cocos(planned, graphfix, made):
    said, _ = planned(90)
    assert "the names of the source's 90 classes are unknown" in said
    assert "(coco if it was COCO's)" in said
    done = graphfix("inspect", made[90], "--json")
    (asked,) = [one for one in json.loads(done.out)["findings"] if one["code"] == QUESTION]
    assert asked["severity"] == "warning" and "--source_label_map_path coco" in asked["remedy"]
    assert json.loads(done.out)["named_classes"] == 0


def test_where_no_name_is_needed_it_is_a_question(planned):
    sources, told = planned(90, "--map", "person=1", "--map", "zebra=")
    assert sources == [[1], []] and list(told) == [QUESTION]


def test_the_answer(planned):
    assert planned(90, "--source_label_map_path", "coco")[0] == [[1], [24]]


@pytest.mark.parametrize(
    "named",
    [
        "data/mscoco_label_map.pbtxt",
        "PATH_TO_BE_CONFIGURED/mscoco_label_map.pbtxt",
        "D:\\x\\COCO.txt",
    ],
)
def test_its_label_maps_path_says_coco(planned, named):
    sources, told = planned(90, named=named.replace("\\", "\\\\"))
    assert sources == [[1], [24]] and "its config's label map is" in told["SOURCE_NAMES"]["message"]


@pytest.mark.parametrize(
    "name, known",
    [
        ("ssd_mobilenet_v1_coco_2018_01_28", True),
        ("ssd_mobilenet_v1_coco_11_06_2017", True),
        ("ssd_mobilenet_v1_fpn_shared_box_predictor_640x640_coco14_sync_2018_07_03", True),
        ("my_coco_model", False),
        ("faster_rcnn_resnet101_kitti_2018_01_28", False),
        ("coconut_2018", False),
    ],
)
def test_its_name_says_coco(planned, name, known):
    assert (planned(90, name=name)[0] == [[1], [24]]) == known


def test_an_archives_name_says_coco(graphfix, made, tmp_path):
    path = str(tmp_path / "ssd_mobilenet_v1_coco_2018_01_28 (1).tar.gz")
    with tarfile.open(path, "w:gz") as tar:
        tar.add(made[90], "x")
    plan = json.loads(graphfix("plan", path, "--json", "--classes", "dog", *FLAGS).out)
    assert plan["classes"][0]["sources"] == [18]


def test_a_model_of_other_numbers_is_never_cocos(planned):
    assert "are unknown" in planned(4, name="ssd_mobilenet_v1_coco_2018_01_28")[0]


MAPS = {"labels.pbtxt": builders.label_map(NAMES)}


@pytest.mark.parametrize(
    "named",
    ["HERE/labels.pbtxt", "/nowhere/labels.pbtxt", "labels.pbtxt", "C:\\x\\labels.pbtxt", ""],
)
def test_the_configs_label_map_or_the_only_one(planned, tmp_path, named):
    named = named.replace("HERE", str(tmp_path / "source")).replace("\\", "\\\\")
    sources, told = planned(4, named=named, files=MAPS)
    assert sources == [[4], []]
    where = "that the config names" if named else "the only label map"
    assert told["SOURCE_NAMES"]["subject"] == "labels.pbtxt"
    assert told["SOURCE_NAMES"]["severity"] == "info" and where in told["SOURCE_NAMES"]["message"]


def test_a_graph_as_text_is_no_label_map(planned):
    assert planned(4, files=dict(MAPS, **{"graph.pbtxt": "node { name: 'x' }"}))[0] == [[4], []]


def test_one_of_several_is_not_guessed(planned):
    files = dict(MAPS, **{"more.pbtxt": builders.label_map(["a", "b", "c", "d"])})
    assert "are unknown" in planned(4, files=files)[0]


def test_the_config_says_which_of_several(planned):
    files = dict(MAPS, **{"more.pbtxt": builders.label_map(["a", "b", "c", "d"])})
    assert planned(4, files=files, named="gone/labels.pbtxt")[0] == [[4], []]


@pytest.mark.parametrize("names", [["a", "b"], NAMES + ["e"]], ids=["fewer", "more"])
def test_the_only_one_must_have_its_classes(planned, names):
    maps = ["--map", "person=4", "--map", "zebra="]
    files = {"labels.pbtxt": builders.label_map(names)}
    sources, told = planned(4, *maps, files=files)
    assert sources == [[4], []] and list(told) == ["LABEL_MAP_NOT_THE_SOURCES"]


def test_a_damaged_one_is_told_and_not_used(planned):
    maps = ["--map", "person=4", "--map", "zebra="]
    sources, told = planned(4, *maps, files={"labels.pbtxt": "item { id: 0 name: 'x' }"})
    assert sources == [[4], []] and "background" in told["LABEL_MAP_NOT_THE_SOURCES"]["message"]


def test_the_targets_is_not_the_only_one(graphfix, made, tmp_path):
    source = str(tmp_path / "source")
    shutil.copytree(made[4], source)
    mine = builders.write(source, "mine.pbtxt", builders.label_map(["x", "y", "z", "person"]))
    done = graphfix("plan", source, "--label_map_path", mine, *FLAGS)
    assert done.code == 3 and "are unknown" in done.err
    builders.write(source, "labels.pbtxt", builders.label_map(NAMES))
    plan = json.loads(graphfix("plan", source, "--label_map_path", mine, "--json", *FLAGS).out)
    assert [one["sources"] for one in plan["classes"]] == [[], [], [], [4]]


def test_lists_of_names(planned, tmp_path):
    path = builders.write(tmp_path, "classes.txt", "\n".join(NAMES) + "\n")
    assert planned(4, "--source_label_map_path", path)[0] == [[4], []]


@pytest.mark.parametrize("path", zoo.files("sample_configs/*.config"))
def test_published_configs_say_coco_where_they_are(path):
    with open(path, "rb") as file:
        config = parse_config(file.read(), path)
    name = os.path.basename(path)
    body = getattr(config.message.model, config.message.model.WhichOneof("model"))
    # The label map's path of one is a placeholder: the name of its archive says it.
    if body.num_classes == 90 and "spaghettinet" not in name:
        assert bool(coco.said_by(config.message, [])) == ("coco" in name)


@pytest.mark.slow
def test_batch_takes_names_and_sees_a_changed_label_map(graphfix, made, tmp_path):
    source = str(tmp_path / "one")
    shutil.copytree(made[4], source)
    builders.write(source, "labels.pbtxt", builders.label_map(NAMES))
    recipe = builders.write(
        tmp_path, "recipe.txt", 'model { source: "one" target { classes: "dog, van" } }'
    )
    words = ("batch", recipe, "--output_directory", tmp_path / "out")
    made_of = []
    for names in (NAMES, NAMES, ["dog", "a", "b", "c"]):
        builders.write(source, "labels.pbtxt", builders.label_map(names))
        done = graphfix(*words)
        assert done.code == 0, done.out
        with open(str(tmp_path / "out" / "one" / "plan.json")) as file:
            made_of.append((json.load(file)["classes"][0]["sources"], "1 unchanged" in done.out))
    assert made_of == [([2], False), ([2], True), ([1], False)]


@pytest.mark.slow
def test_a_recipe_may_say_coco(graphfix, made, tmp_path):
    shutil.copytree(made[90], str(tmp_path / "one"))
    recipe = builders.write(
        tmp_path,
        "recipe.txt",
        'defaults { label_map_path: "x.txt" source_label_map_path: "coco" }'
        'model { source: "one" target { classes: ["dog", "van"] } }',
    )
    done = graphfix("batch", recipe, "--output_directory", tmp_path / "out")
    assert done.code == 0, done.out
    with open(str(tmp_path / "out" / "one" / "plan.json")) as file:
        assert json.load(file)["classes"][0]["sources"] == [18]


def test_inspect_is_told_the_names(graphfix, made, tmp_path):
    named = builders.write(tmp_path, "names.txt", "a\nb\nc\n")
    data = json.loads(graphfix("inspect", made[4], "--source_label_map_path", named, "--json").out)
    assert data["class_names"] == ["a", "b", "c"]
    done = graphfix("inspect", made[90], "--source_label_map_path", "coco")
    assert "(80 named): person, bicycle" in done.out and QUESTION not in done.out
    assert QUESTION in graphfix("inspect", made[90]).out
