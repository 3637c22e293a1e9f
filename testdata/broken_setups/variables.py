"""What tells one model's checkpoint from another's: a first layer and the heads, with one input
channel."""

import re

import numpy as np


def tensors(
    classes=8,
    anchors=(3, 6, 6, 6, 6, 6),
    kernel=1,
    first="MobilenetV1/Conv2d_0/weights",
    scope="FeatureExtractor/",
    width=16,
    step=None,
    more=None,
    depthwise=False,
):
    """What tells an SSD from another: its first layer and its heads."""
    out = {scope + first: np.full((3, 3, 3, width), 0.01, np.float32)}
    for number, count in enumerate(anchors):
        for head, channels in (
            ("ClassPredictor", count * (classes + 1)),
            ("BoxEncodingPredictor", count * 4),
        ):
            name = f"BoxPredictor_{number}/{head}"
            out[name + "/weights"] = np.full((kernel, kernel, 1, channels), 0.01, np.float32)
            out[name + "/biases"] = np.zeros(channels, np.float32)
            if depthwise:
                out[name + "_depthwise/depthwise_weights"] = np.full((3, 3, 1, 1), 0.01, np.float32)
    if step is not None:
        out["global_step"] = np.asarray(step, np.int64)
    out.update(more or {})
    return out


def of_keras():
    """The same as Keras names them."""
    names = {
        "weights": "kernel",
        "biases": "bias",
        "ClassPredictor": "ConvolutionalClassHead",
        "BoxEncodingPredictor": "ConvolutionalBoxHead",
    }

    def renamed(match):
        number, head, leaf = match.groups()
        return f"BoxPredictor/{names[head]}_{number}/{head}/{names[leaf]}"

    return {
        re.sub(r"BoxPredictor_(\d)/(\w+)/(\w+)", renamed, name): value
        for name, value in tensors(
            scope="ssd_mobile_net_v1keras_feature_extractor/", first="conv1/kernel"
        ).items()
    }


def trained(step=100, **changes):
    """A checkpoint of training with Momentum."""
    model = tensors(step=step, **changes)
    model.update(
        {
            name + "/Momentum": np.zeros_like(value)
            for name, value in list(model.items())
            if name != "global_step"
        }
    )
    return model
