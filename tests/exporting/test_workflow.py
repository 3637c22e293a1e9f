"""export: what every target has in common."""

import importlib
import json
import os
import sys
import types

import numpy as np
import pytest
import repository

import graphfix
from graphfix.choices import Target
from graphfix.exporting import targets, trial, workflow
from graphfix.exporting.detector import Written
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import writer
from graphfix.formats.tensors import TensorStore, constant
from graphfix.modeldir.names import CHECKPOINT


def test_every_target_has_a_row_and_a_module():
    assert list(targets.TARGETS) == list(Target)
    for row in targets.TARGETS.values():
        assert callable(importlib.import_module(row.refusals or row.module).problems)
        assert callable(row.load().write)


def test_this_python_is_taken_where_it_has_the_tools():
    def row(*tools):
        return targets.TargetRow("a test", "module", tools=tools)

    assert row("json", "tarfile").python() == sys.executable
    assert row("json", "no_such_package").python() is None and row().python() is None


class Row:
    """A target that writes what it is given as a checkpoint, or whatever `write` does."""

    title, trains, runtime = "a test", False, None

    def __init__(self, problems=(), write=None):
        self.refused, self.write = tuple(problems), write or self.copy

    def python(self):
        return None

    def load(self):
        return types.SimpleNamespace(write=self.write)

    def problems(self, detector):
        return self.refused

    def copy(self, detector, directory):
        self.detector = detector
        writer.write_bundle(detector.variables, os.path.join(directory, "weights"))
        return Written("copied", checkpoints={"weights": detector.variables}, names={"a": "b"})


@pytest.fixture
def install(monkeypatch):
    def work(row):
        monkeypatch.setitem(workflow.TARGETS, Target.TF2, row)
        return row

    return work


def export(where, **options):
    return graphfix.export("tf2", repository.DETECTOR, where, graphfix.ConvertOptions(**options))


def test_a_target_gets_the_detector_after_its_surgery(install, tmp_path):
    row = install(Row())
    found = export(tmp_path / "out", classes="star,novelty")
    assert [(one.id, one.name) for one in row.detector.classes] == [(1, "star"), (2, "novelty")]
    assert row.detector.model.classes == row.detector.body.num_classes == 2
    heads = [name for name in row.detector.variables if name.endswith("ClassPredictor/biases")]
    assert [row.detector.variables[name].meta.shape for name in heads] == [(9,)] + [(18,)] * 5
    assert not {"global_step"} & set(row.detector.variables) and found.variables == 199
    assert found.names == {"a": "b"} and found.files == (
        "label_map.pbtxt",
        "weights.data-00000-of-00001",
        "weights.index",
    )
    checked = graphfix.verify(tmp_path / "out")
    assert checked.tensors == found.variables and checked.target == "tf2"
    assert checked.summary == "tf2: 4 files as exported, 199 tensors intact"


def test_the_values_are_a_conversions(install, tmp_path):
    row = install(Row())
    export(graphfix.Memory(), classes="star,circle")
    options = graphfix.ConvertOptions(classes="star,circle", target_api="2019-07")
    graphfix.convert(repository.DETECTOR, tmp_path / "out", options)
    theirs = graphfix.open_model(tmp_path / "out").store
    for name, view in row.detector.variables.items():
        assert np.array_equal(view.load(), theirs[name].load()), name


def test_what_a_target_refuses_is_not_written(install, tmp_path):
    install(Row(problems=[graphfix.Problem("model", "is odd", "do without")]))
    with pytest.raises(graphfix.RequestError, match="is odd"):
        export(tmp_path / "out")
    assert not os.listdir(tmp_path)


def test_what_was_written_is_compared(install, tmp_path):
    def write(detector, directory):
        writer.write_bundle(
            TensorStore([constant("a", dtypes.FLOAT32, np.zeros(3))]),
            os.path.join(directory, "weights"),
        )
        return Written("", checkpoints={"weights": detector.variables})

    install(Row(write=write))
    with pytest.raises(graphfix.VerificationError, match="other tensors than planned"):
        export(tmp_path / "out")
    assert not os.listdir(tmp_path)


def test_what_verify_does_not_find_out_is_told():
    for target, row in targets.TARGETS.items():
        words, command = trial.not_run("a b", target.value)
        assert row.title in words and "is not checked" in words
        assert command.startswith("graphfix verify 'a b' --stock") == hasattr(row.load(), "tried")
        assert row.trains == ("--steps" in command)


@pytest.mark.parametrize(
    "name, value", [("images", ["x.jpg"]), ("tf1_python", "python3"), ("runtime_python", "python3")]
)
def test_what_compares_is_refused_where_nothing_is_compared(install, tmp_path, name, value):
    install(Row())
    with pytest.raises(graphfix.RequestError, match=f"^{name}=: means nothing to tf2"):
        graphfix.export("tf2", repository.DETECTOR, tmp_path / "out", **{name: value})


@pytest.mark.parametrize(
    "target, given",
    [
        ("opencv", {"steps": 2}),
        ("onnx", {"train_record": "a.record"}),
        ("tf2", {"images": ["a.jpg"]}),
        ("torch", {"images": ["a.jpg"], "steps": 2}),
    ],
)
def test_what_a_judge_has_no_use_for_is_refused(target, given, tmp_path):
    (tmp_path / "export.json").write_text(
        json.dumps({"target": target, "source": "x", "options": {}})
    )
    with pytest.raises(graphfix.RequestError) as caught:
        graphfix.try_with_stock_api(tmp_path, stock_python=sys.executable, **given)
    said = sorted(str(one) for one in caught.value.problems)
    assert [one.partition("=")[0] for one in said] == sorted(given)
    assert all(f"means nothing to what was exported to {target}" in one for one in said)


@pytest.mark.parametrize("name", workflow.NOT_TAKEN + workflow.RECORDS)
def test_options_about_training_are_refused(install, name, tmp_path):
    install(Row())
    value = {
        "freeze": "none",
        "trainer": "legacy",
        "target_api": "2019-07",
        "require_graph": True,
    }.get(name, "x")
    with pytest.raises(graphfix.RequestError, match=f"^{name}=: means nothing to tf2"):
        export(tmp_path / "out", **{name: value})


def test_what_only_trainers_want_to_know_is_not_told(install):
    install(Row())
    codes = {one.code for one in export(graphfix.Memory(), classes="star").findings}
    assert codes == {"SOURCE_NAMES", "CLASS_IDS"}


@pytest.mark.slow
def test_the_frozen_graph_is_the_new_detectors(install, tmp_path):
    row = install(Row())
    export(graphfix.Memory(), classes="star,circle")
    options = graphfix.ConvertOptions(classes="star,circle", target_api="2022-10")
    memory = graphfix.Memory()
    graphfix.convert(repository.DETECTOR, memory, options)
    data, told = row.detector.frozen_graph()
    assert data == memory.files["frozen_inference_graph.pb"] and not told


def test_a_model_without_a_graph_says_so(install, tmp_path):
    row = install(Row())
    source = graphfix.open_model(os.path.join(repository.DETECTOR, CHECKPOINT))
    arrays = {name: view.load() for name, view in source.store.items()}
    model = graphfix.model_in_memory(arrays, source.config.document.text)
    graphfix.export("tf2", model, graphfix.Memory())
    with pytest.raises(graphfix.RequestError, match="has no frozen graph"):
        row.detector.frozen_graph()
