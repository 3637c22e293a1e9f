"""Plans from files: read back as written, and refused where a hand made them impossible."""

import contextlib
import copy
import io
import json
import random

import pytest

import builders
from graphfix import cli
from graphfix.errors import GraphfixError, SourceError
from graphfix.source import open_source
from graphfix.surgery import plan_json
from graphfix.surgery.plan_check import check_plan
from graphfix.surgery.plan_json import from_json, read_plan, to_json

HEAD = "BoxPredictor_0/ClassPredictor/weights"
KEPT = "BoxPredictor_0/BoxEncodingPredictor/biases"


@pytest.fixture(scope="module")
def source(model):
    return open_source(model)


@pytest.fixture(scope="module")
def text(model, tmp_path_factory):
    labels = builders.write(tmp_path_factory.mktemp("plan"), "labels.pbtxt",
                            builders.label_map(["person", "zebra"]))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert cli.main(["plan", model, "--label_map_path", labels, "--json", "--target_api",
                         "2019-07", "--new_rows", "mean"]) == 0
    return printed.getvalue()


@pytest.fixture
def data(text):
    return json.loads(text)


def edit(data, tensor):
    row, = [row for row in data["edits"] if row["tensor"] == tensor]
    return row


def test_a_plan_comes_back_as_it_was(text, source):
    plan = from_json(text, "p.json")
    assert to_json(plan) == text
    check_plan(plan, source.metas, source.digest, "p.json")
    assert {type(row).__name__ for row in plan.edits} == {"Keep", "Gather", "Reset"}
    assert len(plan.classes) == 2 and plan.additions and plan.config_edits and plan.findings


def test_it_is_one_edit_a_line(text, data):
    lines = [line.rstrip(",") for line in text.splitlines() if line.startswith("  ")]
    assert len(lines) == sum(len(value) for value in data.values() if isinstance(value, list))
    assert all(json.loads(line) for line in lines)


def changes():
    """What makes a plan unreadable or impossible: words of the message, and the change."""
    def head(**fields):
        return lambda data: edit(data, HEAD).update(fields)

    def fill(number, **fields):
        return lambda data: edit(data, HEAD)["fills"][number].update(fields)

    def index(*values):
        def change(data):
            edit(data, HEAD)["index"][:len(values)] = values
        return change

    def top(name, value):
        return lambda data: data.update({name: value})

    def row(section, **fields):
        return lambda data: data[section][0].update(fields)

    def without(section, name):
        return lambda data: data[section][0].pop(name)

    unreadable, impossible = "is no plan of graphfix", None
    return [
        (unreadable, top("edits", 3)), (unreadable, top("classes", {})),
        (unreadable, top("source_digest", None)), (unreadable, top("findings", [3])),
        (unreadable, without("edits", "edit")), (unreadable, without("edits", "tensor")),
        (unreadable, without("classes", "id")), (unreadable, without("config_edits", "path")),
        (unreadable, row("edits", edit="transmute")), (unreadable, row("edits", edit="copy")),
        (unreadable, row("edits", colour="red")), (unreadable, row("edits", edit=["keep"])),
        (unreadable, row("additions", edit="drop")), (unreadable, row("classes", name=3)),
        (unreadable, row("classes", name="\ud800")), (unreadable, row("classes", sources=[1.5])),
        (unreadable, row("config_edits", literal=3)), (unreadable, row("config_edits", path="a")),
        (unreadable, index("a")), (unreadable, index(0.5)), (unreadable, index(None)),
        (unreadable, index(True)), (unreadable, head(index="0123")),
        (unreadable, head(affine=[[1.0]])), (unreadable, head(affine=[["a", "b"]])),
        (unreadable, fill(0, value=float("nan"))), (unreadable, fill(0, initializer=3)),
        (unreadable, fill(0, channels=None)),
        ("takes channels that are not there (it has 15)", index(15)),
        ("takes channels that are not there (it has 15)", index(10 ** 30)),
        ("takes channels that are not there (it has 15)", index(-2)),
        ("does not fill just the channels that come from nowhere", index(-1)),
        ("does not fill just the channels that come from nowhere", head(fills=[])),
        ("fills channels that are not there (it gets 9)", fill(0, channels=[9])),
        ("takes the mean of channels that are not there (it has 15)", fill(0, sources=[15])),
        ("takes the mean of channels that are not there (it has 15)", fill(0, sources=[])),
        ("is filled by the unknown rule 'guess'", fill(0, rule="guess")),
        ("is filled with noise of no known distribution", fill(0, rule="noise")),
        ("is filled with noise of no known distribution", fill(
            0, rule="noise", initializer={"kind": "cauchy", "mean": 0, "scale": 1})),
        ("scales 2 channels of 9", head(affine=[[1.0, 0.0]] * 2)),
        (KEPT + " twice", head(to=KEPT)), ("gets no name", head(to="")),
        ("is to be a copy of nothing, which does not go out", row(
            "additions", edit="copy", of="nothing")),
        ("writes %s twice" % HEAD, row("additions", name=HEAD)),
        ("does not number its classes from 1 on", row("classes", id=2)),
        ("does not give each class a name of its own", row("classes", name="zebra")),
        ("has an edit of the config without a path", row("config_edits", path=[])),
        ("has an edit of the config without a path", row("config_edits", path=["model", ""])),
        ("has a finding of no known severity", row("findings", severity="grave")),
        ("is for the trainer 'mine'", top("trainer", "mine")),
        ("is not a month", top("target_api", "mine")),
        ("was made for another source", top("source_digest", "0" * 64)),
        ("was made for another source", lambda data: data["edits"].pop()),
        ("was made for another source", lambda data: data["edits"].append(data["edits"][0])),
        ("was made for another source", row("edits", tensor="other")),
    ]


