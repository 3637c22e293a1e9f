"""Conversions of the tiny detector: what is asked for, and what is read of the output."""

import json
import os

import builders
import numpy as np

FILES = [
    "checkpoint",
    "label_map.pbtxt",
    "manifest.json",
    "model.ckpt.data-00000-of-00001",
    "model.ckpt.index",
    "pipeline.config",
    "plan.json",
    "report.html",
    "report.json",
]

TARGET = ["Person", "zebra", "dog"]

API = ("--target_api", "2019-07")

EMA = "/ExponentialMovingAverage"


def converted(graphfix, model, tmp_path, names):
    """The directory of a conversion to classes of these names."""
    labels = builders.write(tmp_path, "new.pbtxt", builders.label_map(names))
    out = str(tmp_path / "out")
    words = ("--label_map_path", labels, *API, "--output_directory", out)
    assert graphfix("convert", model, *words).code == 0
    return out


def report(out):
    with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
        return json.load(file)


def plan(out):
    with open(os.path.join(out, "plan.json"), encoding="utf-8") as file:
        return json.load(file)


def heads():
    for number, anchors in enumerate(builders.ANCHORS):
        for leaf in ("weights", "biases"):
            yield f"BoxPredictor_{number}/ClassPredictor/{leaf}", anchors


def slot(value, anchors, number):
    """A class slot of every anchor: its channels are anchor * slots + slot."""
    slots = value.shape[-1] // anchors
    return np.stack([value[..., anchor * slots + number] for anchor in range(anchors)], axis=-1)


def same(one, other):
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )
