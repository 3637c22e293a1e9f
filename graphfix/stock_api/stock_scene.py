"""A data set that needs no data: seeded pictures of boxes, as the stock input pipeline reads them.

The stock trainers are run on TFRecords through their own reader, decoder and augmentation, so
that what is judged is all of the stock code.  The records are made here: a few images of noise,
each with several boxes painted in the colour of their class.  Features are those of the API's
own `data_decoders/tf_example_decoder.py`: image/encoded, image/format, image/object/bbox/*,
image/object/class/label, image/object/mask when the model predicts masks, and
image/context_features when it attends to other images.

`prepare` writes them with a copy of the config that reads them: the one place where a config
under test differs from the one that was emitted, and it says in what.
"""

import os
from typing import Any, Dict

import numpy as np
import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from object_detection.protos import input_reader_pb2, pipeline_pb2

IMAGES = 8
BOXES = 4
HEIGHT, WIDTH = 240, 320


def read_pipeline(path):
    """The pipeline config in a file, parsed with the stock API's own schema."""
    pipeline = pipeline_pb2.TrainEvalPipelineConfig()
    with open(path, encoding="utf-8") as file:
        text_format.Merge(file.read(), pipeline)
    return pipeline


def detector_of(pipeline):
    """The `ssd` or `faster_rcnn` message of a pipeline config."""
    return getattr(pipeline.model, pipeline.model.WhichOneof("model"))


def predicts_masks(pipeline):
    """Whether the second stage has a mask head, which then wants masks to train on."""
    stage: Any = getattr(detector_of(pipeline), "second_stage_box_predictor", None)
    return bool(stage) and stage.mask_rcnn_box_predictor.predict_instance_masks


def context_size(pipeline):
    """(features, length of each) that a Context R-CNN attends to, or None."""
    context = {field.name: value for field, value in detector_of(pipeline).ListFields()}.get(
        "context_config"
    )
    return context and (context.max_num_context_features, context.context_feature_length)


def context_inputs(pipeline):
    """What a Context R-CNN wants beside the image: seeded features of other images."""
    size = context_size(pipeline)
    if not size:
        return {}
    features = np.random.RandomState(0).standard_normal((1,) + size).astype(np.float32)
    return {
        "context_features": tf.constant(features),
        "valid_context_size": tf.constant([size[0]], tf.int32),
    }


