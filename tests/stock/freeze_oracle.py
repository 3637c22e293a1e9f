"""Asks the stock API which variables a model has, and which of them given patterns let train.

    freeze_oracle.py variables CONFIG... RESULT.json   of each config's model, built for training
    freeze_oracle.py trained CASES.json RESULT.json    of cases {names, patterns}, by both trainers'
                                                       own functions

Under a Python that has the stock API.
"""

import json
import sys

import stock_scene
import tensorflow.compat.v1 as tf
from object_detection import model_lib
from object_detection.builders import model_builder
from object_detection.utils import variables_helper


def variables(path):
    """{name: [dtype, shape, trainable]} of a config's model."""
    pipeline = stock_scene.read_pipeline(path)
    with tf.Graph().as_default():
        model = model_builder.build(pipeline.model, is_training=True)
        images, shapes = model.preprocess(tf.zeros([1, 128, 128, 3]))
        model.provide_groundtruth(
            [tf.constant([[0.1, 0.1, 0.5, 0.5]])], [tf.one_hot([0], model.num_classes)]
        )
        model.predict(images, shapes)
        trainable = {one.op.name for one in tf.trainable_variables()}
        return {
            one.op.name: [one.dtype.base_dtype.name, one.shape.as_list(), one.op.name in trainable]
            for one in tf.global_variables()
        }


def trained(case):
    """Names that train: by legacy/trainer.py's function and by the one model_lib calls."""
    framework = getattr(model_lib, "slim", None) or model_lib.tf.contrib.framework
    with tf.Graph().as_default():
        made = [tf.Variable(0.0, name=name) for name in case["names"]]
        assert [one.op.name for one in made] == case["names"]
        pairs = [(one + 0.0, one) for one in made]
        kept = (
            variables_helper.freeze_gradients_matching_regex(pairs, case["patterns"])
            if case["patterns"]
            else pairs
        )
        chosen = framework.filter_variables(
            made, include_patterns=None, exclude_patterns=case["patterns"] or None
        )
        return [[one.op.name for _, one in kept], [one.op.name for one in chosen]]


if __name__ == "__main__":
    if sys.argv[1] == "variables":
        answer = [variables(path) for path in sys.argv[2:-1]]
    else:
        with open(sys.argv[2]) as source:
            answer = [trained(case) for case in json.load(source)]
    with open(sys.argv[-1], "w") as target:
        json.dump(answer, target)
