"""Asks the stock API what a trainer restores and trains of a model, for all restore flags.

    restore_oracle.py CONFIG... DIRECTORY

Under a Python that has the stock API.  For each config DIRECTORY gets NAME.ckpt.*, a checkpoint in
which some of the model's variables are missing and some have another shape, under a detector's
names and under a classifier's; and NAME.json:

    variables  {name: shape} of the model, in the order of their creation
    trainable  names of those that have gradients
    restored   [[fine_tune_checkpoint_type, load_all, {name: verdict}]...], by the model's own
               restore_map and the API's get_variables_available_in_checkpoint
    trained    [[freeze_variables, update_trainable_variables, legacy's, model_main's]...] names
    second     all this of the second of two models in one graph, where Keras names its variables
    biases     names whose gradients bias_grad_multiplier multiplies in the legacy trainer; null
               where it stops, since there are none
"""

import itertools
import json
import os
import sys
import zlib

import stock_scene
import tensorflow.compat.v1 as tf
from object_detection import model_lib
from object_detection.builders import model_builder
from object_detection.utils import variables_helper

PATTERNS = (
    ((), ()),
    (("FeatureExtractor",), ()),
    ((".*FeatureExtractor/",), ()),
    (("BatchNorm",), ()),
    (("weights$",), ()),
    (("^Conv/", ".*Predictor.*biases"), ()),
    ((), ("Predictor",)),
    (("biases:0$",), ("FeatureExtractor", "Conv")),
    ((".*/weights",), ("BoxPredictor_[01]/",)),
)
# What training code of a trainer gives filter_variables: legacy/trainer.py's own list.
BIASES = [".*/biases"]


def build(path, twice=False):
    """A graph with a config's model, built for training, `twice` as the second one; and the
    variables of which the loss has gradients."""
    pipeline = stock_scene.read_pipeline(path)
    with tf.Graph().as_default() as graph:
        # Before the model, as the trainers do: a NASNet would make one in a scope of its own.
        tf.train.get_or_create_global_step()
        if twice:
            model_builder.build(pipeline.model, is_training=True)
        model = model_builder.build(pipeline.model, is_training=True)
        images, shapes = model.preprocess(tf.zeros([1, 128, 128, 3]))
        masks = [tf.zeros([1, 128, 128])] if stock_scene.predicts_masks(pipeline) else None
        model.provide_groundtruth(
            [tf.constant([[0.1, 0.1, 0.5, 0.5]])], [tf.one_hot([0], model.num_classes)], masks
        )
        predictions = model.predict(images, shapes, **stock_scene.context_inputs(pipeline))
        loss = tf.add_n(list(model.loss(predictions, shapes).values()) + regularization(model))
        variables = tf.trainable_variables()
        return (
            graph,
            model,
            [
                one
                for one, gradient in zip(variables, tf.gradients(loss, variables))
                if gradient is not None
            ],
        )


def regularization(model):
    """The losses that trainers add to the model's own: slim's, and in later revisions Keras's."""
    return tf.losses.get_regularization_losses() + (
        model.regularization_losses() or [] if hasattr(model, "regularization_losses") else []
    )


def classifier_names(model):
    """Under which names the model looks for its variables in a classifier's checkpoint."""
    return {
        source: variable.op.name
        for source, variable in model.restore_map(
            fine_tune_checkpoint_type="classification"
        ).items()
    }


def write_checkpoint(path, shapes):
    """A checkpoint of zeros that has most of these variables, a few with another shape."""
    with tf.Graph().as_default(), tf.Session() as session:
        made = {}
        for name, shape in shapes.items():
            dice = zlib.crc32(name.encode()) % 7
            if dice == 0:
                continue
            if dice == 1:
                shape = shape[:-1] + [shape[-1] + 1] if shape else [1]
            made[name] = tf.Variable(tf.zeros(shape), name="v")
        session.run(tf.global_variables_initializer())
        tf.train.Saver(made).save(session, path, write_meta_graph=False)


def verdicts(model, shapes, checkpoint, kind, every):
    """{variable: what becomes of it}."""
    asked = model.restore_map(
        fine_tune_checkpoint_type=kind, load_all_detection_checkpoint_vars=every
    )
    given = variables_helper.get_variables_available_in_checkpoint(
        asked, checkpoint, include_global_step=False
    )
    there = tf.train.NewCheckpointReader(checkpoint).get_variable_to_shape_map()
    found = dict.fromkeys(shapes, "not_asked_for")
    for source, variable in asked.items():
        name = variable.op.name
        if name in found:
            found[name] = (
                "restored"
                if source in given
                else ("shape_differs" if source in there else "missing")
            )
    return found


def trained(variables, frozen, included):
    """Names that the legacy trainer and model_main let train."""
    framework = getattr(model_lib, "slim", None) or model_lib.tf.contrib.framework
    pairs = [(one, one) for one in variables]
    if frozen:
        pairs = variables_helper.freeze_gradients_matching_regex(pairs, frozen)
    chosen = framework.filter_variables(
        variables, include_patterns=included or None, exclude_patterns=frozen or None
    )
    return [one.op.name for _, one in pairs], [one.op.name for one in chosen]


def multiplied(variables):
    """Names whose gradients the legacy trainer multiplies; None where it stops."""
    pairs = [(tf.zeros([]), one) for one in variables]
    try:
        changed = variables_helper.multiply_gradients_matching_regex(pairs, BIASES, multiplier=2.0)
    except ValueError as error:
        assert "gradient_multipliers" in str(error)
        return None
    before = {variable.op.name: gradient for gradient, variable in pairs}
    return [
        variable.op.name
        for gradient, variable in changed
        if gradient is not before[variable.op.name]
    ]


def look(path, directory):
    name = os.path.join(directory, os.path.splitext(os.path.basename(path))[0])
    with open(path) as file:
        built = [
            build(path, twice) for twice in ((False, True) if "_keras" in file.read() else (False,))
        ]
    named = {"global_step": []}
    for graph, model, _ in built:
        with graph.as_default():
            shapes = model_shapes()
            named.update(shapes)
            named.update((source, shapes[own]) for source, own in classifier_names(model).items())
    write_checkpoint(name + ".ckpt", named)
    found = []
    for graph, model, trainable in built:
        with graph.as_default():
            found.append(answer(model, trainable, name + ".ckpt"))
    return name + ".json", dict(found[0], second=found[-1] if len(found) > 1 else None)


def model_shapes():
    """{name: shape} of what there is in the graph."""
    return {
        one.op.name: one.shape.as_list()
        for one in tf.global_variables()
        if one.op.name != tf.GraphKeys.GLOBAL_STEP
    }


def answer(model, trainable, checkpoint):
    """What the API says of a model in the default graph."""
    shapes = model_shapes()
    return {
        "variables": shapes,
        "trainable": [one.op.name for one in trainable],
        "restored": [
            (kind, every, verdicts(model, shapes, checkpoint, kind, every))
            for kind, every in itertools.product(("detection", "classification"), (False, True))
        ],
        "trained": [
            (frozen, included) + trained(trainable, frozen, included)
            for frozen, included in PATTERNS
        ],
        "biases": multiplied(trainable),
    }


def main(*arguments):
    for path in arguments[:-1]:
        try:
            name, found = look(path, arguments[-1])
        except Exception as error:  # whatever the API raises is the answer
            print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        with open(name, "w") as file:
            json.dump(found, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
