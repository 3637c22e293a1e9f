"""The `restore` job: what does the stock trainer start from, and does it train?

The trainers are not imitated, they are run.  `object_detection/model_main.py` and
`object_detection/legacy/train.py` are imported and their `main` is called with the flags a
person would give.  A few of the functions they call are wrapped for that time, to look, and at
the seams where a run would leave the process (endless training, checkpoints on disk) to stop.

What is recorded, and where it comes from:
  asked for, dropped, missing   the arguments and result of the API's own
                                variables_helper.get_variables_available_in_checkpoint
  messages                      the warnings the API logs about them, word for word
  load_pretrained               whether the `hparams` that this model_main gives to model_lib say
                                so.  Nothing here knows in which month it stopped giving any.
  values                        every variable of the graph, read in the trainer's own session after
                                it initialised or restored and before its first step, compared
                                bit for bit with the checkpoint's tensor of that name; the
                                optimizer's also with what the graph would initialise them to
  losses                        the trainer's own total loss of each step
"""

import contextlib
import logging
import math
import os
import re
import shutil
import unittest.mock
from typing import Any, Dict, List, Set

import numpy as np
import stock_scene
import tensorflow.compat.v1 as tf
from absl import flags
from object_detection.builders import optimizer_builder
from object_detection.utils import variables_helper
from tensorflow.python.training import training_util

EMA = "/ExponentialMovingAverage"
QUANTIZATION = re.compile(r"(^|/)\w*_quant/|^fake_quantization_step$")
MESSAGE = re.compile(r"incompatible shape|not available in checkpoint")
CHECKPOINT_FILE = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")
READ_AT_ONCE = 64 << 20  # bytes


class Evidence:
    """What was seen while a stock trainer ran."""

    def __init__(self, result):
        self.result = result
        self.asked = {}  # variable name -> name in the checkpoint
        self.given = set()  # names of variables that the stock code restores
        self.model: Set[str] = set()  # names of variables that existed before the optimizer did
        self.messages = []

    def watch(self, stack):
        """Wraps the stock API's own functions until `stack` is closed."""
        available = variables_helper.get_variables_available_in_checkpoint
        build_optimizer = optimizer_builder.build

        def get_variables_available_in_checkpoint(variables, *args, **kwargs):
            found = available(variables, *args, **kwargs)
            self.asked.update(_named(variables))
            self.given.update(_named(found))
            return found

        def build(*args, **kwargs):
            self.model = {variable.op.name for variable in tf.global_variables()}
            return build_optimizer(*args, **kwargs)

        replace(
            stack,
            variables_helper,
            "get_variables_available_in_checkpoint",
            get_variables_available_in_checkpoint,
        )
        replace(stack, optimizer_builder, "build", build)
        # Logging sets itself up at the first message, unless it finds a handler: with only ours,
        # the messages would miss the job's log.
        logging.basicConfig()
        handler = _Collector(self.messages)
        for logger in (logging.getLogger(), logging.getLogger("tensorflow")):
            logger.addHandler(handler)
            stack.callback(logger.removeHandler, handler)

    def category(self, name):
        """model, quantization, moving_average, optimizer or step."""
        if name == tf.GraphKeys.GLOBAL_STEP:
            return "step"
        if name.endswith(EMA):
            return "moving_average"
        if QUANTIZATION.search(name):
            return "quantization"
        return "model" if name in self.model else "optimizer"

    def compare(self, session, variables, checkpoint, resumed):
        """Reads every variable before the first step and records what it holds."""
        reader = tf.train.NewCheckpointReader(checkpoint)
        shapes = reader.get_variable_to_shape_map()
        names = {variable.op.name for variable in variables}
        values: Dict[str, Any] = {}
        counts: Dict[str, Any] = {}
        lists: Dict[str, List[Any]] = {
            key: [] for key in ("restored", "dropped", "missing", "not_asked_for")
        }
        averages: Dict[str, Any] = {
            "from_checkpoint": 0,
            "from_variable": 0,
            "from_initialiser": [],
        }
        # Averages last, so that what they average is already at hand.
        ordered = sorted(variables, key=lambda variable: variable.op.name.endswith(EMA))
        for chunk in _chunks(ordered):
            initial = session.run(
                {
                    variable.op.name: variable.initial_value
                    for variable in chunk
                    if self.category(variable.op.name) == "optimizer"
                }
            )
            for variable, value in zip(chunk, session.run(chunk)):
                name, value = variable.op.name, np.asarray(value)
                if name + EMA in names:
                    values[name] = value
                source = self.asked.get(name, name)
                category = self.category(name)
                count = counts.setdefault(category, {"total": 0, "restored": 0})
                count["total"] += 1
                if name in initial:
                    count["initial"] = count.get("initial", 0) + same_bits(value, initial[name])
                row = {
                    "name": name,
                    "category": category,
                    "dtype": str(value.dtype),
                    "shape": list(value.shape),
                }
                equal = shapes.get(source) == list(value.shape) and same_bits(
                    value, reader.get_tensor(source)
                )
                given = resumed or name in self.given
                if given:
                    count["restored"] += equal
                    lists["restored"].append(dict(row, bit_equal=equal))
                elif name not in self.asked:
                    lists["not_asked_for"].append(dict(row, bit_equal=equal))
                elif source in shapes and shapes[source] != list(value.shape):
                    lists["dropped"].append(
                        dict(
                            row,
                            checkpoint_shape=shapes[source],
                            model_shape=list(value.shape),
                            message=self.message(source),
                        )
                    )
                else:
                    lists["missing"].append(dict(row, message=self.message(source)))
                if category == "moving_average":
                    parent = values.get(name[: -len(EMA)])
                    if given and equal:
                        averages["from_checkpoint"] += 1
                    elif parent is not None and same_bits(value, parent):
                        averages["from_variable"] += 1
                    else:
                        averages["from_initialiser"].append(name)
                if category == "step":
                    self.result["global_step"] = int(value)
        self.result.update(
            {key: sorted(rows, key=lambda row: row["name"]) for key, rows in lists.items()}
        )
        self.result.update(
            counts=counts,
            moving_averages=averages,
            model_variables=counts.get("model", {"total": 0})["total"],
        )

    def message(self, name):
        """The line the stock code logged about a variable, or None if it said nothing."""
        return next((text for text in self.messages if f"[{name}]" in text), None)


