"""Saves what a stock trainer saves at step 0, `.meta` and all: CONFIG, directory OUT, TRAINER.

The trainer is run as stock_train.py runs it, up to its first step; its own Saver then writes
OUT/model.ckpt-0.  Run by the Python of a stock API, with stock_api's folder on PYTHONPATH.
"""

import contextlib
import os
import sys
import tempfile

import stock_scene
import stock_train
import tensorflow.compat.v1 as tf
from google.protobuf import text_format


class Saved(Exception):
    """There is nothing more to run."""


def main(config, out, trainer):
    savers = []
    initialize, save = tf.train.Saver.__init__, tf.train.Saver.save

    def remembered(saver, *args, **kwargs):
        initialize(saver, *args, **kwargs)
        savers.append(saver)

    def before_first_step(session, variables):
        saver = (session.graph.get_collection(tf.GraphKeys.SAVERS) or savers)[0]
        save(saver, session, os.path.join(out, "model.ckpt"), global_step=0)
        raise Saved

    tf.train.Saver.__init__ = remembered
    with tempfile.TemporaryDirectory() as scratch:
        path, _ = stock_scene.prepare(scratch, {"pipeline_config": config, "batch_size": 2})
        pipeline = stock_scene.read_pipeline(path)
        pipeline.train_config.fine_tune_checkpoint = ""
        with open(path, "w", encoding="utf-8") as file:
            file.write(text_format.MessageToString(pipeline))
        run = tf.autograph.experimental.do_not_convert(stock_train.TRAINERS[trainer])
        with contextlib.suppress(Saved), contextlib.ExitStack() as stack:
            run(stack, {}, path, os.path.join(scratch, "made"), {"steps": 0}, before_first_step)


if __name__ == "__main__":
    main(*sys.argv[1:])
