"""Detectors to compare with the stock API: configs of tests/stock/families with random weights, and
a scene that they see."""

import collections
import hashlib
import json
import os
import re
import subprocess

import numpy as np
import repository
import zoo

import graphfix.torch
from graphfix import open_model
from graphfix.detectors.variables import model_variables
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import writer
from graphfix.formats.tensors import TensorStore, constant
from graphfix.pipeline_config.document import parse_config
from graphfix.torch import writing
from graphfix.torch.files import Settings

HERE = os.path.dirname(os.path.abspath(__file__))
REVISION = "2021-06"


def message_of(text):
    return parse_config(text.encode(), "pipeline.config").message


_ALL_PROPOSALS = " second_stage_batch_size: 32 second_stage_balance_fraction: 1"
# What is random in training, and what a batch decides: statistics of two images of a map of one
# cell turn a difference of rounding into one of per cents.
STEADY = (
    # So that each box has an anchor, and that is among the hard examples: no loss is 0.
    (r" num_hard_examples: \d+", " num_hard_examples: 3000"),
    (r" argmax_matcher \{", " argmax_matcher { force_match_for_each_row: true"),
    # So large that sampling leaves nothing out.
    (r" second_stage_batch_size: \d+", _ALL_PROPOSALS),
    (
        r" first_stage_max_proposals: \d+",
        " first_stage_minibatch_size: 100000 first_stage_max_proposals: 32",
    ),
    (r"( convolutional_box_predictor \{)", r"\1 use_dropout: false"),
    (r"( batch_norm \{)", r"\1 train: false"),
    (r" ssd \{", " ssd { freeze_batchnorm: true"),
)
FEW_CLASSES = (r" num_classes: \d+", " num_classes: 4")
# Layers without an activation, whose sum would grow; heads, whose scores should not all be 0 or 1.
LINEAR = re.compile(r".*/(project|conv3|shortcut|projection_\d+)/weights\Z")
# It takes what no normalization bounds, and its activation is bounded.
BASE = re.compile(r".*/Base_Conv2d_\w+/weights\Z")
HEAD = re.compile(
    r"(.*(Class|BoxEncoding|Box)Predictor/\w*|(SecondStageBoxPredictor/)?Conv(_\d+)?/)weights\Z"
)


# Detectors that are no family of tests/stock/families.
SHAPES, PUBLISHED = "shapes_detector", "ssd_mobilenet_v1_coco_2018_01_28"
MASKS_PUBLISHED = "mask_rcnn_inception_v2_coco_2018_01_28"
OF_ZOO = (PUBLISHED, MASKS_PUBLISHED)


def config_of(family, *edits, steady=True):
    """The config of a family, of the trained detector in testdata, or of a published model, with
    edits (pattern, replacement)."""
    path = os.path.join(repository.FAMILIES, family + ".config")
    if family == SHAPES:
        path = os.path.join(repository.DETECTOR, "pipeline.config")
    elif family in OF_ZOO:
        path = os.path.join(zoo.model(family), "pipeline.config")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for pattern, new in edits:
        text, count = re.subn(pattern, new, text)
        assert count, pattern
    text = re.sub(r"\b(use_dropout|train|freeze_batchnorm|force_match_for_each_row): \w+", "", text)
    few = () if family in (SHAPES, MASKS_PUBLISHED) else (FEW_CLASSES,)
    for pattern, new in few + (STEADY if steady else STEADY[:5]):
        text = re.sub(pattern, new, text)
    return text


def random_weights(message):
    """A store of the model's variables, drawn so that activations stay in range."""
    views = [constant("global_step", dtypes.INT64, np.array(7))]
    variables = model_variables(message, revision=REVISION, config="pipeline.config")
    names = {one.name for one in variables}
    # As deep as a ResNet 50: what more units add up would leave no score between 0 and 1.
    units = sum(name.endswith("/conv3/weights") for name in names)
    linear = 0.25 * min(1, 16 / max(units, 1))
    for one in variables:
        seed = int(hashlib.md5(one.name.encode()).hexdigest()[:8], 16)
        random = np.random.RandomState(seed)
        leaf = one.name.rpartition("/")[2]
        if leaf in ("gamma", "moving_variance"):
            value = random.uniform(0.5, 1.5, one.shape)
        elif leaf.endswith("weights"):
            inputs = np.prod(one.shape[:2] if leaf[0] == "d" else one.shape[:-1])
            scales = {HEAD: 0.3, LINEAR: linear, BASE: 0.005}
            gain = next((scales[one_of] for one_of in scales if one_of.match(one.name)), 2.0)
            if len(one.shape) == 2:
                gain = 0.003  # of features without a bound
            if one.name.replace("depthwise", "pointwise") in names - {one.name}:
                gain = 1.0  # the first half of a separable convolution
            value = random.standard_normal(one.shape) * np.sqrt(gain / inputs)
        else:
            value = random.standard_normal(one.shape) * 0.1
        views.append(constant(one.name, dtypes.FLOAT32, value.astype(np.float32)))
    return TensorStore(views)


