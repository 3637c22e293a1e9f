"""An extractor that nobody has built, from one file, through all that knows extractors.

It is the MobileNet v1 of the detector in testdata/ under other names, and with other facts, each of
which shows: nothing else in the package knows it.
"""

import json
import os
import re

import builders
import numpy as np
import pytest
import repository

from graphfix.detectors.extractors import loader
from graphfix.detectors.feature_maps import map_shapes
from graphfix.detectors.variables import model_variables
from graphfix.errors import SourceError
from graphfix.formats.graphdef import files
from graphfix.formats.graphdef.graph import Graph
from graphfix.graph_import.infer_config import infer_config
from graphfix.graph_import.thaw import thaw
from graphfix.pipeline_config.document import parse_config

TYPE = "ssd_made_up"
FACTS = r"""# A network that is made up.
defaults
  batch_norm_decay 0.9999
  activation RELU
  width_layers MadeUp/Room_(\d+)_out/weights
type ssd_made_up ssd 2019-05 -
  scopes FeatureExtractor/
  feature_maps multi_resolution
  first_stride 8
  override_required
  recognized_by FeatureExtractor/MadeUp/Room_0/
"""
# From layers of MobileNet v1 to MadeUp's.
NAMES = (
    (r"MobilenetV1/Conv2d_(\d+)", r"MadeUp/Room_\1"),
    (r"Room_(\d+)_depthwise", r"Room_\1_in"),
    (r"Room_(\d+)_pointwise", r"Room_\1_out"),
)
SOURCE = repository.DETECTOR


def renamed(text):
    for old, new in NAMES:
        text = re.sub(old, new, text)
    return text


def layers_of_mobilenet():
    path = os.path.join(loader.DIRECTORIES[0], "mobilenet_v1.txt")
    with open(path, encoding="utf-8") as file:
        (found,) = re.findall(r"^layers ssd_mobilenet_v1 (?:.*\n  )+.*\n", file.read(), re.M)
    return found


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Adds the extractor; a directory for a test's files."""
    layers = renamed(layers_of_mobilenet()).replace("ssd_mobilenet_v1", TYPE)
    builders.write(tmp_path / "extractors", "made_up.txt", FACTS + layers)
    directories = (*loader.DIRECTORIES, str(tmp_path / "extractors"))
    monkeypatch.setattr(loader, "DIRECTORIES", directories)
    return tmp_path


@pytest.fixture
def detector(made_up):
    """A trained detector with it."""
    return builders.write_model(
        made_up / "detector",
        names=[],
        classes=8,
        tensors={
            renamed(name): value
            for name, value in builders.read_checkpoint(os.path.join(SOURCE, "model.ckpt")).items()
        },
        config=config(),
    )


def config(*changes):
    """Its pipeline.config."""
    with open(os.path.join(SOURCE, "pipeline.config"), encoding="utf-8") as file:
        text = file.read()
    for old, new in (("ssd_mobilenet_v1", TYPE), *changes):
        assert old in text
        text = text.replace(old, new)
    return text


def test_it_is_described(graphfix, detector):
    done = graphfix("inspect", detector, "--verbose")
    assert done.code == 0, done.err
    assert (
        "feature extractor  ssd_made_up, images" in done.out
        and "(8 classes + background)" in done.out
    )


def test_another_is_not_described(graphfix, detector):
    path = builders.write(detector, "pipeline.config", config((TYPE, "ssd_cellar")))
    done = graphfix("inspect", detector, "--pipeline_config_path", path)
    assert done.code == 3 and "known are:" in done.err and TYPE in done.err


@pytest.mark.parametrize("api, code", [("2019-07", 0), ("2019-04", 3)])
def test_it_is_planned_for_where_it_is(graphfix, detector, made_up, api, code):
    labels = builders.write(made_up, "new.pbtxt", builders.label_map(["van", "bus"]))
    done = graphfix(
        "plan",
        detector,
        "--label_map_path",
        labels,
        "--source_label_map_path",
        os.path.join(SOURCE, "shapes_label_map.pbtxt"),
        "--target_api",
        api,
    )
    assert done.code == code, done.err
    if code:
        assert "the API of 2019-04 has no feature extractor ssd_made_up" in done.err
        assert "from 2019-05 on" in done.err
    else:
        assert "BoxPredictor_0/ClassPredictor/weights" in done.out


def test_the_doctor_tells_what_is_restored(graphfix, detector, made_up, monkeypatch):
    monkeypatch.chdir(repository.TESTDATA)
    more = (
        f'fine_tune_checkpoint: "{detector}/model.ckpt" from_detection_checkpoint: true '
        "load_all_detection_checkpoint_vars: true"
    )
    path = builders.write(
        made_up, "train.config", config(("train_config {", "train_config { " + more))
    )
    found = json.loads(graphfix("doctor", "--json", path).out)["prediction"]
    assert found["unknown"] is None
    names = {renamed(name) for name in builders.read_checkpoint(os.path.join(SOURCE, "model.ckpt"))}
    for trainer in found["trainers"]:
        assert {one["verdict"] for one in trainer["variables"]} == {"restored"}
        assert {one["name"] for one in trainer["variables"]} == names - {"global_step"}


def test_the_doctor_knows_what_its_builder_requires(graphfix, made_up, monkeypatch):
    monkeypatch.chdir(repository.TESTDATA)
    changes = (("override_base_feature_extractor_hyperparams: true", ""),)
    path = builders.write(made_up, "train.config", config(*changes))
    done = json.loads(graphfix("doctor", "--json", path).out)
    (found,) = [one for one in done["findings"] if one["code"] == "OVERRIDE_NEEDED"]
    assert "cannot build ssd_made_up without it" in json.dumps(found)


def test_its_config_is_inferred_from_a_graph(made_up):
    path = made_up / "extractors" / "made_up.txt"
    path.write_text(path.read_text().replace("  override_required\n", ""))
    graph_def = files.read_graph_def(os.path.join(SOURCE, "frozen_inference_graph.pb"))
    for node in graph_def.node:
        node.name = renamed(node.name)
        for place, name in enumerate(node.input):
            node.input[place] = renamed(name)
    graph = Graph(graph_def)
    store, _ = thaw(graph, subject="g.pb")
    metas = {name: view.meta for name, view in store.items()}
    found = infer_config(graph, metas, subject="g.pb")
    message = parse_config(found.data, "inferred").message
    extractor = message.model.ssd.feature_extractor
    assert (extractor.type, extractor.depth_multiplier, extractor.min_depth) == (TYPE, 0.25, 16)
    # Its own activation would be RELU, and the graph has RELU_6.
    assert extractor.override_base_feature_extractor_hyperparams
    listed = model_variables(message, revision="2019-07", config="inferred")
    assert {one.name for one in listed} == {name for name in metas if name != "global_step"}


def test_its_feature_maps_are_where_it_says(made_up):
    ssd = parse_config(config().encode(), "pipeline.config").message.model.ssd
    assert [tuple(one[0]) for one in map_shapes(ssd, "ssd", np.array([[160, 320]]))][:2] == [
        (20, 40),
        (10, 20),
    ]


def test_without_its_file_nothing_knows_it(tmp_path):
    with pytest.raises(SourceError, match="'ssd_made_up' is not one graphfix knows"):
        loader.described_extractor(TYPE, "pipeline.config")