class _Collector(logging.Handler):
    def __init__(self, messages):
        logging.Handler.__init__(self)
        self._messages = messages

    def emit(self, record):
        text = record.getMessage()
        if MESSAGE.search(text) and text not in self._messages:
            self._messages.append(text)


def restore(job, scratch, result):
    """Runs the trainer the job names, and fills in the job's result."""
    result.update(trainer=job["trainer"], steps=job.get("steps", 0), losses=[])
    evidence = Evidence(result)
    config, result["config_changes"] = stock_scene.prepare(scratch, job)
    model_dir = os.path.join(scratch, "model_dir")
    os.makedirs(model_dir)
    resumed = None
    if job.get("model_dir"):
        # The trainer writes where it resumes from; a copy of links keeps that directory as it is.
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
        evidence.compare(session, variables, checkpoint, bool(resumed))

    try:
        with contextlib.ExitStack() as stack:
            evidence.watch(stack)
            # AutoGraph rewrites every function of the input pipeline, which takes longer than all
            # else together and does nothing for code that is older than AutoGraph.
            tf.autograph.experimental.do_not_convert(TRAINERS[job["trainer"]])(
                stack, job, config, model_dir, result, before_first_step
            )
    finally:
        # What was seen before a failure is worth as much as what was seen without one.
        result["messages"] = evidence.messages
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

    # What the run leaves on disk is of no interest; what it starts from is.
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
        # With sync_replicas a thread waits for other replicas until the session is closed, which
        # comes after this: it would be waited for in vain for two minutes, and complained about.
        supervisor._stop_grace_secs = 1
        stop(supervisor, threads, close_summary_writer, ignore_live_threads=True)

    replace(stack, tf.train.Supervisor, "stop", stop_at_once)
    replace(stack, trainer, "train", seeded_train)
    replace(stack, trainer.slim.learning, "train", bounded_loop)
    # The graph as text, which nobody reads, takes longer than restoring it does.
    replace(stack, training_util, "write_graph", lambda *args, **kwargs: None)
    _set_flags(train_dir=model_dir, pipeline_config_path=config)
    entry.main(None)


TRAINERS = {"model_main": model_main, "legacy": legacy}


def unoptimised(session_config):
    """Session options without Grappler, which takes longer than it saves in a few steps."""
    session_config.graph_options.rewrite_options.disable_meta_optimizer = True
    return session_config


def replace(stack, owner, name, value):
    """Puts `value` in the place of an attribute until `stack` is closed."""
    stack.enter_context(unittest.mock.patch.object(owner, name, value))


def same_bits(left, right):
    """Whether two arrays have the same type, shape and bits (so that NaN equals itself)."""
    left, right = np.asarray(left), np.asarray(right)
    return (left.dtype, left.shape) == (
        right.dtype,
        right.shape,
    ) and left.tobytes() == right.tobytes()


def _chunks(variables):
    """Lists of variables whose values take about READ_AT_ONCE bytes together."""
    chunk, size = [], 0
    for variable in variables:
        chunk.append(variable)
        size += variable.shape.num_elements() * variable.dtype.size
        if size >= READ_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _named(variables):
    """Variable name -> checkpoint name, of the list or dictionary the stock code passes around."""
    pairs = (
        variables.items()
        if isinstance(variables, dict)
        else ((variable.op.name, variable) for variable in variables)
    )
    return {variable.op.name: name for name, variable in pairs}


def _set_flags(**values):
    flags.FLAGS(["worker"] + [f"--{name}={value}" for name, value in sorted(values.items())])
