#!/usr/bin/env python3
"""Fine-tunes with the stock model_main, seeded, and evaluates at the steps wanted.

    train.py CONFIG MODEL_DIR --steps 0,50,150,300 --seed 0 --record VAL --label_map MAP
        --output OUT [--times TIMES] [--trained PREFIX]

OUT is JSON: {step: {"map": mAP at IoU 0.5, "ap": {class: AP or null}}}.  Step 0 is the model as the
trainer has initialised and restored it, before it trains.  Evaluated is as graphfix/stock_api/
does, but the graph is built once for all steps; figures are the stock evaluator's.

TIMES gets, as JSON, the processor's seconds for each step ("train") and each picture ("detect"),
of all threads, and then Grappler works, as it does in the program itself; elsewhere it would cost
more time than it saves.

--trained names a checkpoint that is as the last step's would be: it is evaluated, and nothing is
trained.
"""

import argparse
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow.compat.v1 as tf
from absl import flags
from object_detection import model_main

sys.path.insert(
    0,
    os.path.join(
        os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, "graphfix", "stock_api"
    ),
)
import pascal
import stock_detect
from stock_train import unoptimised


class Times(tf.estimator.SessionRunHook):
    """Appends the processor's seconds for each step."""

    def __init__(self, seconds):
        self.seconds = seconds

    def before_run(self, run_context):
        self.started = time.process_time()

    def after_run(self, run_context, run_values):
        self.seconds.append(time.process_time() - self.started)


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


def session_config(optimised):
    config = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    return config if optimised else unoptimised(config)


def train(config, model_dir, steps, seed, seconds=None):
    """The program itself, but for a seed, its threads, and for when it saves; `seconds` gets those
    of each step."""
    run_config, captured = tf.estimator.RunConfig, []
    model_main.tf.estimator.RunConfig = lambda **kwargs: run_config(
        tf_random_seed=seed,
        save_checkpoints_secs=None,
        save_checkpoints_steps=None,
        keep_checkpoint_max=None,
        save_summary_steps=10**9,
        log_step_count_steps=None,
        session_config=session_config(seconds is not None),
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
        hooks=[Save(os.path.join(model_dir, "at"), steps)]
        + ([] if seconds is None else [Times(seconds)]),
        max_steps=max(steps),
    )


def evaluate(config, prefixes, record, label_map, seconds=None):
    """{step: {"map", "ap"}} of checkpoints {step: prefix}; `seconds` gets those of each picture."""
    pictures = pascal.read(record, label_map)
    if seconds is not None:
        stock_detect.unoptimised = lambda config: session_config(optimised=True)
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
            detections = []
            for picture in pictures:
                started = time.process_time()
                boxes, scores, classes = session.run(
                    found, {image: picture[pascal.TRUTH.image][None]}
                )
                if seconds is not None:
                    seconds.append(time.process_time() - started)
                real = scores[0] > 0  # scores of 0 pad the batch
                # The model counts classes from 0, label maps from 1.
                detections.append(
                    (boxes[0][real], scores[0][real], classes[0][real].astype(int) + 1)
                )
            figures[step] = pascal.figures(pictures, detections, label_map)
    return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("model_dir")
    parser.add_argument("--steps", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--record", required=True)
    parser.add_argument("--label_map", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--times")
    parser.add_argument("--trained")
    args = parser.parse_args()
    tf.logging.set_verbosity("ERROR")
    steps = [int(step) for step in args.steps.split(",")]
    # AutoGraph rewrites the whole input pipeline, which takes long and does nothing for code that
    # is older than AutoGraph.
    seconds = {"train": [], "detect": []} if args.times else {}
    if args.trained:
        prefixes = {max(steps): args.trained}
    else:
        tf.autograph.experimental.do_not_convert(train)(
            args.config, args.model_dir, steps, args.seed, seconds.get("train")
        )
        prefixes = {step: os.path.join(args.model_dir, f"at-{step}") for step in steps}
    figures = evaluate(args.config, prefixes, args.record, args.label_map, seconds.get("detect"))
    if args.times:
        pascal.write(args.times, seconds)
    pascal.write(args.output, figures)


if __name__ == "__main__":
    main()
