"""The comparison that ends an export, with stand-ins for runtime and TensorFlow."""

import json
import os
import types

import numpy as np
import pytest
import repository

import graphfix
from graphfix.choices import Target
from graphfix.exporting import comparing, detections, targets, workflow
from graphfix.exporting.detector import Written

SEEN = [[{"box": [0.1, 0.1, 0.5, 0.5], "score": 0.9, "class_id": 1}]]
OTHER = [[{"box": [0.1, 0.1, 0.5, 0.5], "score": 0.8, "class_id": 1}]]


@pytest.fixture
def export(monkeypatch):
    """export(where, ours=..., theirs=..., packages=..., **options): an export whose runtime detects
    `ours` and TensorFlow `theirs`, where the Pythons named have some packages."""
    tried = []

    def install(where, ours=SEEN, theirs=SEEN, packages=("cv2", "tensorflow"), **options):
        def judge(directory, exported, trial):
            assert os.path.exists(os.path.join(directory, "export.json")) is False
            assert exported["target"] == Target.OPENCV
            tried.append(trial)
            return detections.judged(
                "OpenCV 9", {"detections": ours}, {"detections": theirs}, 0.1, []
            )

        module = types.SimpleNamespace(
            write=lambda detector, directory: Written("written"), tried=judge
        )
        row = types.SimpleNamespace(
            title="a test",
            trains=False,
            runtime="cv2",
            problems=lambda detector: (),
            load=lambda: module,
            python=lambda: None,
        )
        monkeypatch.setitem(workflow.TARGETS, Target.OPENCV, row)
        monkeypatch.setattr(
            detections,
            "installed",
            lambda python, asked: {name: name in packages for name in asked},
        )
        return graphfix.export("opencv", repository.DETECTOR, where, **options)

    install.tried = tried
    return install


def test_the_result_is_in_the_export(export):
    memory = graphfix.Memory()
    found = export(memory, ours=[[dict(SEEN[0][0], score=0.9001)]])
    assert found.comparison["equal"] and found.comparison["runtime"] == "OpenCV 9"
    assert 5e-5 < found.comparison["scores"] < 2e-4 and found.comparison["edges"] == 0
    written = json.loads(memory.files["export.json"].decode())
    assert written["comparison"] == found.comparison
    assert not any("COMPARED" in one.code for one in found.findings)
    assert found.compared[0].startswith("compared with the frozen graph by OpenCV 9: 1 of 1")


def test_what_differs_is_not_published(export, tmp_path):
    with pytest.raises(graphfix.VerificationError, match="0 of 2 detections found alike"):
        export(tmp_path / "out", ours=OTHER)
    assert not os.listdir(tmp_path)
    found = export(tmp_path / "out", ours=OTHER, compare=False)
    assert not found.comparison and len(export.tried) == 1


@pytest.mark.parametrize(
    "quantized, meta, words",
    [(True, "ssd", "rounded to integers"), (False, "faster_rcnn", "right or bottom edge")],
)
def test_what_may_differ_and_says_so(quantized, meta, words, monkeypatch):
    outputs = detections.judged("OpenCV 9", {"detections": OTHER}, {"detections": SEEN}, 0.1, [])
    module = types.SimpleNamespace(tried=lambda *about: outputs)
    row = types.SimpleNamespace(title="a test", runtime="cv2", load=lambda: module)
    monkeypatch.setattr(detections, "installed", lambda python, asked: dict.fromkeys(asked, True))
    model = types.SimpleNamespace(quantized=quantized, meta=meta)
    result, (finding,) = comparing.compared(row, "x", {}, comparing.Asked(), model)
    assert not result["equal"] and finding.code == "DETECTIONS_DIFFER"
    assert finding.severity == "warning" and words in finding.message


@pytest.mark.parametrize("nothing", [[[]], [[dict(SEEN[0][0], score=float("nan"))]]])
def test_nothing_found_on_both_sides_is_no_agreement(export, nothing):
    found = export(graphfix.Memory(), ours=nothing, theirs=nothing)
    (finding,) = [one for one in found.findings if one.code == "NOT_COMPARED"]
    assert finding.severity == "warning" and "nothing was compared" in finding.message
    assert not found.comparison and "--images" in found.compared[0]


@pytest.mark.parametrize(
    "packages, words",
    [((), "has no cv2"), (("cv2",), "has no TensorFlow"), (("tensorflow",), "cv2")],
)
def test_what_is_not_installed_is_told(export, packages, words):
    found = export(graphfix.Memory(), packages=packages)
    (finding,) = [one for one in found.findings if one.code == "NOT_COMPARED"]
    assert words in finding.message and "verify" in finding.remedy
    assert not found.comparison and not export.tried
    assert words in found.compared[0]


def test_pictures_and_pythons_are_passed_on(export, tmp_path):
    picture = os.path.join(repository.TOP, "testdata", "shapes", "demo_00000.jpg")
    found = export(
        graphfix.Memory(),
        images=[picture],
        runtime_python="runtime-python",
        tf1_python="tensorflow-python",
    )
    (trial,) = export.tried
    assert list(trial.images) == [str(picture)]
    assert (trial.python, trial.tf1_python) == ("runtime-python", "tensorflow-python")
    assert found.comparison["pictures"] == [str(picture)]
    with pytest.raises(graphfix.RequestError, match="is not a file"):
        export(graphfix.Memory(), images=[tmp_path / "none.jpg"])
    with open(picture, "rb") as file:
        half = file.read()[:2000]
    for data, words in ((half, "cut off"), (b"<html>", "HTML"), (b"", "empty")):
        (tmp_path / "a.jpg").write_bytes(data)
        with pytest.raises(graphfix.RequestError, match=f"is no picture.*{words}"):
            export(graphfix.Memory(), images=[tmp_path / "a.jpg"])
    assert len(export.tried) == 1


def test_every_runtime_that_is_named_has_a_judge():
    for row in targets.TARGETS.values():
        assert row.runtime is None or callable(row.load().tried)


def test_a_python_is_asked_what_it_has():
    found = detections.installed(None, ("numpy", "no_such_package"))
    assert found == {"numpy": True, "no_such_package": False}


def test_pictures_that_are_made_up_have_edges_and_stay_the_same(tmp_path):
    from graphfix.exporting import pictures

    paths = pictures.written(str(tmp_path), (48, 64))
    assert len(paths) == pictures.PICTURES
    one, other = (np.load(path) for path in paths[:2])
    assert one.shape == (48, 64, 3) and one.dtype == np.uint8 and not np.array_equal(one, other)
    assert np.array_equal(one, pictures.made(0, 48, 64))
    steps = np.abs(np.diff(one.astype(int), axis=1)).max(axis=2)
    assert (steps > 60).sum() > 48


@pytest.mark.parametrize("outputs", [(), ("equal",)])
def test_verify_fails_where_nothing_was_compared(graphfix, tmp_path, monkeypatch, outputs):
    from graphfix.exporting.torch import target
    from graphfix.report.report import Outputs, Verification
    from graphfix.verification.stock_trial import StockTrial

    out = str(tmp_path / "out")
    assert graphfix("export", "torch", repository.DETECTOR, "-o", out).code == 0
    found = StockTrial(
        (Verification("PyTorch", "export", "loads it", True, ()),),
        [],
        ("values were not compared",),
        tuple(Outputs("PyTorch", "values", one, True) for one in outputs),
    )
    monkeypatch.setattr(target, "tried", lambda *_: found)
    done = graphfix("verify", out, "--stock")
    assert done.code == (0 if outputs else 4)
    assert ("could not be compared" in done.err) == (not outputs)
