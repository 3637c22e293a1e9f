"""The report as data: what it says, and that it comes back whole from the files beside it."""

import dataclasses
import json
import os
import shlex
import shutil
import subprocess

import builders
import pytest

from graphfix.errors import SourceError
from graphfix.report import html
from graphfix.report import report as reports
from graphfix.report.next_steps import next_steps, training_steps
from graphfix.report.report import Detection, Picture, Verification


@pytest.fixture(scope="module")
def convert(model, tmp_path_factory):
    """Converts the tiny model (or another) to three classes; the output's directory."""
    from graphfix.cli import command_line

    def run(*flags, **more):
        top = tmp_path_factory.mktemp("report")
        labels = builders.write(top, "new.pbtxt", builders.label_map(["Person", "zebra", "dog"]))
        out = str(top / "out")
        assert (
            command_line.main(
                [
                    "convert",
                    more.get("source", model),
                    "--label_map_path",
                    labels,
                    "--target_api",
                    "2019-07",
                    "--output_directory",
                    out,
                ]
                + list(flags)
            )
            == 0
        )
        return out

    return run


@pytest.fixture(scope="module")
def out(convert):
    return convert("--fine_tune_checkpoint", "/mnt/new model/model.ckpt")


def content(directory, name):
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


def test_it_comes_back_from_its_files(out):
    report = reports.load(out)
    assert report.to_json().encode() == content(out, "report.json")
    assert html.render(report).encode() == content(out, "report.html")


def test_the_same_conversion_gives_the_same_bytes(out, convert):
    again = convert("--fine_tune_checkpoint", "/mnt/new model/model.ckpt")
    for name in ("report.json", "report.html"):
        assert content(again, name) == content(out, name)


def test_results_come_back_too(out, tmp_path):
    report = dataclasses.replace(
        reports.load(out),
        model_dir="some/where",
        verifications=(Verification("2019-07", "legacy", "words", False, ("a: why",)),),
        pictures=(
            Picture(
                "cat.jpg",
                "0123456789abcdef.jpg",
                320,
                200,
                (Detection((0.1, 0.2, 0.3, 0.4), 0.75, 2),),
                (),
            ),
        ),
    )
    copy = str(tmp_path / "copy")
    shutil.copytree(out, copy)
    builders.write(copy, "report.json", report.to_json())
    assert reports.load(copy) == report
    assert json.loads(report.to_json())["exit_code"] == report.exit_code == 4


def damaged():
    """(what, function that spoils report.json's data)."""

    def put(*path):
        value = path[-1]

        def spoil(data):
            for step in path[:-2]:
                data = data[step]
            data[path[-2]] = value

        return spoil

    def detection(**fields):
        row = dict({"box": [0, 0, 1, 1], "score": 0.5, "class_id": 1}, **fields)
        return {
            "name": "a.jpg",
            "file": "0123456789abcdef.jpg",
            "width": 1,
            "height": 1,
            "before": [row],
            "after": [],
        }

    yield "a number for a text", put("source", 7)
    yield "no list", put("verifications", None)
    yield "text for a list", put("artifacts", 3)
    yield "no shape", put("source_shapes", {"a": "b"})
    yield "a list for a mapping", put("source_shapes", [])
    yield "half a verification", put("verifications", [{"api": "2019-07"}])
    yield "a file elsewhere", put("pictures", [dict(detection(), file="../../etc/passwd")])
    yield "a file that is a number", put("pictures", [dict(detection(), file=1)])
    yield "a box of three", put("pictures", [detection(box=[0, 0, 1])])
    yield "no score", put("pictures", [detection(score="high")])
    yield "endless class", put("pictures", [detection(class_id=float("inf"))])


@pytest.mark.parametrize("spoil", [pytest.param(spoil, id=what) for what, spoil in damaged()])
def test_damage_is_told(out, tmp_path, spoil):
    copy = str(tmp_path / "copy")
    shutil.copytree(out, copy)
    data = json.loads(content(out, "report.json").decode())
    spoil(data)
    builders.write(copy, "report.json", json.dumps(data))
    with pytest.raises(SourceError) as caught:
        reports.load(copy)
    assert caught.value.problems[0].subject == os.path.join(copy, "report.json")


def test_what_is_missing_is_told(out, tmp_path):
    data = json.loads(content(out, "report.json").decode())
    for key in (
        "source",
        "family",
        "artifacts",
        "config_diff",
        "source_names",
        "source_shapes",
        "model_dir",
        "verifications",
        "pictures",
    ):
        copy = str(tmp_path / key)
        shutil.copytree(out, copy)
        builders.write(
            copy,
            "report.json",
            json.dumps({name: value for name, value in data.items() if name != key}),
        )
        with pytest.raises(SourceError):
            reports.load(copy)
    for text in ("", "[]", "null", "{", "[" * 100000, "\xff"):
        builders.write(copy, "report.json", text)
        with pytest.raises(SourceError):
            reports.load(copy)
    for name in ("report.json", "plan.json", "model.ckpt.index"):
        os.remove(os.path.join(copy, name))
        with pytest.raises(SourceError):
            reports.load(copy)
        shutil.copy(os.path.join(out, name), os.path.join(copy, name))
    assert reports.load(copy) == reports.load(out)


