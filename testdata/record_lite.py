"""Writes testdata/lite/*.tflite, small detectors for tests, with TensorFlow 1.15's own converter.

    stock-python testdata/record_lite.py [DIRECTORY]

in a Python that has the stock API, whose export_tflite_ssd_graph_lib puts the detection behind the
heads.  A picture of 16x16 has two feature maps, 4x4 and 2x2, with 3 and 2 anchors at a
location; weights are random, and there are five classes.  The kinds:

  float         as an SSD's, with a background
  softmax       the same, scores by softmax
  shared        one head for both maps, no background, as RetinaNet's
  half          weights as float16
  quantized     trained for uint8: one scale a tensor
  per_channel   int8 after training: one scale a channel
"""

import os
import sys

import numpy as np
import tensorflow.compat.v1 as tf
from object_detection import export_tflite_ssd_graph_lib as stock

CLASSES = 5
SIZE = 16
IMAGE = "normalized_input_image_tensor"
OPERATION = "TFLite_Detection_PostProcess"
KINDS = ("float", "softmax", "shared", "half", "quantized", "per_channel")


def graph_def(kind):
    """A frozen graph with the heads, and their detection."""
    random = np.random.RandomState(7)
    quantized = kind == "quantized"
    channels = CLASSES + (kind != "shared")

    def ranged(tensor, low, high, name=None):
        if not quantized:
            return tensor
        return tf.quantization.fake_quant_with_min_max_args(tensor, low, high, name=name)

    def layer(net, width, name, stride=1, weights=None, **more):
        if weights is None:
            weights = random.normal(0, 0.3, (3, 3, int(net.shape[-1]), width))
        kernel = tf.constant(weights, tf.float32, name=name + "/weights")
        kernel = ranged(kernel, -1.0, 1.0, name + "/ranged_weights")
        biases = tf.constant(random.normal(0, 0.3, width), tf.float32, name=name + "/biases")
        net = tf.nn.conv2d(net, kernel, stride, "SAME", name=name)
        return tf.nn.bias_add(net, biases), weights

    with tf.Graph().as_default() as graph:
        net = tf.placeholder(tf.float32, (1, SIZE, SIZE, 3), IMAGE)
        net = ranged(tf.nn.relu6(layer(net, 8, "first", 2)[0]), 0.0, 6.0)
        boxes, scores, head = [], [], None
        for number, anchors in enumerate((3, 2)):
            net = ranged(tf.nn.relu6(layer(net, 8, f"map_{number}", 2)[0]), 0.0, 6.0)
            if kind == "shared":
                anchors = 2
            coded, _ = layer(net, anchors * 4, f"boxes_{number}")
            name = f"classes_{number}"
            logits, weights = layer(net, anchors * channels, name, weights=head)
            head = weights if kind == "shared" else None
            boxes.append(tf.reshape(ranged(coded, -8.0, 8.0), (1, -1, 4)))
            scores.append(tf.reshape(ranged(logits, -8.0, 8.0), (1, -1, channels)))
        total = sum(int(one.shape[1]) for one in scores)
        convert = tf.nn.softmax if kind == "softmax" else tf.nn.sigmoid
        tf.identity(tf.concat(boxes, 1), "raw_outputs/box_encodings")
        tf.identity(convert(tf.concat(scores, 1)), "raw_outputs/class_predictions")
        placed = np.concatenate([random.rand(total, 2), np.full((total, 2), 0.2)], 1)
        tf.constant(placed, tf.float32, name="anchors")
        scales = {"y_scale": {10.0}, "x_scale": {10.0}, "h_scale": {5.0}, "w_scale": {5.0}}
        return stock.append_postprocessing_op(
            graph.as_graph_def(), 10, 1, {1e-8}, {0.6}, CLASSES, scales
        )


def record(kind, path):
    """Converts one of KINDS, and writes it."""
    graph = path + ".pb"
    with open(graph, "wb") as file:
        file.write(graph_def(kind).SerializeToString())
    converter = tf.lite.TFLiteConverter.from_frozen_graph(
        graph,
        [IMAGE],
        [OPERATION] + [f"{OPERATION}:{port}" for port in (1, 2, 3)],
        {IMAGE: [1, SIZE, SIZE, 3]},
    )
    os.remove(graph)
    converter.allow_custom_ops = True
    if kind == "quantized":
        converter.inference_type = tf.lite.constants.QUANTIZED_UINT8
        converter.quantized_input_stats = {IMAGE: (128.0, 128.0)}
    if kind in ("half", "per_channel"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "half":
        converter.target_spec.supported_types = [tf.float16]
    if kind == "per_channel":
        random = np.random.RandomState(8)
        converter.representative_dataset = lambda: (
            [random.uniform(-1, 1, (1, SIZE, SIZE, 3)).astype(np.float32)] for _ in range(8)
        )
    with open(path, "wb") as file:
        file.write(converter.convert())


def main(directory):
    # The converter runs a program that is installed beside Python.
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    os.makedirs(directory, exist_ok=True)
    for kind in KINDS:
        record(kind, os.path.join(directory, f"{kind}.tflite"))


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "lite"))
