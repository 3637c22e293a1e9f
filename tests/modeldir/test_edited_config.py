"""A config that was edited for new classes: the heads prove how many there were."""

import json
import os
import re
import shutil

import builders
import pytest
import repository
import thorough
import zoo

import graphfix as graphfix_package
from graphfix.detectors.describe import describe, proven_num_classes
from graphfix.detectors.layer_variables import Unknown
from graphfix.detectors.variables import model_variables
from graphfix.errors import SourceError
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorMeta
from graphfix.modeldir.edited_config import settle
from graphfix.modeldir.openers import open_source
from graphfix.pipeline_config.document import parse_config

FAMILIES = os.path.join(repository.TESTS, "stock", "families")
CONFIGS = [os.path.join(FAMILIES, name) for name in sorted(os.listdir(FAMILIES))]
CONFIGS = [path for path in CONFIGS if path.endswith(".config")]
FLOAT = next(one for one in dtypes.BY_NUMBER.values() if one.numpy == "float32")
FLAGS = ("--target_api", "2019-07", "--train_record", "t", "--eval_record", "e")


def model_of(data, path):
    """A config and the variables that its model has."""
    config = parse_config(data, path)
    revision = "2019-07" if "keras" in path else "2021-11"
    try:
        rows = model_variables(config.message, revision=revision, config=path)
    except Unknown:
        pytest.skip("the variables of its extractor are not recorded")
    return config, {row.name: TensorMeta(row.name, FLOAT, tuple(row.shape)) for row in rows}


def edited(data, old, new):
    text, count = re.subn(old, new, data.decode("utf-8"), count=1)
    assert count == 1
    return text.encode("utf-8")


def check_counts(path, others):
    with open(path, "rb") as file:
        data = file.read()
    config, metas = model_of(data, path)
    body = getattr(config.message.model, config.message.model.WhichOneof("model"))
    assert settle(config, metas, checkpoint="it").asked is None
    for number in others:
        other = parse_config(edited(data, r"num_classes:\s*\d+", f"num_classes: {number}"), path)
        settled = settle(other, metas, checkpoint="it")
        offset = 1 if getattr(body, "explicit_background_class", False) else 0
        asked = settled.asked.num_classes + offset if settled.asked else 0
        assert asked == (number if number > offset else 0)
        assert [one.code for one in settled.findings] == ["CONFIG_EDITED"]
        (count,) = re.findall(rb"num_classes:\s*(\d+)", settled.config.document.encode())
        assert int(count) == body.num_classes
        describe(settled.config.message, metas, config=path, checkpoint="it")


@pytest.mark.parametrize(
    "path", thorough.sampled(CONFIGS, 12), ids=lambda path: os.path.basename(path)
)
def test_every_familys_heads_prove_their_classes(path):
    check_counts(path, [0, 3, 19, 500])


@pytest.mark.slow
@pytest.mark.parametrize("path", zoo.files("sample_configs/*.config"))
def test_and_those_of_published_configs(path):
    check_counts(path, [3, 700])


# What a user changes beside the classes, and that shapes tell.
OTHER_MODELS = {
    "ssd_mobilenet_v1": (
        r" aspect_ratios: 0.5",
        "",
        "makes 3/3/3/3/3/3 anchors .* for 3/4/4/4/4/4",
    ),
    "ssd_mobilenet_v1_fpn": (r"scales_per_octave: 2", "scales_per_octave: 3", "makes 9 anchors"),
    "faster_rcnn_resnet50": (r"scales: 0.25", "", "makes 3 anchors .* for 6"),
    "rfcn_resnet50": (r"num_spatial_bins_width: 3", "num_spatial_bins_width: 2", "channels"),
    "mask_rcnn": (r"predict_instance_masks: true", "", "that .* does not have"),
    "ssd_mobilenet_v2": (r"type: .ssd_mobilenet_v2.", "type: 'ssd_inception_v2'", "describes a"),
}


