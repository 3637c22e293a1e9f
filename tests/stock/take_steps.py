"""Run by a stock interpreter: does its own API take a step of a config, and evaluate what it saved?

    take_steps.py RESULT.json LABELS.pbtxt CONFIG...

model_lib's own Estimator trains one step on random pictures with boxes and masks, saves, and
evaluates the checkpoint on one: what the graphs alone do not show.  RESULT.json is that of
build_graphs.py.
"""

import os
import shutil
import sys
import tempfile

import build_graphs

IMAGES, SIDE, BOXES, CONTEXT = 2, 96, 3, 4


def take(path, labels, record):
    import tensorflow as tf
    from google.protobuf import text_format
    from object_detection import model_hparams, model_lib
    from object_detection.protos import pipeline_pb2

    pipeline = pipeline_pb2.TrainEvalPipelineConfig()
    with open(path, encoding="utf-8") as file:
        text_format.Merge(file.read(), pipeline)
    for reader in (pipeline.train_input_reader, *pipeline.eval_input_reader):
        reader.label_map_path = labels
        reader.tf_record_input_reader.ClearField("input_path")
        reader.tf_record_input_reader.input_path.append(record)
    pipeline.train_config.fine_tune_checkpoint = ""
    directory = tempfile.mkdtemp()
    try:
        write_records(tf, record, context_length(pipeline))
        config = os.path.join(directory, "pipeline.config")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text_format.MessageToString(pipeline))
        train_and_evaluate(tf, model_lib, model_hparams, config, directory)
    finally:
        shutil.rmtree(directory)
        if os.path.exists(record):
            os.unlink(record)


def train_and_evaluate(tf, model_lib, model_hparams, config, directory):
    # AutoGraph would rewrite the whole input pipeline, which is older than it.
    @tf.autograph.experimental.do_not_convert
    def run():
        made = model_lib.create_estimator_and_inputs(
            run_config=tf.estimator.RunConfig(model_dir=os.path.join(directory, "model")),
            hparams=model_hparams.create_hparams(None),
            pipeline_config_path=config,
            train_steps=1,
            sample_1_of_n_eval_examples=1,
        )
        made["estimator"].train(input_fn=made["train_input_fn"], max_steps=1)
        made["estimator"].evaluate(input_fn=made["eval_input_fns"][0], steps=1)

    run()


def context_length(pipeline):
    model = getattr(pipeline.model, pipeline.model.WhichOneof("model"))
    return model.context_config.context_feature_length if "context_config {" in str(model) else 0


def write_records(tf, path, context):
    import numpy as np

    random = np.random.RandomState(0)

    def encoded(array):
        with tf.Graph().as_default(), tf.Session() as session:
            return session.run(tf.image.encode_png(array))

    with tf.python_io.TFRecordWriter(path) as writer:
        for number in range(IMAGES):
            low = random.uniform(0.05, 0.3, [BOXES, 2])
            high = random.uniform(0.6, 0.95, [BOXES, 2])
            masks = np.zeros([BOXES, SIDE, SIDE])
            for mask, (top, left), (bottom, right) in zip(masks, low * SIDE, high * SIDE):
                mask[int(top) : int(bottom), int(left) : int(right)] = 1
            example = tf.train.Example()
            values = {
                "image/encoded": [encoded(random.randint(0, 256, [SIDE, SIDE, 3], np.uint8))],
                "image/format": [b"png"],
                "image/source_id": [str(number).encode()],
                "image/filename": [str(number).encode()],
                "image/height": [SIDE],
                "image/width": [SIDE],
                "image/object/class/label": [1 + (number + one) % 3 for one in range(BOXES)],
                "image/object/mask": [float(pixel) for pixel in masks.flat],
                "image/object/bbox/ymin": list(low[:, 0]),
                "image/object/bbox/xmin": list(low[:, 1]),
                "image/object/bbox/ymax": list(high[:, 0]),
                "image/object/bbox/xmax": list(high[:, 1]),
                "image/context_features": [0.5] * (CONTEXT * context),
                "image/context_feature_length": [context],
            }
            for key, value in values.items():
                kinds = {bytes: "bytes_list", int: "int64_list"}
                kind = kinds.get(type(value[0]) if value else float, "float_list")
                getattr(example.features.feature[key], kind).value.extend(value)
            writer.write(example.SerializeToString())


def main(result, labels, *paths):
    from object_detection import model_lib  # noqa: F401  for the children to inherit

    build_graphs.judge_all(lambda path: take(path, labels, result + ".record"), result, paths)


if __name__ == "__main__":
    main(*sys.argv[1:])
