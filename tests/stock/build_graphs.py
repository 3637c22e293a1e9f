"""Run by a stock interpreter: does its own API build the training and the evaluation graph?

    build_graphs.py model|graph RESULT.json LABELS.pbtxt CONFIG...

With `model` the builders only run, which takes milliseconds.  With `graph` model_lib's own model_fn
builds both graphs, with placeholders where a batch would be, and without the gradients.
Augmentations are applied to a picture, and optimizer_builder reads what is its own.  RESULT.json
gets, for each config, null or what was raised.  Each is built in a process of its own, forked after
the imports.
"""

import contextlib
import json
import os
import signal
import sys

BOXES, SECONDS = 4, 240
PICTURE, TIMES = (120, 160), 3


def build(verb, path, labels):
    import tensorflow as tf
    from google.protobuf import text_format
    from object_detection import model_hparams, model_lib
    from object_detection.builders import (
        image_resizer_builder,
        model_builder,
        optimizer_builder,
        preprocessor_builder,
    )
    from object_detection.protos import pipeline_pb2
    from object_detection.utils import config_util

    pipeline = pipeline_pb2.TrainEvalPipelineConfig()
    with open(path, encoding="utf-8") as file:
        text_format.Merge(file.read(), pipeline)
    configs = config_util.create_configs_from_pipeline_proto(pipeline)
    for reader in (configs["train_input_config"], *configs["eval_input_configs"]):
        reader.label_map_path = labels
    train = configs["train_config"]
    augment(tf, preprocessor_builder, train, configs["train_input_config"])
    train.fine_tune_checkpoint = ""
    resizer = config_util.get_image_resizer_config(configs["model"])
    image_resizer_builder.build(resizer)
    size = [side if side > 0 else None for side in config_util.get_spatial_image_size(resizer)]
    optimizer_builder.build(train.optimizer)
    if verb == "model":
        for is_training in (True, False):
            model_builder.build(configs["model"], is_training=is_training)
        return
    hparams = model_hparams.create_hparams(None)
    model_fn = model_lib.create_model_fn(
        lambda is_training, add_summaries: model_builder.build(
            configs["model"], is_training=is_training, add_summaries=add_summaries
        ),
        configs,
        hparams,
    )
    no_gradients(tf)
    for mode, batch, reader in (
        ("train", train.batch_size, configs["train_input_config"]),
        ("eval", 1, configs["eval_input_configs"][0]),
    ):
        with tf.Graph().as_default():
            features, truth = batch_of(tf, configs, batch, size, reader, mode)
            model_fn(features, truth, mode)


def augment(tf, preprocessor_builder, train, reader):
    """Applies the augmentations to a picture, a few times: they are random."""
    import numpy as np
    from object_detection.inputs import augment_input_data

    height, width = PICTURE
    given = {
        "image": np.full([height, width, 3], 99, np.float32),
        "groundtruth_boxes": np.array([[0.1, 0.1, 0.5, 0.6], [0.3, 0.2, 0.9, 0.8]], np.float32),
        "groundtruth_classes": np.array([1, 2]),
        "groundtruth_weights": np.ones([2], np.float32),
    }
    if reader.load_instance_masks:
        given["groundtruth_instance_masks"] = np.ones([2, height, width], np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        options = [preprocessor_builder.build(step) for step in train.data_augmentation_options]
        placeholders = {
            key: tf.placeholder(value.dtype, [None] * (value.ndim - 1) + [last])
            for key, value in given.items()
            for last in [value.shape[-1] if key in ("image", "groundtruth_boxes") else None]
        }
        augmented = augment_input_data(dict(placeholders), options)
        for _ in range(TIMES if options else 0):
            session.run(augmented, {one: given[key] for key, one in placeholders.items()})


def no_gradients(tf):
    def optimize_loss(loss, **more):
        return tf.no_op()

    tf.contrib.layers.optimize_loss = optimize_loss
    with contextlib.suppress(ImportError):
        import tf_slim

        tf_slim.optimizers.optimize_loss = optimize_loss


def batch_of(tf, configs, batch, size, reader, mode):
    model = getattr(configs["model"], configs["model"].WhichOneof("model"))
    classes = model.num_classes

    def given(kind, *shape):
        return tf.placeholder(kind, [batch, *shape])

    features = {
        "image": given(tf.float32, *size, 3),
        "true_image_shape": given(tf.int32, 3),
        "hash": given(tf.int32),
        "key": given(tf.string),
        "original_image": given(tf.uint8, *size, 3),
        "original_image_spatial_shape": given(tf.int32, 2),
    }
    truth = {
        "num_groundtruth_boxes": given(tf.int32),
        "groundtruth_boxes": given(tf.float32, BOXES, 4),
        "groundtruth_classes": given(tf.float32, BOXES, classes),
        "groundtruth_weights": given(tf.float32, BOXES),
        "groundtruth_confidences": given(tf.float32, BOXES, classes),
        "groundtruth_area": given(tf.float32, BOXES),
        "groundtruth_is_crowd": given(tf.bool, BOXES),
        "groundtruth_difficult": given(tf.int32, BOXES),
    }
    if reader.load_instance_masks:
        truth["groundtruth_instance_masks"] = given(tf.float32, BOXES, *size)
    if "context_config {" in str(model):
        length = model.context_config.context_feature_length
        features["context_features"] = given(tf.float32, 4, length)
        features["valid_context_size"] = given(tf.int32)
    return features, truth


def judge_all(judge, result, paths):
    """What `judge` raises for each path, as text, or null, in the file `result`."""
    found = {}
    for path in paths:
        found[path] = forked(judge, path, result + ".part")
        with open(result, "w", encoding="utf-8") as file:
            json.dump(found, file)


def forked(judge, path, result):
    child = os.fork()
    if not child:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of its own time: the machine may be busy
        found = None
        try:
            judge(path)
        except BaseException as error:  # whatever the API raises is the answer
            import traceback

            frame = traceback.extract_tb(error.__traceback__)[-1]
            found = f"{type(error).__name__}: {str(error)[:300]} ({frame.filename}:{frame.lineno})"
        with open(result, "w", encoding="utf-8") as file:
            json.dump(found, file)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        return "the process ended"
    with open(result, encoding="utf-8") as file:
        return json.load(file)


def main(verb, result, labels, *paths):
    from object_detection import model_lib  # noqa: F401  for the children to inherit

    judge_all(lambda path: build(verb, path, labels), result, paths)


if __name__ == "__main__":
    main(*sys.argv[1:])
