"""The API's own way to TensorFlow Lite: export_tflite_ssd_graph, and TensorFlow's converter."""

import os
import sys

import numpy as np
import stock_detect
import stock_scene
import tensorflow.compat.v1 as tf
from object_detection import export_tflite_ssd_graph_lib
from object_detection.builders import model_builder

GRAPH = "tflite_graph.pb"
OPERATION = "TFLite_Detection_PostProcess"
IMAGE = "normalized_input_image_tensor"


def preprocessing(pipeline, shape):
    """What the model makes of pixels, by channel: what they are multiplied by, what is added."""
    with tf.Graph().as_default(), tf.Session() as session:
        model = model_builder.build(pipeline.model, is_training=False)
        ends = [model.preprocess(tf.fill(shape, value))[0][0, 0, 0] for value in (0.0, 255.0)]
        low, high = session.run(ends)
    scale = (high.astype(np.float64) - low) / 255
    # In as many digits as float32 has: -123.68, say.
    return [[float(str(np.float32(one))) for one in values] for values in (scale, low)]


def export(job, result):
    """A .tflite file of a checkpoint, and the frozen graph that it is to be judged by."""
    pipeline = stock_scene.read_pipeline(job["pipeline_config"])
    with tf.Graph().as_default():
        export_tflite_ssd_graph_lib.export_tflite_graph(
            pipeline,
            job["checkpoint"],
            job["directory"],
            True,
            job["max_detections"],
            1,
            detections_per_class=job["detections_per_class"],
            use_regular_nms=job["use_regular_nms"],
        )
    size = pipeline.model.ssd.image_resizer.fixed_shape_resizer
    shape = [1, size.height, size.width, 3]
    scale, offset = preprocessing(pipeline, shape)
    graph = os.path.join(job["directory"], GRAPH)
    converter = tf.lite.TFLiteConverter.from_frozen_graph(
        graph, [IMAGE], [OPERATION] + [f"{OPERATION}:{port}" for port in (1, 2, 3)], {IMAGE: shape}
    )
    converter.allow_custom_ops = True
    # It runs a program, toco_from_protos, that is installed beside Python.
    beside = os.path.dirname(sys.executable)
    os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])
    if job["quantized"]:
        converter.inference_type = tf.lite.constants.QUANTIZED_UINT8
        if len(set(offset)) > 1:
            raise ValueError(f"bytes cannot stand for a picture less {offset}, channel by channel")
        converter.quantized_input_stats = {IMAGE: (-offset[0] / scale[0], 1 / scale[0])}
    elif job.get("integers"):
        random = np.random.RandomState(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [random.uniform(-1, 1, shape).astype(np.float32)] for _ in range(4)
        )
    with open(job["model"], "wb") as file:
        file.write(converter.convert())
    os.remove(graph)
    os.remove(graph + "txt")
    result.update(tensorflow=tf.__version__, scale=scale, offset=offset)
    if job.get("frozen_directory"):
        stock_detect.export(dict(job, output_directory=job["frozen_directory"]), result)
