"""verify --stock: what the stock API is asked, and what is made of its answer.

Its Python is played by a script here; the real one is asked in tests/stock.
"""

import glob
import json
import os
import shutil

import builders
import pytest
import repository
import thorough
from fake_stock import restored

import graphfix as graphfix_api
from graphfix.errors import RequestError
from graphfix.report import html, update
from graphfix.report import report as reports

PICTURES = sorted(glob.glob(os.path.join(repository.TESTDATA, "shapes", "demo_*.jpg")))


def content(*parts):
    with open(os.path.join(*parts), "rb") as file:
        return file.read()


def test_both_trainers_in_one_run(graphfix, out, stock):
    done = graphfix("verify", out, "--stock", "--stock_python", stock.python, "--steps", "3")
    assert done.code == 0
    *lines, following = done.out.splitlines()
    assert following.startswith(f"next, train: {out}/report.html has")
    assert lines[:2] == [
        "stock API 2019-07 model_main: restored 2 of 2",
        "stock API 2019-07 legacy: restored 2 of 2",
    ]
    trials, compare = stock.asked[:2], stock.asked[2]
    assert [(job["verb"], job["trainer"], job["steps"]) for job in trials] == [
        ("restore", "model_main", 3),
        ("restore", "legacy", 3),
    ]
    assert {(job["pipeline_config"], job["checkpoint"]) for job in trials + compare["outputs"]} == {
        (os.path.join(out, "pipeline.config"), os.path.join(out, "model.ckpt"))
    }
    assert not any("record" in job or "model_dir" in job for job in trials)
    report = reports.load(out)
    assert [one.summary for one in report.verifications] == sorted(lines[:2])
    assert [one.summary for one in report.outputs] == lines[2:]
    assert html.render(report).encode() == content(out, "report.html")
    assert "stock API 2019-07 legacy: restored 2 of 2" in content(out, "report.html").decode()


def test_one_trainer_a_record_and_a_directory_to_resume(graphfix, out, stock, tmp_path):
    record = builders.write(tmp_path, "some.record", b"")
    done = graphfix(
        "verify",
        out,
        "--stock",
        "--stock_python",
        stock.python,
        "--trainer",
        "legacy",
        "--train_record",
        record,
        "--model_dir",
        tmp_path / "training",
        "--json",
    )
    assert done.code == 0 and json.loads(done.out) == [
        stock.answers["legacy"],
        stock.answers["compare"],
    ]
    job = stock.asked[0]
    assert job["record"] == record and job["model_dir"] == str(tmp_path / "training")
    assert job["label_map"] == os.path.join(out, "label_map.pbtxt")
    done = graphfix(
        "verify",
        out,
        "--stock",
        "--stock_python",
        stock.python,
        "--train_record",
        tmp_path / "none",
    )
    assert done.code == 3 and "none: is not a file" in done.err


def test_what_is_not_restored_is_listed(graphfix, out, stock):
    def row(name, **more):
        return dict({"name": name, "category": "model"}, **more)

    stock.answers = dict(
        stock.answers,
        legacy=restored(
            "legacy",
            verdict="incomplete",
            dropped=[row("a")],
            missing=[row("b"), row("global_step", category="step")],
            not_asked_for=[row("q/min", category="quantization")],
            restored=[row("c", bit_equal=False), row("d", bit_equal=True)],
            moving_averages={"from_initialiser": ["e/ExponentialMovingAverage"]},
        ),
    )
    done = graphfix("verify", out, "--stock", "--stock_python", stock.python)
    assert done.code == 4
    assert done.out.startswith(
        "stock API 2019-07 model_main: restored 2 of 2\nstock API 2019-07 le"
    )
    lines = done.err.splitlines()
    assert lines[-6:] == [
        f"graphfix: {out}: legacy did not start from all of it, or not well",
        "  a: has another shape in the checkpoint",
        "  b: is not in the checkpoint",
        "  q/min: is not asked for by the trainer",
        "  c: does not have the checkpoint's value",
        "  e/ExponentialMovingAverage: starts from neither the checkpoint nor its variable",
    ]
    assert reports.load(out).exit_code == 4
    assert "  a: has another" not in content(out, "report.html").decode()
    assert "a: has another shape in the checkpoint" in content(out, "report.html").decode()


def test_another_api_than_the_plans_is_remarked(graphfix, out, stock):
    stock.answers = dict(stock.answers, legacy=restored("legacy", api={"revision": "2021-03"}))
    done = graphfix("verify", out, "--stock", "--stock_python", stock.python, "--trainer", "legacy")
    assert "made for the stock API of 2019-07, and this one is of 2021-03" in done.err


