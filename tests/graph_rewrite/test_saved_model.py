"""A SavedModel rewritten: its graph as a frozen graph's, its signature with the new shapes."""

import os
import shutil
import tarfile

import builders
import pytest
import repository

from graphfix.formats.graphdef import files

DETECTOR = repository.DETECTOR
FROZEN = "frozen_inference_graph.pb"
LABELS = ["--source_label_map_path", os.path.join(DETECTOR, "shapes_label_map.pbtxt")]
FLAGS = LABELS + ["--num_classes", "3", "--map", "1=ring", "--map", "2=star"]
SHAPES = builders.SAVED_MODEL_SHAPES


def shapes(directory):
    """The outputs' shapes by a SavedModel's signature."""
    saved = files.open_saved_model(str(directory)).whole().meta_graphs[0]
    return {
        name: tuple(dim.size for dim in info.tensor_shape.dim)
        for name, info in saved.signature_def["serving_default"].outputs.items()
    }


@pytest.fixture
def model(tmp_path):
    """The trained detector's directory with a SavedModel in it, as the exporter leaves it."""
    directory = tmp_path / "source"
    directory.mkdir()
    for name in (FROZEN, "pipeline.config", "model.ckpt.index", "model.ckpt.data-00000-of-00001"):
        shutil.copy(os.path.join(DETECTOR, name), str(directory))
    builders.write_saved_model(directory / "saved_model", os.path.join(DETECTOR, FROZEN))
    return directory


def check(out):
    """Whether OUT's SavedModel holds OUT's frozen graph."""
    saved = files.open_saved_model(str(out / "saved_model")).whole().meta_graphs[0]
    assert saved.graph_def == files.read_graph_def(str(out / FROZEN))
    assert os.listdir(str(out / "saved_model" / "variables")) == []
    assert shapes(out / "saved_model") == dict(
        SHAPES, raw_detection_scores=(-1, -1, 4), detection_multiclass_scores=(-1, 100, 4)
    )


def test_beside_a_checkpoint(graphfix, model, tmp_path):
    done = graphfix("convert", model, *FLAGS, "--output_directory", tmp_path / "out")
    assert done.code == 0 and "FROZEN_GRAPH" not in done.err
    check(tmp_path / "out")


@pytest.mark.slow
def test_in_an_archive(graphfix, model, tmp_path):
    with tarfile.open(str(tmp_path / "model.tar.gz"), "w:gz", compresslevel=1) as archive:
        archive.add(str(model), "model")
    done = graphfix(
        "convert", tmp_path / "model.tar.gz", *FLAGS, "--output_directory", tmp_path / "out"
    )
    assert done.code == 0 and "FROZEN_GRAPH" not in done.err
    check(tmp_path / "out")


@pytest.mark.slow
def test_alone_it_gives_what_the_frozen_graph_gives(graphfix, model, tmp_path):
    for name, source in (("one", model / FROZEN), ("two", model / "saved_model")):
        done = graphfix("convert", source, *FLAGS, "--output_directory", tmp_path / name)
        assert done.code == 0, done.err
    assert not (tmp_path / "two" / FROZEN).exists()
    for name in ("saved_model/saved_model.pb", "model.ckpt.data-00000-of-00001"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def another_graph(saved):
    saved.meta_graphs.add().meta_info_def.tags.append("train")


def dangling_signature(saved):
    saved.meta_graphs[0].signature_def["serving_default"].outputs["detection_boxes"].name = "gone:0"


@pytest.mark.parametrize(
    "change, words", [(another_graph, "holds 2 graphs"), (dangling_signature, "'gone:0'")]
)
def test_what_is_not_understood_is_a_finding(graphfix, model, tmp_path, change, words):
    shutil.rmtree(str(model / "saved_model"))
    builders.write_saved_model(model / "saved_model", os.path.join(DETECTOR, FROZEN), change)
    done = graphfix("convert", model, *FLAGS, "--output_directory", tmp_path / "out")
    assert done.code == 0 and "FROZEN_GRAPH: saved_model.pb" in done.err and words in done.err
    assert not (tmp_path / "out" / "saved_model").exists()
    assert (tmp_path / "out" / FROZEN).exists()


def test_one_with_variables_is_a_finding(graphfix, model, tmp_path):
    (model / "saved_model" / "variables" / "variables.index").write_bytes(b"")
    done = graphfix("convert", model, *FLAGS, "--output_directory", tmp_path / "out")
    assert done.code == 0 and "has files in 'variables'" in done.err
    assert not (tmp_path / "out" / "saved_model").exists()
