"""What the stock API computes with a detector's weights, into .npz files.

    stock_oracle.py JOBS.json     under a Python that has the stock API; PYTHONPATH names
                                  graphfix/stock_api

A job has `pipeline_config`, `checkpoint`, `scene` (.npz: images [N, height, width, 3] of bytes;
of image I boxes_I [n, 4] in parts of it, labels_I [n] from 1 and masks_I [n, height, width]), and
`output`, which gets

    detect/NAME       preprocessed, encodings, logits, anchors, boxes (decoded), and the detections
    layer/SCOPE/LEAF/I   what the I-th convolution by a kernel gives
    train/NAME        the sampled proposals in training, and their counts
    loss/NAME         the losses of the same images then
    gradient/NAME     their sum's by each trained variable
    moved/NAME        a BatchNorm's moving statistics after one step
"""

import json
import re
import sys

import numpy as np
import stock_graph
import tensorflow.compat.v1 as tf
from object_detection.builders import image_resizer_builder, model_builder
from object_detection.utils import ops
from stock_scene import detector_of, predicts_masks, read_pipeline

KERNEL = re.compile(r".*/(weights|depthwise_weights|pointwise_weights)\Z")


# What is compared: its name, and the API's.
NAMES = {
    "encodings": "box_encodings",
    "logits": "class_predictions_with_background",
    "rpn_encodings": "rpn_box_encodings",
    "rpn_logits": "rpn_objectness_predictions_with_background",
    "features": "rpn_features_to_crop",
    "proposals": "proposal_boxes",
    "counts": "num_proposals",
    "refined": "refined_box_encodings",
    "mask_logits": "mask_predictions",
}


def restored(job):
    session = tf.Session()
    tf.train.Saver(tf.global_variables()).restore(session, job["checkpoint"])
    return session


def detected(pipeline, job, scene):
    with tf.Graph().as_default():
        images = tf.placeholder(tf.uint8, (None,) + scene["images"].shape[1:])
        model = model_builder.build(pipeline.model, is_training=False)
        preprocessed, shapes = model.preprocess(tf.cast(images, tf.float32))
        predicted = model.predict(preprocessed, shapes)
        wanted = {
            "detect/" + name: one[0] if isinstance(one, list) else one
            for name, key in NAMES.items()
            for one in ([predicted[key]] if key in predicted else ())
        }
        wanted["detect/preprocessed"] = preprocessed
        wanted["detect/anchors"] = predicted.get("anchors", model.anchors.get())
        for number, one in enumerate(predicted.get("feature_maps", ())):
            wanted[f"detect/map_{number}"] = one
        found = model.postprocess(predicted, shapes)
        wanted["detect/boxes"] = found["raw_detection_boxes"]
        for name in ("boxes", "scores", "classes"):
            wanted["detect/detection_" + name] = found["detection_" + name]
        wanted["detect/num_detections"] = found["num_detections"]
        if "detection_masks" in found:
            wanted["detect/detection_masks"] = found["detection_masks"]
            height, width = scene["images"].shape[1:3]
            wanted["detect/pasted"] = tf.stack(
                [
                    ops.reframe_box_masks_to_image_masks(
                        found["detection_masks"][i], found["detection_boxes"][i], height, width
                    )
                    for i in range(len(scene["images"]))
                ]
            )
        session = restored(job)
        graph = stock_graph.StockGraph(session.graph, session, images)
        for variable in tf.global_variables():
            if KERNEL.match(variable.op.name):
                # In the order they were made: postprocessing computes some a second time.
                found = sorted(graph.convolutions(variable.op.name), key=lambda one: one._id)
                for number, one in enumerate(found):
                    wanted[f"layer/{variable.op.name}/{number}"] = one.outputs[0]
        return session.run(wanted, {images: scene["images"]})


def trained(pipeline, job, scene):
    with tf.Graph().as_default():
        images, masks = tf.constant(scene["images"], tf.float32), None
        if predicts_masks(pipeline):
            # By the input pipeline; the model itself cannot where it pads.
            detector_of(pipeline).resize_masks = False
            resize = image_resizer_builder.build(detector_of(pipeline).image_resizer)
            masks = [
                resize(images[i], tf.constant(scene[f"masks_{i}"], tf.float32))[1]
                for i in range(len(scene["images"]))
            ]
        model = model_builder.build(pipeline.model, is_training=True)
        preprocessed, shapes = model.preprocess(images)
        classes = detector_of(pipeline).num_classes
        count = len(scene["images"])
        # Boxes are parts of the padded image.
        padded = tf.cast(tf.shape(preprocessed)[1:3], tf.float32)
        parts = tf.tile(tf.cast(shapes[:, :2], tf.float32) / padded, [1, 2])
        model.provide_groundtruth(
            [tf.constant(scene[f"boxes_{i}"], tf.float32) * parts[i] for i in range(count)],
            [tf.one_hot(scene[f"labels_{i}"] - 1, classes, dtype=tf.float32) for i in range(count)],
            masks,
        )
        predicted = model.predict(preprocessed, shapes)
        losses = model.loss(predicted, shapes)
        wanted = {
            "train/" + name: predicted[NAMES[name]]
            for name in ("proposals", "counts")
            if NAMES[name] in predicted
        }
        wanted.update({"loss/" + name[len("Loss/") :]: one for name, one in losses.items()})
        variables = tf.trainable_variables()
        for variable, gradient in zip(variables, tf.gradients(sum(losses.values()), variables)):
            if gradient is not None:
                wanted["gradient/" + variable.op.name] = gradient
        session = restored(job)
        found = session.run(wanted)
        session.run(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
        moved = {
            "moved/" + one.op.name: one
            for one in tf.global_variables()
            if "/moving_" in one.op.name
        }
        found.update(session.run(moved))
        return found


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    for job in jobs:
        pipeline = read_pipeline(job["pipeline_config"])
        with np.load(job["scene"]) as archive:
            scene = dict(archive)
        answer = detected(pipeline, job, scene)
        answer.update(trained(pipeline, job, scene))
        np.savez(job["output"], **{name: np.asarray(value) for name, value in answer.items()})
