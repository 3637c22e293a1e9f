"""Run by a stock interpreter: what does its own API do with the parts of these configs?

    judge_parts.py ANSWERS SECONDS CONFIG...

A step of a whole model takes seconds, most of them for what a change does not touch.  So a config
is judged part by part; the API's own code makes and runs each:

builders    what judge_configs.py's `model` asks, and the estimator
reading     a batch of model_lib's input pipelines
extractor   the feature extractor alone, on that batch, and its gradients
graph       model_lib's model_fn with a stand-in for the feature extractor, whose feature maps have
            the same shapes: training with gradients, evaluation without metrics
predicting  of an SSD, this as far as predictions
results     of an SSD, and the losses or detections that are made of these predictions
learning    model_lib's model_fn with optimizer and metrics, but a model of two variables
rewritten   a step of the whole model, where graph_rewriter has a say

Answers are those of judge_configs.py.  A part's is kept in ANSWERS.parts, for all configs that say
the same about it.
"""

import hashlib
import json
import math
import os
import pickle
import sys
import time

import judge_configs as whole
import stand_ins
from google.protobuf import text_format

MODES = TRAIN, EVAL = "train", "eval"
CROPS = 2
# Which may be infinite, and are none of the model's doing.
ANCHORS = {"anchors", "final_anchors"}
WRITING = ("reading", "predicting")
# What only the one or the other computes from an SSD's predictions.
ONLY_IN = {TRAIN: ("loss", "matcher", "similarity_calculator"), EVAL: ("post_processing",)}
NOT_LEARNING = ("data_augmentation_options", "batch_size")
OF_GRAPHS = ("add_regularization_loss", "unpad_groundtruth_tensors", "batch_size")


class Parts:
    """The parts of a config.  `of_PART` is what a part depends on; PART makes and runs it, in a
    process of its own, and returns what other parts depend on."""

    def __init__(self, path):
        self.path = path
        self.pipeline = whole.read(path)
        self.kind = self.pipeline.model.WhichOneof("model")
        self.body = getattr(self.pipeline.model, self.kind) if self.kind else None

    def builders(self):
        whole.build(self.path)
        made(self.pipeline)

    def of_reading(self, mode):
        train = self.pipeline.train_config
        return [
            self.kind,
            self.body.num_classes,
            self.body.image_resizer,
            without(train, whole.NOT_READING) if mode == TRAIN else self.pipeline.eval_config,
            self.pipeline.train_input_reader if mode == TRAIN else self.pipeline.eval_input_reader,
        ]

    def reading(self, mode, file):
        """The shapes of a batch, which is written."""
        import tensorflow.compat.v1 as tf

        found = made(self.pipeline)
        with tf.Graph().as_default():
            batch = whole.values_of(found[f"{mode}_input_fn"])
        write(file, batch)
        return [
            sorted([name, shape, value.shape] for name, (shape, _, value) in group.items())
            for group in batch
        ]

    def of_extractor(self, shapes):
        images = [one for one in shapes[0] if one[0] == "image"]
        of_model = ("freeze_batchnorm", "inplace_batchnorm_update", "first_stage_features_stride")
        return [
            self.kind,
            self.body.feature_extractor,
            images,
            *(getattr(self.body, name, None) for name in of_model),
            self.kind == "faster_rcnn" and [self.body.number_of_stages == 1, self.crop()],
        ]

    def crop(self):
        """The side of what the second stage is given; None where nothing is cropped."""
        body = self.body
        predictor = body.second_stage_box_predictor.WhichOneof("box_predictor_oneof")
        if predictor != "mask_rcnn_box_predictor" or body.maxpool_stride < 1:
            return None
        return (body.initial_crop_size - body.maxpool_kernel_size) // body.maxpool_stride + 1

    def extractor(self, file):
        """The shapes of the feature maps, static and as they come out, and of all variables."""
        import tensorflow.compat.v1 as tf
        from object_detection.builders import model_builder

        shape, dtype, value = batch_in(file)[0]["image"]
        maps_of = self.maps_of_stages if self.kind == "faster_rcnn" else self.maps_of_ssd
        with tf.Graph().as_default():
            tf.keras.backend.set_learning_phase(True)
            model = model_builder.build(self.pipeline.model, is_training=True)
            images = tf.placeholder(dtype, shape)
            maps = maps_of(model, images)
            fetched = differentiate(tf.add_n([tf.reduce_sum(one) for one in maps]))
            fetched = [fetched, tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)]
            with whole.running() as run:
                found = run([[tf.shape(one) for one in maps], fetched], {images: value})[0]
            variables = [[one.op.name, one.shape.as_list()] for one in tf.global_variables()]
        maps = [[one.shape.as_list(), list(map(int, two))] for one, two in zip(maps, found)]
        return [maps, variables]

    def maps_of_ssd(self, model, images):
        import tensorflow.compat.v1 as tf

        if model._feature_extractor.is_keras_model:
            return model._feature_extractor(images)
        slim = sys.modules[type(model).__module__].slim
        with slim.arg_scope(
            [slim.batch_norm],
            is_training=not self.body.freeze_batchnorm,
            updates_collections=None
            if self.body.inplace_batchnorm_update
            else tf.GraphKeys.UPDATE_OPS,
        ), tf.variable_scope(None, "FeatureExtractor", [images]):
            return model._feature_extractor.extract_features(images)

    def maps_of_stages(self, model, images):
        import tensorflow.compat.v1 as tf

        extractor, side = model._feature_extractor, self.crop()
        scopes = (
            model.first_stage_feature_extractor_scope,
            model.second_stage_feature_extractor_scope,
        )
        keras = hasattr(extractor, "get_proposal_feature_extractor_model")
        if keras:
            maps = extractor.get_proposal_feature_extractor_model(name=scopes[0])(images)
        else:
            maps = extractor.extract_proposal_features(images, scope=scopes[0])[0]
        if self.body.number_of_stages == 1:
            return [maps]
        crops = maps if side is None else tf.ones([CROPS, side, side, maps.shape[-1]])
        if keras:
            last = extractor.get_box_classifier_feature_extractor_model(name=scopes[1])(crops)
        else:
            last = extractor.extract_box_classifier_features(crops, scope=scopes[1])
        return [maps, last]

    def of_graph(self, mode, shapes, maps, unused=()):
        train = self.pipeline.train_config
        return [
            self.kind,
            mode,
            "keras" in self.body.feature_extractor.type,
            without(self.body, ("feature_extractor", "image_resizer", *unused)),
            *(getattr(train, name) for name in OF_GRAPHS),
            shapes,
            maps,
        ]

    def graph(self, mode, batch, maps, change=lambda model: None):
        """What model_fn makes of a batch; `change` is given its model."""
        from object_detection import eval_util
        from object_detection.builders import model_builder

        def build(**words):
            model = model_builder.build(**words)
            model._feature_extractor = stand_ins.StandIn(model._feature_extractor, maps)
            change(model)
            return model

        pipeline, train = copied(self.pipeline), self.pipeline.train_config
        for name in ("train_config", "eval_config", "graph_rewriter"):
            pipeline.ClearField(name)
        for name in OF_GRAPHS:
            setattr(pipeline.train_config, name, getattr(train, name))
        rate = pipeline.train_config.optimizer.momentum_optimizer.learning_rate
        rate.constant_learning_rate.learning_rate = 0.001
        eval_util.result_dict_for_batched_example = lambda *args, **words: {}
        eval_util.get_eval_metric_ops_for_evaluators = lambda *args: {}
        whole.optimize(differentiate)
        batch = batch_in(batch)
        batch[0].pop("original_image", None)  # which no metrics are to draw boxes into
        run_model(pipeline, build, mode, batch)

    def of_predicting(self, mode, shapes, maps):
        unused = (*ONLY_IN[TRAIN], *ONLY_IN[EVAL], "box_coder")
        return ["predicting", *self.of_graph(mode, shapes, maps, unused)]

    def predicting(self, mode, batch, maps, file):
        """The shapes of predictions, whose values are written."""
        import tensorflow.compat.v1 as tf

        found = {}

        def change(model):
            predict = model.predict

            def predict_and_write(*args, **words):
                predicted = predict(*args, **words)
                tensors = [
                    (name, one) for name, one in predicted.items() if not isinstance(one, list)
                ]
                for name, one in tensors:
                    found[name] = one.shape.as_list()
                names = [name for name, _ in tensors]
                writing = tf.py_func(
                    lambda *values: write(file, dict(zip(names, values))),
                    [one for _, one in tensors],
                    tf.int64,
                )
                with tf.control_dependencies([writing]):
                    return {
                        name: one if isinstance(one, list) else tf.identity(one)
                        for name, one in predicted.items()
                    }

            def total(predicted, shapes):
                parts = [one for name, one in predicted.items() if name in set(found) - ANCHORS]
                return {"loss": tf.add_n([tf.reduce_sum(one) for one in parts])}

            model.predict, model.loss = predict_and_write, total
            model.postprocess = lambda predicted, shapes: {
                "detection_classes": predicted["class_predictions_with_background"]
            }

        self.graph(mode, batch, maps, change)
        return found

    def of_results(self, mode, shapes, maps, predicted):
        unused = ("box_predictor", *ONLY_IN[EVAL if mode == TRAIN else TRAIN])
        return ["results", predicted, *self.of_graph(mode, shapes, maps, unused)]

    def results(self, mode, batch, maps, predicted, file):
        import tensorflow.compat.v1 as tf
        from object_detection.core.box_list import BoxList

        values = batch_in(file)

        def change(model):
            def predict(images, shapes, **words):
                found = {
                    name: tf.placeholder_with_default(values[name], shape)
                    * stand_ins.weights(name, [1])
                    for name, shape in predicted.items()
                }
                model._anchors = BoxList(found["anchors"])
                model._batched_prediction_tensor_names = sorted(set(found) - {"anchors"})
                return dict(found, feature_maps=[images])

            model.predict = predict
            if mode == EVAL:
                model.loss = lambda *args: {"loss": tf.constant(0.0)}

        self.graph(mode, batch, maps, change)

    def of_learning(self):
        return [
            without(self.pipeline.train_config, NOT_LEARNING),
            self.pipeline.eval_config,
            self.pipeline.eval_input_reader,
        ]

    def learning(self, files):
        pipeline = copied(self.pipeline)
        pipeline.ClearField("graph_rewriter")
        saved = run_model(pipeline, stand_ins.small_model, TRAIN, batch_in(files[TRAIN]))
        for name, shape in run_model(
            pipeline, stand_ins.small_model, EVAL, batch_in(files[EVAL])
        ).items():
            if saved.get(name) != shape:
                raise LookupError(f"Key {name} not found in checkpoint, or of another shape")

    def of_rewritten(self, shapes):
        unused = ("image_resizer", *ONLY_IN[TRAIN], *ONLY_IN[EVAL])
        return [self.pipeline.graph_rewriter, without(self.body, unused), shapes]

    def rewritten(self):
        whole.step(self.path)


