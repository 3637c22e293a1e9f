"""What one model's job does beside its conversion."""

import os
import threading

import builders
import pytest
from batch_runs import BESIDE

from graphfix.batch import batch, worker


@pytest.fixture
def job(place):
    """Does the job of the model `one`."""
    out = str(place / "out")
    for name in (batch.LOCKS, batch.DOWNLOADS, batch.WORK):
        os.makedirs(os.path.join(out, name))
    target = {"label_map_path": str(place / "labels.pbtxt"), "target_api": "2019-07"}
    entry = {"name": "one", "source": str(place / "one"), "download": None, "target": target}
    return lambda: worker.do(entry, out)


def test_a_new_model_is_digested_beside_its_conversion(job, monkeypatch):
    """The digest waits for the conversion to have begun, which would be for ever, one after the
    other."""
    begun, sha256, convert = threading.Event(), worker._sha256, worker.convert

    def begin(*given, **named):
        begun.set()
        return convert(*given, **named)

    def digest(*given):
        assert begun.wait(30)
        return sha256(*given)

    monkeypatch.setattr(worker, "convert", begin)
    monkeypatch.setattr(worker, "_sha256", digest)
    assert job()["verdict"] == batch.CONVERTED
    assert job()["verdict"] == batch.UNCHANGED


def test_a_source_that_changes_meanwhile_is_not_converted(job, place, monkeypatch):
    """Or its digest could be of what was converted, or of what is there now."""
    sha256 = worker._sha256

    def written_to(path, *given):
        if path.endswith("pipeline.config"):
            builders.write(place / "one", "pipeline.config", builders.CONFIG % {"classes": 4} + "#")
        return sha256(path, *given)

    monkeypatch.setattr(worker, "_sha256", written_to)
    answer = job()
    assert answer["verdict"] == batch.FAILED
    (line,) = answer["lines"]
    assert line == (
        f"{place / 'one' / 'pipeline.config'}: changed while it was read; leave it alone while "
        "graphfix runs"
    )
    assert os.listdir(str(place / "out")) == BESIDE
    monkeypatch.setattr(worker, "_sha256", sha256)
    assert job()["verdict"] == batch.CONVERTED


def test_a_source_that_cannot_be_read_for_its_digest(job, place, monkeypatch):
    def unreadable(path, *given):
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(worker, "_sha256", unreadable)
    (line,) = job()["lines"]
    assert line.startswith(
        f"{place / 'one' / 'model.ckpt.index'}: cannot be read: Input/output error;"
    )
    assert os.listdir(str(place / "out")) == BESIDE