def photographs():
    """Pictures that the trained detector is for."""
    from PIL import Image

    names = [f"{repository.TESTDATA}/shapes/demo_0000{number}.jpg" for number in range(2)]
    return np.stack([np.array(Image.open(one)) for one in names])


def noise():
    return np.random.RandomState(5).randint(0, 256, (2, 120, 160, 3)).astype(np.uint8)


def scene(classes, pictures, boxes=3):
    """Pictures with boxes of a colour and a label each painted on them; the masks are ellipses."""
    random = np.random.RandomState(6)
    size = pictures.shape[1:3]
    found = {"images": pictures.copy()}
    for number, picture in enumerate(found["images"]):
        low = random.uniform(0, 0.5, (boxes, 2))
        high = low + random.uniform(0.15, 0.5, (boxes, 2))
        found[f"boxes_{number}"] = np.concatenate([low, high], 1).clip(0, 1).astype(np.float32)
        found[f"labels_{number}"] = random.randint(1, classes + 1, boxes)
        found[f"masks_{number}"] = ellipses(found[f"boxes_{number}"], size)
        # One of them, so that much of the picture stays.
        top, left, bottom, right = (found[f"boxes_{number}"][0] * (size * 2)).astype(int)
        picture[top:bottom, left:right] = random.randint(0, 256, 3)
    return found


def with_proposals(place, seen):
    """A scene some of whose boxes are close to what the exported detector in `place` proposes in
    training: random weights propose nothing close to random boxes, and a second stage would have
    no box to learn."""
    import torch  # which tests of files do without

    detector = graphfix.torch.load(place).train()
    batch = detector.batch([torch.from_numpy(one).permute(2, 0, 1) for one in seen["images"]])
    with torch.no_grad():
        proposals, _, counts = detector.proposals(detector.propose(batch.images), batch.after)
    found = dict(seen)
    for number, (own, count, after) in enumerate(zip(proposals, counts, batch.after)):
        parts = (own[:count] / own.new_tensor(after * 2)).numpy()
        sides = parts[:, 2:] - parts[:, :2]
        large = parts[(sides > 0.1).all(1) & (sides < 0.9).all(1)]
        boxes = seen[f"boxes_{number}"].copy()
        # Two of them, a tenth of their sides further.
        close = large[: len(boxes) - 1]
        boxes[1 : 1 + len(close)] = close + 0.1 * np.tile(close[:, 2:] - close[:, :2], 2)
        found[f"boxes_{number}"] = boxes.clip(0, 1)
        found[f"masks_{number}"] = ellipses(found[f"boxes_{number}"], seen["images"].shape[1:3])
    return found


def ellipses(boxes, size):
    """Those that boxes [n, 4] in parts of an image enclose, [n, *size] of 0 and 1."""
    y, x = (np.arange(side) / side for side in size)
    y1, x1, y2, x2 = (edge[:, None, None] for edge in boxes.T)
    rows = ((2 * y[:, None] - y1 - y2) / (y2 - y1)) ** 2
    return (rows + ((2 * x - x1 - x2) / (x2 - x1)) ** 2 <= 1).astype(np.uint8)


# What `judge` has of a detector: its exported directory, and what the stock API computes.
Case = collections.namedtuple("Case", "directory text scene stock")


def body_of(message):
    return getattr(message.model, message.model.WhichOneof("model"))


def judge(python, directory, texts):
    """A Case for each config, by its family: its weights, exported, and what the stock API of a
    Python computes with them."""
    jobs, cases = [], []
    for number, (family, text) in enumerate(texts):
        place = os.path.join(str(directory), str(number))
        os.mkdir(place)
        message = message_of(text)
        trained = family == SHAPES
        weights = open_model(repository.DETECTOR).store if trained else random_weights(message)
        with open(os.path.join(place, "pipeline.config"), "w") as file:
            file.write(text)
        writer.write_bundle(weights, os.path.join(place, "model.ckpt"))
        writing.write(place, Settings(message, {}), weights, "A test", "the weights")
        seen = scene(body_of(message).num_classes, photographs() if trained else noise())
        if message.model.HasField("faster_rcnn"):
            seen = with_proposals(place, seen)
        np.savez(os.path.join(place, "scene.npz"), **seen)
        jobs.append(
            {
                "pipeline_config": os.path.join(place, "pipeline.config"),
                "checkpoint": os.path.join(place, "model.ckpt"),
                "scene": os.path.join(place, "scene.npz"),
                "output": os.path.join(place, "stock.npz"),
            }
        )
        cases.append((place, text, seen))
    path = os.path.join(str(directory), "jobs.json")
    with open(path, "w") as file:
        json.dump(jobs, file)
    done = subprocess.run(
        [python, os.path.join(HERE, "stock_oracle.py"), path],
        env=dict(os.environ, PYTHONPATH=os.path.join(repository.TOP, "graphfix", "stock_api")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-3000:]
    return [Case(*case, dict(np.load(job["output"]))) for case, job in zip(cases, jobs)]
