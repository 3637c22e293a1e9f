"""verify of what was exported: PyTorch beside the stock API, each in its own Python."""

import sys

import numpy as np
import pytest
import repository
import thorough

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import detectors

import graphfix
from graphfix.errors import RequestError, VerificationError
from graphfix.formats import safetensors
from graphfix.formats.checkpoint import writer
from graphfix.formats.tensors import TensorStore, constant


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    place = tmp_path_factory.mktemp("torch") / "out"
    options = graphfix.ConvertOptions(classes="star,novelty,circle")
    graphfix.export("torch", repository.DETECTOR, place, options)
    return place


def test_without_tensorflow_it_is_loaded(exported):
    found = graphfix.try_with_stock_api(exported, stock_python=sys.executable)
    assert found.complete and not found.outputs
    assert "loads it: 199 tensors" in found.verifications[0].summary
    assert "values were not compared" in found.remarks[0]


def test_what_it_does_not_do_is_told(exported):
    for given in ({"steps": 2}, {"images": ["a.jpg"]}, {"train_record": "a.record"}):
        with pytest.raises(RequestError, match=f"{next(iter(given))}=: means nothing"):
            graphfix.try_with_stock_api(exported, stock_python=sys.executable, **given)


def test_an_export_that_is_not_loaded_is_told(exported, tmp_path):
    for one in exported.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(VerificationError, match=r"PyTorch under .*model\.safetensors"):
        graphfix.try_with_stock_api(tmp_path, stock_python=sys.executable)


@thorough.only
def test_values_are_tensorflow_s(exported, stock_python):
    """Also of new classes, and of ones in another order."""
    found = graphfix.try_with_stock_api(
        exported, stock_python=sys.executable, tf1_python=stock_python("2021")
    )
    assert found.complete, found.to_lines()
    assert len(found.outputs[0].figures) == 10 and not found.remarks
    assert all(one.largest > 0.1 for one in found.outputs[0].figures)


@thorough.only
def test_another_value_is_found(exported, stock_python, tmp_path):
    for one in exported.iterdir():
        (tmp_path / one.name).write_bytes(one.read_bytes())
    tensors, _ = safetensors.read(str(exported / "model.safetensors"))
    name = "BoxPredictor_0.ClassPredictor.bias"
    value = tensors[name].load() + np.float32(0.01)
    views = {**tensors, name: constant(name, tensors[name].meta.dtype, value)}
    with open(tmp_path / "model.safetensors", "wb") as file:
        safetensors.write(file, TensorStore(views.values()), {})
    found = graphfix.try_with_stock_api(
        tmp_path, stock_python=sys.executable, tf1_python=stock_python("2021")
    )
    assert not found.complete and found.verifications[0].complete
    (odd,) = [one.name for one in found.outputs[0].figures if one.difference > 1e-5 * one.largest]
    assert odd == "predict/class_predictions_with_background"


@thorough.only
@pytest.mark.parametrize("era", ["2019-07", "2021"])
def test_all_stages_are_compared(stock_python, era, tmp_path):
    text = detectors.config_of("mask_rcnn")
    source = tmp_path / "source"
    source.mkdir()
    (source / "pipeline.config").write_text(text)
    weights = detectors.random_weights(detectors.message_of(text))
    writer.write_bundle(weights, str(source / "model.ckpt"))
    options = graphfix.ConvertOptions(num_classes=3, map=["1=4", "2=1"])
    graphfix.export("torch", str(source), tmp_path / "out", options)
    found = graphfix.try_with_stock_api(
        tmp_path / "out", stock_python=sys.executable, tf1_python=stock_python(era)
    )
    assert found.complete, found.to_lines()
    names = {one.name.partition("/")[2] for one in found.outputs[0].figures}
    assert {"rpn_box_encodings", "refined_box_encodings", "masks"} <= names
    assert any(name.startswith("rpn_features_to_crop") for name in names)
