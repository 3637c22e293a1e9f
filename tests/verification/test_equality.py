"""equality: what the stock API is asked to compare, and its answer in words."""

import os

import builders
import pytest
from fake_stock import compared

from graphfix.modeldir.openers import open_source
from graphfix.planning.plan_json import read_plan
from graphfix.verification import equality

ANCHORS = (
    "ssd_anchor_generator { num_layers: 6 min_scale: 0.1 max_scale: 0.9 "
    "aspect_ratios: [1.0, 2.0, 0.5, 3.0, 0.3333] }"
)
SIDES = [{"graph": "own.pb"}, {"checkpoint": "model.ckpt"}]


@pytest.fixture
def plan(out):
    return read_plan(os.path.join(out, "plan.json"))


def outcome(plan, answer, **changes):
    settings = dict({"names": ["checkpoint"], "source": "its .meta", "images": ()}, **changes)
    return equality.outcomes(answer, plan, **settings)


def test_what_is_compared_are_the_classes_that_were_asked_for(model, plan):
    # dog and zebra of cat, dog ...: not the channels that the plan says it carries.
    source = open_source(model)
    job = equality.comparison_job(source.model, plan, SIDES, ["a.jpg"])
    assert job["source"] == SIDES[0] and job["outputs"] == SIDES[1:]
    assert job["images"] == [os.path.abspath("a.jpg")]
    (stage,) = job["stages"]
    (old,) = [one.sources[0] for one in plan.classes if one.sources]
    assert stage["logits"] == [(0, 0), (old, 1)] and stage["channels"] == [5, 3]
    assert stage["boxes"] == [(0, 0)] and stage["codes"] == 4 and not stage["proposals"]
    assert all(one[0] == one[1] for one in stage["class_kernels"])
    assert "masks" not in job and "carried" not in job


def test_equal_outputs_in_words_and_figures(plan):
    (one,), unknown = outcome(plan, compared({}))
    assert one.equal and one.what == "checkpoint" and unknown == []
    assert one.summary == (
        "checkpoint: outputs equal: max |Δlogit| 2e-7, max |Δbox| 2e-7, 1 carried class, 4 anchors "
        "(stock API 2019-07 beside its .meta, 2 images of seeded noise)"
    )
    assert [(row.name, row.difference) for row in one.figures] == [("logit", 2e-7), ("box", 2e-7)]
    (one,), _ = outcome(plan, compared({}), images=["a.jpg", "b.jpg"])
    assert one.summary.endswith("2 images)")


def test_two_stages_and_masks_in_words(plan):
    apart = {"largest": 0.0, "scale": 2.0, "why": ""}
    first = {"stage": "first stage", "anchors": 9, "rows": 9, "logit": apart, "box": apart}
    second = {"stage": "second stage", "rows": 3, "logit": apart, "encoding": apart}
    answer = compared({"stages": [first, second], "masks": apart, "proposals": [2, 3]})
    (one,), _ = outcome(plan, answer)
    assert "first stage: max |Δlogit| 0, max |Δbox| 0 px, 9 anchors; second stage: " in one.summary
    assert "max |Δbox encoding| 0, 3 boxes; masks: max |Δ| 0; 1 carried class (" in one.summary
    assert one.notes == ("2 of the source's 3 proposals are the output's, too",)
    assert [row.name for row in one.figures] == [
        "first stage logit",
        "first stage box",
        "second stage logit",
        "second stage box encoding",
        "mask",
    ]


def test_outputs_that_differ_name_the_first_place(plan):
    part = ["layers", "the input of A differs by up to 0.5 (values up to 2)"]
    (one,), _ = outcome(plan, compared({"equal": False, "part": part, "notes": ["more"]}))
    assert not one.equal and f"outputs differ, first at: {part[1]} (stock API" in one.summary
    assert one.notes == ("more",)
    none = {"largest": None, "scale": 0.0, "why": "are of another shape"}
    stage = {"stage": "", "rows": 1, "logit": none}
    (one,), _ = outcome(plan, compared({"equal": False, "part": part, "stages": [stage]}))
    assert one.figures[0].difference is None


def test_what_could_not_be_compared_is_said(plan):
    error = {"type": "NotFoundError", "message": "no op\nhere", "where": "x.py:1 in f"}
    found, why = outcome(plan, dict(compared({}), error=error))
    assert found == () and why == ["outputs were not compared: NotFoundError: no op (x.py:1 in f)"]
    found, why = outcome(plan, dict(compared(), unknown="it takes no pictures"))
    assert found == () and why == ["outputs were not compared: its .meta: it takes no pictures"]
    found, why = outcome(plan, compared({"unknown": "it has no variable A"}))
    assert found == () and "of checkpoint were not compared: it has no variable A" in why[0]


@pytest.mark.parametrize(
    "checkpoint, graph, words, not_words",
    [
        (False, True, "graph.pb does compute it", "do not use the graph"),
        (True, False, "do not use the graph; export the checkpoint", "do not train"),
        (False, False, "do not train from it", "does compute it"),
    ],
)
def test_which_of_the_two_agrees_with_the_source(plan, checkpoint, graph, words, not_words):
    # Catches: the graph blamed where it is the checkpoint's config that means something else.
    part = None, ["anchors", "are others"]
    answer = compared(*({"equal": one, "part": part[not one]} for one in (checkpoint, graph)))
    found, _ = outcome(plan, answer, names=["checkpoint", "frozen_inference_graph.pb"])
    (advice,) = equality.advice("out", found)
    assert words in advice and not_words not in advice
    assert equality.advice("out", [one for one in found if one.equal]) == []


def test_the_verdict_is_the_exit_code_and_the_report_s(graphfix, out, stock):
    part = ["anchors", "5 of 9 anchors are in another order"]
    stock.answers["compare"] = compared({"equal": False, "part": part})
    done = graphfix("verify", out, "--stock", "--stock_python", stock.python)
    assert done.code == 4 and part[1] in done.out and "do not train from it" in done.err
    with open(os.path.join(out, "report.html"), encoding="utf-8") as file:
        page = file.read()
    assert "not equal" in page and part[1] in page
    stock.answers["compare"] = compared({})
    assert graphfix("verify", out, "--stock", "--stock_python", stock.python).code == 0
    with open(os.path.join(out, "report.html"), encoding="utf-8") as file:
        page = file.read()
    assert "outputs equal: max |Δlogit| 2e-7" in page and part[1] not in page


def test_changed_anchors_are_compared_by_the_channels_that_are_carried(graphfix, model, tmp_path):
    anchors = builders.write(tmp_path, "anchors.pbtxt", ANCHORS)
    out = str(tmp_path / "anchors_out")
    done = graphfix("convert", model, "--anchors", anchors, "--output_directory", out)
    assert done.code == 0, done.err
    plan = read_plan(os.path.join(out, "plan.json"))
    job = equality.comparison_job(open_source(model).model, plan, SIDES, ())
    assert {row["step"] for row in job["carried"]} == {"box encodings", "class logits"}
    boxes = [row for row in job["carried"] if row["step"] == "box encodings"]
    assert any(row["affine"] for row in boxes)
