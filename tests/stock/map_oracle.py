"""Prints, as JSON, rows and columns of the feature maps that stock SSD feature extractors give.

    map_oracle.py CASES.json RESULT.json    under a Python that has the stock API

A case is the text of an SsdFeatureExtractor, and height and width of the image.
"""

import json
import sys

import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from object_detection.builders import model_builder
from object_detection.protos import ssd_pb2


def shapes(text, image):
    config = text_format.Parse(text, ssd_pb2.SsdFeatureExtractor())
    with tf.Graph().as_default():
        extractor = model_builder._build_ssd_feature_extractor(config, False, False)
        maps = extractor.extract_features(tf.zeros([1] + image + [3]))
        return [one.shape.as_list()[1:3] for one in maps]


if __name__ == "__main__":
    with open(sys.argv[1]) as source, open(sys.argv[2], "w") as target:
        json.dump([shapes(*case) for case in json.load(source)], target)
