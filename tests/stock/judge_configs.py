"""Run by a stock interpreter: what does its own API do with these configs?

    judge_configs.py records RECORDS
    judge_configs.py VERB ANSWERS SECONDS CONFIG...

records    writes the records that the configs name
model      the builders alone, and augmentations on a picture: takes milliseconds
train_input, eval_input
           model_lib's own input pipeline, of which a batch is read
forward    the builders, then model_lib's own model_fn: the loss of a batch in training, and its
           evaluation
step       the same, with the gradients and the optimizer
estimator  the step by the Estimator that model_main makes, with all its files

ANSWERS gets, for each config, a line of JSON: its file's name, null or what was raised, and the
time it took.  Configs that it has already are not judged again, and after SECONDS none is begun: so
a run that was stopped goes on.  Each config has a process of its own, forked after the imports, and
a time limit.
"""

import contextlib
import functools
import gc
import hashlib
import json
import math
import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
import traceback

import small_records

# Of its own time, and of all: the machine may be busy, and a pipeline may wait for ever.
LIMITS = ((signal.ITIMER_PROF, 150), (signal.ITIMER_REAL, 600))
UNDECIDED, CRASHED = "no answer in time", "ended by signal"
API = "object_detection"
FEW = 3  # are not worth it
# Of training; what is read does not depend on them.
NOT_READING = (
    "optimizer gradient_clipping_by_norm bias_grad_multiplier freeze_variables "
    "add_regularization_loss update_trainable_variables fine_tune_checkpoint_type"
).split()
PICTURE, TIMES = (120, 160), 3


def read(path):
    from google.protobuf import text_format
    from object_detection.protos import pipeline_pb2

    pipeline = pipeline_pb2.TrainEvalPipelineConfig()
    with open(path, encoding="utf-8") as file:
        text_format.Merge(file.read(), pipeline)
    return pipeline


def build(path):
    """Runs the builders of what a config has."""
    from object_detection.builders import (
        image_resizer_builder,
        model_builder,
        optimizer_builder,
        preprocessor_builder,
    )
    from object_detection.utils import config_util

    configs = config_util.create_configs_from_pipeline_proto(read(path))
    augment(preprocessor_builder, configs["train_config"], configs["train_input_config"])
    image_resizer_builder.build(config_util.get_image_resizer_config(configs["model"]))
    optimizer_builder.build(configs["train_config"].optimizer)
    for is_training in (True, False):
        model_builder.build(configs["model"], is_training=is_training)


