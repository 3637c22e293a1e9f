"""`graphfix doctor`: the verdict in words, exit codes, --json, bad input, healthy setups."""

import glob
import json
import os
import re

import builders
import pytest
import repository
import thorough
import zoo

from graphfix.doctor import diagnosis
from graphfix.doctor.setup import Options
from graphfix.findings import ERROR
from graphfix.pipeline_config import schema_history

TOP = repository.TOP
TESTDATA = os.path.join(TOP, "testdata")
FAMILIES = sorted(glob.glob(os.path.join(TOP, "tests", "stock", "families", "*.config")))


@pytest.fixture(autouse=True)
def in_testdata(monkeypatch):
    monkeypatch.chdir(TESTDATA)


def config(name):
    return f"broken/{name}/pipeline.config"


def test_a_healthy_setup(graphfix):
    done = graphfix("doctor", config("rate_stays"))
    assert done.code == 0 and done.err == ""
    assert done.out.startswith(
        "broken/rate_stays/pipeline.config will train with the API of 2019-07, and starts from "
        "shapes_detector/model.ckpt: its feature extractor (ssd_mobilenet_v1) and all of its 12 "
        "heads.\n"
    )


def test_new_classes_are_no_fault(graphfix):
    done = graphfix("doctor", config("new_classes"))
    assert done.code == 0
    assert "6 of its heads, and 6 random ones, for 8 classes instead of 90." in done.out


def test_the_line_and_what_to_write(graphfix):
    done = graphfix("doctor", config("number_in_quotes"))
    assert done.code == 1
    assert done.out.splitlines()[:4] == [
        "broken/number_in_quotes/pipeline.config can't be trained as it is (the API of "
        "2019-07), because of line 55:",
        '    batch_size: "4"',
        "'batch_size' cannot be \"4\".",
        "What to do: write batch_size: 4.",
    ]


def test_the_line_counts_as_editors_count(graphfix):
    done = graphfix("doctor", config("misspelled_field"), "--json")
    (finding,) = [one for one in json.loads(done.out)["findings"] if one["code"] == "FIELD_UNKNOWN"]
    with open(config("misspelled_field")) as file:
        assert "fine_tune_chekpoint" in file.read().splitlines()[finding["line"] - 1]


def test_json(graphfix):
    done = graphfix("doctor", config("boxes_in_pixels"), "--json")
    data = json.loads(done.out)
    assert done.code == 1 and not data["trains"] and data["starts_from"] is None
    first = data["findings"][0]
    assert first["code"] == "BOX_PIXELS" and first["severity"] == "error" and not first["fixable"]
    assert first["subject"].startswith("broken/boxes_in_pixels/train.record: record 0 (at byte 0)")
    assert "(and 7 more like it)" in first["message"]


def edited(tmp_path, *changes, case="rate_stays"):
    """A broken case's config with other words, in a file of its own."""
    with open(config(case)) as file:
        text = file.read()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "edited.config"
    path.write_text(text)
    return path


BIAS = ("\n      conv_hyperparams {", "\n      conv_hyperparams {\n        force_use_bias: %s")


@pytest.mark.parametrize("value,found", [("true", True), ("false", False)])
def test_hyperparams_of_keras(graphfix, tmp_path, value, found):
    path = edited(tmp_path, (BIAS[0], BIAS[1] % value))
    done = graphfix("doctor", path, "--target_api", "2021-06", "--json")
    codes = [one["code"] for one in json.loads(done.out)["findings"]]
    assert ("KERAS_HYPERPARAMS" in codes[:1]) == found and ("KERAS_HYPERPARAMS" in codes) == found
    assert (done.code == 1) == found
    if found:
        fixed = tmp_path / "fixed.config"
        assert graphfix("doctor", path, "--target_api", "2021-06", "--fix", fixed).code == 0
        assert fixed.read_text() == edited(tmp_path).read_text()


