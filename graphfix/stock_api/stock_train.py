"""The `restore` job: what does the stock trainer start from, and does it train?

The trainers are run, not imitated.  `object_detection/model_main.py` and
`object_detection/legacy/train.py` are imported, and their `main` is called with the flags a person
would give.  Some of the functions that they call are wrapped meanwhile, to look (stock_record.py),
and to stop where a run would leave the process: endless training, checkpoints on disk.

Besides what stock_record.py lists, the result has

  load_pretrained   whether the `hparams` that this model_main gives to model_lib ask for it
                    (nothing here knows the month in which it stopped giving any)
  losses            the trainer's own total loss of each step
"""

import contextlib
import math
import os
import re
import shutil
from typing import Any, Dict

import stock_scene
import tensorflow.compat.v1 as tf
from absl import flags
from stock_record import RestoreRecord, replace
from tensorflow.python.training import training_util

CHECKPOINT_FILE = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")


def restore(job, scratch, result):
    """Runs the trainer the job names, and fills in the job's result."""
    result.update(trainer=job["trainer"], steps=job.get("steps", 0), losses=[])
    record = RestoreRecord(result)
    config, result["config_changes"] = stock_scene.prepare(scratch, job)
    model_dir = os.path.join(scratch, "model_dir")
    os.makedirs(model_dir)
    resumed = None
    if job.get("model_dir"):
        # The trainer writes to the directory it resumes from: links spare the original.
        for name in os.listdir(job["model_dir"]):
            source = os.path.abspath(os.path.join(job["model_dir"], name))
            if name == "checkpoint":
                shutil.copy(source, model_dir)
            elif CHECKPOINT_FILE.search(name):
                os.symlink(source, os.path.join(model_dir, name))
        resumed = tf.train.latest_checkpoint(model_dir)
        result["resumed_from"] = resumed and os.path.basename(resumed)
    pipeline = stock_scene.read_pipeline(config)
    result["num_steps"] = pipeline.train_config.num_steps
    checkpoint = resumed or pipeline.train_config.fine_tune_checkpoint
    if not checkpoint:
        raise ValueError("neither the job nor the config names a checkpoint to compare with")

    def before_first_step(session, variables):
        record.compare(session, variables, checkpoint, bool(resumed))

    try:
        with contextlib.ExitStack() as stack:
            record.watch(stack)
            # AutoGraph rewrites every function of the input pipeline, which takes longer than
            # everything else together, for code that is older than AutoGraph.
            tf.autograph.experimental.do_not_convert(TRAINERS[job["trainer"]])(
                stack, job, config, model_dir, result, before_first_step
            )
    finally:
        # What was recorded before a failure counts, too.
        result["messages"] = record.messages
        result["finite"] = all(math.isfinite(loss) for loss in result["losses"])
        result["losses"] = [
            loss if math.isfinite(loss) else repr(loss) for loss in result["losses"]
        ]
    result["verdict"] = verdict(result, bool(resumed))


def verdict(result, resumed):
    """complete | incomplete | nothing restored | not finite."""
    counts = result["counts"]
    if not any(count["restored"] for count in counts.values()):
        return "nothing restored"
    # Resuming restores all there is.  Fine-tuning starts the optimizer and the step afresh.
    wanted = counts if resumed else [c for c in counts if c in ("model", "quantization")]
    if any(counts[c]["restored"] < counts[c]["total"] for c in wanted):
        return "incomplete"
    if result["moving_averages"]["from_initialiser"]:
        return "incomplete"
    return "complete" if result["finite"] else "not finite"


