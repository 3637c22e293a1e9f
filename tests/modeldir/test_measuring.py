"""What was read back as it was written is not read again."""

import collections
import os

import repository

import graphfix
from graphfix.modeldir import measuring


def test_a_file_is_measured_once(tmp_path, monkeypatch):
    (tmp_path / "large").write_bytes(bytes(range(256)) * 9000)
    (tmp_path / "small").write_bytes(b"it")
    figures = measuring.Figures()
    figures.add_file(str(tmp_path / "large"))
    figures.close()
    figures.work()
    expected = measuring.measure(str(tmp_path)).files
    assert figures.file(str(tmp_path / "large")) == expected["large"]
    original, read = measuring._content_at, []
    monkeypatch.setattr(measuring, "_content_at", lambda path: read.append(path) or original(path))
    assert measuring.measure(str(tmp_path), known=figures).files == expected
    assert read == [str(tmp_path / "small")]


def test_a_file_that_cannot_be_read_is_told_by_who_asks(tmp_path):
    figures = measuring.Figures()
    figures.add_file(str(tmp_path / "gone"))
    figures.close()
    figures.work()
    assert figures.file(str(tmp_path / "gone")) is None


def test_a_conversion_reads_each_file_back_once(tmp_path, monkeypatch):
    """Its graph, too: while the checkpoint is copied."""
    original, read = measuring._content_at, collections.Counter()

    def content(path, *given):
        read[os.path.basename(path)] += 1
        return original(path, *given)

    monkeypatch.setattr(measuring, "_content_at", content)
    options = graphfix.ConvertOptions(num_classes=1, map=["1=2"])
    graphfix.convert(repository.DETECTOR, tmp_path / "out", options)
    assert read["frozen_inference_graph.pb"] == 1 and set(read.values()) == {1}