def made(pipeline, build=None):
    """What model_main makes of a config, with what `build` builds as its model."""
    from object_detection import model_lib
    from object_detection.utils import config_util

    model_lib.MODEL_BUILD_UTIL_MAP["get_configs_from_pipeline_file"] = lambda *args, **words: (
        config_util.create_configs_from_pipeline_proto(copied(pipeline))
    )
    if build is not None:
        model_lib.MODEL_BUILD_UTIL_MAP["detection_model_fn_base"] = build
    found = whole.made("")
    found["eval_input_fn"] = found["eval_input_fns"][0]
    return found


def run_model(pipeline, build, mode, batch):
    """Runs model_fn once; {name: shape} of what it saves, or restores."""
    import tensorflow.compat.v1 as tf

    found = made(pipeline, build)
    with tf.Graph().as_default():
        spec, feed = whole.graph(found, mode, batch)
        with whole.running() as run:
            if mode == TRAIN:
                if math.isnan(run([spec.train_op, spec.loss], feed)[1]):
                    raise ArithmeticError("NaN loss during training.")
            else:
                run([spec.predictions, [one for _, one in spec.eval_metric_ops.values()]], feed)
                run([one for one, _ in spec.eval_metric_ops.values()], feed)
        return whole.saveable(spec)


def differentiate(loss, variables=None, update_ops=(), **words):
    """In optimize_loss's place."""
    import tensorflow.compat.v1 as tf

    found = tf.gradients(loss, tf.trainable_variables() if variables is None else variables)
    found = [one for one in found if one is not None]
    if not found:
        raise ValueError("No gradients provided for any variable.")
    return tf.group(loss, *found, *(update_ops or ()), *tf.get_collection(tf.GraphKeys.UPDATE_OPS))


