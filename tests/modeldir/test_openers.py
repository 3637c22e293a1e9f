"""Which kind of model a path means: every kind in the table opens, as the kind it is."""

import dataclasses
import os
import shutil
import tarfile

import builders
import pytest
import repository

from graphfix.errors import SourceError
from graphfix.formats.graphdef import files
from graphfix.formats.schema import message_class
from graphfix.modeldir.names import CONFIG, FROZEN, META, SAVED_MODEL
from graphfix.modeldir.openers import OPENERS, open_source

DETECTOR = repository.DETECTOR


@pytest.fixture
def paths(tmp_path):
    """By kind, the paths of one detector that mean a model of this kind."""
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in (FROZEN, CONFIG):
        shutil.copy(os.path.join(DETECTOR, name), str(alone / name))
    saved = tmp_path / "saved"
    builders.write_saved_model(saved, os.path.join(DETECTOR, FROZEN))
    archive = str(tmp_path / "detector.tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(DETECTOR, "detector")
    return {
        "a tar archive of one of the others": [archive],
        "a frozen graph or a SavedModel": [
            str(alone),
            str(alone / FROZEN),
            str(saved),
            str(saved / os.path.basename(SAVED_MODEL)),
        ],
        "a checkpoint": [
            DETECTOR,
            os.path.join(DETECTOR, "model.ckpt"),
            os.path.join(DETECTOR, "model.ckpt.index"),
            os.path.join(DETECTOR, "model.ckpt.data-00000-of-00001"),
        ],
    }


def test_every_kind_opens(paths):
    assert sorted(paths) == sorted(opener.kind for opener in OPENERS)
    for kind, some in paths.items():
        for path in some:
            first = next(opener for opener in OPENERS if opener.find(path) is not None)
            assert first.kind == kind
            opened = open_source(path, config_path=os.path.join(DETECTOR, CONFIG))
            assert (opened.path, opened.model.classes) == (path, 8)
            assert (opened.unpacked is not None) == (kind == OPENERS[0].kind)


def test_what_does_not_exist_is_a_prefix(tmp_path):
    assert OPENERS[-1].find(str(tmp_path / "x")) == str(tmp_path / "x")
    assert not any(opener.find(str(tmp_path / "x")) for opener in OPENERS[:-1])


def test_meta_graph_is_read_when_asked_for(tmp_path, monkeypatch):
    directory = tmp_path / "model"
    shutil.copytree(DETECTOR, str(directory))
    path = str(directory / ("model.ckpt" + META))
    assert open_source(str(directory)).meta_graph.graph is None

    meta = message_class("graphfix.graph.MetaGraphDef")()
    meta.graph_def.CopyFrom(files.read_graph_def(os.path.join(DETECTOR, FROZEN)))
    with open(path, "wb") as file:
        file.write(meta.SerializeToString())
    source = dataclasses.replace(open_source(str(directory)))
    assert source.meta_graph and source.meta_graph.path == path
    reads = []
    monkeypatch.setattr(files, "read_meta_graph", lambda path: reads.append(path) or meta.graph_def)
    assert len(source.meta_graph.graph.nodes) == len(meta.graph_def.node)
    assert source.meta_graph.graph is source.meta_graph.graph and reads == [path]


@pytest.mark.parametrize("data", [b"", b"\x0a\x00", b"no message", b"\x12\x02\x0a\x00"])
def test_what_is_no_meta_graph(tmp_path, data):
    path = tmp_path / "model.ckpt.meta"
    path.write_bytes(data)
    with pytest.raises(SourceError, match="meta graph") as error:
        files.read_meta_graph(str(path))
    assert error.value.problems[0].subject == str(path)
