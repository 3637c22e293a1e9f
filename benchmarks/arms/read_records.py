#!/usr/bin/env python3
"""Reads records as one would by hand, and counts them and their boxes: read_records.py FILE..."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow.compat.v1 as tf


def main(paths):
    records = boxes = 0
    for path in paths:
        for data in tf.python_io.tf_record_iterator(path):
            features = tf.train.Example.FromString(data).features.feature
            records += 1
            boxes += len(features["image/object/bbox/ymin"].float_list.value)
    print(records, boxes)


if __name__ == "__main__":
    main(sys.argv[1:])
