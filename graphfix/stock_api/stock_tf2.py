"""Jobs for the API of TensorFlow 2: tf2_objects, tf2_outputs, tf2_train."""

import contextlib
import functools
import math
import os
import unittest.mock

import numpy as np
import stock_scene
import tensorflow as tf
from absl import flags
from object_detection import model_lib_v2, model_main_tf2
from object_detection.builders import model_builder
from object_detection.predictors.heads import keras_mask_head
from tensorflow.core.protobuf import trackable_object_graph_pb2

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
MASK_FEATURES, MASKS = "mask_head/features", "mask_head/masks"


def outputs(job, scratch, result):
    """Prediction tensors of a restored model for one image, into an .npz, as `raw_outputs`.

    The checkpoint is restored as the trainer does it, which asserts that every variable of the
    model is in it.
    """
    pipeline = stock_scene.read_pipeline(job["pipeline_config"])
    model = model_builder.build(pipeline.model, is_training=False)
    pixels = stock_scene.pixels(job)
    images = tf.constant(pixels, tf.float32)
    with _mask_head() as found:
        given = stock_scene.context_inputs(pipeline)
        _predict(model, images, given)  # makes the variables
        model_lib_v2.load_fine_tune_checkpoint(
            model,
            job["checkpoint"],
            pipeline.train_config.fine_tune_checkpoint_type,
            pipeline.train_config.fine_tune_checkpoint_version,
            run_model_on_dummy_input=False,
            input_dataset=None,
            unpad_groundtruth_tensors=False,
        )
        found.clear()
        predicted, detected = _predict(model, images, given)
        if job.get("mask_features") and found:
            with np.load(job["mask_features"]) as before:
                features = tf.constant(before[MASK_FEATURES])
            found["head"](features)
    values = {"predict/" + name: value for name, value in predicted.items() if tf.is_tensor(value)}
    if "predict/anchors" not in values:
        values["predict/anchors"] = model.anchors.get()
    values.update(
        ("postprocess/" + name, value) for name, value in detected.items() if tf.is_tensor(value)
    )
    values.update((name, found[name]) for name in (MASK_FEATURES, MASKS) if name in found)
    np.savez(job["output"], **{name: np.asarray(value) for name, value in values.items()})
    result["tensors"] = {name: list(np.shape(value)) for name, value in values.items()}
    result["variables"] = len(tf.train.list_variables(job["checkpoint"]))


def _predict(model, images, given):
    preprocessed, shapes = model.preprocess(images)
    predicted = model.predict(preprocessed, shapes, **given)
    return predicted, model.postprocess(predicted, shapes)


@contextlib.contextmanager
def _mask_head():
    """Records a mask head, what it gets and what it makes of it."""
    found = {}
    predict = keras_mask_head.MaskRCNNMaskHead._predict

    def recorded(self, features):
        masks = predict(self, features)
        found.update({"head": lambda given: recorded(self, given)})
        found.update({MASK_FEATURES: features, MASKS: masks})
        return masks

    with unittest.mock.patch.object(keras_mask_head.MaskRCNNMaskHead, "_predict", recorded):
        yield found


def objects(job, scratch, result):
    """The name and the shape of each variable that a freshly built model has, by its path in a
    checkpoint."""
    pipeline = stock_scene.read_pipeline(job["pipeline_config"])
    model = model_builder.build(pipeline.model, is_training=False)
    images = tf.constant(stock_scene.pixels(job), tf.float32)
    _predict(model, images, stock_scene.context_inputs(pipeline))
    saved = tf.train.Checkpoint(model=model).save(os.path.join(scratch, "ckpt"))
    reader = tf.train.load_checkpoint(saved)
    graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
        reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    )
    names = {one.checkpoint_key: one.full_name for node in graph.nodes for one in node.attributes}
    result["objects"] = {
        key[: -len(_VALUE)]: [names[key], list(shape)]
        for key, shape in reader.get_variable_to_shape_map().items()
        if key.endswith(_VALUE)
    }


def train(job, scratch, result):
    """Runs `model_main_tf2` for some steps.

    Gives how many variables the trainer's own first checkpoint has as the exported one has them
    (`restored` of `total`, and `unrestored`), and the total loss of each step.
    """
    result.update(steps=job.get("steps", 0), losses=[])
    config, result["config_changes"] = stock_scene.prepare(scratch, job)
    pipeline = stock_scene.read_pipeline(config)
    model_dir = os.path.join(scratch, "model_dir")
    scalar, loop = tf.summary.scalar, model_lib_v2.train_loop

    def recorded(name, value, *args, **kwargs):
        if name == "Loss/total_loss" and hasattr(value, "numpy"):
            result["losses"].append(float(value.numpy()))
        return scalar(name, value, *args, **kwargs)

    flags.FLAGS(
        ["worker", f"--pipeline_config_path={config}", f"--model_dir={model_dir}"]
        + [f"--num_train_steps={result['steps']}", "--record_summaries=false"]
    )
    with unittest.mock.patch.object(tf.compat.v2.summary, "scalar", recorded):
        step_by_step = functools.partial(loop, num_steps_per_iteration=1)
        with unittest.mock.patch.object(model_lib_v2, "train_loop", step_by_step):
            tf.random.set_seed(job.get("seed", 0))
            model_main_tf2.main(None)
    before = tf.train.load_checkpoint(pipeline.train_config.fine_tune_checkpoint)
    after = tf.train.load_checkpoint(os.path.join(model_dir, "ckpt-1"))
    there = after.get_variable_to_shape_map()
    names = [
        name
        for name in before.get_variable_to_shape_map()
        if name.startswith("model/") and name.endswith(_VALUE)
    ]
    result["total"] = len(names)
    result["unrestored"] = [
        name[: -len(_VALUE)]
        for name in sorted(names)
        if name not in there or not np.array_equal(before.get_tensor(name), after.get_tensor(name))
    ]
    result["restored"] = len(names) - len(result["unrestored"])
    result["finite"] = all(math.isfinite(loss) for loss in result["losses"])
    result["losses"] = [one if math.isfinite(one) else repr(one) for one in result["losses"]]


VERBS = {"tf2_objects": objects, "tf2_outputs": outputs, "tf2_train": train}
