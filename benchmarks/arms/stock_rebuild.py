#!/usr/bin/env python3
"""What the stock API itself offers: build the new graph, restore what fits, save.

    stock_rebuild.py PREFIX CONFIG OUT --classes 3

The class heads do not fit, so they come out with random values: this is less than what the
other arms do.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from google.protobuf import text_format
from object_detection.builders import model_builder
from object_detection.protos import pipeline_pb2
from object_detection.utils import variables_helper


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("prefix")
    parser.add_argument("config")
    parser.add_argument("out")
    parser.add_argument("--classes", type=int, required=True)
    args = parser.parse_args()
    with open(args.config) as file:
        # Published configs have fields that later revisions of the API do not know.
        config = text_format.Parse(
            file.read(), pipeline_pb2.TrainEvalPipelineConfig(), allow_unknown_field=True
        )
    body = getattr(config.model, config.model.WhichOneof("model"))
    body.num_classes = args.classes
    if body.feature_extractor.type.startswith("ssd"):
        body.feature_extractor.override_base_feature_extractor_hyperparams = True
    model = model_builder.build(config.model, is_training=False)
    images, shapes = model.preprocess(tf.zeros([1, 320, 320, 3]))
    model.predict(images, shapes)
    tf.compat.v1.train.get_or_create_global_step()
    wanted = model.restore_map(
        fine_tune_checkpoint_type="detection", load_all_detection_checkpoint_vars=True
    )
    fitting = variables_helper.get_variables_available_in_checkpoint(
        wanted, args.prefix, include_global_step=False
    )
    tf.compat.v1.train.init_from_checkpoint(args.prefix, fitting)
    saver = tf.compat.v1.train.Saver()
    os.makedirs(args.out)
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        saver.save(session, os.path.join(args.out, "model.ckpt"), write_meta_graph=False)
    with open(os.path.join(args.out, "pipeline.config"), "w") as file:
        file.write(text_format.MessageToString(config))


if __name__ == "__main__":
    main()
