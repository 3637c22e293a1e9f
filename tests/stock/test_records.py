"""TFRecords and tf.Examples by TensorFlow's own writer, and boxes as the stock decoder has them."""

import random

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import annotations
import example_bytes_cases
import judging
import mutations
import tensorflow.compat.v1 as tf
import thorough
from google.protobuf.message import DecodeError
from object_detection.data_decoders import tf_example_decoder

from graphfix.datasets import tf_example
from graphfix.errors import SourceError
from graphfix.formats import tfrecord
from graphfix.formats.schema import parse


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
    ours = list(annotations.read_boxes([pattern]))
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
    for one, (size, boxes, labels) in zip(
        annotations.read_boxes([str(tmp_path / "x.record")]), wanted
    ):
        assert one.size == size and list(one.classes) == labels
        np.testing.assert_array_equal(np.float32(one.boxes), boxes)
    assert one.size == (50, 7)


def read_by_tensorflow(path):
    """The records of a file up to where TensorFlow's reader stops, and whether that is its end."""
    records = []
    try:
        records.extend(tf.io.tf_record_iterator(path))
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError):
        return records, False
    return records, True


def test_tensorflows_reader_stops_at_the_same_record(tmp_path):
    chance, path = random.Random(0), str(tmp_path / "x.record")
    stopped = 0
    for number in range(thorough.rounds(150, 5000)):
        data = b"".join(
            annotations.record(bytes([number % 256]) * chance.choice((0, 1, 30, 700)))
            for _ in range(chance.randrange(5))
        )
        if chance.random() < 0.8:
            data = mutations.mutate_bytes(chance, data)
        with open(path, "wb") as file:
            file.write(data)
        records = []
        try:
            records.extend(one for _, _, one in tfrecord.read_records(path))
            whole = True
        except SourceError:
            whole = False
        stopped += not whole
        if len(data) - sum(16 + len(one) for one in records) < 12:
            whole = True  # cut inside a length: TensorFlow takes it for the file's end
        assert (records, whole) == read_by_tensorflow(path), data
    assert stopped > 30


def test_tensorflow_parses_what_is_read(tmp_path):
    """What is read from a record's bytes is what TensorFlow's parser in C++ reads."""
    chance, reader = random.Random(1), tf_example.ExampleReader()
    read = 0
    for _ in range(thorough.rounds(150, 5000)):
        data = example_bytes_cases.mutated(chance)
        try:
            found = reader.read(data, 0, len(data))[0]
        except DecodeError:
            with pytest.raises(DecodeError):
                parse(tf.train.Example, data)
            continue
        try:
            features = parse(tf.train.Example, data).features.feature
        except DecodeError:
            # A map's keys are UTF-8 there, also one that another takes the place of.
            if reader._reader.features(data, 0, len(data)) is not None:
                with pytest.raises(UnicodeDecodeError):
                    b"\n".join(found).decode("utf-8")
            continue
        read += 1
        for key, kind in tf_example.KINDS.items():
            name = key.decode()
            if name not in features or features[name].WhichOneof("kind") != kind:
                continue
            values, ours = getattr(features[name], kind).value, found[key]
            if kind == "float_list":
                np.testing.assert_array_equal(np.frombuffer(ours, "<f4"), np.float32(values))
            elif key == tf_example.ENCODED:
                assert bytes(ours) == (values[0] if values else b"")
            else:
                assert tuple(ours) == tuple(values)
    assert read > 40