def unfit(graphfix, path, revision, *flags):
    done = graphfix("doctor", path, "--target_api", revision, "--json", *flags)
    return [one["code"] for one in json.loads(done.out)["findings"] if "UNFIT" in one["code"]]


def test_what_one_trainer_can_not_train(graphfix, tmp_path):
    by_name = {os.path.splitext(os.path.basename(path))[0]: path for path in FAMILIES}
    with open(os.path.join(os.path.dirname(FAMILIES[0]), "training.txt")) as file:
        training = file.read() % {"optimizer": "adam_optimizer {}", "averages": "false"}
    for name, revision, train in (
        ("context_rcnn_resnet50", "2021-06", ""),
        ("ssd_mobilenet_v1_keras", "2019-07", "bias_grad_multiplier: 2"),
    ):
        with open(by_name[name]) as file:
            model = file.read()
        path = tmp_path / "pipeline.config"
        path.write_text(model + training.replace("train_config {", "train_config {\n" + train))
        assert unfit(graphfix, path, revision) == ["ONE_TRAINER_UNFIT"]
        assert unfit(graphfix, path, revision, "--trainer", "legacy") == ["TRAINER_UNFIT"]
        assert unfit(graphfix, path, revision, "--trainer", "model_main") == []
    path.write_text(model + training)
    assert unfit(graphfix, path, "2019-07") == []


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_an_unreadable_config(graphfix, tmp_path, content):
    path = tmp_path / "pipeline.config"
    if content is not None:
        path.write_bytes(content)
    done = graphfix("doctor", path)
    assert done.code == 3 and done.out == "" and done.err.startswith(f"graphfix: {path}: ")


def test_usage(graphfix):
    assert graphfix("doctor").code == 2
    assert graphfix("doctor", config("no_end"), "--explain", "x", "--sample", "3").code == 2
    assert graphfix("doctor", "--explain", "x", "--model_dir", "y").code == 2
    assert graphfix("doctor", config("no_end"), "--target_api", "2031-01").code == 3
    assert (
        graphfix(
            "doctor", config("no_end"), "--target_api", "2017-06", "--trainer", "model_main"
        ).code
        == 3
    )


def test_explain(graphfix):
    done = graphfix("doctor", "--explain", "Label map id 0 is reserved for the background label")
    assert done.code == 0 and "LABEL_ID_ZERO" in done.out
    assert graphfix("doctor", "--explain", "nobody knows this").code == 1
    data = json.loads(graphfix("doctor", "--explain", "First step cannot be zero", "--json").out)
    assert data[0]["codes"] == ["FIRST_STEP"]


def test_explain_reads_a_log(graphfix, tmp_path):
    log = tmp_path / "train.log"
    log.write_text("INFO:tensorflow:Starting Session.\nValueError: First step cannot be zero.\n")
    done = graphfix("doctor", "--explain", log)
    assert done.code == 0 and "  Line 2: ValueError: First step cannot be zero." in done.out
    done = graphfix("doctor", "--explain", tmp_path / "other.log")
    assert done.code == 3 and "other.log: is not there" in done.err and not done.out


def test_explain_looks_into_a_config(graphfix, tmp_path):
    path = config("first_step_zero")
    done = graphfix("doctor", path, "--explain", "First step cannot be zero")
    assert done.code == 0 and f"In {path} doctor finds:" in done.out and "FIRST_STEP" in done.out
    done = graphfix("doctor", path, "--explain", "Label map id 0 is reserved")
    assert f"In {path} doctor finds nothing of it." in done.out and "will hold" not in done.out
    done = graphfix("doctor", path, "--explain", "Killed", "--json")
    (row,) = json.loads(done.out)
    assert row["findings"] == [] and "will hold about" in row["memory"][0]
    assert graphfix("doctor", tmp_path / "none.config", "--explain", "Killed").code == 3