def compare(graphfix, out, model, stock, *pictures):
    return graphfix(
        "verify",
        out,
        "--stock",
        "--stock_python",
        stock.python,
        "--trainer",
        "legacy",
        "--source",
        model,
        "--images",
        *pictures,
    )


def test_pictures_before_and_after(graphfix, out, model, stock):
    done = compare(graphfix, out, model, stock, *PICTURES[:2])
    assert done.code == 0, done.err
    _, compared, before, after = stock.asked
    assert compared["images"] == before["images"]
    assert before["images"] == after["images"] == [os.path.abspath(one) for one in PICTURES[:2]]
    assert before["checkpoint"] == os.path.join(model, "model.ckpt")
    assert after["checkpoint"] == os.path.join(out, "model.ckpt")
    # The source's own config but for what the plan changes, the number of classes excepted.
    assert "num_classes: 4" in before["config"]
    assert before["config"].replace("num_classes: 4", "num_classes: 2") == after["config"]
    assert not before["moving_averages"]
    report = reports.load(out)
    assert [one.name for one in report.pictures] == [os.path.basename(one) for one in PICTURES[:2]]
    first, second = report.pictures
    assert (first.width, first.height, second.before, second.after) == (160, 160, (), ())
    assert first.before == first.after == (reports.Detection((0.1111, 0.2, 0.3, 0.4), 0.8765, 2),)
    kept = {one.file: content(out, "pictures", one.file) for one in report.pictures}
    assert sorted(kept.values()) == sorted(content(one) for one in PICTURES[:2])
    assert html.render(report, kept).encode() == content(out, "report.html")
    assert "pictures" in report.artifacts


@pytest.mark.slow
def test_pictures_stay_until_others_come(graphfix, out, model, stock):
    assert compare(graphfix, out, model, stock, *PICTURES[:2]).code == 0
    assert graphfix("verify", out, "--stock", "--stock_python", stock.python).code == 0
    assert len(reports.load(out).pictures) == 2
    assert "data:image/jpeg" in content(out, "report.html").decode()
    assert compare(graphfix, out, model, stock, *PICTURES[2:]).code == 0
    assert sorted(os.listdir(os.path.join(out, "pictures"))) == sorted(
        one.file for one in reports.load(out).pictures
    )
    shutil.rmtree(os.path.join(out, "pictures"))
    done = graphfix("verify", out, "--stock", "--stock_python", stock.python)
    assert done.code == 4 and ".jpg: is missing; do not train from it: make it again" in done.err


@pytest.mark.slow
def test_moving_averages_are_compared_with_moving_averages(graphfix, stock, tmp_path):
    source = builders.write_model(
        tmp_path / "trained", tensors=builders.trained_state(builders.values(4))
    )
    out = str(tmp_path / "out")
    for weights, averaged in (("ema", True), ("raw", False)):
        assert (
            graphfix(
                "convert",
                source,
                "--num_classes",
                "4",
                "--map",
                "1=2",
                "--weights",
                weights,
                "--overwrite",
                "--output_directory",
                out,
            ).code
            == 0
        )
        assert compare(graphfix, out, source, stock, *PICTURES[:2]).code == 0
        assert [job.get("moving_averages", False) for job in stock.asked[2:]] == [averaged, False]


@pytest.mark.slow
def test_pictures_that_cannot_be_compared(graphfix, out, model, stock, tmp_path):
    other = builders.write_model(tmp_path / "other", tensors=builders.values(4, seed=1))
    done = compare(graphfix, out, other, stock, *PICTURES[:2])
    assert done.code == 3 and f"is not what {out} was made from" in done.err
    text = builders.write(tmp_path, "a.jpg", "text")
    done = compare(graphfix, out, model, stock, text)
    assert done.code == 3 and "a.jpg: is not a JPEG file" in done.err
    done = compare(graphfix, out, model, stock, str(tmp_path / "none.jpg"))
    assert done.code == 3 and "none.jpg: cannot be read" in done.err
    done = compare(graphfix, out, model, stock, str(tmp_path))
    assert done.code == 3 and f"is a directory; name its pictures: {tmp_path}/*.jpg" in done.err
    stock.answers["detect"] = {
        "verb": "detect",
        "api": {"revision": "2019-07"},
        "error": {"type": "ValueError", "message": "no such\nop", "where": "x.py:1 in f"},
    }
    done = compare(graphfix, out, model, stock, *PICTURES[:2])
    assert done.code == 4 and "could not detect: ValueError: no such (x.py:1 in f)" in done.err
    assert reports.load(out).pictures == ()