def write(file, values):
    with open(file, "wb") as out:
        pickle.dump(values, out)
    return 0


def batch_in(file):
    with open(file, "rb") as found:
        return pickle.load(found)


def copied(message):
    copy = message.__class__()
    copy.CopyFrom(message)
    return copy


def without(message, names):
    message = copied(message)
    for name in names:
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)
    return message


class Stopped(Exception):
    pass


class Judge:
    """Asks for each part once."""

    def __init__(self, answers):
        self.answers = answers + ".parts"
        self.known = whole.answered(self.answers)

    def ask(self, name, parts, judge, *args):
        """(What a part returned, the file it may have written); raises Stopped."""
        digest = hashlib.sha256(json.dumps([name, *map(str, parts)]).encode()).hexdigest()[:16]
        file = os.path.join(os.path.dirname(self.answers), digest + ".batch")
        found = self.known.get(digest)
        if found is None:
            args += (file,) if name in WRITING else ()
            start = time.time()
            raised, value = whole.forked(whole.not_converted(judge), *args)
            found = self.known[digest] = {
                "config": digest,
                "part": name,
                "raised": raised,
                "value": value,
            }
            found["seconds"] = round(time.time() - start, 2)
            with open(self.answers, "a", encoding="utf-8") as out:
                out.write(json.dumps(found) + "\n")
        if found["raised"] == whole.UNDECIDED:
            raise Stopped(whole.UNDECIDED)
        if found["raised"]:
            raise Stopped(f"{name}: {found['raised']}")
        return found["value"], file

    def judge(self, path):
        """What a config's first part to stop raised, None if all run."""
        try:
            self.ask_all(path)
        except Stopped as stopped:
            return str(stopped)
        return None

    def ask_all(self, path):
        try:
            parts = Parts(path)
        except text_format.ParseError as error:
            raise Stopped(f"ParseError: {error}") from error
        self.ask("builders", [parts.pipeline], parts.builders)
        shapes, files = {}, {}
        for mode in MODES:
            of = parts.of_reading(mode)
            shapes[mode], files[mode] = self.ask("reading", [mode, *of], parts.reading, mode)
        extractors = [
            self.ask("extractor", parts.of_extractor(shapes[mode]), parts.extractor, files[mode])[0]
            for mode in MODES
        ]
        if extractors[0][1] != extractors[1][1]:
            raise Stopped("extractor: evaluation has variables of another shape than training")
        for mode, (maps, _) in zip(MODES, extractors):
            about = mode, shapes[mode], maps
            given = mode, files[mode], maps
            if parts.kind == "ssd":
                of = parts.of_predicting(*about)
                found = self.ask("predicting", of, parts.predicting, *given)
                of = parts.of_results(*about, found[0])
                self.ask("results", of, parts.results, *given, *found)
            else:
                self.ask("graph", parts.of_graph(*about), parts.graph, *given)
        self.ask("learning", parts.of_learning(), parts.learning, files)
        if parts.pipeline.HasField("graph_rewriter"):
            self.ask("rewritten", parts.of_rewritten(shapes), parts.rewritten)


def main(answers, seconds, *paths):
    whole.prepare("parts")
    if len(paths) > whole.FEW:
        whole.not_converted(whole.warm)(paths[0], "parts")
    whole.judge_all(Judge(answers).judge, answers, seconds, paths)


if __name__ == "__main__":
    main(*sys.argv[1:])