def model_main(stack, job, config, model_dir, result, before_first_step):
    """object_detection/model_main.py: main() up to train_and_evaluate, then its training half."""
    from object_detection import model_lib
    from object_detection import model_main as trainer

    create = model_lib.create_estimator_and_inputs
    captured: Dict[str, Any] = {}

    def create_estimator_and_inputs(*args, **kwargs):
        hparams = kwargs.get("hparams")
        result["load_pretrained"] = bool(hparams is not None and hparams.load_pretrained)
        return create(*args, **kwargs)

    def train_and_evaluate(estimator, train_spec, eval_spec):
        captured.update(estimator=estimator, train_spec=train_spec)

    # Nothing that the run would leave on disk is needed.
    run_config = tf.estimator.RunConfig

    def quiet_run_config(**kwargs):
        return run_config(
            tf_random_seed=job.get("seed", 0),
            save_summary_steps=0,
            save_checkpoints_steps=None,
            save_checkpoints_secs=None,
            session_config=unoptimised(tf.ConfigProto(allow_soft_placement=True)),
            **kwargs,
        )

    replace(stack, model_lib, "create_estimator_and_inputs", create_estimator_and_inputs)
    replace(stack, trainer.tf.estimator, "train_and_evaluate", train_and_evaluate)
    replace(stack, trainer.tf.estimator, "RunConfig", quiet_run_config)
    _set_flags(model_dir=model_dir, pipeline_config_path=config)
    trainer.main(None)

    class Probe(tf.train.SessionRunHook):
        def begin(self):
            # The Estimator adds the loss it minimises to this collection, last.
            self.loss = tf.get_collection(tf.GraphKeys.LOSSES)[-1]
            self.variables = tf.global_variables()

        def after_create_session(self, session, coord):
            before_first_step(session, self.variables)
            if not result["steps"]:
                coord.request_stop()

        def before_run(self, run_context):
            return tf.train.SessionRunArgs(self.loss)

        def after_run(self, run_context, run_values):
            result["losses"].append(float(run_values.results))

    captured["estimator"].train(
        captured["train_spec"].input_fn, hooks=[Probe()], steps=result["steps"] or 1
    )


def legacy(stack, job, config, model_dir, result, before_first_step):
    """object_detection/legacy/train.py: main() and all below it, for as many steps as wanted."""
    from object_detection.legacy import train as entry

    trainer = entry.trainer
    train, loop = trainer.train, trainer.slim.learning.train

    def seeded_train(create_tensor_dict_fn, *args, **kwargs):
        def create_seeded():
            # Called first thing in the trainer's own graph.
            tf.set_random_seed(job.get("seed", 0))
            return create_tensor_dict_fn()

        return train(create_seeded, *args, **kwargs)

    def bounded_loop(train_op, logdir, **kwargs):
        variables, saver = tf.global_variables(), kwargs["saver"]
        saver.save = lambda *args, **kw: None  # the loop saves when it ends, wherever it ends

        def look(session):
            before_first_step(session, variables)
            return session

        def step(session, operation, global_step, step_kwargs):
            if len(result["losses"]) == result["steps"]:
                return None, True
            loss, _ = trainer.slim.learning.train_step(session, operation, global_step, step_kwargs)
            result["losses"].append(float(loss))
            return loss, False

        kwargs.update(
            session_wrapper=look,
            train_step_fn=step,
            number_of_steps=None,
            summary_op=None,
            summary_writer=None,
            save_summaries_secs=0,
            save_interval_secs=0,
            session_config=unoptimised(kwargs["session_config"]),
        )
        return loop(train_op, logdir, **kwargs)

    stop = tf.train.Supervisor.stop

    def stop_at_once(supervisor, threads=None, close_summary_writer=True, **kwargs):
        # With sync_replicas a thread waits for other replicas until the session closes, which comes
        # after this: stop would wait for it in vain, two minutes long, and log a warning.
        supervisor._stop_grace_secs = 1
        stop(supervisor, threads, close_summary_writer, ignore_live_threads=True)

    replace(stack, tf.train.Supervisor, "stop", stop_at_once)
    replace(stack, trainer, "train", seeded_train)
    replace(stack, trainer.slim.learning, "train", bounded_loop)
    # Writing the graph as text, which nobody reads, takes longer than restoring does.
    replace(stack, training_util, "write_graph", lambda *args, **kwargs: None)
    _set_flags(train_dir=model_dir, pipeline_config_path=config)
    entry.main(None)


TRAINERS = {"model_main": model_main, "legacy": legacy}


def unoptimised(session_config):
    """Session options without Grappler, which costs more time than it saves in a few steps."""
    session_config.graph_options.rewrite_options.disable_meta_optimizer = True
    return session_config


def _set_flags(**values):
    flags.FLAGS(["worker"] + [f"--{name}={value}" for name, value in sorted(values.items())])