def test_sample_looks_at_fewer(graphfix):
    assert "CLASS_TEXT_UNKNOWN" in graphfix("doctor", config("class_name_unknown")).out
    assert (
        "CLASS_TEXT_UNKNOWN"
        not in graphfix("doctor", config("class_name_unknown"), "--sample", "3").out
    )


def test_records_in_another_spelling_of_unicode(graphfix, broken_files, tmp_path):
    with open(config("class_name_unknown")) as file:
        text = file.read()
    record = tmp_path / "all.record"
    record.write_bytes(
        broken_files.records(
            [broken_files.example(number, text=["Schlu\u0308ssel".encode()]) for number in range(4)]
        )
    )
    labels = builders.write(
        tmp_path,
        "labels.pbtxt",
        "".join(
            f"item {{ id: {number} name: '{name}' }}\n"
            for number, name in enumerate(("Schl\u00fcssel",) + broken_files.CLASSES[1:], 1)
        ),
    )
    path = builders.write(
        tmp_path,
        "pipeline.config",
        re.sub(
            'label_map_path: "[^"]*"',
            f'label_map_path: "{labels}"',
            re.sub('input_path: "[^"]*"', f'input_path: "{record}"', text),
        ),
    )
    done = graphfix("doctor", path)
    assert "error CLASS_TEXT_UNKNOWN" in done.out, done.out
    assert "the API compares bytes: 'Schl\\xfcssel' there, 'Schlu\\u0308ssel' here" in done.out


def test_a_file_that_may_not_be_read(graphfix, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: "train.record" not in path)
    done = graphfix("doctor", config("rate_stays"))
    assert done.code == 1 and "PATH_UNREADABLE" in done.out


# Healthy setups have no error

# Published configs that no revision trains with as they are, and why.
FAULTY = (
    ("faster_rcnn_inception_resnet_v2_atrous_coco_2018_01_28", "FIRST_STEP"),
    ("faster_rcnn_inception_v2_coco_2018_01_28", "FIRST_STEP"),
    ("mask_rcnn_inception_v2_coco_2018_01_28", "FIRST_STEP"),
    ("ssd_mobilenet_v2_fullyconv_coco.config", "BATCH_RAGGED"),
    ("ssd_mobilenet_v2_coco_2018_03_29", "FIELD_OF_OTHER_API"),
    ("faster_rcnn_inception_resnet_v2_atrous_oid.config", "METRICS_UNKNOWN"),
)


def errors(text, revision="2019-07", trainer_names=("model_main", "legacy"), path="healthy.config"):
    options = Options(revision, schema_history.schema(revision), trainer_names, {})
    found = diagnosis.run_checks(text.encode(), path, options).findings
    return [str(one) for one in found if one.severity == ERROR]


def placed(text, broken_files, directory, classes, checkpoint=None):
    """A config whose paths lead to records and labels of `classes` classes."""
    names = [(f"class {number}") for number in range(1, classes + 1)]
    labels = builders.write(directory, "labels.pbtxt", builders.label_map(names))
    record = builders.write(
        directory,
        "all.record",
        broken_files.records(
            dict(
                broken_files.example(number, text=None, label=[number % classes + 1]),
                **{"image/object/mask": [broken_files.png(channels=1)]},
            )
            for number in range(4)
        ),
    )
    if "predict_instance_masks: true" in text:
        text = re.sub(r"(load_instance_masks|mask_type): \w+", "", text)
        masks = "load_instance_masks: true mask_type: PNG_MASKS"
        text = re.sub(r"((?:train|eval)_input_reader:? \{)", rf"\1 {masks}", text)
    # Contexts' records are sequences, which these are not.
    text = re.sub(r"(input_type|load_context_features): \w+", "", text)
    if "context_config" in text:
        text = re.sub(
            r"((?:train|eval)_input_reader:? \{)", r"\1 load_context_features: true", text
        )
    text = re.sub(r'label_map_path: ".*?"', f'label_map_path: "{labels}"', text)
    text = re.sub(r'input_path: ".*?"', f'input_path: "{record}"', text)
    if checkpoint is None:
        return re.sub(r'fine_tune_checkpoint: ".*?"', "", text)
    return re.sub(r'fine_tune_checkpoint: ".*?"', f'fine_tune_checkpoint: "{checkpoint}"', text)


