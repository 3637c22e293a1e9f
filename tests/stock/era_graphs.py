"""Writes the inference graph that the stock API builds of a config, as its exporter does.

era_graphs.py CONFIG GRAPH.pb    under a Python that has the stock API
"""

import sys

import tensorflow.compat.v1 as tf
from google.protobuf import text_format
from object_detection import exporter
from object_detection.builders import graph_rewriter_builder, model_builder
from object_detection.protos import pipeline_pb2


def main(path, target):
    with open(path) as file:
        config = text_format.Parse(file.read(), pipeline_pb2.TrainEvalPipelineConfig())
    with tf.Graph().as_default() as graph:
        rewrite = None
        if config.HasField("graph_rewriter"):
            rewrite = graph_rewriter_builder.build(config.graph_rewriter, is_training=False)
        exporter.build_detection_graph(
            input_type="image_tensor",
            detection_model=model_builder.build(config.model, is_training=False),
            input_shape=None,
            output_collection_name="inference_op",
            graph_hook_fn=rewrite,
        )
        with open(target, "wb") as file:
            file.write(graph.as_graph_def().SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])
