"""Runs models of configs with weights that follow from the variables' names.

era_outputs.py CONFIGS.json DIRECTORY    under a Python that has the stock API

CONFIGS.json is {name: path of a config}.  DIRECTORY gets NAME.npz with the preprocessed image, the
anchors, what the predictor gives before suppression, and that once more ("again"); or NAME.txt with
what the API raised.
"""

import json
import os
import sys
import zlib

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from object_detection.builders import model_builder
from object_detection.protos import pipeline_pb2

OUTPUTS = (
    "box_encodings",
    "class_predictions_with_background",
    "rpn_box_encodings",
    "rpn_objectness_predictions_with_background",
    "refined_box_encodings",
    "proposal_boxes",
)
_AROUND = {"gamma": (1, 0.2), "moving_variance": (1, 0.3), "min": (-6, 0), "max": (6, 0)}
_AROUND.update((name, (0, 0.2)) for name in ("beta", "moving_mean", "biases", "bias"))


def value(name, shape):
    random = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    leaf = name.rpartition("/")[2]
    if leaf in _AROUND:
        middle, width = _AROUND[leaf]
        return middle + width * random.uniform(-1, 1, shape)
    inputs = shape[:2] if leaf == "depthwise_weights" else shape[:-1]
    return random.normal(0, np.sqrt(1.6 / max(np.prod(inputs), 1)), shape)


def image():
    """Smooth noise, wider than high."""
    found = np.random.RandomState(7).uniform(0, 255, (1, 167, 241, 3))
    for axis in (1, 2):
        found = np.apply_along_axis(np.convolve, axis, found, np.ones(9) / 9, "same")
    return found.astype(np.float32)


def outputs(path):
    with open(path) as file:
        config = text_format.Parse(file.read(), pipeline_pb2.TrainEvalPipelineConfig()).model
    with tf.Graph().as_default(), tf.Session() as session:
        model = model_builder.build(config, is_training=False)
        images = tf.placeholder(tf.float32, [1, None, None, 3])
        preprocessed, shapes = model.preprocess(images)
        found = model.predict(preprocessed, shapes)
        wanted = {name: found[name] for name in OUTPUTS if name in found}
        ssd = config.WhichOneof("model") == "ssd"
        wanted["anchors"] = model.anchors.get() if ssd else found["anchors"]
        wanted["preprocessed"] = preprocessed
        for variable in tf.global_variables():
            made = value(variable.op.name, variable.shape.as_list())
            variable.load(made.astype(variable.dtype.base_dtype.as_numpy_dtype), session)
        given = {images: image()}
        result = session.run(wanted, given)
        again = {name: wanted[name] for name in OUTPUTS[:2] if name in wanted}
        for name, once_more in session.run(again, given).items():
            result["again " + name] = once_more
    return result


def main(configs, directory):
    with open(configs) as file:
        paths = json.load(file)
    for name, path in sorted(paths.items()):
        try:
            np.savez(os.path.join(directory, name + ".npz"), **outputs(path))
        except Exception as error:  # that the API cannot build it is an answer
            with open(os.path.join(directory, name + ".txt"), "w") as file:
                file.write(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
