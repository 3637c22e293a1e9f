"""A checkpoint without its pipeline.config: which graph beside it shows the config."""

import os
import shutil

import builders
import pytest
import repository
import thorough

from graphfix.errors import SourceError
from graphfix.formats.graphdef import files
from graphfix.formats.schema import message_class
from graphfix.modeldir import missing_config
from graphfix.modeldir.names import CHECKPOINT, CONFIG, FROZEN, META, SAVED_MODEL
from graphfix.modeldir.openers import open_source

DETECTOR = repository.DETECTOR


@pytest.fixture
def bare(tmp_path):
    """The detector's checkpoint alone."""
    directory = tmp_path / "bare"
    directory.mkdir()
    for name in os.listdir(DETECTOR):
        if name.startswith(CHECKPOINT + "."):
            shutil.copy(os.path.join(DETECTOR, name), str(directory / name))
    return directory


def add_meta(directory):
    """Writes the detector's inference graph as the checkpoint's .meta."""
    meta = message_class("graphfix.graph.MetaGraphDef")()
    meta.graph_def.CopyFrom(files.read_graph_def(os.path.join(DETECTOR, FROZEN)))
    (directory / (CHECKPOINT + META)).write_bytes(meta.SerializeToString())


def add_frozen(directory):
    shutil.copy(os.path.join(DETECTOR, FROZEN), str(directory / FROZEN))


def add_saved_model(directory):
    builders.write_saved_model(
        directory / os.path.dirname(SAVED_MODEL), os.path.join(DETECTOR, FROZEN)
    )


ADDED = {CHECKPOINT + META: add_meta, FROZEN: add_frozen, SAVED_MODEL: add_saved_model}


@pytest.mark.parametrize("name", sorted(ADDED))
def test_the_config_is_inferred_from_any_graph_beside(bare, name):
    ADDED[name](bare)
    source, real = open_source(str(bare)), open_source(DETECTOR)
    assert source.inferred and source.config_path == str(bare / name)
    assert [one.code for one in source.findings] == ["CONFIG_INFERRED", "CONFIG_ASSUMED"]
    assert source.findings[0].subject == str(bare / name)
    for field in ("family", "feature_extractor", "classes", "heads", "anchors", "coder", "image"):
        assert getattr(source.model, field) == getattr(real.model, field)


def test_a_config_that_is_there_is_read(bare):
    add_meta(bare)
    (bare / CONFIG).write_text("model { ")
    with pytest.raises(SourceError) as error:
        open_source(str(bare))
    assert CONFIG in error.value.problems[0].subject


def test_a_damaged_graph_gives_way_to_the_next(bare):
    (bare / (CHECKPOINT + META)).write_bytes(b"damaged")
    with pytest.raises(SourceError) as error:
        open_source(str(bare))
    assert [one.subject for one in error.value.problems] == [str(bare / (CHECKPOINT + META))]
    add_frozen(bare)
    assert open_source(str(bare)).config_path == str(bare / FROZEN)


def test_a_trainers_graph_counts_least(bare, monkeypatch):
    add_meta(bare)
    infer = missing_config.infer_config

    def inferred(graph, metas, *, subject):
        return infer(graph, metas, subject=subject)._replace(detects=not subject.endswith(META))

    monkeypatch.setattr(missing_config, "infer_config", inferred)
    assert open_source(str(bare)).config_path == str(bare / (CHECKPOINT + META))
    add_frozen(bare)
    assert open_source(str(bare)).config_path == str(bare / FROZEN)


@pytest.mark.slow
def test_a_damaged_meta_graph_gives_a_config_or_an_error(bare):
    """A prefix, or one changed byte; and never a traceback."""
    add_meta(bare)
    path = bare / (CHECKPOINT + META)
    data = path.read_bytes()
    for number in range(thorough.rounds(30, 600)):
        at = number * len(data) // thorough.rounds(30, 600)
        for spoiled in (data[:at], data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]):
            path.write_bytes(spoiled)
            try:
                assert open_source(str(bare)).inferred
            except SourceError as error:
                assert all(one.subject and one.remedy for one in error.problems)


def test_without_a_graph_the_sample_config_is_named(bare):
    with pytest.raises(SourceError) as error:
        open_source(str(bare))
    (problem,) = error.value.problems
    assert problem.subject == str(bare / CONFIG)
    assert "does not exist" in problem.message and "model.ckpt.meta" in problem.message
    assert "samples/configs/ssd_mobilenet_v1_coco.config" in problem.remedy
    assert "--pipeline_config_path" in problem.remedy
