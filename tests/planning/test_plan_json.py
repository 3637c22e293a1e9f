"""Plans from files: read back as written, and refused where a hand made them impossible."""

import contextlib
import io
import json

import builders
import pytest
import thorough

from graphfix.cli import command_line
from graphfix.errors import SourceError
from graphfix.modeldir.openers import open_source
from graphfix.planning import plan_json
from graphfix.planning.plan_check import check_plan
from graphfix.planning.plan_json import from_json, read_plan, to_json

HEAD = "BoxPredictor_0/ClassPredictor/weights"
KEPT = "BoxPredictor_0/BoxEncodingPredictor/biases"
MEAN = "FeatureExtractor/MobilenetV1/Conv2d_0/BatchNorm/moving_mean"
SCALE = "FeatureExtractor/MobilenetV1/Conv2d_0/BatchNorm/gamma"


@pytest.fixture(scope="module")
def source(model):
    return open_source(model)


@pytest.fixture(scope="module")
def text(model, tmp_path_factory):
    labels = builders.write(
        tmp_path_factory.mktemp("plan"), "labels.pbtxt", builders.label_map(["person", "zebra"])
    )
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert (
            command_line.main(
                [
                    "plan",
                    model,
                    "--label_map_path",
                    labels,
                    "--json",
                    "--target_api",
                    "2019-07",
                    "--new_rows",
                    "mean",
                ]
            )
            == 0
        )
    return printed.getvalue()


@pytest.fixture
def data(text):
    return json.loads(text)


def edit(data, tensor):
    (row,) = [row for row in data["edits"] if row["tensor"] == tensor]
    return row


