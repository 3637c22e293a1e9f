"""The verbs of anchors, as command lines: results, and what they say of bad input."""

import json
import os
import sys

import annotations
import builders
import pytest
import repository

from graphfix.anchor_fitting.setting import read_setting
from graphfix.detectors.anchor_generators import describe_anchors
from graphfix.pipeline_config.document import parse_config

TESTDATA = repository.TESTDATA
DETECTOR = os.path.join(TESTDATA, "shapes_detector")
HEADER = "width,height,class,xmin,ymin,xmax,ymax\n"
ANCHORS = (
    "ssd_anchor_generator { num_layers: %d min_scale: 0.1 max_scale: 0.7 aspect_ratios: [1, 3] }"
)

pytestmark = pytest.mark.usefixtures("briefly")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A pipeline.config of the tiny detector."""
    return builders.write(
        tmp_path_factory.mktemp("config"), "pipeline.config", builders.CONFIG % {"classes": 4}
    )


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A CSV table of wide boxes of two classes."""
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for number in range(200):
        left, top = number * 7 % 150, number * 11 % 350
        rows.append(
            f"{number}.jpg,400,400,{'bus' if number % 3 else 'train'},"
            f"{left},{top},{left + 150 + number % 90},{top + 36}"
        )
    return builders.write(tmp_path_factory.mktemp("boxes"), "wide.csv", "\n".join(rows))


def refused(done, *words):
    assert done.code == 3 and not done.out and "Traceback" not in done.err, done
    for word in words:
        assert str(word) in done.err, done.err


@pytest.mark.slow
def test_fit_writes_anchors_that_convert_takes(graphfix, model, config, wide, tmp_path):
    out = tmp_path / "a.pbtxt"
    done = graphfix("anchors", "fit", config, "--train_record", wide, "--output", out)
    assert done.code == 0 and not done.err, done
    lines = done.out.splitlines()
    assert lines[0] == f"{out}: ssd_anchor_generator, 3/6/6/6/6/6 anchors at a location"
    assert "boxes: 200 of 2 classes, on 160x160 images" in lines
    assert any(line.startswith("recall at 0.5 (the matcher's)") for line in lines)
    assert out.read_text().startswith("# Fitted, for 200 boxes")
    done = graphfix("convert", model, "--anchors", out, "--output_directory", tmp_path / "out")
    assert done.code == 0, done.err
    made = parse_config((tmp_path / "out" / "pipeline.config").read_bytes(), "it").message
    scales = made.model.ssd.anchor_generator.ssd_anchor_generator.scales
    assert len(scales) in (0, 6)


@pytest.mark.slow
def test_fit_as_json(graphfix, config, wide, tmp_path):
    done = graphfix(
        "anchors",
        "fit",
        config,
        "--train_record",
        wide,
        "--train_record",
        wide,
        "--output",
        tmp_path / "a.pbtxt",
        "--json",
    )
    data = json.loads(done.out)
    assert data["boxes"] == 400 and data["threshold"] == 0.5 and data["boxes_left_out"] == 0
    before, after = data["before"], data["after"]
    assert after["recall"] > before["recall"] + 0.3
    for one in (before, after):
        assert one["recall"] == pytest.approx(1 - one["without_anchor"])
        assert one["recall"] <= one["best_possible_recall"] <= 1
        assert set(one["per_class"]) == {"bus", "train"}
        for groups in (one["per_class"], one["per_size"]):
            assert sum(part["boxes"] for part in groups.values()) == 400
            assert sum(
                part["boxes"] * part["mean_best_iou"] for part in groups.values()
            ) == pytest.approx(400 * one["mean_best_iou"], rel=1e-5)
        assert len(one["unmatched_anchors"]) < 33
    assert data["anchors_per_map"]["after"] == [3, 6, 6, 6, 6, 6]
    # Judged by the boxes that were not fitted to.
    assert data["verdict"] == "take" and data["gain"] > 3 * data["gain_error"] > 0
    fitted, held_out = data["fitted_boxes"], data["held_out_boxes"]
    assert fitted["boxes"] + held_out["boxes"] == 400 and held_out["boxes"] > 100
    for when, whole in (("present", before), ("found", after)):
        assert sum(
            one["boxes"] * one[when]["recall"] for one in (fitted, held_out)
        ) == pytest.approx(400 * whole["recall"])
    assert after["larger_than_image"] <= before["larger_than_image"]


