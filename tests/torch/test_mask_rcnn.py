"""Mask R-CNN from a checkpoint for other classes: how it is called, and the way back."""

import dataclasses

import detectors
import numpy as np
import pytest
import thorough

# Its submodule: `torch` alone may be this folder.
pytest.importorskip("torch.nn", reason="there is no PyTorch in this environment")

import torch

import graphfix
import graphfix.torch
from graphfix.errors import RequestError
from graphfix.formats.checkpoint import writer

CONV = "SecondStageBoxPredictor/Conv"
CLASSES = {3: "dog", 7: "cat"}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A checkpoint with random weights, whose classes have names."""
    place = tmp_path_factory.mktemp("source")
    text = detectors.config_of("mask_rcnn", (r"num_conv_layers: 3", "num_conv_layers: 2"))
    text = text.replace("num_classes: 4", "num_classes: 8")
    (place / "pipeline.config").write_text(text)
    writer.write_bundle(
        detectors.random_weights(detectors.message_of(text)), str(place / "model.ckpt")
    )
    (place / "label_map.pbtxt").write_text(
        "".join(
            f"item {{ id: {number} name: '{CLASSES.get(number, number)}' }}\n"
            for number in range(1, 9)
        )
    )
    return place


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory):
    place = tmp_path_factory.mktemp("exported") / "out"
    options = graphfix.ConvertOptions(
        classes="cat,novelty,dog", source_label_map_path=str(source / "label_map.pbtxt")
    )
    graphfix.export("torch", str(source), place, options)
    return place


@pytest.fixture
def detector(exported):
    return graphfix.torch.load(exported)


@pytest.fixture(scope="module")
def pictures():
    return [torch.from_numpy(one).permute(2, 0, 1) for one in detectors.noise()]


def targets(side=20):
    masks = torch.zeros(1, 120, 160, dtype=torch.uint8)
    masks[:, 30:90, 20 : 20 + side] = 1
    own = {
        "boxes": torch.tensor([[20.0, 30.0, 20.0 + side, 90.0]]),
        "labels": torch.tensor([3]),
        "masks": masks,
    }
    nothing = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "masks": torch.zeros(0, 120, 160),
    }
    return [own, nothing]


def test_known_classes_keep_their_masks(source, detector):
    before = graphfix.open_model(source).store
    head = detector[CONV + "_1"]
    weights, biases = (before[f"{CONV}_1/{leaf}"].load() for leaf in ("weights", "biases"))
    for channel, number in ((0, 7), (2, 3)):
        wanted = weights[..., number - 1].transpose(2, 0, 1)
        assert np.array_equal(head.weight[channel].detach().numpy(), wanted)
        assert head.bias[channel] == biases[number - 1]
    # As wide as for the classes that it was trained with.
    assert detector[CONV].weight.shape[0] == before[CONV + "/weights"].meta.shape[3]


def test_masks_are_as_torchvision_gives_them(detector, pictures):
    detector.eval()
    with torch.no_grad():
        found, fixed = detector(pictures), detector.detect(pictures)
    assert fixed.masks.shape == (2, 8, 15, 15)
    for one in found:
        count = len(one["labels"])
        assert count and one["masks"].shape == (count, 1, 120, 160)
        assert one["masks"].dtype == torch.float32 and 0 <= one["masks"].min()
        assert 0 < one["masks"].max() <= 1
        for mask, box in zip(one["masks"][:, 0], one["boxes"]):
            rows, columns = mask.nonzero().T
            # A pixel's place is the side's part between the centres of the first and the last.
            assert box[0] - 1 <= columns.min() and columns.max() <= box[2]
            assert box[1] - 1 <= rows.min() and rows.max() <= box[3]


def test_it_learns_a_mask(detector, pictures):
    detector.train().requires_grad_(False)
    detector["SecondStageBoxPredictor"].requires_grad_(True)
    parameters = [one for one in detector.parameters() if one.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-4)
    values = []
    for _ in range(2):
        torch.manual_seed(0)
        losses = detector(pictures, targets(side=60))
        values.append(losses["loss_mask"].item())
        optimizer.zero_grad()
        losses["loss_mask"].backward()
        optimizer.step()
    assert 0.1 < values[1] < values[0]
    assert detector[CONV].weight.grad.abs().max() > 0


def test_an_image_without_boxes(detector, pictures):
    losses = detector.train()(pictures, [targets()[1]] * 2)
    assert losses["loss_mask"] == 0 and all(torch.isfinite(one) for one in losses.values())


def test_targets_without_masks_of_the_images_are_told(detector, pictures):
    own, nothing = targets()
    with pytest.raises(RequestError, match=r"targets\[0\]\['masks'\]: is missing"):
        detector.train()(pictures, [{key: own[key] for key in ("boxes", "labels")}, nothing])
    with pytest.raises(RequestError, match=r"\[1, 15, 15\].*\[1, 120, 160\]"):
        detector(pictures, [dict(own, masks=torch.ones(1, 15, 15)), nothing])
    with pytest.raises(RequestError, match=r"\['masks'\]: has values of 0 to 255"):
        detector(pictures, [dict(own, masks=255 * own["masks"]), nothing])


def test_what_is_not_trained_comes_back_bit_for_bit(source, tmp_path):
    graphfix.export("torch", str(source), tmp_path / "same")
    detector = graphfix.torch.load(tmp_path / "same")
    names = graphfix.torch.save_tf1(detector, tmp_path / "back")
    before, after = (graphfix.open_model(one) for one in (source, tmp_path / "back"))
    assert set(names) == set(after.store) == set(before.store)
    # The width that a config leaves to the API is written down.
    assert before.model.pins and not after.model.pins
    assert after.model == dataclasses.replace(before.model, pins=())
    for name in set(names) - {"global_step"}:
        assert after.store[name].load().tobytes() == before.store[name].load().tobytes(), name


@thorough.only
def test_torch_export(detector, pictures):
    detector.eval()
    images = torch.stack(pictures)
    with torch.no_grad():
        wanted = detector.detect(images)
        found = torch.export.export(detector, (images,)).module()(images)
    assert wanted.counts.min() > 0
    for name, value in wanted._asdict().items():
        assert torch.equal(value, found[name]), name
