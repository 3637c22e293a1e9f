"""verify --stock of a .tflite: what the runtime's answers are taken for."""

import json
import os

import lite_cases
import numpy as np
import pytest

import graphfix
from graphfix.exporting.tflite import trial

VERSIONS = {"package": "ai_edge_litert", "ai-edge-litert": "2.3.0"}
DETAILS = {
    "height": 4,
    "width": 4,
    "scale": 2.0,
    "offset": -1.0,
    "quantized": False,
    "score_threshold": 0.0,
}


def found(*scores):
    return [[{"box": [0, 0, 1, 1], "score": score, "class_id": 1} for score in scores]] * 4


@pytest.fixture
def published(tmp_path):
    """The directory of a conversion of the classes two and five."""
    out = tmp_path / "out"
    options = graphfix.ConvertOptions(num_classes=2, map=["1=2", "2=5"])
    graphfix.convert_lite(lite_cases.path("float"), out, options)
    return str(out)


def runtime(monkeypatch, change):
    """Scores of six channels for the source; those of rows 0, 2 and 5, changed, for the result."""
    asked = []

    def of_runtime(job, python, worker, package):
        asked.append(job)
        scores = np.random.RandomState(0).rand(1, 56, 6).astype(np.float32)
        if len(asked) == 2:
            scores = change(scores[..., [0, 2, 5]])
        values = {f"scores_{one}": scores for one in range(job["pictures"])}
        values.update({f"boxes_{one}": np.zeros((1, 56, 4)) for one in range(job["pictures"])})
        np.savez(job["output"], **values)
        return {"versions": VERSIONS}

    monkeypatch.setattr(trial.detections, "of_runtime", of_runtime)
    return asked


def test_scores_that_are_the_sources(monkeypatch, published):
    asked = runtime(monkeypatch, lambda scores: scores)
    verdict = graphfix.try_with_stock_api(published)
    assert verdict.complete and "3 of 3 channels" in verdict.outputs[0].summary
    assert [job["model"] for job in asked] == [
        lite_cases.path("float"),
        os.path.join(published, "detect.tflite"),
    ]
    assert asked[0]["tensors"] == asked[1]["tensors"]


def test_a_last_bit_is_told(monkeypatch, published):
    runtime(monkeypatch, lambda scores: np.nextafter(scores, np.float32(1)))
    verdict = graphfix.try_with_stock_api(published)
    assert not verdict.complete and "differ by up to" in verdict.outputs[0].summary


def test_another_source_is_refused(published):
    with pytest.raises(graphfix.RequestError, match="is not what was converted"):
        graphfix.try_with_stock_api(published, source=lite_cases.path("half"))
    with pytest.raises(graphfix.RequestError, match="is needed to compare values"):
        graphfix.try_with_stock_api(published, source=published)


def exported(monkeypatch, ours, theirs, **details):
    monkeypatch.setattr(
        trial.detections,
        "of_runtime",
        lambda job, *more: {"detections": ours, "versions": VERSIONS},
    )
    monkeypatch.setattr(trial.detections, "of_tensorflow", lambda *more: {"detections": theirs})
    asked = trial.Trial(None, "python-of-tf1")
    return trial.tried("out", {"details": dict(DETAILS, **details), "source": "x"}, asked)


def test_detections_beside_tensorflows(monkeypatch):
    assert exported(monkeypatch, found(0.5, 0.3), found(0.5, 0.3)).complete
    verdict = exported(monkeypatch, found(0.5), found(0.5, 0.3))
    assert not verdict.complete and "4 of 8" in verdict.outputs[0].summary


def test_integers_may_differ_by_their_steps(monkeypatch):
    many = [0.9 - 0.02 * one for one in range(12)]
    verdict = exported(monkeypatch, found(0.49, *many), found(0.5, *many, 0.3), quantized=True)
    assert verdict.complete and "52 of 56 detections" in verdict.outputs[0].summary
    verdict = exported(monkeypatch, found(0.49), found(0.5, 0.3), quantized=True)
    assert not verdict.complete and "4 of 8 detections" in verdict.outputs[0].summary
    assert not exported(monkeypatch, found(0.49), found(0.5)).complete


def test_a_damaged_export_is_named(published):
    path = os.path.join(published, "export.json")
    with open(path) as file:
        data = json.load(file)
    del data["details"]["rows"], data["details"]["digest"]
    with pytest.raises(graphfix.SourceError, match="is damaged"):
        trial.tried(published, data, trial.Trial(None))
