"""TFRecords and tf.Examples by TensorFlow's own writer, and boxes as the stock decoder has them."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import judging
import tensorflow.compat.v1 as tf
from object_detection.data_decoders import tf_example_decoder

from graphfix.datasets.sources import read_boxes


def decoded(path):
    """(boxes, class ids) of every record, by the stock decoder."""
    with tf.Graph().as_default(), tf.Session() as session:
        serialized = tf.placeholder(tf.string)
        tensors = tf_example_decoder.TfExampleDecoder().decode(serialized)
        for data in tf.io.tf_record_iterator(path):
            found = session.run(tensors, {serialized: data})
            yield found["groundtruth_boxes"], found["groundtruth_classes"]


def test_boxes_are_the_stock_decoders():
    pattern = judging.RECORDS + "/val.record"
    ours = list(read_boxes([pattern]))
    stock = list(decoded(pattern))
    assert len(ours) == len(stock) == 120
    for one, (boxes, classes) in zip(ours, stock):
        np.testing.assert_array_equal(np.float32(one.boxes).reshape(-1, 4), boxes)
        assert len(one.classes) == len(classes)


def feature(values):
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def test_records_by_tensorflows_writer(tmp_path):
    random = np.random.RandomState(0)
    wanted = []
    with tf.io.TFRecordWriter(str(tmp_path / "x.record")) as writer:
        for number in range(1, 50):
            boxes = random.rand(number, 4).astype(np.float32)
            labels = random.randint(-5, 1 << 40, number).tolist()
            features = dict(
                zip(
                    ("image/object/bbox/" + edge for edge in ("ymin", "xmin", "ymax", "xmax")),
                    (feature(edge.tolist()) for edge in boxes.T),
                )
            )
            features.update(
                {
                    "image/object/class/label": feature(labels),
                    "image/height": feature([number + 1]),
                    "image/width": feature([7]),
                    "image/encoded": feature([random.bytes(3000)]),
                }
            )
            writer.write(
                tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
            )
            wanted.append(((number + 1, 7), boxes, labels))
    for one, (size, boxes, labels) in zip(read_boxes([str(tmp_path / "x.record")]), wanted):
        assert one.size == size and list(one.classes) == labels
        np.testing.assert_array_equal(np.float32(one.boxes), boxes)
    assert one.size == (50, 7)