@pytest.fixture
def perfect(config, tmp_path):
    """Boxes that are the anchors of a cell of the config's."""
    with open(config, "rb") as file:
        message = parse_config(file.read(), "it").message
    spec = describe_anchors(message.model.ssd.anchor_generator, "it", (160.0, 160.0))
    rows = [HEADER.strip()] + [
        f"160,160,a,{80 - wide * 80:.5f},{80 - high * 80:.5f},"
        f"{80 + wide * 80:.5f},{80 + high * 80:.5f}"
        for high, wide in spec.maps[1].sizes
    ]
    return builders.write(tmp_path, "x.csv", "\n".join(rows))


@pytest.mark.slow
def test_fit_where_nothing_is_better_keeps_the_anchors(graphfix, config, perfect, tmp_path):
    first, second = tmp_path / "a.pbtxt", tmp_path / "b.config"
    done = graphfix("anchors", "fit", config, "--train_record", perfect, "--output", first, "-v")
    assert done.code == 0 and f"info ANCHORS_KEPT: {config}" in done.err
    assert "keep yours, which are in the file: 2 images with boxes held out, too few" in done.out
    assert first.read_text().startswith("# As they were")
    # They are the very same.
    done = graphfix("anchors", "apply", config, first, "--output", second)
    assert "; 0 settings changed" in done.out
    with open(config, "rb") as file:
        assert second.read_bytes() == file.read()


@pytest.mark.slow
def test_every_kind_of_annotation(graphfix, config, tmp_path):
    (tmp_path / "xml").mkdir()
    sources = {
        "x.record": annotations.tfrecord(),
        "x.json": annotations.coco(),
        "x.csv": annotations.table(),
        "xml/0.xml": annotations.voc(annotations.IMAGES[0]),
        "xml/2.xml": annotations.voc(annotations.IMAGES[2]),
    }
    found = []
    for name, data in sources.items():
        (tmp_path / name).write_bytes(data)
    for name in ("x.record", "x.json", "x.csv", "xml"):
        done = graphfix(
            "anchors",
            "fit",
            config,
            "--train_record",
            tmp_path / name,
            "--output",
            tmp_path / "a.pbtxt",
            "--overwrite",
            "--json",
        )
        assert done.code == 0, done.err
        found.append(json.loads(done.out)["before"])
    assert found[0]["boxes"] == 3
    for one in found[1:]:
        assert one["mean_best_iou"] == pytest.approx(found[0]["mean_best_iou"], abs=1e-5)
        assert set(one["per_class"]) == {"cat", "dog"}


@pytest.mark.slow
def test_a_published_kind_of_first_stage(graphfix, tmp_path, wide):
    config = builders.write(
        tmp_path,
        "f.config",
        """model { faster_rcnn { num_classes: 3
        image_resizer { keep_aspect_ratio_resizer { min_dimension: 600 max_dimension: 1024 } }
        feature_extractor { type: "faster_rcnn_resnet101" first_stage_features_stride: 16 }
        first_stage_anchor_generator { grid_anchor_generator { height_stride: 16 width_stride: 16
        scales: [0.25, 0.5, 1.0, 2.0] aspect_ratios: [0.5, 1.0, 2.0] } } } }""",
    )
    done = graphfix(
        "anchors", "fit", config, "--train_record", wide, "--output", tmp_path / "a.pbtxt"
    )
    assert done.code == 0 and "grid_anchor_generator, 12 anchors" in done.out, done
    assert "recall at 0.7 (the matcher's)" in done.out and "recall at 0.5" in done.out
    assert "boxes: 200 of 2 classes, on resized images" in done.out