def pixels(job):
    """The image of a job as a batch of one: an .npy, or else noise."""
    if job.get("image"):
        found = np.load(job["image"])
    else:
        random = np.random.RandomState(job.get("seed", 0))
        found = random.randint(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    return found[None] if found.ndim == 3 else found


def prepare(directory, job):
    """Writes config, and records and label map unless the job brings them; gives config path,
    changes."""
    pipeline = read_pipeline(job["pipeline_config"])
    num_classes = detector_of(pipeline).num_classes
    changes: Dict[str, Any] = {}
    reader = pipeline.train_input_reader
    if job.get("record"):
        record = job["record"]
    else:
        record = os.path.join(directory, "synthetic.record")
        if predicts_masks(pipeline) and not reader.load_instance_masks:
            reader.load_instance_masks = True
            changes["train_input_reader.load_instance_masks"] = True
        if reader.load_instance_masks:
            reader.mask_type = input_reader_pb2.PNG_MASKS
            changes["train_input_reader.mask_type"] = "PNG_MASKS"
        context = context_size(pipeline)
        if context and not reader.load_context_features:
            reader.load_context_features = True
            changes["train_input_reader.load_context_features"] = True
        write_record(
            record,
            num_classes,
            job.get("seed", 0),
            with_masks=reader.load_instance_masks,
            context=context,
        )
    label_map = job.get("label_map")
    if not label_map:
        label_map = os.path.join(directory, "synthetic.pbtxt")
        with open(label_map, "w", encoding="utf-8") as file:
            for label in range(1, num_classes + 1):
                file.write(f'item {{ id: {label} name: "class_{label}" }}\n')
    reader.label_map_path = label_map
    reader.tf_record_input_reader.Clear()
    reader.tf_record_input_reader.input_path.append(record)
    changes["train_input_reader.label_map_path"] = os.path.basename(label_map)
    changes["train_input_reader.tf_record_input_reader.input_path"] = os.path.basename(record)
    # Without a checkpoint in the job, the config's own fine_tune_checkpoint (or none) stands.
    if job.get("checkpoint"):
        pipeline.train_config.fine_tune_checkpoint = job["checkpoint"]
        changes["train_config.fine_tune_checkpoint"] = os.path.basename(job["checkpoint"])
    if job.get("batch_size"):
        pipeline.train_config.batch_size = job["batch_size"]
        changes["train_config.batch_size"] = job["batch_size"]
    config = os.path.join(directory, "pipeline.config")
    with open(config, "w", encoding="utf-8") as file:
        file.write(text_format.MessageToString(pipeline))
    return config, changes


def write_record(path, num_classes, seed, with_masks=False, context=None):
    """A TFRecord of IMAGES images with BOXES boxes each; classes run over 1..num_classes.

    `context` is the number and the length of the context features of each image.
    """
    random = np.random.RandomState(seed)
    colours = random.randint(0, 256, size=(num_classes + 1, 3))
    labels = random.randint(1, num_classes + 1, size=(IMAGES, BOXES))
    with tf.Graph().as_default(), tf.Session() as session, tf.python_io.TFRecordWriter(
        path
    ) as writer:
        pixels = tf.placeholder(tf.uint8, [None, None, None])
        jpeg, png = tf.image.encode_jpeg(pixels, quality=95), tf.image.encode_png(pixels)
        for index in range(IMAGES):
            image = random.randint(96, 160, size=(HEIGHT, WIDTH, 3)).astype(np.uint8)
            boxes, masks = [], []
            for label in labels[index]:
                # A quarter to a half of the side: nothing that resizing or a crop would lose.
                high, wide = random.uniform(0.25, 0.5, size=2)
                top, left = random.uniform(0, 1 - high), random.uniform(0, 1 - wide)
                rows = slice(int(top * HEIGHT), int((top + high) * HEIGHT))
                columns = slice(int(left * WIDTH), int((left + wide) * WIDTH))
                image[rows, columns] = colours[label]
                boxes.append((top, left, top + high, left + wide))
                if with_masks:
                    mask = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
                    mask[rows, columns] = 1
                    masks.append(session.run(png, {pixels: mask}))
            encoded = session.run(jpeg, {pixels: image})
            others = random.standard_normal(context) if context else None
            writer.write(
                _example(index, encoded, boxes, labels[index], masks, others).SerializeToString()
            )


def _example(index, encoded, boxes, labels, masks, context):
    top, left, bottom, right = np.array(boxes, np.float32).T
    name = (f"synthetic_{index}.jpg").encode()
    features = {
        "image/height": _ints([HEIGHT]),
        "image/width": _ints([WIDTH]),
        "image/filename": _bytes([name]),
        "image/source_id": _bytes([name]),
        "image/encoded": _bytes([encoded]),
        "image/format": _bytes([b"jpeg"]),
        "image/object/bbox/ymin": _floats(top),
        "image/object/bbox/xmin": _floats(left),
        "image/object/bbox/ymax": _floats(bottom),
        "image/object/bbox/xmax": _floats(right),
        "image/object/class/label": _ints(labels),
    }
    if masks:
        features["image/object/mask"] = _bytes(masks)
    if context is not None:
        features["image/context_features"] = _floats(context.ravel())
        features["image/context_feature_length"] = _ints([context.shape[1]])
    return tf.train.Example(features=tf.train.Features(feature=features))


def _ints(values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _floats(values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _bytes(values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
