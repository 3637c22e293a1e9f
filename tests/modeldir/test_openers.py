"""Which kind of model a path means: every kind in the table opens, as the kind it is."""

import dataclasses
import os
import shutil
import tarfile

import builders
import pytest
import repository

from graphfix.errors import RequestError, SourceError
from graphfix.formats.graphdef import files
from graphfix.formats.schema import message_class
from graphfix.modeldir.names import CONFIG, FROZEN, META, SAVED_MODEL
from graphfix.modeldir.openers import OPENERS, open_source
from graphfix.modeldir.search import model_of

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
    nameless = shutil.copy(archive, str(tmp_path / "nameless"))
    zipped = shutil.make_archive(str(tmp_path / "detector"), "zip", DETECTOR)
    nameless_graph = shutil.copy(os.path.join(DETECTOR, FROZEN), str(tmp_path / "graph"))
    return {
        "a tar or zip archive of one of the others": [archive, nameless, zipped],
        "a frozen graph or a SavedModel": [
            str(alone),
            str(alone / FROZEN),
            str(saved),
            str(saved / os.path.basename(SAVED_MODEL)),
            nameless_graph,
        ],
        "a checkpoint": [
            DETECTOR,
            os.path.join(DETECTOR, "model.ckpt"),
            os.path.join(DETECTOR, "model.ckpt.index"),
            os.path.join(DETECTOR, "model.ckpt.data-00000-of-00001"),
            os.path.join(DETECTOR, "model.ckpt.meta"),
            os.path.join(DETECTOR, "checkpoint"),
            os.path.join(DETECTOR, "pipeline.config"),
        ],
    }


def test_every_kind_opens(paths):
    assert sorted(paths) == sorted(opener.kind for opener in OPENERS)
    for kind, some in paths.items():
        for path in some:
            model = model_of(path)[0]
            first = next(opener for opener in OPENERS if opener.find(model) is not None)
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
    opened = files.open_meta_graph
    monkeypatch.setattr(files, "open_meta_graph", lambda path: reads.append(path) or opened(path))
    assert len(source.meta_graph.graph.nodes) == len(meta.graph_def.node)
    assert source.meta_graph.graph is source.meta_graph.graph and reads == [path]


@pytest.mark.parametrize("data", [b"", b"\x0a\x00", b"no message", b"\x12\x02\x0a\x00"])
def test_what_is_no_meta_graph(tmp_path, data):
    path = tmp_path / "model.ckpt.meta"
    path.write_bytes(data)
    with pytest.raises(SourceError, match="meta graph") as error:
        files.open_meta_graph(str(path))
    assert error.value.problems[0].subject == str(path)


def training_directory(tmp_path, state):
    """A directory with the checkpoints of two steps, and what its `checkpoint` file says."""
    directory = tmp_path / "training"
    directory.mkdir()
    for step in (900, 1000):
        for name in ("index", "data-00000-of-00001"):
            shutil.copy(
                os.path.join(DETECTOR, f"model.ckpt.{name}"),
                str(directory / f"model.ckpt-{step}.{name}"),
            )
    shutil.copy(os.path.join(DETECTOR, CONFIG), str(directory / "other.config"))
    (directory / "checkpoint").write_text(state)
    return directory


@pytest.mark.parametrize("place", ["", "{here}/", "/of/the/machine/that/trained/"])
def test_the_checkpoint_file_chooses(tmp_path, place):
    place = place.format(here=tmp_path / "training")
    directory = training_directory(tmp_path, f'model_checkpoint_path: "{place}model.ckpt-900"')
    config = str(directory / "other.config")
    for path in (directory, directory / "checkpoint", directory / "other.config"):
        source = open_source(str(path), config_path=None if path.suffix == ".config" else config)
        assert source.prefix == str(directory / "model.ckpt-900")
        assert source.config_path == config
        told = [one.code for one in source.findings]
        assert told == ([] if path.name == "checkpoint" else ["CHECKPOINT_CHOSEN"])


@pytest.mark.parametrize("state", ["", "garbage {", 'model_checkpoint_path: "model.ckpt-5"'])
def test_a_checkpoint_file_that_chooses_none(tmp_path, state):
    directory = training_directory(tmp_path, state)
    with pytest.raises(RequestError, match=r"2 checkpoints: model\.ckpt-900\.index, model"):
        open_source(str(directory))
    with pytest.raises(SourceError) as error:
        open_source(str(directory / "checkpoint"))
    assert error.value.problems[0].subject.startswith(str(directory / "checkpoint"))


def test_a_model_further_below_is_named(tmp_path):
    shutil.copytree(DETECTOR, str(tmp_path / "download" / "model"))
    with pytest.raises(SourceError, match="but there is a model in model"):
        open_source(str(tmp_path / "download"))
