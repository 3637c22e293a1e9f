"""From files to a module, and back to TensorFlow 1's checkpoint; exporting the module."""

import json
import re

import numpy as np
import pytest
import repository
import thorough

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import torch

import graphfix
import graphfix.torch
from graphfix.errors import RequestError, SourceError
from graphfix.formats import dtypes, safetensors
from graphfix.formats.tensors import TensorStore, constant


@pytest.fixture(scope="module")
def pictures():
    """Two pictures on which the trained detector finds something."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed here")
    names = [f"{repository.TESTDATA}/shapes/demo_0000{number}.jpg" for number in (0, 1)]
    return [torch.from_numpy(np.array(image.open(one))).permute(2, 0, 1) for one in names]


def test_what_is_not_trained_comes_back_bit_for_bit(detector, tmp_path):
    names = graphfix.torch.save_tf1(detector, tmp_path / "back")
    before = graphfix.open_model(repository.DETECTOR)
    after = graphfix.open_model(tmp_path / "back")
    assert set(names) == set(after.store) == set(before.store)
    assert after.model == before.model
    for name in set(names) - {"global_step"}:
        assert after.store[name].load().tobytes() == before.store[name].load().tobytes(), name
    assert after.store["global_step"].load() == 0
    text = (tmp_path / "back" / "label_map.pbtxt").read_text()
    assert "circle" in text and "crescent" in text


def test_the_readme_s_lines(exported, pictures, monkeypatch):
    text = (exported / "README.md").read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(exported)
    found = {"image": pictures[0]}
    exec(lines, found)
    assert len(found["detections"][0]["boxes"]) > 0


def test_a_state_dict_there_and_back(exported, detector):
    other = graphfix.torch.load(exported)
    wanted = {name: value + 1 for name, value in detector.state_dict().items()}
    assert not any(other.load_state_dict(wanted))  # nothing is missing, nothing unexpected
    assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())


def test_what_is_trained_comes_back_changed(detector, tmp_path):
    with torch.no_grad():
        detector["BoxPredictor_0/ClassPredictor"].bias += 1
    graphfix.torch.save_tf1(detector, tmp_path / "back")
    before, after = (
        graphfix.open_model(place).store["BoxPredictor_0/ClassPredictor/biases"].load()
        for place in (repository.DETECTOR, tmp_path / "back")
    )
    assert np.array_equal(after, before + np.float32(1))
    with pytest.raises(RequestError):
        graphfix.torch.save_tf1(detector, tmp_path / "back")
    graphfix.torch.save_tf1(detector, tmp_path / "back", overwrite=True)


def test_detections_are_as_torchvision_gives_them(detector, pictures):
    found = detector.eval()([one / 255.0 for one in pictures])
    assert len(found) == 2 and all(len(one["labels"]) > 0 for one in found)
    for one in found:
        assert one["boxes"].shape == (len(one["labels"]), 4) and one["boxes"].max() <= 160
        assert (one["boxes"][:, :2] < one["boxes"][:, 2:]).all()
        assert one["labels"].dtype == torch.int64 and one["labels"].min() >= 1
        assert one["scores"].tolist() == sorted(one["scores"].tolist(), reverse=True)


def test_bytes_and_floats_are_the_same_picture(detector, pictures):
    detector.eval()
    some, others = detector(pictures), detector([one / 255.0 for one in pictures])
    for one, other in zip(some, others):
        assert one["labels"].tolist() == other["labels"].tolist()
        assert torch.allclose(one["boxes"], other["boxes"], atol=1e-3)


def test_wrong_calls_are_told(detector):
    with pytest.raises(RequestError, match="missing in training"):
        detector.train()([torch.zeros(3, 8, 8)])
    with pytest.raises(RequestError, match=r"images\[0\]: is no tensor"):
        detector.eval()([torch.zeros(8, 8, 3)])
    with pytest.raises(RequestError, match="are none"):
        detector([])
    with pytest.raises(RequestError, match="no list of 1 target"):
        detector([torch.zeros(3, 8, 8)], [])
    wrong = {"boxes": torch.zeros(1, 4), "labels": torch.tensor([9])}
    with pytest.raises(RequestError, match="not all from 1 to 8"):
        detector([torch.zeros(3, 8, 8)], [wrong])


def test_it_trains_freezes_and_runs_in_mixed_precision(detector, pictures):
    targets = [
        {"boxes": torch.tensor([[10.0, 20.0, 60.0, 90.0]]), "labels": torch.tensor([3])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    ]
    detector.train()
    detector["FeatureExtractor"].requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], lr=1e-3)
    before = sum(detector(pictures, targets).values())
    before.backward()
    optimizer.step()
    assert sum(detector(pictures, targets).values()) < before
    assert detector["FeatureExtractor/MobilenetV1/Conv2d_0"].weight.grad is None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = sum(detector(pictures, targets).values())
    assert low.dtype == torch.float32 and torch.isfinite(low)


@pytest.mark.slow
def test_torch_export(detector, pictures):
    detector.eval()
    images = torch.stack(pictures)
    with torch.no_grad():
        wanted = detector.detect(images)
        found = torch.export.export(detector, (images,)).module()(images)
    assert wanted[3].min() > 0
    for one, name in zip(wanted, ("boxes", "labels", "scores", "counts")):
        assert torch.equal(one, found[name]), name


@thorough.only
def test_onnx(detector, pictures, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here")
    detector.eval()
    images = torch.stack(pictures)
    with torch.no_grad():
        wanted = detector.detect(images)
        torch.onnx.export(detector, (images,), dynamo=True).save(str(tmp_path / "x.onnx"))
    session = runtime.InferenceSession(str(tmp_path / "x.onnx"))
    found = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    assert wanted[3].tolist() == found[3].tolist() and wanted[3].min() > 0
    for number, count in enumerate(found[3]):
        assert wanted[1][number].tolist() == found[1][number].tolist()
        for ours, theirs in ((wanted[0], found[0]), (wanted[2], found[2])):
            assert np.allclose(ours[number, :count], theirs[number, :count], atol=1e-4)


@pytest.fixture
def copied(exported, tmp_path):
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    return tmp_path


def test_weights_of_another_model_are_refused(copied):
    path = copied / "model.safetensors"
    tensors, _ = safetensors.read(str(path))
    loaded = TensorStore([view for name, view in tensors.items() if "Conv2d_0" not in name])
    content = [view.load() for view in loaded.values()]
    assert content
    with open(copied / "other", "wb") as file:
        safetensors.write(file, loaded, {})
    (copied / "other").replace(path)
    with pytest.raises(SourceError, match=r"Conv2d_0\..* is missing, and not float32 \["):
        graphfix.torch.load(copied)


@pytest.mark.parametrize("dtype", [dtypes.BY_NAME["int32"], dtypes.BY_NAME["float16"]])
def test_weights_of_another_type_are_refused(copied, dtype):
    """Of the right shape; their bits would be other numbers."""
    path = copied / "model.safetensors"
    tensors, _ = safetensors.read(str(path))
    name = "BoxPredictor_0.ClassPredictor.bias"
    value = tensors[name].load().astype(dtype.numpy)
    views = {**tensors, name: constant(name, dtype, value)}
    with open(copied / "other", "wb") as file:
        safetensors.write(file, TensorStore(views.values()), {})
    (copied / "other").replace(path)
    with pytest.raises(SourceError, match=f"is {dtype} .*, and not float32 .* as in config"):
        graphfix.torch.load(copied)


def test_a_config_of_what_is_not_built_is_refused(copied):
    path = copied / "config.json"
    data = json.loads(path.read_text())
    data["pipeline_config"]["model"]["ssd"]["explicit_background_class"] = True
    data["pipeline_config"]["model"]["ssd"]["add_background_class"] = False
    path.write_text(json.dumps(data))
    with pytest.raises(SourceError, match=r"config\.json: .*explicit_background_class: is true"):
        graphfix.torch.load(copied)


def test_a_coder_that_divides_by_zero_is_refused(copied):
    path = copied / "config.json"
    data = json.loads(path.read_text())
    data["pipeline_config"]["model"]["ssd"]["box_coder"]["faster_rcnn_box_coder"] = {"y_scale": 0}
    path.write_text(json.dumps(data))
    with pytest.raises(SourceError, match=r"/config\.json: model\.ssd\.box_coder: .*not positive"):
        graphfix.torch.load(copied)


def test_what_is_no_export_is_told(tmp_path):
    with pytest.raises(SourceError, match=r"config\.json: does not exist; .*export torch"):
        graphfix.torch.load(repository.DETECTOR)
    (tmp_path / "exported").mkdir()
    with pytest.raises(SourceError, match=r"did you mean .*/exported"):
        graphfix.torch.load(tmp_path / "exportet")


def _another_layer(detector):
    detector.more = torch.nn.Linear(2, 2)


def _more_classes(detector):
    layer = detector["BoxPredictor_0/ClassPredictor"]
    layer.weight = torch.nn.Parameter(torch.zeros(50, *layer.weight.shape[1:]))


def _another_convolution(detector):
    detector["FeatureExtractor/MobilenetV1"].Conv2d_0 = torch.nn.Conv2d(3, 8, 3, bias=False)


@pytest.mark.parametrize(
    "change, what",
    [
        (
            _another_layer,
            r"more\.bias is \[2\], and not there as in the config.*\(2 tensors differ\)",
        ),
        (_more_classes, r"ClassPredictor\.weight is \[50, .*\], and not \["),
        (_another_convolution, r"Conv2d_0\.BatchNorm\.bias is missing, and not \[16\]"),
    ],
)
def test_layers_that_are_not_the_config_s_are_not_written(detector, change, what, tmp_path):
    change(detector)
    with pytest.raises(RequestError, match=what):
        graphfix.torch.save_tf1(detector, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_one_image_is_too_few_for_a_map_of_one_location(tmp_path):
    graphfix.export("torch", repository.DETECTOR, tmp_path / "out")
    detector = graphfix.torch.load(tmp_path / "out").train()
    images = [torch.rand(3, 160, 160)] * 2
    targets = [{"boxes": torch.tensor([[10.0, 10, 80, 80]]), "labels": torch.tensor([1])}] * 2
    with pytest.raises(RequestError, match=r"one location.*two images or more"):
        detector(images[:1], targets[:1])
    assert all(torch.isfinite(one) for one in detector(images, targets).values())