def test_a_newer_result_takes_the_place_of_its_like(out):
    def result(api, trainer, summary, complete=True):
        return Verification(api, trainer, summary, complete, ())

    report = reports.load(out).with_results(
        [result("2021-01", "legacy", "first"), result("2019-07", "legacy", "second", False)]
    )
    assert report.exit_code == 4
    report = report.with_results(
        [result("2019-07", "legacy", "third"), result("2019-07", "model_main", "fourth")]
    )
    assert [one.summary for one in report.verifications] == ["third", "fourth", "first"]
    assert report.exit_code == 0


def test_what_is_left_behind(out, convert, tmp_path):
    report = reports.load(out)
    # Person and dog are carried; of cat, dog, traffic light and person two are not.
    assert [report.plan.source_name(number) for number in report.left_behind] == [
        "cat",
        "traffic light",
    ]
    gaps = builders.write_model(
        tmp_path / "gaps", classes=6, names={1: "dog", 3: "cat", 6: "person"}
    )
    assert reports.load(convert(source=gaps)).left_behind == (3,)
    nameless = builders.write_model(tmp_path / "nameless", names=(), classes=3)
    report = reports.load(
        convert("--map", "Person=3", "--map", "dog=", "--map", "zebra=", source=nameless)
    )
    assert report.left_behind == (1, 2) and report.plan.source_name(3) == "class 3"


def commands(directory):
    """{trainer: words of its command, or its remark}."""
    return {
        step.trainer: shlex.split(step.command.replace("\\\n", "")) if step.command else step.remark
        for step in next_steps(reports.load(directory))
    }


def test_the_trainers_command_lines(out):
    config = "--pipeline_config_path=/mnt/new model/pipeline.config"
    assert commands(out) == {
        "model_main": [
            "python",
            "-m",
            "object_detection.model_main",
            "--alsologtostderr",
            config,
            "--model_dir=/mnt/new model_model_main",
        ],
        "legacy": [
            "python",
            "-m",
            "object_detection.legacy.train",
            "--alsologtostderr",
            config,
            "--train_dir=/mnt/new model_legacy",
        ],
    }


@pytest.mark.parametrize(
    "api, trainer, module, restores",
    [
        ("2017-11", "legacy", "object_detection.train", False),
        ("2018-06", "legacy", "object_detection.train", True),
        ("2018-07", "legacy", "object_detection.legacy.train", True),
        ("2022-10", "legacy", "object_detection.legacy.train", True),
        ("2018-02", "model_main", None, True),
        ("2018-04", "model_main", "object_detection.model_main", True),
        ("2020-06", "model_main", "object_detection.model_main", True),
        ("2020-07", "model_main", "object_detection.model_main", False),
    ],
)
def test_the_trainers_module_is_that_of_its_time(out, api, trainer, module, restores):
    report = reports.load(out)
    report = dataclasses.replace(
        report, plan=dataclasses.replace(report.plan, target_api=api, trainer=trainer)
    )
    (fine_tuned,) = next_steps(report)
    (resumed,) = next_steps(dataclasses.replace(report, model_dir="dir"))
    assert fine_tuned.trainer == resumed.trainer == trainer
    assert (fine_tuned.command is not None) == (module is not None and restores)
    for step in (fine_tuned, resumed):
        if step.command:
            assert step.command.split()[2] == module
    assert (resumed.command or "=dir").endswith("=dir") and bool(resumed.command) == bool(module)


def test_a_training_checkpoint_is_what_the_trainers_resume_from(convert, tmp_path):
    directory = str(tmp_path / "to resume")
    out = convert("--model_dir", directory, "--trainer", "model_main", "--target_api", "2021-06")
    report = reports.load(out)
    assert report.model_dir == directory
    assert commands(out)["model_main"][-1] == "--model_dir=" + directory


def test_a_path_in_a_command_is_on_one_line():
    (step,) = training_steps("2019-07", "legacy", "/a\nb'c\\d/pipeline.config")
    said = subprocess.run(
        ["bash", "-c", step.command.replace("python", "printf '%s|'")], stdout=subprocess.PIPE
    ).stdout
    assert step.command.count("\n") == 2
    assert said.endswith(b"path=/a\nb'c\\d/pipeline.config|--train_dir=/a\nb'c\\d_legacy|")