def test_a_report_that_cannot_be_written(graphfix, out, model, stock, monkeypatch):
    before = content(out, "report.json"), content(out, "report.html")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(update.os, "fsync", full)
    done = graphfix("verify", out, "--stock", "--stock_python", stock.python)
    # What was asked for is the answer; the report is beside it.
    assert done.code == 0 and "restored 2 of 2" in done.out
    assert f"the report was not updated: {out}: cannot be written: No space left" in done.err
    done = compare(graphfix, out, model, stock, *PICTURES[:2])
    assert done.code == 3 and "No space left" in done.err
    assert (content(out, "report.json"), content(out, "report.html")) == before
    assert not [name for name in os.listdir(out) if name.startswith(".")]
    with pytest.raises(RequestError):
        update.update_report(out, (), ())


def found(*rows):
    return {
        "verb": "detect",
        "api": {"revision": "2019-07"},
        "detections": [
            [{"box": box, "score": score, "class_id": number} for box, score, number in rows],
            [],
        ],
    }


BOX = [0.1, 0.2, 0.3, 0.4]


@pytest.mark.slow
def test_the_rewritten_graph_is_what_is_shown(graphfix, frozen, stock):
    stock.answers["graph"] = found((BOX, 0.87, 2), ([0.1, 0.2, 0.3, 0.4004], 0.7, 1), (BOX, 0.1, 1))
    stock.answers["detect"] = found((BOX, 0.8704, 2), (BOX, 0.7, 1))
    source, out = frozen
    done = compare(graphfix, out, source, stock, *PICTURES[:2])
    assert done.code == 0, done.err
    own, checkpoint, graph = (job.get("graph") for job in stock.asked[2:])
    assert checkpoint is None and graph == os.path.join(out, "frozen_inference_graph.pb")
    assert own not in (checkpoint, graph)
    first = reports.load(out).pictures[0]
    assert (
        [row.score for row in first.after]
        == [0.87, 0.7, 0.1]
        == [row.score for row in first.before]
    )
    assert "found by the rewritten" in content(out, "report.html").decode()


@pytest.mark.slow
@pytest.mark.parametrize(
    "graph, checkpoint",
    thorough.sampled(
        [
            ([(BOX, 0.9, 1)], [(BOX, 0.9, 2)]),
            ([(BOX, 0.9, 1)], [(BOX, 0.8, 1)]),
            ([(BOX, 0.9, 1)], [([0.1, 0.2, 0.3, 0.5], 0.9, 1)]),
            ([], [(BOX, 0.9, 1)]),
            ([(BOX, 0.9, 1)], []),
        ],
        5,
    ),
)
def test_a_graph_that_finds_something_else(graphfix, frozen, stock, graph, checkpoint):
    stock.answers["graph"], stock.answers["detect"] = found(*graph), found(*checkpoint)
    source, out = frozen
    done = compare(graphfix, out, source, stock, *PICTURES[:2])
    words = f"frozen_inference_graph.pb does not find in {PICTURES[0]} what the checkpoint"
    # Both compute what the source does, so that it is the suppression that differs.
    assert done.code == 0 and words in done.err and "suppresses" in done.err
    stock.answers["compare"] = dict(stock.answers["compare"], unknown="it has no heads")
    done = compare(graphfix, out, source, stock, *PICTURES[:2])
    assert done.code == 4 and words.replace(".pb ", ".pb: ") in done.err
    assert "which of them is right" in done.err and "export" not in done.err


def test_each_stage_is_told(out, stock):
    said = []
    pictures = PICTURES[:2]
    graphfix_api.try_with_stock_api(
        out, stock_python=stock.python, steps=1, images=pictures, progress=said.append
    )
    assert said[0] == "reading the source" and said[1].startswith(f"starting {stock.python}")
    assert said[2:5] == [
        "asking the stock API, 1 of 5: model_main starts from it and takes 1 step",
        "asking the stock API, 2 of 5: legacy starts from it and takes 1 step",
        "asking the stock API, 3 of 5: comparing what source and output compute",
    ]
    assert said[5:] == [
        f"asking the stock API, {one} of 5: detecting in 2 pictures" for one in (4, 5)
    ]


def test_what_was_not_converted_is_told(graphfix, tmp_path, stock):
    thawed = tmp_path / "thawed"
    frozen = os.path.join(repository.DETECTOR, "frozen_inference_graph.pb")
    assert graphfix("thaw", frozen, "-o", thawed).code == 0
    done = graphfix("verify", thawed, "--stock", "--stock_python", stock.python)
    assert done.code == 3 and f"graphfix: {thawed}: was not converted" in done.err
    assert "thaw" in done.err and "convert it and verify" in done.err
