"""How a detector is called: what is wrong with images and targets is told."""

import copy
import pickle

import numpy as np
import pytest

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import detectors
import torch

import graphfix
import graphfix.torch
from graphfix.errors import RequestError
from graphfix.formats.checkpoint import writer

BOX = [10.0, 20.0, 60.0, 90.0]


@pytest.fixture(scope="module")
def two_stages(tmp_path_factory):
    place = tmp_path_factory.mktemp("masks")
    text = detectors.config_of("mask_rcnn")
    (place / "pipeline.config").write_text(text)
    weights = detectors.random_weights(detectors.message_of(text))
    writer.write_bundle(weights, str(place / "model.ckpt"))
    graphfix.export("torch", str(place), place / "out")
    return graphfix.torch.load(place / "out").eval()


def pictures():
    return [torch.from_numpy(one).permute(2, 0, 1) for one in detectors.photographs()]


@pytest.mark.parametrize(
    "image, what",
    [
        (torch.zeros(3, 8, 8, dtype=torch.int64), "is of torch.int64, and not of bytes or floats"),
        (torch.zeros(3, 8, 8, dtype=torch.bool), "is of torch.bool"),
        (torch.full((3, 8, 8), 255.0), "has pixels of 255 to 255, where floats are of 0 to 1"),
        (torch.full((3, 8, 8), -1.8), "has pixels of -1.8 to -1.8, .*, not normalized"),
        (torch.full((3, 8, 8), float("nan")), "has pixels of nan to nan"),
        (torch.zeros(3, 0, 8), "has no pixels"),
        (np.zeros((3, 8, 8), np.uint8), "is no tensor of the shape"),
    ],
)
def test_an_image_that_is_none_is_told(detector, image, what):
    with pytest.raises(RequestError, match=rf"images\[1\]: {what}"):
        detector.eval()([torch.zeros(3, 8, 8), image])


@pytest.mark.parametrize(
    "change, what",
    [
        ({"boxes": None}, r"\['boxes'\]: is missing"),
        ({"boxes": [BOX]}, r"\['boxes'\]: is a list, and no tensor"),
        ({"boxes": torch.zeros(1, 5)}, r"\['boxes'\]: .* has the shape \[1, 5\]"),
        ({"boxes": torch.tensor(BOX)}, r"\['boxes'\]: .* has the shape \[4\]"),
        ({"boxes": torch.tensor([BOX[::-1]])}, r"\['boxes'\]: has a box that ends before"),
        ({"boxes": torch.tensor([[0, 0, float("nan"), 9]])}, "no finite number"),
        ({"boxes": torch.tensor([[1j, 0, 0, 9]])}, r"\['boxes'\]: is of torch.complex64"),
        ({"labels": None}, r"\['labels'\]: is missing"),
        ({"labels": torch.tensor([1, 1])}, r"\['labels'\]: .* the shape \[2\]; .* each of 1 box"),
        ({"labels": torch.tensor([], dtype=torch.int64)}, r"\['labels'\]: .* the shape \[0\]"),
        ({"labels": torch.tensor([1.7])}, r"\['labels'\]: is of torch.float32"),
        ({"labels": torch.tensor([True])}, r"\['labels'\]: is of torch.bool"),
        ({"labels": torch.tensor([0])}, r"\['labels'\]: are not all from 1 to 8"),
        ({"labels": torch.tensor([9])}, r"\['labels'\]: are not all from 1 to 8"),
    ],
)
def test_a_target_that_is_none_is_told(detector, change, what):
    own = {"boxes": torch.tensor([BOX]), "labels": torch.tensor([1])}
    with pytest.raises(RequestError, match=r"targets\[1\]" + what if what[0] == "\\" else what):
        detector.train()(pictures(), [own, {**own, **change}])


def test_boxes_in_parts_of_the_image_are_told(detector):
    parts = {"boxes": torch.tensor([[0.1, 0.2, 0.4, 0.9]]), "labels": torch.tensor([1])}
    empty = {"boxes": torch.zeros(1, 4), "labels": torch.tensor([1])}
    with pytest.warns(UserWarning, match=r"targets\[1\]\['boxes'\]: .* in pixels"):
        detector.train()(pictures(), [empty, parts])


def test_a_path_that_leads_nowhere(detector):
    with pytest.raises(KeyError, match="FeatureExtractor/Nothing"):
        detector["FeatureExtractor/Nothing"]


def test_targets_that_are_no_list_are_told(detector):
    with pytest.raises(RequestError, match="targets: is no list of 2 targets"):
        detector.train()(pictures(), {"boxes": torch.tensor([BOX]), "labels": torch.tensor([1])})


def test_pictures_without_boxes(detector):
    """In whatever type empty tensors are made."""
    none = {"boxes": torch.tensor([]), "labels": torch.tensor([])}
    losses = detector.train()(pictures(), [none, none])
    assert losses["bbox_regression"] == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision(detector, two_stages, dtype):
    images = pictures()
    for one in (detector.eval(), two_stages):
        with torch.no_grad():
            found, wanted = copy.deepcopy(one).to(dtype).detect(images), one.detect(images)
        assert found.boxes.dtype == torch.float32 and found.counts.min() > 0
        # The best of a trained one; those of random weights are close to each other.
        if one is detector:
            assert found.labels[:, 0].tolist() == wanted.labels[:, 0].tolist()
            assert torch.allclose(found.boxes[:, 0], wanted.boxes[:, 0], atol=3)


def test_it_is_pickled(detector, two_stages):
    for one in (detector.eval(), two_stages):
        with torch.no_grad():
            found, wanted = pickle.loads(pickle.dumps(one))(pictures()), one(pictures())
        for ours, theirs in zip(found, wanted):
            assert torch.equal(ours["boxes"], theirs["boxes"])
            assert torch.equal(ours["labels"], theirs["labels"])


def test_paths_and_modules_that_are_none_are_told(detector, tmp_path):
    with pytest.raises(RequestError, match="directory=: is None"):
        graphfix.torch.load(None)
    with pytest.raises(RequestError, match="directory=: is b'x'"):
        graphfix.torch.save_tf1(detector, b"x")
    wrapped = torch.nn.DataParallel(detector)
    with pytest.raises(RequestError, match=r"detector=: is a DataParallel.*`\.module`"):
        graphfix.torch.save_tf1(wrapped, tmp_path / "x")
    assert graphfix.torch.save_tf1(wrapped.module, tmp_path / "x")