STRIDES = """model { faster_rcnn { num_classes: 3 image_resizer { fixed_shape_resizer {
height: 320 width: 320 } } feature_extractor { type: "faster_rcnn_resnet101"
first_stage_features_stride: %d } first_stage_anchor_generator { grid_anchor_generator {
height_stride: %d width_stride: %d scales: 0.5 aspect_ratios: 1.0 } } } }"""


@pytest.mark.parametrize(
    "strides, words",
    [
        ((16, 16, 16), None),
        ((8, 16, 16), "stride 8, but anchors 16 pixels apart: they cover more than the image"),
        ((16, 8, 8), "16, but anchors 8 pixels apart: they cover only a part of the image"),
        ((16, 16, 8), "16, but anchors 16 and 8 pixels apart: they cover only a part"),
    ],
)
def test_a_first_stage_whose_strides_differ(tmp_path, strides, words):
    text = STRIDES % strides
    findings = read_setting(parse_config(text.encode(), "f.config"), "f.config").findings
    told = [one for one in findings if one.code == "ANCHOR_STRIDE"]
    assert [words in str(one) for one in told] == [True] * bool(words), told


@pytest.mark.slow
def test_ids_get_names(graphfix, config, tmp_path):
    made = annotations.features(*annotations.IMAGES[0])
    del made["image/object/class/text"]
    (tmp_path / "x.record").write_bytes(annotations.record(annotations.example(made)))
    labels = builders.write(tmp_path, "labels.pbtxt", "item { id: 2 name: 'dog' }")
    done = graphfix(
        "anchors",
        "fit",
        config,
        "--train_record",
        tmp_path / "x.record",
        "--label_map_path",
        labels,
        "--output",
        tmp_path / "a.pbtxt",
        "--json",
    )
    assert set(json.loads(done.out)["before"]["per_class"]) == {"id 1", "dog"}


@pytest.mark.slow
def test_another_number_that_is_worse_says_so(graphfix, config, perfect, tmp_path):
    done = graphfix(
        "anchors",
        "fit",
        config,
        "--train_record",
        perfect,
        "--num_anchors",
        "2",
        "--output",
        tmp_path / "a.pbtxt",
    )
    assert done.code == 0 and "warning ANCHORS_WORSE: --num_anchors" in done.err
    assert "3/2/2/2/2/2 anchors at a location, 3/6/6/6/6/6 before" in done.out


def test_apply_changes_the_generator_alone(graphfix, tmp_path):
    anchors = builders.write(tmp_path, "a.pbtxt", ANCHORS % 6)
    out = tmp_path / "new.config"
    done = graphfix("anchors", "apply", DETECTOR, anchors, "--output", out)
    assert done.code == 0 and "warning HEADS: " + anchors in done.err
    with open(os.path.join(DETECTOR, "pipeline.config")) as file:
        old = file.read()
    new = out.read_text()
    for comment in ("# feature maps of 10, 5", "a quarter as wide", "circle, square"):
        assert comment in old and comment in new
    before, after = (parse_config(text.encode(), "it").message for text in (old, new))
    generator = after.model.ssd.anchor_generator.ssd_anchor_generator
    assert (list(generator.aspect_ratios), round(generator.max_scale, 3)) == ([1, 3], 0.7)
    for one in (before, after):
        one.model.ssd.ClearField("anchor_generator")
    assert before == after


