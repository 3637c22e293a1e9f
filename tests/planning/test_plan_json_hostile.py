"""Any plan.json at all is carried out, or refused with one line for each fault; nothing else.

A mutation that is accepted is converted: what comes out is then as the plan says, so that nothing
is ever called a fault of graphfix.
"""

import json
import os
import random

import builders
import json_mutations
import pytest
import thorough

import graphfix
from graphfix.errors import GraphfixError, RequestError, SourceError, VerificationError
from graphfix.modeldir.openers import open_source
from graphfix.planning.plan_check import check_plan
from graphfix.planning.plan_json import from_json


@pytest.fixture(scope="module", params=["classes", "anchors", "averages"])
def planned(request, tmp_path_factory, model):
    """(an opened source, its directory, a plan for it as data)."""
    top = tmp_path_factory.mktemp("plan")
    labels = builders.write(top, "labels.pbtxt", builders.label_map(["person", "zebra", "dog"]))
    target = dict(label_map_path=labels, target_api="2019-07")
    if request.param == "anchors":
        with open(os.path.join(model, "pipeline.config")) as file:
            text = file.read()
        start = text.index("ssd_anchor_generator {")
        target["anchors"] = builders.write(
            top, "anchors.txt", text[start : text.index("}", start) + 1].replace("0.3333", "0.25")
        )
    if request.param == "averages":
        model = builders.write_model(
            top / "trained", tensors=builders.trained_state(builders.values(len(builders.CLASSES)))
        )
        target["weights"] = "ema"
    out = str(top / "out")
    graphfix.convert(model, out, graphfix.ConvertOptions(**target))
    with open(os.path.join(out, "plan.json")) as file:
        data = json.load(file)
    kinds = {row["edit"] for row in data["edits"]}
    assert kinds >= {"anchors": {"gather", "keep"}, "averages": {"rename", "drop"}}.get(
        request.param, {"gather", "reset"}
    )
    assert any(row.get("affine") for row in data["edits"]) == (request.param == "anchors")
    return open_source(model), model, data


def outcome(text, source):
    """The plan of a text, None where it is refused."""
    try:
        plan = from_json(text, "plan.json")
        check_plan(plan, source, "plan.json")
        return plan
    except (SourceError, RequestError) as error:
        for problem in error.problems:
            assert problem.subject.startswith("plan.json") and problem.remedy, problem
            assert len(problem.message) < 500, problem
        return None


@pytest.mark.slow
@pytest.mark.parametrize(
    "rounds, converted",
    [(40, 1), thorough.slow((thorough.rounds(300, 3000), thorough.rounds(16, 80)))],
)
def test_any_mutation_is_carried_out_or_refused(planned, tmp_path, rounds, converted):
    source, model, data = planned
    pick = random.Random(f"plans {rounds}")
    original = json.dumps(data)
    found = json_mutations.short(data, pick)
    fitting = []
    for _ in range(rounds):
        changed = json_mutations.mutated(original, found, pick)
        if changed != data:
            text = json.dumps(changed)
            if outcome(text, source) is not None:
                fitting.append(text)
    assert len(fitting) >= converted, len(fitting)

    # Those that say something else than words first.
    def words(text):
        return json.dumps(
            [
                {
                    key: value
                    for key, value in row.items()
                    if key not in ("reason", "message", "remedy", "subject", "code")
                }
                if isinstance(row, dict)
                else row
                for value in json.loads(text).values()
                if isinstance(value, list)
                for row in value
            ]
        )

    plain = words(original)
    fitting.sort(key=lambda text: words(text) == plain)
    for number, text in enumerate(fitting[:converted]):
        carry_out(model, text, tmp_path, number)


def carry_out(model, text, tmp_path, number):
    path = builders.write(tmp_path, "plan.json", text)
    out = str(tmp_path / str(number))
    try:
        graphfix.convert(model, out, plan=path)
        assert os.path.exists(os.path.join(out, "report.html"))
    except VerificationError as error:
        raise AssertionError(f"{error}: {text[:2000]}") from error
    except GraphfixError:
        assert not os.path.exists(out)


@pytest.mark.parametrize(
    "old, new",
    [
        ('"value": 0', '"value": NaN'),
        ('"value": 0', '"value": -Infinity'),
        ('"value": 0', '"value": %s' % ("9" * 5000)),
        ('"value": 0', '"value": %s' % ("[" * 100000)),
        ('"value": 0', '"value": 0, "value": 0'),
        ('"format": 1', '"format": 1, "format": 1'),
        ('"format": 1', '"format": true'),
        ('"format": 1', '"format": 2'),
        ('{"', '[{"'),
        ("}", ""),
    ],
)
def test_what_is_no_json_of_ours(planned, old, new):
    source, _, data = planned
    text = json.dumps(data)
    assert old in text and outcome(text.replace(old, new, 1), source) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "3",
        '"x"',
        "{}",
        "\ufeff{}",
        '{"format": 1}',
        '{"format": 1e999}',
        "{" * 100000,
    ],
)
def test_what_is_no_plan(planned, text):
    assert outcome(text, planned[0]) is None
    assert outcome(text.encode() + b"\xff", planned[0]) is None
