#!/usr/bin/env python3
"""Fine-tunes with the stock model_main, seeded, with checkpoints at the steps wanted.

    train.py CONFIG MODEL_DIR --steps 50,150,300 --seed 0
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from absl import flags
from object_detection import model_main


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("model_dir")
    parser.add_argument("--steps", required=True)
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args()
    tf.compat.v1.logging.set_verbosity("ERROR")
    run_config, captured = tf.estimator.RunConfig, []
    # The program itself, but for a seed, and for when it saves.
    model_main.tf.estimator.RunConfig = lambda **kwargs: run_config(
        tf_random_seed=args.seed, save_checkpoints_secs=None, save_checkpoints_steps=None,
        keep_checkpoint_max=None, save_summary_steps=10 ** 9,
        session_config=tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=1, inter_op_parallelism_threads=1), **kwargs)
    model_main.tf.estimator.train_and_evaluate = \
        lambda estimator, train_spec, eval_spec: captured.append((estimator, train_spec))
    flags.FLAGS(["train", "--pipeline_config_path=" + args.config, "--model_dir=" + args.model_dir])
    model_main.main(None)
    (estimator, train_spec), = captured
    wanted = [int(step) for step in args.steps.split(",")]

    class Save(tf.estimator.SessionRunHook):
        def begin(self):
            self.saver = tf.compat.v1.train.Saver(max_to_keep=None)
            self.step = tf.compat.v1.train.get_global_step()

        def after_run(self, run_context, run_values):
            step = run_context.session.run(self.step)
            if step in wanted:
                self.saver.save(run_context.session, os.path.join(args.model_dir, "at"),
                                global_step=step, write_meta_graph=False)

    estimator.train(train_spec.input_fn, hooks=[Save()], max_steps=max(wanted))


if __name__ == "__main__":
    main()
