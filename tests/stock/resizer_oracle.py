"""Prints, as JSON, the sizes that the stock API's image resizers give images.

    resizer_oracle.py CASES.json RESULT.json    under a Python that has the stock API

A case is the text of an ImageResizer, and a list of (height, width).  Its answer: of each size the
[height, width] of the scaled image and of the whole one; or the error's type, where the API cannot
build the resizer.
"""

import json
import sys

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from object_detection.builders import image_resizer_builder
from object_detection.protos import image_resizer_pb2


def sizes(text, images):
    try:
        config = text_format.Parse(text, image_resizer_pb2.ImageResizer())
        resizer = image_resizer_builder.build(config)
    except (text_format.ParseError, ValueError) as error:
        return type(error).__name__
    with tf.Graph().as_default(), tf.Session() as session:
        image = tf.placeholder(tf.uint8, [None, None, 3])
        whole, scaled = resizer(tf.cast(image, tf.float32))
        answer = [scaled[:2], tf.shape(whole)[:2]]
        return [
            [one.tolist() for one in session.run(answer, {image: np.zeros(size + [3], np.uint8)})]
            for size in images
        ]


if __name__ == "__main__":
    with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
        json.dump([sizes(*case) for case in json.load(source)], target)
