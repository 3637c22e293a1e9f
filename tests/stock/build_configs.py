"""Run by a stock interpreter: what does its own API say to these configs?

    build_configs.py parse|build|graph RESULT.json CONFIG...

parse  protobuf's text format parser with the API's pipeline_pb2
build  parse, and model_builder.build of the training model
graph  build, and the inference graph: preprocess, predict and postprocess of one black image

RESULT.json gets, for each config, null or what was raised.
"""

import json
import sys


def parse(path):
    from google.protobuf import text_format
    from object_detection.protos import pipeline_pb2

    with open(path, encoding="utf-8") as file:
        return text_format.Parse(file.read(), pipeline_pb2.TrainEvalPipelineConfig())


def build(path):
    from object_detection.builders import model_builder

    return model_builder.build(parse(path).model, is_training=True)


def graph(path):
    import tensorflow.compat.v1 as tf
    from object_detection.builders import model_builder

    build(path)
    config = parse(path).model
    with tf.Graph().as_default():
        model = model_builder.build(config, is_training=False)
        images, shapes = model.preprocess(tf.zeros([1, 320, 320, 3]))
        more = {}
        if config.WhichOneof("model") == "faster_rcnn" and "context_config {" in str(config):
            length = config.faster_rcnn.context_config.context_feature_length
            more = {
                "context_features": tf.zeros([1, 4, length]),
                "valid_context_size": tf.constant([4]),
            }
        model.postprocess(model.predict(images, shapes, **more), shapes)


def main(verb, result, *paths):
    found = {}
    for path in paths:
        try:
            {"parse": parse, "build": build, "graph": graph}[verb](path)
            found[path] = None
        except Exception as error:  # whatever the API raises is the answer
            found[path] = f"{type(error).__name__}: {str(error)[:500]}"
    with open(result, "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
