#!/usr/bin/env python3
"""Makes a full-size checkpoint to convert: TensorFlow's writer, values from a seed.

    make_checkpoint.py OUT --index PREFIX     the names, types and shapes of a published index
    make_checkpoint.py OUT --config CONFIG    those of the model that the stock API builds of it

OUT gets model.ckpt.index and model.ckpt.data-00000-of-00001.
"""

import argparse
import os
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow.python import pywrap_tensorflow


def of_index(prefix):
    reader = pywrap_tensorflow.NewCheckpointReader(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    return {
        name: (dtypes[name], shape) for name, shape in reader.get_variable_to_shape_map().items()
    }


def of_config(path):
    from google.protobuf import text_format
    from object_detection.builders import model_builder
    from object_detection.protos import pipeline_pb2

    with open(path) as file:
        config = text_format.Parse(
            file.read(), pipeline_pb2.TrainEvalPipelineConfig(), allow_unknown_field=True
        )
    with tf.Graph().as_default():
        model = model_builder.build(config.model, is_training=False)
        model.predict(*model.preprocess(tf.zeros([1, 300, 300, 3])))
        tf.compat.v1.train.get_or_create_global_step()
        return {
            variable.op.name: (variable.dtype.base_dtype, variable.shape.as_list())
            for variable in tf.compat.v1.global_variables()
        }


def value(name, dtype, shape):
    """Depends on nothing but its arguments, so every machine makes the same checkpoint."""
    if not dtype.is_floating:
        return np.full(shape, 200000, dtype.as_numpy_dtype)
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    noise = np.float32(0.05) * noise.astype(np.float32) if shape else np.float32(noise)
    if name.endswith(("moving_variance", "gamma")):
        noise = 1 + np.abs(noise)
    return np.asarray(noise, dtype.as_numpy_dtype)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--index")
    kind.add_argument("--config")
    args = parser.parse_args()
    variables = of_index(args.index) if args.index else of_config(args.config)
    names = sorted(variables)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        feeds = [tf.compat.v1.placeholder(variables[name][0]) for name in names]
        save = tf.raw_ops.SaveV2(
            prefix=os.path.join(args.out, "model.ckpt"),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=feeds,
        )
        session.run(save, {feed: value(name, *variables[name]) for feed, name in zip(feeds, names)})


if __name__ == "__main__":
    main()
