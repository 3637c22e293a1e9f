#!/usr/bin/env python3
"""Fine-tunes with the stock model_main, seeded, and evaluates at the steps wanted.

    train.py CONFIG MODEL_DIR --steps 0,50,150,300 --seed 0 --record VAL --label_map MAP
        --output OUT

OUT is JSON: {step: {"map": mAP at IoU 0.5, "ap": {class: AP or null}}}.  Step 0 is the model as the
trainer has initialised and restored it, before it trains.  Evaluated is as graphfix/stock/ does,
but the graph is built once for all steps; figures are the stock evaluator's.
"""

import argparse
import json
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow.compat.v1 as tf
from absl import flags
from object_detection import model_main
from object_detection.core import standard_fields as fields
from object_detection.data_decoders import tf_example_decoder
from object_detection.utils import label_map_util, object_detection_evaluation

sys.path.insert(
    0,
    os.path.join(
        os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "graphfix", "stock_api"
    ),
)
import stock_detect
from stock_train import unoptimised

TRUTH, FOUND = fields.InputDataFields, fields.DetectionResultFields


class Save(tf.estimator.SessionRunHook):
    """Saves MODEL_DIR/at-N at each of the steps, 0 included."""

    def __init__(self, prefix, steps):
        self.prefix, self.steps = prefix, steps

    def begin(self):
        self.saver = tf.train.Saver(max_to_keep=None)
        self.step = tf.train.get_global_step()

    def after_create_session(self, session, coord):
        self.save(session)

    def after_run(self, run_context, run_values):
        self.save(run_context.session)

    def save(self, session):
        step = session.run(self.step)
        if step in self.steps:
            self.saver.save(session, self.prefix, global_step=step, write_meta_graph=False)


def train(config, model_dir, steps, seed):
    """The program itself, but for a seed, its threads, and for when it saves."""
    run_config, captured = tf.estimator.RunConfig, []
    model_main.tf.estimator.RunConfig = lambda **kwargs: run_config(
        tf_random_seed=seed,
        save_checkpoints_secs=None,
        save_checkpoints_steps=None,
        keep_checkpoint_max=None,
        save_summary_steps=10**9,
        log_step_count_steps=None,
        session_config=unoptimised(
            tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        ),
        **kwargs,
    )
    model_main.tf.estimator.train_and_evaluate = lambda estimator, train_spec, eval_spec: (
        captured.append((estimator, train_spec))
    )
    flags.FLAGS(["train", "--pipeline_config_path=" + config, "--model_dir=" + model_dir])
    model_main.main(None)
    ((estimator, train_spec),) = captured
    estimator.train(
        train_spec.input_fn,
        hooks=[Save(os.path.join(model_dir, "at"), steps)],
        max_steps=max(steps),
    )


def read(record, label_map):
    """The pictures of a record, with their boxes and classes."""
    with tf.Graph().as_default(), tf.Session() as session:
        serialized = tf.placeholder(tf.string, [])
        example = tf_example_decoder.TfExampleDecoder(label_map_proto_file=label_map).decode(
            serialized
        )
        wanted = {
            key: example[key]
            for key in (TRUTH.image, TRUTH.groundtruth_boxes, TRUTH.groundtruth_classes)
        }
        session.run(tf.tables_initializer())
        return [
            session.run(wanted, {serialized: one})
            for one in tf.python_io.tf_record_iterator(record)
        ]


def evaluate(config, prefixes, record, label_map):
    """{step: {"map", "ap"}} of checkpoints {step: prefix}."""
    pictures = read(record, label_map)
    categories = [
        {"id": item.id, "name": item.name} for item in label_map_util.load_labelmap(label_map).item
    ]
    job = {"pipeline_config": config, "checkpoint": prefixes[min(prefixes)]}
    with stock_detect.restored_detector(job, [1, None, None, 3], {}) as (
        image,
        tensors,
        session,
        variables,
    ):
        saver = tf.train.Saver(variables)
        found = [
            tensors["postprocess/detection_" + name] for name in ("boxes", "scores", "classes")
        ]
        figures = {}
        for step, prefix in sorted(prefixes.items()):
            saver.restore(session, prefix)
            evaluator = object_detection_evaluation.PascalDetectionEvaluator(categories)
            for key, picture in enumerate(pictures):
                boxes, scores, classes = session.run(found, {image: picture[TRUTH.image][None]})
                real = scores[0] > 0  # scores of 0 pad the batch
                evaluator.add_single_ground_truth_image_info(
                    str(key),
                    {
                        TRUTH.groundtruth_boxes: picture[TRUTH.groundtruth_boxes],
                        TRUTH.groundtruth_classes: picture[TRUTH.groundtruth_classes],
                    },
                )
                evaluator.add_single_detected_image_info(
                    str(key),
                    {
                        FOUND.detection_boxes: boxes[0][real],
                        FOUND.detection_scores: scores[0][real],
                        # The model counts classes from 0, label maps from 1.
                        FOUND.detection_classes: classes[0][real].astype(int) + 1,
                    },
                )
            figures[step] = _figures(evaluator.evaluate())
    return figures


def _figures(metrics):
    prefix = "PascalBoxes_PerformanceByCategory/AP@0.5IOU/"
    # A class without a box in the record has no AP; JSON has no word for NaN.
    return {
        "map": float(metrics["PascalBoxes_Precision/mAP@0.5IOU"]),
        "ap": {
            key[len(prefix) :]: float(value) if np.isfinite(value) else None
            for key, value in sorted(metrics.items())
            if key.startswith(prefix)
        },
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("model_dir")
    parser.add_argument("--steps", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--label_map", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    tf.logging.set_verbosity("ERROR")
    steps = [int(step) for step in args.steps.split(",")]
    # AutoGraph rewrites the whole input pipeline, which takes long and does nothing for code that
    # is older than AutoGraph.
    tf.autograph.experimental.do_not_convert(train)(args.config, args.model_dir, steps, args.seed)
    figures = evaluate(
        args.config,
        {step: os.path.join(args.model_dir, f"at-{step}") for step in steps},
        args.record,
        args.label_map,
    )
    with open(args.output + ".part", "w") as file:
        json.dump(figures, file)
    os.rename(args.output + ".part", args.output)


if __name__ == "__main__":
    main()