def test_a_plan_comes_back_as_it_was(text, source):
    plan = from_json(text, "p.json")
    assert to_json(plan) == text
    check_plan(plan, source, "p.json")
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
            edit(data, HEAD)["index"][: len(values)] = values

        return change

    def top(name, value):
        return lambda data: data.update({name: value})

    def row(section, **fields):
        return lambda data: data[section][0].update(fields)

    def setting(**fields):
        def change(data):
            (found,) = [row for row in data["config_edits"] if row["path"][-1] == "num_classes"]
            found.update(fields)

        return change

    def swapped(data):
        index = edit(data, HEAD)["index"]
        index[0], index[1] = index[1], index[0]

    def without(section, name):
        return lambda data: data[section][0].pop(name)

    unreadable = "is not a valid plan"
    return [
        (unreadable, top("edits", 3)),
        (unreadable, top("classes", {})),
        (unreadable, top("source_digest", None)),
        (unreadable, top("findings", [3])),
        (unreadable, without("edits", "edit")),
        (unreadable, without("edits", "tensor")),
        (unreadable, without("classes", "id")),
        (unreadable, without("config_edits", "path")),
        (unreadable, row("edits", edit="transmute")),
        (unreadable, row("edits", edit="copy")),
        (unreadable, row("edits", colour="red")),
        (unreadable, row("edits", edit=["keep"])),
        (unreadable, row("additions", edit="drop")),
        (unreadable, row("classes", name=3)),
        (unreadable, row("classes", name="\ud800")),
        (unreadable, row("classes", sources=[1.5])),
        (unreadable, row("config_edits", literal=3)),
        (unreadable, row("config_edits", path="a")),
        (unreadable, index("a")),
        (unreadable, index(0.5)),
        (unreadable, index(None)),
        (unreadable, index(True)),
        (unreadable, head(index="0123")),
        (unreadable, head(affine=[[1.0]])),
        (unreadable, head(affine=[["a", "b"]])),
        (unreadable, fill(0, value=float("nan"))),
        (unreadable, fill(0, initializer=3)),
        (unreadable, fill(0, channels=None)),
        ("takes channels that are not there (it has 15)", index(15)),
        (unreadable, index(10**30)),
        ("takes channels that are not there (it takes -2)", index(-2)),
        ("does not fill just the channels that come from nowhere", index(-1)),
        ("does not fill just the channels that come from nowhere", head(fills=[])),
        ("fills channels that are not there (it gets 9)", fill(0, channels=[9])),
        ("takes the mean of channels that are not there (it has 15)", fill(0, sources=[15])),
        ("takes the mean of channels that are not there", fill(0, sources=[])),
        ("is filled by the unknown rule 'guess'", fill(0, rule="guess")),
        ("is filled with noise of no known distribution", fill(0, rule="noise")),
        (
            "is filled with noise of no known distribution",
            fill(0, rule="noise", initializer={"kind": "cauchy", "mean": 0, "scale": 1}),
        ),
        ("scales 2 channels of 9", head(affine=[[1.0, 0.0]] * 2)),
        (KEPT + " twice", head(to=KEPT)),
        ("gets no name", head(to="")),
        (
            "additions[0].of is nothing, which does not go out",
            row("additions", edit="copy", of="nothing"),
        ),
        (f"writes {HEAD} twice", row("additions", name=HEAD)),
        ("classes[0].id is 2: classes are numbered from 1 on", row("classes", id=2)),
        ("classes[1].name is that of classes[0], too", row("classes", name="zebra")),
        ("config_edits[0] has no path that leads to a field", row("config_edits", path=[])),
        ("config_edits[0] has no path", row("config_edits", path=["model", ""])),
        (
            "findings[0].severity is 'grave', which is not a severity",
            row("findings", severity="grave"),
        ),
        ("trainer is 'mine', which is not a trainer", top("trainer", "mine")),
        ("target_api is not a month", top("target_api", "mine")),
        ("no API is known of before 2017-06", top("target_api", "1999-01")),
        ("was made for another source", top("source_digest", "0" * 64)),
        ("was made for another source", lambda data: data["edits"].pop()),
        ("is edited twice", lambda data: data["edits"].append(data["edits"][0])),
        ("has the unknown key 'extra'", top("extra", 1)),
        ("does not lead to a model", setting(literal="3")),
        ("sets num_classes to 5, and classes has 2", setting(literal="5")),
        ("sets model.ssd.num_classes to what is not one value", setting(literal="2 } ssd { ")),
        ("sets model.ssd.num_classes to what cannot be read", setting(literal="2 # two")),
        ("sets model.ssd.num_classes to what cannot be read", setting(literal='"')),
        ("num_classes", setting(literal="true")),
        ("Ssd has no field 'numclasses'", setting(path=["model", "ssd", "numclasses"])),
        ("has no path that leads to a field", setting(path=["model", "s\nd"])),
        ("classes[0].sources is [5], and the source has 4 classes", row("classes", sources=[5])),
        ("classes[0].sources names an old class twice", row("classes", sources=[1, 1])),
        ("which is not what classes says", row("classes", sources=[2])),
        ("which is not what classes says", swapped),
        (
            "drops a variable of the model",
            lambda data: edit(data, MEAN).update(edit="drop", reason="no reason"),
        ),
        (
            "is to become 1.5, which int64 does not hold",
            lambda data: edit(data, "global_step").update(value=1.5),
        ),
        (
            "is to become 1e+19, which int64 does not hold",
            lambda data: edit(data, "global_step").update(value=1e19),
        ),
        (
            "changes channels, but is not a head's",
            lambda data: data["edits"].__setitem__(
                [row["tensor"] for row in data["edits"]].index(SCALE),
                {"edit": "gather", "tensor": SCALE, "to": SCALE, "index": [0], "fills": []},
            ),
        ),
    ]


@pytest.mark.parametrize("number", thorough.sampled(range(len(changes())), 3))
def test_what_cannot_be_is_refused_before_anything_is_written(
    data, model, graphfix, tmp_path, number
):
    words, change = changes()[number]
    change(data)
    path = builders.write(tmp_path, "plan.json", json.dumps(data))
    done = graphfix("convert", model, "--plan", path, "--output_directory", tmp_path / "out")
    assert done.code == 3 and words in done.err, done
    assert all(line.startswith("graphfix: ") and "; " in line for line in done.err.splitlines())
    assert not (tmp_path / "out").exists()


