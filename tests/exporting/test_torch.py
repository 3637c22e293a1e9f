"""export torch: what is written, and what is refused; needs no PyTorch."""

import json
import os
import re

import builders
import pytest
import repository

import graphfix
from graphfix.errors import GraphfixError, RequestError
from graphfix.formats import safetensors
from graphfix.torch.names import to_tensorflow


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    place = tmp_path_factory.mktemp("torch") / "out"
    options = graphfix.ConvertOptions(classes="star,novelty")
    return place, graphfix.export("torch", repository.DETECTOR, place, options)


def test_the_files(exported):
    place, result = exported
    assert {"model.safetensors", "config.json", "README.md", "label_map.pbtxt"} <= set(result.files)
    with open(place / "config.json", encoding="utf-8") as file:
        config = json.load(file)
    assert config["classes"] == {"1": "star", "2": "novelty"}
    ssd = config["pipeline_config"]["model"]["ssd"]
    assert ssd["num_classes"] == 2 and ssd["feature_extractor"]["type"] == "ssd_mobilenet_v1"
    assert "graphfix.torch.load" in (place / "README.md").read_text()
    assert str(place) in result.next_steps[0]


def test_every_variable_is_there_as_it_was(exported):
    place, result = exported
    tensors, _ = safetensors.read(str(place / "model.safetensors"))
    source = graphfix.open_model(repository.DETECTOR)
    assert set(result.names.values()) == set(tensors)
    assert set(result.names) == set(source.store) - {"global_step"}
    heads = {name for head in source.model.heads for name in head.tensors}
    for variable, name in result.names.items():
        if variable in heads and "Class" in variable:
            continue
        view = source.store[variable]
        found = to_tensorflow(variable, tensors[name].load(), view.meta.shape)
        assert found.tobytes() == view.load().tobytes(), variable


def test_what_is_not_built_is_refused_and_nothing_written(tmp_path):
    with open(os.path.join(repository.DETECTOR, "pipeline.config"), encoding="utf-8") as file:
        text = file.read()
    config = tmp_path / "pipeline.config"
    config.write_text(text.replace("score_threshold", "soft_nms_sigma: 0.5 score_threshold"))
    options = graphfix.ConvertOptions(pipeline_config_path=str(config))
    with pytest.raises(RequestError, match=r"soft_nms_sigma: is 0\.5, which is not built"):
        graphfix.export("torch", repository.DETECTOR, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_layers_that_are_not_known_are_refused_and_nothing_written(tmp_path):
    with open(os.path.join(repository.DETECTOR, "pipeline.config"), encoding="utf-8") as file:
        text = file.read()
    assert "batch_norm {" in text
    config = tmp_path / "pipeline.config"
    config.write_text(text.replace("batch_norm {", "group_norm {} x_batch_norm {", 1))
    config.write_text(re.sub(r"x_batch_norm {[^}]*}", "", config.read_text()))
    options = graphfix.ConvertOptions(pipeline_config_path=str(config))
    with pytest.raises(GraphfixError, match="group_norm"):
        graphfix.export("torch", repository.DETECTOR, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_the_command_line(graphfix, tmp_path):
    out = tmp_path / "out"
    done = graphfix("export", "torch", repository.DETECTOR, "--output_directory", out)
    assert done.code == 0 and "199 tensors for PyTorch" in done.out
    assert graphfix("verify", out).code != 1


@pytest.mark.parametrize("name", ["load", "save_tf1"])
def test_without_pytorch_the_remedy_is_told(monkeypatch, name):
    import graphfix.torch

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"needs PyTorch.*pip install") as caught:
        getattr(graphfix.torch, name)
    assert caught.value.problems[0].subject == f"graphfix.torch.{name}"


def test_names_that_are_made_up_are_told(model, tmp_path):
    """Of an export of the source's own classes."""
    named = graphfix.export("torch", repository.DETECTOR, tmp_path / "named")
    assert "NAMES_MADE_UP" not in [one.code for one in named.findings]
    frozen = os.path.join(repository.DETECTOR, "frozen_inference_graph.pb")
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in (frozen, os.path.join(repository.DETECTOR, "pipeline.config")):
        with open(path, "rb") as file:
            builders.write(bare, os.path.basename(path), file.read())
    found = graphfix.export("torch", bare, tmp_path / "out")
    (finding,) = [one for one in found.findings if one.code == "NAMES_MADE_UP"]
    assert finding.severity == "warning" and "class_1 to class_8" in finding.message
    assert 'name: "class_8"' in (tmp_path / "out" / "label_map.pbtxt").read_text()