def classes_of(text):
    return int(re.search(r"num_classes: (\d+)", text).group(1))


def test_the_detector_of_testdata():
    with open("shapes_detector/pipeline.config") as file:
        assert errors(file.read()) == []


@pytest.mark.parametrize("path", thorough.sampled(FAMILIES, 6), ids=os.path.basename)
def test_every_family(path, broken_files, tmp_path):
    with open(path) as file:
        text = file.read()
    if "train_config" not in text:
        with open(os.path.join(os.path.dirname(path), "training.txt")) as file:
            text += file.read() % {
                "optimizer": "momentum_optimizer { learning_rate { constant_learning_rate { "
                "learning_rate: 0.001 } } }",
                "averages": "false",
            }
    background = "explicit_background_class: true" in text
    text = placed(text, broken_files, tmp_path, classes_of(text) - background)
    revisions = [
        revision for revision in ("2019-07", "2021-12", "2018-07") if not errors(text, revision)
    ]
    assert revisions, errors(text)


@pytest.mark.parametrize(
    "path", thorough.sampled(zoo.files("sample_configs/*.config", "*/pipeline.config"), 10)
)
def test_published_configs(path, broken_files, tmp_path):
    with open(path) as file:
        text = file.read()
    text = placed(text, broken_files, tmp_path, classes_of(text))
    found = [errors(text, revision) for revision in ("2019-07", "2022-10")]
    code = next((code for name, code in FAULTY if name in path), None)
    if code is None:
        assert [] in found, found
    else:
        assert all(len(one) == 1 and f" {code}: " in one[0] for one in found[1:]), found
        assert any(f" {code}: " in one for one in found[0]), found


def test_a_conversion(graphfix, tmp_path, broken_files):
    labels = builders.write(tmp_path, "three.pbtxt", builders.label_map(("star", "ring", "cube")))
    record = builders.write(
        tmp_path,
        "all.record",
        broken_files.records(
            broken_files.example(
                number, text=[(b"star", b"ring", b"cube")[number % 3]], label=[number % 3 + 1]
            )
            for number in range(6)
        ),
    )
    assert (
        graphfix(
            "convert",
            "shapes_detector",
            "--source_label_map_path",
            "shapes_detector/shapes_label_map.pbtxt",
            "--label_map_path",
            labels,
            "--train_record",
            record,
            "--eval_record",
            record,
            "--output_directory",
            tmp_path / "out",
            "--model_dir",
            tmp_path / "training",
        ).code
        == 0
    )
    done = graphfix("doctor", tmp_path / "out" / "pipeline.config")
    assert done.code == 0 and "all of its 12 heads" in done.out
    done = graphfix(
        "doctor", tmp_path / "out" / "pipeline.config", "--model_dir", tmp_path / "training"
    )
    assert done.code == 0 and "MODEL_DIR_RESUMES" in done.out and "resumes from" in done.out


def test_without_an_api_the_month_is_the_first_that_the_config_needs(graphfix, tmp_path):
    families = os.path.join(repository.TESTS, "stock", "families")
    with open(os.path.join(families, "ssdlite_mobilenet_v3_small.config")) as file:
        path = builders.write(tmp_path, "it.config", file.read() + "train_config { }")
    for flags, month in (((), "2019-10"), (("--target_api", "2019-07"), "2019-07")):
        assert f"the API of {month}" in graphfix("doctor", path, *flags).out


def test_a_directory_is_its_config(graphfix, model):
    found = [graphfix("doctor", path) for path in (model, os.path.join(model, "pipeline.config"))]
    assert found[0] == found[1] and found[0].out
