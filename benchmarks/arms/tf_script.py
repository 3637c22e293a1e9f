#!/usr/bin/env python3
"""The script one would write by hand: TensorFlow's reader, NumPy, TensorFlow's SaveV2.

    tf_script.py PREFIX CONFIG OUT --rows 2,1,0

Reads the checkpoint PREFIX, gives every class head the classes whose old ids --rows lists (0: a
new class), leaves out what a trainer adds to the model, sets global_step to 0, and writes
OUT/model.ckpt and OUT/pipeline.config.  Knows the heads of SSD, Faster R-CNN and R-FCN.
"""

import argparse
import os
import re

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow.python import pywrap_tensorflow

# Names, whether class 0 is the background, numbers a class has.
HEADS = (
    (r"BoxPredictor_\d+/ClassPredictor/", True, 1),
    (r"SecondStageBoxPredictor/ClassPredictor/", True, 1),
    (r"SecondStageBoxPredictor/BoxEncodingPredictor/", False, 4),
    (r"SecondStageBoxPredictor/class_predictions/", True, 1),
    (r"SecondStageBoxPredictor/refined_locations/", False, 4),
)
SLOT = re.compile(r"/(Momentum|RMSProp(_1)?|Adam(_1)?|ExponentialMovingAverage)$")


def head(name):
    """(has a background, numbers a class has) of a class head's variable, else None."""
    for pattern, background, codes in HEADS:
        if re.match(pattern, name):
            return background, codes
    return None


def surgery(name, value, old_classes, rows):
    """A head's variable for the new classes; its last axis is (places, classes, codes)."""
    background, codes = head(name)
    source = value.reshape(value.shape[:-1] + (-1, old_classes + background, codes))
    slots = [0] * background + [row - (not background) for row in rows]
    taken = source[..., slots, :]
    for slot, row in enumerate(rows, int(background)):
        if row == 0:
            fresh = taken[..., slot, :]
            fresh[...] = np.random.RandomState(0).normal(0, 0.01, fresh.shape)
    return taken.reshape(value.shape[:-1] + (-1,))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("prefix")
    parser.add_argument("config")
    parser.add_argument("out")
    parser.add_argument("--rows", required=True)
    args = parser.parse_args()
    rows = [int(row) for row in args.rows.split(",")]
    with open(args.config) as file:
        config = file.read()
    old_classes = int(re.search(r"num_classes: (\d+)", config).group(1))

    reader = pywrap_tensorflow.NewCheckpointReader(args.prefix)
    values = {}
    for name in sorted(reader.get_variable_to_shape_map()):
        if SLOT.search(name):
            continue
        value = reader.get_tensor(name)
        if name == "global_step":
            value = np.zeros_like(value)
        elif head(name):
            value = surgery(name, value, old_classes, rows)
        values[name] = value

    os.makedirs(args.out)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        feeds = [tf.compat.v1.placeholder(value.dtype) for value in values.values()]
        save = tf.raw_ops.SaveV2(
            prefix=os.path.join(args.out, "model.ckpt"),
            tensor_names=list(values),
            tensors=feeds,
            shape_and_slices=[""] * len(values),
        )
        session.run(save, dict(zip(feeds, values.values())))
    with open(os.path.join(args.out, "pipeline.config"), "w") as file:
        file.write(re.sub(r"num_classes: \d+", f"num_classes: {len(rows)}", config))


if __name__ == "__main__":
    main()