def constant(**fields):
    return dict(
        {
            "edit": "constant",
            "name": "extra",
            "dtype": "float32",
            "shape": [2],
            "value": 1,
            "reason": "wanted",
        },
        **fields,
    )


@pytest.mark.parametrize(
    "addition, words",
    [
        (constant(), None),
        (constant(dtype="float31"), "].dtype is 'float31'"),
        (constant(dtype="string"), "].dtype is 'string'"),
        (constant(shape=[-1]), "].shape is not a valid shape of a tensor to add: [-1]"),
        (constant(shape=[1 << 40]), "].shape is not a valid shape"),
        (constant(name=""), "].name gets no name"),
        (constant(shape=[0, 1 << 62]), "].shape is not a valid shape"),
        (
            constant(shape=[1] * 300),
            "].shape is not a valid shape of a tensor to add: 300 dimensions",
        ),
        (constant(dtype="int32", value=1.5), "].value is 1.5, which int32 does not hold"),
        (constant(dtype="int8", value=128), "].value is 128, which int8 does not hold"),
        (constant(dtype="float16", value=1e5), "].value is 100000.0, which float16 does not hold"),
        (constant(name="\u0000x"), "gets a name that no tensor has"),
    ],
)
def test_what_is_added_must_be_possible(data, model, graphfix, tmp_path, addition, words):
    data["additions"].append(addition)
    path = builders.write(tmp_path, "plan.json", json.dumps(data))
    done = graphfix("convert", model, "--plan", path, "--output_directory", tmp_path / "out")
    assert done.code == (3 if words else 0) and (words or "") in done.err
    if not words:
        found = builders.read_checkpoint(str(tmp_path / "out" / "model.ckpt"))["extra"]
        assert found.tolist() == [1, 1] and found.dtype == "f4"


@pytest.mark.slow
def test_a_plan_may_be_large_but_not_endless(tmp_path, text, monkeypatch):
    """Ten thousand classes make a plan of 24 MB, which no other text file comes near."""
    large = text[:-3] + " " * (25 << 20) + text[-3:]
    path = builders.write(tmp_path, "plan.json", large)
    assert to_json(read_plan(path)) == text
    monkeypatch.setattr(plan_json, "_LIMIT", len(large) - 1)
    with pytest.raises(SourceError) as caught:
        read_plan(path)
    assert "too many" in str(caught.value)


def test_a_plan_of_no_place_is_for_any(graphfix, model, text, tmp_path):
    """What was planned without a place names the one where it is carried out."""
    assert "PATH_TO_BE_CONFIGURED/model.ckpt" in text
    path = builders.write(tmp_path, "plan.json", text)
    out = tmp_path / "out"
    done = graphfix("convert", model, "--plan", path, "--output_directory", out)
    assert done.code == 0 and "PLANNED_PATH" not in done.err
    config = (out / "pipeline.config").read_text()
    assert f'fine_tune_checkpoint: "{out}/model.ckpt"' in config
    assert config.count(f'label_map_path: "{out}/label_map.pbtxt"') == 2
    assert graphfix("verify", out).code == 0


def test_a_plan_for_elsewhere_says_where_its_config_looks(graphfix, model, tmp_path):
    words = ["plan", model, "--num_classes", "2", "--map", "1=1", "--map", "2=2", "--json"]
    done = graphfix(*words, "--output_directory", tmp_path / "elsewhere")
    path = builders.write(tmp_path, "plan.json", done.out)
    done = graphfix("convert", model, "--plan", path, "--output_directory", tmp_path / "out")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if "PLANNED_PATH" in line]
    assert line.startswith("warning") and str(tmp_path / "elsewhere" / "model.ckpt") in line