@pytest.mark.parametrize(
    "text, words",
    [
        ("grid_anchor_generator { scales: 1 aspect_ratios: 1 }", "is a grid_anchor_generator, but"),
        (ANCHORS % 5, "places anchors on 5 feature maps, but ssd_mobilenet_v1 has 6"),
        (
            "ssd_anchor_generator { scales: [0.1, 0.2] aspect_ratios: 1 }",
            "has 2 scales for 6 layers",
        ),
        ("ssd_anchor_generator { aspect_ratios: -1 }", "anchors of no size"),
        ("ssd_anchor_generator { aspect_ratio: 1 }", "aspect_ratio"),
        ("item { id: 1 }", "item"),
        ("", "has no anchor generator"),
        ("\0", ""),
    ],
)
def test_anchors_that_are_not_the_models(graphfix, config, tmp_path, text, words):
    anchors = builders.write(tmp_path, "a.pbtxt", text)
    out = tmp_path / "new"
    refused(graphfix("anchors", "apply", config, anchors, "--output", out), anchors, words)
    assert not out.exists()


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("num_layers: 6", "num_layers: 4", "places anchors on 4 feature maps"),
        ("min_scale: 0.2", "scales: [0.1, 0.2]", "has 2 scales for 6 layers"),
        ("ssd_anchor_generator {", "multiscale_anchor_generator {", "on 5 feature maps, but"),
        (
            "type: 'ssd_mobilenet_v1'",
            "type: 'ssd_mobilenet_v1' num_layers: 5",
            "on 6 feature maps, but",
        ),
        ("type: 'ssd_mobilenet_v1'", "type: 'yolo'", "'yolo' is not one graphfix knows"),
        ("height: 160", "height: -160", "fixed_shape_resizer with height: -160"),
    ],
)
def test_configs_that_contradict_themselves(graphfix, config, wide, tmp_path, old, new, words):
    with open(config) as file:
        text = file.read()
    assert old in text
    path = builders.write(tmp_path, "c.config", text.replace(old, new, 1))
    done = graphfix("anchors", "fit", path, "--train_record", wide, "--output", tmp_path / "a")
    refused(done, path, words)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "name, data, words",
    [
        ("x.csv", HEADER.encode(), "no image with a box"),
        ("x.csv", (HEADER + "9,9,a,5,5,4,4\n9,9,a,nan,1,2,3\n").encode(), "line 2"),
        ("x.csv", (HEADER + "9,9,a,1,1,90,90\n").encode(), "reach out of their image"),
        ("x.record", annotations.tfrecord()[:-3], "is truncated"),
        (
            "x.record",
            annotations.record(annotations.example({"label": annotations.ints([1])})),
            "the first record has label",
        ),
        ("x.record", b"", "no image with a box"),
        ("x.json", b"{}", "has no annotations"),
    ],
)
def test_bad_records(graphfix, config, tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    out = builders.write(tmp_path, "a.pbtxt", "what was there")
    done = graphfix(
        "anchors", "fit", config, "--train_record", tmp_path / name, "--output", out, "--overwrite"
    )
    refused(done, tmp_path / name, words)
    assert open(out).read() == "what was there"
    assert sorted(os.listdir(str(tmp_path))) == sorted(["a.pbtxt", name])


@pytest.mark.slow
def test_some_bad_boxes_are_a_finding(graphfix, config, tmp_path):
    path = builders.write(
        tmp_path, "x.csv", HEADER + "9,9,a,1,1,8,4\n9,9,a,5,5,4,4\n9,9,a,6,6,5,5\n"
    )
    done = graphfix("anchors", "fit", config, "--train_record", path, "--output", tmp_path / "a")
    assert done.code == 0 and "boxes: 1 of 1 class (and 2 left out), on 160x160 images" in done.out
    assert (
        f"warning BOXES_SKIPPED: {path}: line 3 has the first of 2 boxes (of 3) that are inverted"
        in done.err
    )


def test_outputs_that_cannot_be_written(graphfix, config, wide, tmp_path):
    there, other = (
        builders.write(tmp_path, name, "what was there") for name in ("a.pbtxt", "b.pbtxt")
    )
    for out, words in (
        (there, "exists"),
        (tmp_path, "is a directory"),
        (tmp_path / "no" / "a", "its directory does not exist"),
    ):
        for words_before in (("fit", config, "--train_record", wide), ("apply", config, other)):
            refused(graphfix("anchors", *words_before, "--output", out), out, words)
    assert open(there).read() == "what was there"


def test_usage(graphfix, config):
    assert graphfix("anchors").code == 2
    assert graphfix("anchors", "fit", config, "--output", "x").code == 2
    assert graphfix("anchors", "shrink", config).code == 2
    assert graphfix("anchors", "fit", "--help").code == 0


def test_show_without_matplotlib_says_so(graphfix, config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = graphfix("anchors", "show", config, "--output_directory", tmp_path / "out")
    refused(done, "matplotlib, which is not installed here; pip install matplotlib")
    assert not (tmp_path / "out").exists()
