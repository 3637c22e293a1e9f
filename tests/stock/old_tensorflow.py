"""Exports and runs small detectors under TensorFlow 1.4 to 1.14, as the stock exporter does.

    old_tensorflow.py JOBS.json RESULTS.json    under a Python that has one of them, and the API

A job exports a config's model ("export": config, checkpoint or null for made-up values, directory,
and `unfused` where batch normalization is to be written out, as in graphs of 2017), or runs frozen
graphs on a picture ("run": graph, outputs as an .npz file).  RESULTS.json gets null, or what was
raised, for each.
"""

import contextlib
import functools
import json
import os
import sys
import zlib
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from google.protobuf import text_format


def stand_ins():
    """Gives TensorFlow 1.4 and 1.8 what the API of 2019-01 asks of a later one."""
    suppress = tf.image.non_max_suppression
    if "score_threshold" not in suppress.__code__.co_varnames:
        # The configs here have a least score of 0, and no box has less.
        tf.image.non_max_suppression = lambda *args, score_threshold=0, **more: suppress(
            *args, **more
        )
    for name in ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_any"):
        reduce = getattr(tf, name)
        if (
            "keepdims"
            not in reduce.__code__.co_varnames
            + getattr(reduce, "__wrapped__", reduce).__code__.co_varnames
        ):
            setattr(
                tf,
                name,
                lambda *args, keepdims=False, reduce=reduce, **more: reduce(
                    *args, **dict(more, keep_dims=keepdims)
                ),
            )
    if not hasattr(tf.keras, "Model"):  # TensorFlow 1.4
        tf.keras.Model = tf.keras.models.Model
        for name in ("zeros", "ones"):
            setattr(
                tf,
                name,
                lambda shape, *args, full=getattr(tf, name), **more: full(
                    [shape] if getattr(getattr(shape, "shape", None), "ndims", 1) == 0 else shape,
                    *args,
                    **more,
                ),
            )
    try:
        from tensorflow.contrib.quantize.python import graph_matcher  # noqa: F401
    except ImportError:  # and nothing here is quantized
        from tensorflow.contrib.quantize import python

        python.graph_matcher = mock.MagicMock()
        sys.modules[python.__name__ + ".graph_matcher"] = python.graph_matcher


stand_ins()

from object_detection import exporter  # noqa: E402
from object_detection.builders import model_builder  # noqa: E402
from object_detection.models import faster_rcnn_inception_v2_feature_extractor as inception  # noqa: E402
from object_detection.protos import pipeline_pb2  # noqa: E402
from tensorflow.contrib.layers.python.layers import layers  # noqa: E402
from tensorflow.python.framework import graph_util  # noqa: E402

OUTPUTS = (
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
    "detection_masks",
    "raw_detection_boxes",
    "raw_detection_scores",
)
_AROUND = {"gamma": (1, 0.2), "moving_variance": (1, 0.3), "min": (-6, 0), "max": (6, 0)}
_AROUND.update((name, (0, 0.5)) for name in ("beta", "moving_mean", "biases", "bias"))


class _Narrow(inception.FasterRCNNInceptionV2FeatureExtractor):
    """Two layers in the place of a network, under its scopes."""

    def preprocess(self, resized_inputs):
        return resized_inputs / 128.0 - 1.0

    def _extract_proposal_features(self, preprocessed_inputs, scope):
        with tf.variable_scope("InceptionV2"):
            net = slim.conv2d(preprocessed_inputs, 8, [7, 7], 16, scope="Conv2d_1a_7x7")
        return net, {}

    def _extract_box_classifier_features(self, proposal_feature_maps, scope):
        with tf.variable_scope("InceptionV2"):
            return slim.conv2d(proposal_feature_maps, 8, [3, 3], scope="Mixed_5a")


model_builder.FASTER_RCNN_FEATURE_EXTRACTOR_CLASS_MAP["faster_rcnn_inception_v2"] = _Narrow
slim = tf.contrib.slim


def value(name, shape):
    """Made-up values of a variable, the same wherever they are made."""
    random = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    leaf = name.rpartition("/")[2]
    if leaf in _AROUND:
        middle, width = _AROUND[leaf]
        return middle + width * random.uniform(-1, 1, shape)
    inputs = shape[:2] if leaf == "depthwise_weights" else shape[:-1]
    return random.normal(0, np.sqrt(1.6 / max(np.prod(inputs), 1)), shape)


