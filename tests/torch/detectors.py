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

from graphfix.detectors.variables import model_variables
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import writer
from graphfix.formats.tensors import TensorStore, constant
from graphfix.pipeline_config.document import parse_config
from graphfix.torch import writing
from graphfix.torch.files import Settings

HERE = os.path.dirname(os.path.abspath(__file__))
REVISION = "2019-07"


def message_of(text):
    return parse_config(text.encode(), "pipeline.config").message


# What is random in training, and what a batch decides: statistics of two images of a map of one
# cell turn a difference of rounding into one of per cents.
STEADY = (
    (r"( convolutional_box_predictor \{)", r"\1 use_dropout: false"),
    (r"( batch_norm \{)", r"\1 train: false"),
    (r" num_classes:", r" freeze_batchnorm: true num_classes:"),
)
FEW_CLASSES = (r" num_classes: \d+", " num_classes: 4")
# Layers without an activation, whose sum would grow; heads, whose scores should not all be 0 or 1.
LINEAR = re.compile(r".*/(project|conv3|shortcut|projection_\d+)/weights\Z")
HEAD = re.compile(r".*(Class|BoxEncoding|Box)Predictor/\w*weights\Z")


def config_of(family, *edits, steady=True):
    """A family's config, with edits (pattern, replacement)."""
    with open(os.path.join(repository.FAMILIES, family + ".config"), encoding="utf-8") as file:
        text = file.read()
    for pattern, new in edits:
        text, count = re.subn(pattern, new, text)
        assert count, pattern
    text = re.sub(r"\b(use_dropout|train|freeze_batchnorm): \w+", "", text)
    for pattern, new in (FEW_CLASSES,) + (STEADY if steady else STEADY[:1]):
        text = re.sub(pattern, new, text)
    return text


def random_weights(message):
    """A store of the model's variables, drawn so that activations stay in range."""
    views = [constant("global_step", dtypes.INT64, np.array(7))]
    variables = model_variables(message, revision=REVISION, config="pipeline.config")
    names = {one.name for one in variables}
    for one in variables:
        seed = int(hashlib.md5(one.name.encode()).hexdigest()[:8], 16)
        random = np.random.RandomState(seed)
        leaf = one.name.rpartition("/")[2]
        if leaf in ("gamma", "moving_variance"):
            value = random.uniform(0.5, 1.5, one.shape)
        elif leaf.endswith("weights"):
            inputs = np.prod(one.shape[:2] if leaf[0] == "d" else one.shape[:-1])
            gain = 0.3 if HEAD.match(one.name) else 0.25 if LINEAR.match(one.name) else 2.0
            if one.name.replace("depthwise", "pointwise") in names - {one.name}:
                gain = 1.0  # the first half of a separable convolution
            value = random.standard_normal(one.shape) * np.sqrt(gain / inputs)
        else:
            value = random.standard_normal(one.shape) * 0.1
        views.append(constant(one.name, dtypes.FLOAT32, value.astype(np.float32)))
    return TensorStore(views)


def scene(classes, images=2, size=(120, 160), boxes=3):
    """Pictures of coloured boxes on noise, and the boxes' places and labels."""
    random = np.random.RandomState(5)
    pictures = random.randint(0, 256, (images,) + size + (3,)).astype(np.uint8)
    found = {"images": pictures}
    for number, picture in enumerate(pictures):
        low = random.uniform(0, 0.5, (boxes, 2))
        high = low + random.uniform(0.15, 0.5, (boxes, 2))
        found[f"boxes_{number}"] = np.concatenate([low, high], 1).clip(0, 1).astype(np.float32)
        found[f"labels_{number}"] = random.randint(1, classes + 1, boxes)
        for box in found[f"boxes_{number}"]:
            top, left, bottom, right = (box * (size * 2)).astype(int)
            picture[top:bottom, left:right] = random.randint(0, 256, 3)
    return found


# A family, as `judge` has it: the directory of the exported detector, and what the stock API computes.
Case = collections.namedtuple("Case", "directory text scene stock")


def judge(python, directory, texts, **of_scene):
    """A Case for each config: its random weights, exported, and what the stock API of a Python
    computes with them."""
    jobs, cases = [], []
    for number, text in enumerate(texts):
        place = os.path.join(str(directory), str(number))
        os.mkdir(place)
        message = message_of(text)
        weights = random_weights(message)
        with open(os.path.join(place, "pipeline.config"), "w") as file:
            file.write(text)
        writer.write_bundle(weights, os.path.join(place, "model.ckpt"))
        writing.write(place, Settings(message, {}), weights, "A test", "the weights")
        seen = scene(message.model.ssd.num_classes, **of_scene)
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