def augment(preprocessor_builder, train, reader):
    """Applies the augmentations to a picture, a few times: they are random."""
    import numpy as np
    import tensorflow.compat.v1 as tf
    from object_detection.inputs import augment_input_data

    height, width = PICTURE
    given = {
        "image": np.full([height, width, 3], 99, np.float32),
        "groundtruth_boxes": np.array([[0.1, 0.1, 0.5, 0.6], [0.3, 0.2, 0.9, 0.8]], np.float32),
        "groundtruth_classes": np.array([1, 2]),
        "groundtruth_weights": np.ones([2], np.float32),
    }
    if reader.load_instance_masks:
        given["groundtruth_instance_masks"] = np.ones([2, height, width], np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        options = [preprocessor_builder.build(step) for step in train.data_augmentation_options]
        placeholders = {
            key: tf.placeholder(value.dtype, [None] * (value.ndim - 1) + [last])
            for key, value in given.items()
            for last in [value.shape[-1] if key in ("image", "groundtruth_boxes") else None]
        }
        augmented = augment_input_data(dict(placeholders), options)
        if options:  # a layer needs to know how many channels there are
            tf.layers.conv2d(augmented["image"][tf.newaxis], 1, 1)
        for _ in range(TIMES if options else 0):
            session.run(augmented, {one: given[key] for key, one in placeholders.items()})


def made(path, directory=None):
    """What model_main makes of a config."""
    import tensorflow.compat.v1 as tf
    from object_detection import model_hparams, model_lib

    return model_lib.create_estimator_and_inputs(
        run_config=tf.estimator.RunConfig(model_dir=directory),
        hparams=model_hparams.create_hparams(None),
        pipeline_config_path=path,
        train_steps=1,
        sample_1_of_n_eval_examples=1,
    )


class ModelFunction:
    """In an Estimator's place: `run` and `restored` do what matters of it, without its files."""

    def __init__(self, model_fn, config):
        self.model_fn = model_fn


@contextlib.contextmanager
def running():
    """A session without the optimizers, whose work is for more than one step."""
    import tensorflow.compat.v1 as tf

    config = tf.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = tf.OptimizerOptions.L0
    with tf.Session(config=config) as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        session.run(tf.tables_initializer())
        yield session.run


def batch_of(input_fn):
    import tensorflow.compat.v1 as tf

    iterator = tf.data.make_initializable_iterator(input_fn())
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


def read_batch(input_fn):
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default():
        batch = batch_of(input_fn)
        with running() as run:
            run(batch)


def values_of(input_fn):
    """A batch: for features and labels {name: (static shape, dtype, value)}."""
    tensors = batch_of(input_fn)
    with running() as run:
        values = run(tensors)
    return [
        {
            name: (tensor.shape.as_list(), tensor.dtype.name, value[name])
            for name, tensor in group.items()
        }
        for group, value in zip(tensors, values)
    ]


def batches(path, found):
    """{mode: a batch}.

    They are kept for the configs that say the same about them.
    """
    import tensorflow.compat.v1 as tf

    kept = os.path.join(os.path.dirname(path), input_digest(path) + ".batches")
    if os.path.exists(kept):
        with open(kept, "rb") as file:
            return pickle.load(file)
    out = {}
    for mode, input_fn in (
        (tf.estimator.ModeKeys.TRAIN, found["train_input_fn"]),
        (tf.estimator.ModeKeys.EVAL, found["eval_input_fns"][0]),
    ):
        with tf.Graph().as_default():
            out[mode] = values_of(input_fn)
    with open(f"{kept}.{os.getpid()}", "wb") as file:
        pickle.dump(out, file)
    os.rename(file.name, kept)
    return out


def input_digest(path):
    """A digest of all in a config that batches may depend on, and of the API."""
    import object_detection

    pipeline = read(path)
    model = getattr(pipeline.model, pipeline.model.WhichOneof("model"))
    for name in NOT_READING:
        pipeline.train_config.ClearField(name)
    parts = [
        *object_detection.__path__,
        pipeline.model.WhichOneof("model"),
        model.num_classes,
        model.image_resizer,
        model.feature_extractor.type,
        pipeline.train_config,
        pipeline.train_input_reader,
        *pipeline.eval_input_reader,
        pipeline.eval_config,
    ]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def graph(found, mode, batch):
    """(the EstimatorSpec of a graph that is made in the current one, what to feed it)."""
    import tensorflow.compat.v1 as tf

    tf.train.create_global_step()
    given, feed = [], {}
    for group in batch:
        given.append({})
        for name, (shape, dtype, value) in group.items():
            given[-1][name] = tf.placeholder(dtype, shape)
            feed[given[-1][name]] = value
    return found["estimator"].model_fn(*given, mode), feed


def forward(path):
    import tensorflow as tf

    optimize(lambda loss, **more: tf.identity(loss))
    step(path)


def optimize(optimize_loss):
    """Has model_fn call another function than the API's optimize_loss."""
    import tensorflow as tf

    tf.contrib.layers.optimize_loss = optimize_loss
    with contextlib.suppress(ImportError):
        import tf_slim

        tf_slim.optimizers.optimize_loss = optimize_loss


def step(path):
    import tensorflow.compat.v1 as tf

    build(path)
    found = made(path)
    given = batches(path, found)
    with tf.Graph().as_default():
        spec, feed = graph(found, tf.estimator.ModeKeys.TRAIN, given[tf.estimator.ModeKeys.TRAIN])
        with running() as run:
            loss = run([spec.train_op, spec.loss], feed)[1]
        if math.isnan(loss):
            raise ArithmeticError("NaN loss during training.")
        saved = saveable(spec)
    with tf.Graph().as_default():
        spec, feed = graph(found, tf.estimator.ModeKeys.EVAL, given[tf.estimator.ModeKeys.EVAL])
        for name, shape in saveable(spec).items():
            if saved.get(name) != shape:
                raise LookupError(f"Key {name} not found in checkpoint, or of another shape")
        with running() as run:
            run([update for _, update in spec.eval_metric_ops.values()], feed)
            run([value for value, _ in spec.eval_metric_ops.values()], feed)


def saveable(spec):
    """{name: shape} of what a graph's saver saves, or restores."""
    from tensorflow.python.training.saving.saveable_object_util import op_list_to_dict

    variables = spec.scaffold.saver._var_list
    if not isinstance(variables, dict):
        variables = op_list_to_dict(variables)
    return {name: variable.shape.as_list() for name, variable in variables.items()}


def train_and_evaluate(path):
    directory = tempfile.mkdtemp()
    try:
        found = made(path, directory)
        found["estimator"].train(input_fn=found["train_input_fn"], max_steps=1)
        found["estimator"].evaluate(input_fn=found["eval_input_fns"][0], steps=1)
    finally:
        shutil.rmtree(directory)


def shallow():
    """A ResNet has one unit where others like it follow: a graph takes half of the time."""
    from nets import resnet_utils, resnet_v1

    stack = resnet_utils.stack_blocks_dense

    @functools.wraps(stack)  # slim knows it by an attribute
    def of_one_unit(net, blocks, *args, **more):
        return stack(net, [one._replace(args=one.args[-1:]) for one in blocks], *args, **more)

    resnet_utils.stack_blocks_dense = resnet_v1.resnet_utils.stack_blocks_dense = of_one_unit


def mask_what_is_not_found():
    """Masks of detections that an image lacks are placed in boxes of no size, at which a CPU
    crashes, and a GPU does not; and where it lacks all, a check of pixels fails (until 2019-04).
    Doctor says so (MASKS_PADDED, MASKS_UNFOUND); what made-up weights find is chance."""
    import tensorflow.compat.v1 as tf
    from object_detection.core import box_list_ops
    from object_detection.utils import ops

    normalize = box_list_ops.to_normalized_coordinates
    box_list_ops.to_normalized_coordinates = functools.partial(normalize, check_range=False)

    reframe = ops.reframe_box_masks_to_image_masks

    def of_sizes(masks, boxes, *args, **more):
        sizes = boxes[:, 2:] - boxes[:, :2]
        whole = tf.tile([[0.0, 0.0, 1.0, 1.0]], [tf.shape(boxes)[0], 1])
        return reframe(masks, tf.where(tf.reduce_all(sizes > 0, 1), boxes, whole), *args, **more)

    ops.reframe_box_masks_to_image_masks = of_sizes


def warm(path, verb):
    """Makes graphs of a config, but no session: what that loads, forks need not load each."""
    import tensorflow.compat.v1 as tf

    with contextlib.suppress(Exception):
        found = made(path)
        for mode, input_fn in (
            (tf.estimator.ModeKeys.TRAIN, found["train_input_fn"]),
            (tf.estimator.ModeKeys.EVAL, found["eval_input_fns"][0]),
        ):
            with tf.Graph().as_default():
                tf.train.create_global_step()
                batch = batch_of(input_fn)
                if not verb.endswith("_input"):
                    found["estimator"].model_fn(*batch, mode)


JUDGES = {
    "model": build,
    "train_input": lambda path: read_batch(made(path)["train_input_fn"]),
    "eval_input": lambda path: read_batch(made(path)["eval_input_fns"][0]),
    "forward": forward,
    "step": step,
    "estimator": train_and_evaluate,
}


def forked(judge, *args):
    """(None or what a judge raised, in words; what it returned), of a process of its own."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        gc.disable()
        for timer, seconds in LIMITS:
            signal.setitimer(timer, seconds)
        found, value = None, None
        try:
            value = judge(*args)
        except BaseException as error:  # whatever the API raises is the answer
            frames = traceback.extract_tb(error.__traceback__)
            frame = ([one for one in frames if API in one.filename] or frames)[-1]
            found = f"{type(error).__name__}: {str(error)[:300]} ({frame.filename}:{frame.lineno})"
        os.write(theirs, json.dumps([found, value]).encode())
        os._exit(0)
    os.close(theirs)
    with open(ours, encoding="utf-8") as file:
        said = file.read()
    status = os.waitpid(child, 0)[1]
    if said:
        return json.loads(said)
    number = os.WTERMSIG(status)
    late = number in (signal.SIGPROF, signal.SIGALRM)
    return UNDECIDED if late else f"{CRASHED} {number}", None


def answered(answers):
    """{file's name: line} of a file of answers."""
    found = {}
    if os.path.exists(answers):
        with open(answers, encoding="utf-8") as file:
            for line in file:
                with contextlib.suppress(ValueError):  # cut off when a run was stopped
                    one = json.loads(line)
                    found[one["config"]] = one
    return found


def prepare(verb):
    """Loads the API, for all children to inherit."""
    import tensorflow.compat.v1 as tf
    from object_detection import model_lib  # noqa: F401
    from tensorflow.python.util import deprecation

    deprecation._PRINT_DEPRECATION_WARNINGS = False  # making them takes a tenth of the time
    if verb != "estimator":
        tf.estimator.Estimator = ModelFunction
        mask_what_is_not_found()
        shallow()


def not_converted(function):
    """A function that AutoGraph leaves alone: else it rewrites the whole input pipeline."""
    import tensorflow.compat.v1 as tf

    return tf.autograph.experimental.do_not_convert(function)


def judge_all(judge, answers, seconds, paths):
    """Writes what `judge` says of each path that is not answered yet."""
    known, end = answered(answers), time.time() + float(seconds)
    with open(answers, "a", encoding="utf-8") as file:
        file.write("\n")  # after what may be half a line
        for path in paths:
            name = os.path.basename(path)
            if name in known:
                continue
            start = time.time()
            if start > end:
                break
            raised = judge(path)
            line = {"config": name, "raised": raised, "seconds": round(time.time() - start, 2)}
            file.write(json.dumps(line) + "\n")
            file.flush()


def main(verb, answers, seconds="inf", *paths):
    if verb == "records":
        small_records.write(answers)
        return
    prepare(verb)
    judge = not_converted(JUDGES[verb])
    end = time.time() + float(seconds)

    def judge_some(some):
        judge_all(lambda path: forked(judge, path)[0], answers, end - time.time(), some)

    if verb != "model" and len(paths) > FEW:
        for path in paths:
            judge_some([path])
            answer = answered(answers).get(os.path.basename(path))
            if answer is None:
                break
            if CRASHED not in (answer["raised"] or ""):
                not_converted(warm)(path, verb)
                break
    judge_some(paths)


if __name__ == "__main__":
    main(*sys.argv[1:])