@pytest.mark.parametrize("name", sorted(OTHER_MODELS))
@pytest.mark.parametrize("classes", [20, 3])
def test_other_edits_that_contradict_the_heads_are_refused(name, classes):
    path = os.path.join(FAMILIES, name + ".config")
    with open(path, "rb") as file:
        data = file.read()
    _, metas = model_of(data, path)
    old, new, words = OTHER_MODELS[name]
    data = edited(edited(data, old, new), r"num_classes:\s*\d+", f"num_classes: {classes}")
    settled = settle(parse_config(data, path), metas, checkpoint="it")
    with pytest.raises(SourceError, match=words):
        describe(settled.config.message, metas, config=path, checkpoint="it")


def test_heads_that_disagree_prove_nothing():
    path = os.path.join(FAMILIES, "ssd_mobilenet_v1.config")
    with open(path, "rb") as file:
        config, metas = model_of(file.read(), path)
    asked = dict(config=path, checkpoint="it")
    assert proven_num_classes(config.message, metas, **asked) == 20
    for leaf in ("weights", "biases"):
        name = "BoxPredictor_3/ClassPredictor/" + leaf
        shape = metas[name].shape
        metas[name] = TensorMeta(name, FLOAT, (*shape[:-1], shape[-1] // 21 * 20))
    assert proven_num_classes(config.message, metas, **asked) is None


# As a tutorial tells: classes, label map and records, and whatever else.
def as_told(text, classes=3, label_map="annotations/mine.pbtxt"):
    text = text.replace("num_classes: 4", f"num_classes: {classes}")
    text = text.replace("records/label_map.pbtxt", label_map)
    return text.replace("batch_size: 2", "batch_size: 7").replace("records/train", "mine/train")


@pytest.fixture
def told(tmp_path):
    """A model of four classes whose config was edited for three."""
    source = builders.write_model(
        tmp_path / "model", config=as_told(builders.CONFIG % {"classes": 4})
    )
    mine = builders.label_map(["person", "zebra", "dog"])
    builders.write(os.path.join(source, "annotations"), "mine.pbtxt", mine)
    return source


def test_an_edited_config_says_the_new_classes(graphfix, told, tmp_path):
    plan = json.loads(graphfix("plan", told, "--json", *FLAGS).out)
    assert {one["name"]: one["sources"] for one in plan["classes"]} == {
        "person": [4],
        "zebra": [],
        "dog": [2],
    }
    codes = {one["code"]: one["severity"] for one in plan["findings"]}
    assert (codes["CONFIG_EDITED"], codes["TARGET_CLASSES"]) == ("info", "info")
    path = builders.write(tmp_path, "plan.json", json.dumps(plan))
    outs = []
    for name, more in (("a", FLAGS), ("b", ["--plan", path])):
        out = str(tmp_path / name)
        where = () if more[0] == "--plan" else ("--fine_tune_checkpoint", "x/model.ckpt")
        assert graphfix("convert", told, "--output_directory", out, *more, *where).code == 0
        assert graphfix("verify", out).code == 0
        outs.append(builders.read_checkpoint(os.path.join(out, "model.ckpt")))
        with open(os.path.join(out, "pipeline.config")) as file:
            text = file.read()
        assert "num_classes: 3 " in text and "batch_size: 7" in text
    assert all((outs[0][name] == outs[1][name]).all() for name in outs[0])


def test_its_output_is_that_of_the_config_before(graphfix, told, tmp_path):
    """But for the source's digest, which is of the file."""
    before = builders.write(
        tmp_path, "before.config", as_told(builders.CONFIG % {"classes": 4}, classes=4)
    )
    labels = os.path.join(told, "annotations", "mine.pbtxt")
    place = ("--fine_tune_checkpoint", "x/model.ckpt") + FLAGS
    rows = (("a", ()), ("b", ("--pipeline_config_path", before, "--label_map_path", labels)))
    for name, more in rows:
        done = graphfix("convert", told, "--output_directory", tmp_path / name, *place, *more)
        assert done.code == 0, done.err
    for name in ("pipeline.config", "label_map.pbtxt", "model.ckpt.data-00000-of-00001"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    "flags, names",
    [
        (["--classes", "cat, dog"], ["cat", "dog"]),
        (["--num_classes", "2"], ["class_1", "class_2"]),
        (["--num_classes", "3"], ["person", "zebra", "dog"]),
        (["--map", "zebra=cat"], ["person", "zebra", "dog"]),
    ],
)
def test_flags_that_name_classes_win(graphfix, told, flags, names):
    plan = json.loads(graphfix("plan", told, "--json", *FLAGS, *flags).out)
    assert [one["name"] for one in plan["classes"]] == names


def test_a_label_map_of_its_name_beside_the_config(graphfix, told):
    shutil.move(os.path.join(told, "annotations", "mine.pbtxt"), os.path.join(told, "mine.pbtxt"))
    plan = json.loads(graphfix("plan", told, "--json", *FLAGS).out)
    assert [one["sources"] for one in plan["classes"]] == [[4], [], [2]]


def test_a_label_map_that_is_not_there(graphfix, told):
    shutil.rmtree(os.path.join(told, "annotations"))
    done = graphfix("plan", told, "--json", *FLAGS)
    plan = json.loads(done.out)
    assert [one["name"] for one in plan["classes"]] == ["class_1", "class_2", "class_3"]
    (found,) = [one for one in plan["findings"] if one["code"] == "TARGET_CLASSES"]
    assert (
        found["severity"] == "warning"
        and "'annotations/mine.pbtxt' is not here" in found["message"]
    )


@pytest.mark.parametrize("names", [["a", "b", "c", "d", "e"], list(builders.CLASSES)])
def test_a_label_map_that_is_not_the_new_classes(graphfix, told, names):
    builders.write(os.path.join(told, "annotations"), "mine.pbtxt", builders.label_map(names))
    done = graphfix("plan", told, *FLAGS)
    assert done.code == 3 and "asks for 3 new classes, but its label map" in done.err
    assert graphfix("plan", told, "--classes", "cat", *FLAGS).code == 0


def test_a_label_map_that_is_still_the_sources(graphfix, told):
    """Of four classes, where five are asked for."""
    text = as_told(builders.CONFIG % {"classes": 4}, classes=5)
    builders.write(told, "pipeline.config", text)
    labels = builders.label_map(builders.CLASSES)
    builders.write(os.path.join(told, "annotations"), "mine.pbtxt", labels)
    done = graphfix("plan", told, *FLAGS)
    assert done.code == 3 and "asks for 5 new classes, but its label map" in done.err


def test_a_model_in_memory(told):
    arrays = builders.read_checkpoint(os.path.join(told, "model.ckpt"))
    model = graphfix_package.model_in_memory(arrays, as_told(builders.CONFIG % {"classes": 4}))
    assert model.model.classes == 4 and model.asked.num_classes == 3


def test_the_targets_label_map_beside_it_is_not_the_sources(graphfix, told):
    shutil.copy(
        os.path.join(told, "annotations", "mine.pbtxt"), os.path.join(told, "label_map.pbtxt")
    )
    done = graphfix("plan", told, *FLAGS)
    assert done.code == 3 and "the names of the source's 4 classes are unknown" in done.err
    assert graphfix("inspect", told).code == 0


@pytest.mark.slow
def test_frozen_graphs_too(graphfix, tmp_path):
    """Of a graph alone, and of the one beside a checkpoint; and thaw writes the graph's classes."""
    detector = tmp_path / "detector"
    detector.mkdir()
    with open(os.path.join(repository.DETECTOR, "pipeline.config")) as file:
        text = file.read()
    assert "num_classes: 8" in text
    text = text.replace("num_classes: 8", "num_classes: 2")
    builders.write(detector, "pipeline.config", re.sub(r'label_map_path: ".*"', "", text))
    shutil.copy(os.path.join(repository.DETECTOR, "frozen_inference_graph.pb"), str(detector))
    opened = open_source(str(detector))
    assert opened.model.classes == 8 and opened.asked == (2, "")
    out = tmp_path / "out"
    words = ("--classes", "ring,star", "--map", "ring=1", "--map", "star=2")
    done = graphfix("convert", detector, *words, "--output_directory", out, *FLAGS)
    assert done.code == 0 and graphfix("verify", out).code == 0
    assert os.path.exists(str(out / "frozen_inference_graph.pb"))
    done = graphfix("thaw", detector, "--output_directory", tmp_path / "thawed")
    assert done.code == 0, done.err
    assert "num_classes: 8" in (tmp_path / "thawed" / "pipeline.config").read_text()