@contextlib.contextmanager
def _written_out():
    """Has batch normalization be what it was before FusedBatchNorm: several operations."""
    layer = layers.normalization_layers.BatchNormalization
    made = layer.__init__
    apart = functools.partial(layers.batch_norm, fused=False)
    with mock.patch.object(layers, "_fused_batch_norm", apart), mock.patch.object(
        layer, "__init__", lambda *args, **more: made(*args, **dict(more, fused=False))
    ):
        yield


def export(job):
    """Writes model.ckpt, where there is none yet, frozen_inference_graph.pb and pipeline.config."""
    with open(job["config"]) as file:
        text = file.read()
    config = text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())
    directory = job["directory"]
    if not os.path.isdir(directory):
        os.makedirs(directory)
    build = getattr(exporter, "build_detection_graph", None) or exporter._build_detection_graph
    normalization = _written_out() if job.get("unfused") else mock.MagicMock()
    with normalization, tf.Graph().as_default() as graph, tf.Session() as session:
        outputs, _ = build(
            input_type="image_tensor",
            detection_model=model_builder.build(config.model, is_training=False),
            input_shape=None,
            output_collection_name="inference_op",
            graph_hook_fn=None,
        )
        variables = tf.global_variables()
        saver = tf.train.Saver(variables)
        if job.get("checkpoint"):
            saver.restore(session, job["checkpoint"])
        else:
            for one in variables:
                made = value(one.op.name, one.shape.as_list())
                one.load(made.astype(one.dtype.base_dtype.as_numpy_dtype), session)
            saver.save(session, os.path.join(directory, "model.ckpt"), write_meta_graph=False)
        names = {node.name for node in graph.as_graph_def().node}
        frozen = graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), sorted(set(outputs) & names)
        )
    with open(os.path.join(directory, "frozen_inference_graph.pb"), "wb") as file:
        file.write(frozen.SerializeToString())
    with open(os.path.join(directory, "pipeline.config"), "w") as file:
        file.write(text)


def picture():
    """Smooth noise, wider than high."""
    found = np.random.RandomState(7).uniform(0, 255, (1, 97, 141, 3))
    for axis in (1, 2):
        found = np.apply_along_axis(np.convolve, axis, found, np.ones(9) / 9, "same")
    return found.astype(np.uint8)


def run(job):
    with open(job["graph"], "rb") as file:
        graph_def = tf.GraphDef.FromString(file.read())
    names = {node.name for node in graph_def.node}
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph_def, name="")
        fetched = {name: name + ":0" for name in OUTPUTS if name in names}
        if "raw_detection_scores" not in names:  # an output since 2019-02
            inner = [one.name for one in graph_def.node if one.name.endswith("convert_scores")]
            fetched["raw_detection_scores"] = inner[-1] + ":0"
        np.savez(job["outputs"], **session.run(fetched, {"image_tensor:0": picture()}))


def export_tflite(job):
    """Writes tflite_graph.pb of a checkpoint, with detection post-processing."""
    from object_detection import export_tflite_ssd_graph_lib

    with open(job["config"]) as file:
        config = text_format.Parse(file.read(), pipeline_pb2.TrainEvalPipelineConfig())
    with tf.Graph().as_default():
        export_tflite_ssd_graph_lib.export_tflite_graph(
            config, job["checkpoint"], job["directory"], True, 10, 1
        )


def run_tflite(job):
    """Converts a graph with detection post-processing to TensorFlow Lite, and runs that."""
    with open(job["graph"], "rb") as file:
        graph_def = tf.GraphDef.FromString(file.read())
    (image,) = [node for node in graph_def.node if node.op == "Placeholder"]
    shape = [dim.size for dim in image.attr["shape"].shape.dim]
    names = ["TFLite_Detection_PostProcess"] + [
        f"TFLite_Detection_PostProcess:{port}" for port in (1, 2, 3)
    ]
    converter = tf.lite.TFLiteConverter.from_frozen_graph(
        job["graph"], [image.name], names, {image.name: shape}
    )
    converter.allow_custom_ops = True
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    random = np.random.RandomState(7)
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], random.uniform(-1, 1, shape).astype(np.float32)
    )
    interpreter.invoke()
    np.savez(
        job["outputs"],
        **{
            one["name"]: interpreter.get_tensor(one["index"])
            for one in interpreter.get_output_details()
        },
    )


VERBS = {"export": export, "run": run, "export_tflite": export_tflite, "run_tflite": run_tflite}


def main(jobs, results):
    with open(jobs) as file:
        todo = json.load(file)
    answers = []
    for job in todo:
        try:
            answers.append(VERBS[job["verb"]](job))
        except Exception as error:  # that it cannot be built is an answer
            answers.append(f"{type(error).__name__}: {error}")
    with open(results, "w") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
