#!/usr/bin/env python3
"""The stock API's way to a frozen graph: build the model, restore a checkpoint, export.

stock_export.py PREFIX CONFIG OUT
"""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from google.protobuf import text_format
from object_detection import exporter
from object_detection.protos import pipeline_pb2


def main():
    prefix, path, out = sys.argv[1:]
    with open(path) as file:
        # Published configs have fields that later revisions of the API do not know.
        config = text_format.Parse(
            file.read(), pipeline_pb2.TrainEvalPipelineConfig(), allow_unknown_field=True
        )
    body = getattr(config.model, config.model.WhichOneof("model"))
    if body.feature_extractor.type.startswith("ssd"):
        body.feature_extractor.override_base_feature_extractor_hyperparams = True
    tf.compat.v1.logging.set_verbosity("ERROR")
    exporter.export_inference_graph("image_tensor", config, prefix, out)


if __name__ == "__main__":
    main()
