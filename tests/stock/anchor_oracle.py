"""Prints, as JSON, what the stock anchor generators make of the cases it is given.

anchor_oracle.py CASES.json RESULT.json    under a Python that has the stock API
"""

import json
import sys

import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from object_detection.builders import anchor_generator_builder
from object_detection.protos import anchor_generator_pb2


def boxes(case):
    config = text_format.Parse(case["config"], anchor_generator_pb2.AnchorGenerator())
    height, width = case["image"]
    with tf.Graph().as_default(), tf.Session() as session:
        generator = anchor_generator_builder.build(config)
        # A first stage's generator takes no size of the image.
        first_stage = case["config"].startswith("grid_anchor_generator")
        if case["varies"]:
            height, width = tf.constant(height), tf.constant(width)
        sizes = {} if first_stage else {"im_height": height, "im_width": width}
        lists = generator.generate([tuple(shape) for shape in case["shapes"]], **sizes)
        return [session.run(one.get()).tolist() for one in lists]


def answer(case):
    try:
        return boxes(case)
    except Exception as error:  # that the API cannot build it is an answer
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
        json.dump([answer(case) for case in json.load(source)], target)