@pytest.mark.parametrize("number", range(len(changes())))
def test_what_cannot_be_is_refused_before_anything_is_written(data, model, graphfix, tmp_path,
                                                              number):
    words, change = changes()[number]
    change(data)
    path = builders.write(tmp_path, "plan.json", json.dumps(data))
    done = graphfix("convert", model, "--plan", path, "--output_directory", tmp_path / "out")
    assert done.code == 3 and words in done.err, done
    assert all(line.startswith("graphfix: ") and "; " in line for line in done.err.splitlines())
    assert not (tmp_path / "out").exists()


def constant(**fields):
    return dict({"edit": "constant", "name": "extra", "dtype": "float32", "shape": [2], "value": 1,
                 "reason": "wanted"}, **fields)


@pytest.mark.parametrize("addition, words", [
    (constant(), None), (constant(dtype="float31"), "is to be of type 'float31'"),
    (constant(dtype="string"), "is to be of type 'string'"),
    (constant(shape=[-1]), "is to have the shape [-1]"),
    (constant(shape=[1 << 40]), "is to have the shape"), (constant(name=""), "without a name"),
])
def test_what_is_added_must_be_possible(data, model, graphfix, tmp_path, addition, words):
    data["additions"].append(addition)
    path = builders.write(tmp_path, "plan.json", json.dumps(data))
    done = graphfix("convert", model, "--plan", path, "--output_directory", tmp_path / "out")
    assert done.code == (3 if words else 0) and (words or "") in done.err
    if not words:
        found = builders.read_checkpoint(str(tmp_path / "out" / "model.ckpt"))["extra"]
        assert found.tolist() == [1, 1] and found.dtype == "f4"


def mutated(data, pick):
    """One value somewhere is another one, or gone."""
    data = copy.deepcopy(data)
    at = data
    while True:
        key = pick.choice(sorted(at)) if isinstance(at, dict) else pick.randrange(len(at))
        if isinstance(at[key], (dict, list)) and at[key] and pick.random() < 0.9:
            at = at[key]
            continue
        if pick.random() < 0.2:
            del at[key]
        else:
            at[key] = pick.choice([None, 0, -1, 2, 10 ** 20, 0.5, True, "", "x", [], {}, [1], [""],
                                   HEAD, "gather", "drop", "\udc80", float("inf")])
        return data


def test_any_mutation_is_a_plan_or_a_refusal(data, source, graphfix, model, tmp_path):
    pick = random.Random(5)
    fitting = []
    for _ in range(150):
        text = json.dumps(mutated(data, pick))
        try:
            plan = from_json(text, "p.json")
            check_plan(plan, source.metas, source.digest, "p.json")
        except GraphfixError as error:
            assert all(problem.subject and problem.remedy for problem in error.problems)
        else:
            fitting.append(text)
    assert 10 <= len(fitting) < 100
    for number, text in enumerate(fitting[:10]):
        path = builders.write(tmp_path, "plan.json", text)
        out = tmp_path / str(number)
        done = graphfix("convert", model, "--plan", path, "--output_directory", out)
        assert done.code in (0, 3, 4)
        assert out.exists() == (done.code == 0)


def test_a_plan_may_be_large_but_not_endless(tmp_path, text, monkeypatch):
    """Ten thousand classes make a plan of 24 MB, which no other text file comes near."""
    large = text[:-3] + " " * (25 << 20) + text[-3:]
    path = builders.write(tmp_path, "plan.json", large)
    assert to_json(read_plan(path)) == text
    monkeypatch.setattr(plan_json, "_LIMIT", len(large) - 1)
    with pytest.raises(SourceError) as caught:
        read_plan(path)
    assert "too many" in str(caught.value)


def test_a_plan_for_elsewhere_says_where_its_config_looks(graphfix, model, text, tmp_path):
    path = builders.write(tmp_path, "plan.json", text)
    done = graphfix("convert", model, "--plan", path, "--output_directory", tmp_path / "out")
    assert done.code == 0
    line, = [line for line in done.err.splitlines() if "PLANNED_PATH" in line]
    assert line.startswith("warning") and "OUT/model.ckpt" in line
