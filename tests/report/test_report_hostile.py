"""Any report.json at all is shown again, or refused with one line; nothing else."""

import dataclasses
import json
import os
import random
import shutil

import builders
import json_mutations
import pytest
import thorough

import graphfix
from graphfix.errors import SourceError
from graphfix.report import html
from graphfix.report import report as reports
from graphfix.report.report import Detection, MapAnchorsChange, Picture, Verification


@pytest.fixture(scope="module")
def out(tmp_path_factory, model):
    """An output whose report has something of everything."""
    top = tmp_path_factory.mktemp("report")
    labels = builders.write(top, "labels.pbtxt", builders.label_map(["person", "zebra"]))
    directory = str(top / "out")
    options = graphfix.ConvertOptions(label_map_path=labels, target_api="2019-07")
    graphfix.convert(model, directory, options)
    found = (Detection((0.1, 0.2, 0.3, 0.4), 0.75, 2), Detection((0.0, 0.0, 1.0, 1.0), 0.5, 1))
    report = dataclasses.replace(
        reports.load(directory),
        model_dir="some/where",
        verifications=(Verification("2019-07", "legacy", "words", False, ("a: why",)),),
        pictures=(Picture("cat.jpg", "0123456789abcdef.jpg", 320, 200, found, found),),
        anchors=(MapAnchorsChange(((1.0, 2.0),), ((1.0, 2.0), (3.0, 4.0))),),
    )
    builders.write(directory, "report.json", report.to_json())
    return directory


def shown(directory, text):
    """Whether a report is shown; refused with one line otherwise."""
    builders.write(directory, "report.json", text)
    try:
        report = reports.load(directory)
    except SourceError as error:
        for problem in error.problems:
            assert "report.json" in problem.subject and problem.remedy, problem
        return False
    # What `verify` writes then.
    report = report.with_results([Verification("2019-07", "model_main", "fine", True, ())])
    assert html.render(report, {one.file: b"" for one in report.pictures}).encode()
    assert json.loads(report.to_json())
    return True


@pytest.mark.parametrize("rounds", [15, thorough.slow(thorough.rounds(300, 4000))])
def test_any_mutation_is_shown_or_refused(out, tmp_path, rounds):
    copy = str(tmp_path / "copy")
    shutil.copytree(out, copy)
    with open(os.path.join(copy, "report.json")) as file:
        text = file.read()
    assert shown(copy, text)
    data, pick = json.loads(text), random.Random(f"reports {rounds}")
    found = json_mutations.short(data, pick)
    count = sum(
        shown(copy, json.dumps(json_mutations.mutated(text, found, pick))) for _ in range(rounds)
    )
    assert rounds / 20 < count < rounds * 3 / 4, count


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("target_api", "2018-04", "target_api is not what plan.json says"),
        ("trainer", "legacy", "trainer is not what plan.json says"),
        ("classes", [], "classes is not what plan.json says"),
        ("exit_code", "0", "exit_code is '0', not a whole number"),
        ("source_shapes", {"a": [-1]}, "source_shapes.a is no shape"),
        ("findings", [{"code": "x"}], "findings[0] lacks 'severity'"),
    ],
)
def test_what_contradicts_the_plan_or_itself(out, tmp_path, key, value, words):
    copy = str(tmp_path / "copy")
    shutil.copytree(out, copy)
    with open(os.path.join(copy, "report.json")) as file:
        data = json.load(file)
    builders.write(copy, "report.json", json.dumps(dict(data, **{key: value})))
    with pytest.raises(SourceError) as caught:
        reports.load(copy)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "old, new",
    [
        ('"score": 0.75', '"score": NaN'),
        ('"score": 0.75', '"score": 1e999'),
        ('"width": 320', '"width": %s' % ("3" * 5000)),
        ('"width": 320', '"width": %s' % ("[" * 10**5)),
        ('"width": 320', '"width": 320, "width": 320'),
        ("cat.jpg", "\\udc80"),
    ],
)
def test_what_is_no_json_of_ours(out, tmp_path, old, new):
    copy = str(tmp_path / "copy")
    shutil.copytree(out, copy)
    with open(os.path.join(copy, "report.json")) as file:
        text = file.read()
    assert old in text and not shown(copy, text.replace(old, new))
