"""Two small random pictures with boxes, masks and context features, for the stock API to read."""

import os

IMAGES, SIDE, BOXES, CLASSES = 2, 96, 3, 3
# What families/context_rcnn_resnet50.config has; other models leave them unread.
CONTEXT, CONTEXT_LENGTH = 4, 64


def write(path):
    import numpy as np
    import tensorflow.compat.v1 as tf

    random = np.random.RandomState(0)
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = tf.placeholder(tf.uint8, [SIDE, SIDE, 3])
        encode = tf.image.encode_png(pixels)
        pictures = [
            session.run(encode, {pixels: random.randint(0, 256, [SIDE, SIDE, 3], np.uint8)})
            for _ in range(IMAGES)
        ]
    part = f"{path}.{os.getpid()}"
    with tf.python_io.TFRecordWriter(part) as writer:
        for number, picture in enumerate(pictures):
            writer.write(_example(tf, np, random, number, picture).SerializeToString())
    os.rename(part, path)


def _example(tf, np, random, number, picture):
    low = random.uniform(0.05, 0.3, [BOXES, 2])
    high = random.uniform(0.6, 0.95, [BOXES, 2])
    masks = np.zeros([BOXES, SIDE, SIDE])
    for mask, (top, left), (bottom, right) in zip(masks, low * SIDE, high * SIDE):
        mask[int(top) : int(bottom), int(left) : int(right)] = 1
    example = tf.train.Example()
    values = {
        "image/encoded": [picture],
        "image/format": [b"png"],
        "image/source_id": [str(number).encode()],
        "image/filename": [str(number).encode()],
        "image/height": [SIDE],
        "image/width": [SIDE],
        "image/object/class/label": [1 + (number + one) % CLASSES for one in range(BOXES)],
        "image/object/mask": [float(pixel) for pixel in masks.flat],
        "image/object/bbox/ymin": list(low[:, 0]),
        "image/object/bbox/xmin": list(low[:, 1]),
        "image/object/bbox/ymax": list(high[:, 0]),
        "image/object/bbox/xmax": list(high[:, 1]),
        "image/context_features": [0.5] * (CONTEXT * CONTEXT_LENGTH),
        "image/context_feature_length": [CONTEXT_LENGTH],
    }
    for key, value in values.items():
        kinds = {bytes: "bytes_list", int: "int64_list"}
        kind = kinds.get(type(value[0]), "float_list")
        getattr(example.features.feature[key], kind).value.extend(value)
    return example
