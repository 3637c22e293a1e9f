"""Tensors are copied by one thread while another writes the rest: nothing that goes wrong in either
is lost, and neither outlives the other."""

import dataclasses
import errno
import os
import threading

import pytest
import repository

import graphfix
from graphfix import conversion
from graphfix.conversion import output
from graphfix.formats.checkpoint import stored_bytes
from graphfix.formats.extents import Target

OPTIONS = graphfix.ConvertOptions(num_classes=2, map=["1=2"], target_api="2019-07")


@pytest.fixture
def fails(model, tmp_path):
    """Runs a conversion that fails; the error.  Nothing is left behind, and no thread."""

    def run(kind):
        before = sorted(os.listdir(str(tmp_path)))
        with pytest.raises(kind) as caught:
            graphfix.convert(model, tmp_path / "out", OPTIONS)
        assert sorted(os.listdir(str(tmp_path))) == before
        assert threading.enumerate() == [threading.main_thread()]
        return caught.value

    return run


def test_what_is_copied_wrongly_is_noticed(fails, monkeypatch):
    original = Target.copy

    def copy(shard, start, length):
        yield from original(shard, start, length)
        os.pwrite(shard.file.fileno(), b"\0\1\2\3", shard.file.tell() - 4)

    monkeypatch.setattr(Target, "copy", copy)
    error = fails(graphfix.VerificationError)
    assert "nothing was published" in str(error) and "is damaged" in str(error)


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("plan.json", b'"severity": "info"', b'"severity": "none"'),
        ("label_map.pbtxt", b"id: 2", b"id: 3"),
        ("pipeline.config", b"num_classes: 2", b"num_classes:  2"),
        ("report.json", b"{", b"["),
        ("report.html", b"<html", b"<htm"),
    ],
)
def test_a_small_file_that_is_written_wrongly_is_noticed(fails, monkeypatch, name, old, new):
    original = output.write_file

    def write_file(directory, path, data):
        assert path != name or old in data
        original(directory, path, data.replace(old, new) if path == name else data)

    monkeypatch.setattr(output, "write_file", write_file)
    error = fails(graphfix.VerificationError)
    assert f"{name}: has other contents than were written" in str(error)
    assert "nothing was published" in str(error)


@pytest.mark.parametrize("old, new", [(b"Relu6", b"Relux"), (b"Relu6", b"Relu"), (b"", b"\0")])
def test_a_graph_that_is_written_wrongly_is_noticed(tmp_path, monkeypatch, old, new):
    """Also where it is still a graph, of the same weights."""
    original = output.extents.write

    def write(path, pieces):
        original(path, pieces)
        with open(path, "rb") as file:
            data = file.read()
        with open(path, "wb") as file:
            file.write(data.replace(old, new, 1))

    monkeypatch.setattr(output.extents, "write", write)
    with pytest.raises(graphfix.VerificationError) as caught:
        graphfix.convert(repository.DETECTOR, tmp_path / "out", OPTIONS)
    assert "frozen_inference_graph.pb: has other contents than were written" in str(caught.value)
    assert os.listdir(str(tmp_path)) == []


def test_a_plan_that_could_not_be_replayed_is_noticed(fails, monkeypatch):
    original = output.apply

    def apply(plan, context):
        made = original(plan, context)
        return made._replace(plan=dataclasses.replace(made.plan, trainer="nobody's"))

    monkeypatch.setattr(conversion.convert, "apply", apply)
    assert "trainer is 'nobody's', which is not a trainer" in str(fails(graphfix.VerificationError))


def test_a_disk_that_is_full_ends_the_run(fails, monkeypatch):
    def copy(shard, start, length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield

    monkeypatch.setattr(Target, "copy", copy)
    assert "No space left" in str(fails(graphfix.RequestError))


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt])
def test_what_ends_the_run_ends_the_copying(fails, monkeypatch, kind):
    copying, original = threading.Event(), Target.copy

    def copy(shard, start, length):
        copying.set()
        yield from original(shard, start, length)

    def render(report):
        copying.wait()
        raise kind

    monkeypatch.setattr(Target, "copy", copy)
    monkeypatch.setattr(output.html, "render", render)
    fails(kind)


def test_what_ends_the_reading_back_ends_the_run(fails, monkeypatch):
    def measure(view, extents):
        raise MemoryError

    monkeypatch.setattr(stored_bytes, "measure", measure)
    fails(MemoryError)


def test_each_tensor_is_read_back_once(model, tmp_path, monkeypatch):
    read, original = [], stored_bytes.measure

    def measure(view, extents):
        read.append(view.extent)
        return original(view, extents)

    monkeypatch.setattr(stored_bytes, "measure", measure)
    report = graphfix.convert(model, tmp_path / "out", OPTIONS)
    assert len(read) == len(set(read)) == len(report.outgoing)
    assert all(os.path.basename(one.path).startswith("model.ckpt.data") for one in read)
