"""Detectors to compare with the stock API: configs of tests/stock/families with random weights, and
a scene that they see."""

import hashlib
import os
import re

import numpy as np
import repository

from graphfix.detectors.variables import model_variables
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import writer
from graphfix.formats.tensors import TensorStore, constant
from graphfix.pipeline_config.document import parse_config

FAMILIES = os.path.join(repository.TESTS, "stock", "families")
REVISION = "2019-07"


def message_of(text):
    return parse_config(text.encode(), "pipeline.config").message


# What is random in training, and what a batch decides: statistics of two images of a map of one
# cell turn a difference of rounding into one of per cents.
STEADY = (
    (r"( convolutional_box_predictor \{)", r"\1 use_dropout: false"),
    (r"( batch_norm \{)", r"\1 train: false"),
    (r"( num_classes:)", r" freeze_batchnorm: true\1"),
)


def config_of(family, *edits, steady=True):
    """A family's config, with edits (pattern, replacement)."""
    with open(os.path.join(FAMILIES, family + ".config"), encoding="utf-8") as file:
        text = file.read()
    for pattern, new in edits:
        text, count = re.subn(pattern, new, text)
        assert count, pattern
    for pattern, new in STEADY if steady else STEADY[:1]:
        text = re.sub(pattern, new, text)
    return text


def random_weights(message):
    """A store of the model's variables, drawn so that activations stay in range."""
    views = [constant("global_step", dtypes.INT64, np.array(7))]
    for one in model_variables(message, revision=REVISION, config="pipeline.config"):
        seed = int(hashlib.md5(one.name.encode()).hexdigest()[:8], 16)
        random = np.random.RandomState(seed)
        leaf = one.name.rpartition("/")[2]
        if leaf in ("gamma", "moving_variance"):
            value = random.uniform(0.5, 1.5, one.shape)
        elif leaf.endswith("weights"):
            inputs = np.prod(one.shape[:2] if leaf[0] == "d" else one.shape[:-1])
            value = random.standard_normal(one.shape) * np.sqrt(2.0 / inputs)
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
