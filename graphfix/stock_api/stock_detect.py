"""Jobs that build the stock model to detect, not to train: raw_outputs, detect, evaluate, export,
save.

Each builds the model from the config as the API's own exporter does (is_training=False, then the
graph rewriter of a quantized config) and restores the checkpoint with a plain Saver, which is
strict: a variable that the checkpoint lacks, or holds in another shape, is an error.
"""

import contextlib
import unittest.mock

import numpy as np
import stock_scene
import tensorflow.compat.v1 as tf
from object_detection import exporter
from object_detection.builders import graph_rewriter_builder, model_builder
from object_detection.core import standard_fields as fields
from object_detection.data_decoders import tf_example_decoder
from object_detection.predictors.heads import mask_head
from object_detection.utils import label_map_util, object_detection_evaluation
from stock_train import unoptimised

MASK_FEATURES, MASKS = "mask_head/features", "mask_head/masks"


@contextlib.contextmanager
def restored_detector(job, image_shape, result):
    """Model, image placeholder, its tensors by name, and a session that holds the checkpoint."""
    pipeline = stock_scene.read_pipeline(job["pipeline_config"])
    with tf.Graph().as_default():
        tf.set_random_seed(job.get("seed", 0))
        image = tf.placeholder(tf.uint8, image_shape)
        model = model_builder.build(pipeline.model, is_training=False)
        preprocessed, true_shapes = model.preprocess(tf.cast(image, tf.float32))
        with _mask_head() as of_masks:
            predicted = model.predict(
                preprocessed, true_shapes, **stock_scene.context_inputs(pipeline)
            )
        tensors = {
            "predict/" + name: tensor
            for name, tensor in predicted.items()
            if isinstance(tensor, tf.Tensor)
        }
        # Lists of one tensor a feature map stay lists in the name.
        for name, value in predicted.items():
            if isinstance(value, list):
                tensors.update(
                    (f"predict/{name}/{index}", tensor) for index, tensor in enumerate(value)
                )
        tensors.update(of_masks)
        if "predict/anchors" not in tensors:
            tensors["predict/anchors"] = model.anchors.get()
        if not job.get("suppressed", True):
            _decode(model, predicted, true_shapes)
        elif job.get("detections", True):
            # Many nodes for each class, which no other output needs.
            detected = model.postprocess(predicted, true_shapes)
            tensors.update(
                ("postprocess/" + name, tensor)
                for name, tensor in detected.items()
                if isinstance(tensor, tf.Tensor)
            )
        if pipeline.HasField("graph_rewriter"):
            graph_rewriter_builder.build(pipeline.graph_rewriter, is_training=False)()
        wanted = {variable.op.name: variable for variable in tf.global_variables()}
        if job.get("moving_averages"):
            wanted = tf.train.ExponentialMovingAverage(0.0).variables_to_restore()
        result["variables"] = len(wanted)
        with tf.Session(config=unoptimised(tf.ConfigProto())) as session:
            if job.get("checkpoint"):
                tf.train.Saver(wanted).restore(session, job["checkpoint"])
            else:
                session.run(tf.global_variables_initializer())
            yield image, tensors, session, wanted


class _EnoughError(Exception):
    """All that is wanted has been built."""


def _decode(model, predicted, true_shapes):
    """Builds what decodes boxes and converts scores, and not what suppresses them."""

    def enough(*args, **more):
        raise _EnoughError

    for name in ("_non_max_suppression_fn", "_second_stage_nms_fn"):
        if hasattr(model, name):
            setattr(model, name, enough)
    with contextlib.suppress(_EnoughError):
        model.postprocess(predicted, true_shapes)


@contextlib.contextmanager
def _mask_head():
    """Records what a Mask R-CNN's mask head gets and what it makes of it.

    The model itself gives only the mask of each detection's own class.
    """
    found, predict = {}, mask_head.MaskRCNNMaskHead.predict

    def recorded(self, features, *args, **kwargs):
        masks = predict(self, features, *args, **kwargs)
        found.update({MASK_FEATURES: features, MASKS: masks})
        return masks

    with unittest.mock.patch.object(mask_head.MaskRCNNMaskHead, "predict", recorded):
        yield found


def raw_outputs(job, result):
    """Prediction tensors and detections of one image, into an .npz.

    `mask_features`, an .npz of such a job, gives the mask head's input.  Otherwise that depends on
    the detections, so on the classes; and it takes the same input to compare two mask heads.
    """
    pixels = stock_scene.pixels(job)
    with restored_detector(job, pixels.shape, result) as (image, tensors, session, _):
        names = job.get("tensors") or sorted(tensors)
        feed = {image: pixels}
        if job.get("mask_features") and MASK_FEATURES in tensors:
            with np.load(job["mask_features"]) as before:
                feed[tensors[MASK_FEATURES]] = before[MASK_FEATURES]
        values = session.run([tensors[name] for name in names], feed)
    np.savez(job["output"], **dict(zip(names, values)))
    result["tensors"] = {name: list(np.shape(value)) for name, value in zip(names, values)}


def detect(job, result):
    """What the model detects in each file, a JPEG or .npy: rows of box, score, class, the surest
    first.

    Boxes are (ymin, xmin, ymax, xmax) in 0..1; classes are ids of the label map, from 1.
    """
    with _detector(job, result) as (image, fetches, first_class, session):
        encoded = tf.placeholder(tf.string, [])
        decoded = tf.image.decode_jpeg(encoded, channels=3)
        result["detections"] = []
        for number, path in enumerate(job["images"]):
            if path.endswith(".npy"):
                pixels = np.load(path)
            else:
                with open(path, "rb") as file:
                    pixels = session.run(decoded, {encoded: file.read()})
            if job.get("arrays"):
                np.save(job["arrays"][number], pixels)
            boxes, scores, classes = session.run(fetches, {image: pixels[None]})
            # Scores of 0 pad the batch.
            result["detections"].append(
                [
                    {
                        "box": box.tolist(),
                        "score": float(score),
                        "class_id": int(label) + 1 - first_class,
                    }
                    for box, score, label in zip(boxes[0], scores[0], classes[0])
                    if score > 0
                ]
            )


@contextlib.contextmanager
def _detector(job, result):
    """Image placeholder, tensors of boxes, scores and classes, the number of the first class, and a
    session: of the frozen graph in a job, or else of its model."""
    names = ("boxes", "scores", "classes")
    if not job.get("graph"):
        with restored_detector(job, [1, None, None, 3], result) as (image, tensors, session, _):
            yield image, [tensors["postprocess/detection_" + name] for name in names], 0, session
        return
    import stock_graph  # which builds on this module

    with stock_graph.opened(job, result) as found:
        yield (
            found.image,
            [found.graph.get_tensor_by_name(f"detection_{name}:0") for name in names],
            1,
            found.session,
        )


def evaluate(job, result):
    """AP at IoU 0.5 of every class, by the API's own evaluator, over a TFRecord."""
    label_map = label_map_util.load_labelmap(job["label_map"])
    chosen = job.get("class_ids") or [item.id for item in label_map.item]
    categories = [
        {"id": item.id, "name": item.name} for item in label_map.item if item.id in chosen
    ]
    evaluator = object_detection_evaluation.PascalDetectionEvaluator(
        categories, matching_iou_threshold=0.5
    )
    with tf.Graph().as_default(), tf.Session() as session:
        serialized = tf.placeholder(tf.string, [])
        example = tf_example_decoder.TfExampleDecoder(label_map_proto_file=job["label_map"]).decode(
            serialized
        )
        session.run(tf.tables_initializer())
        examples = [
            session.run(
                {
                    key: example[key]
                    for key in (
                        fields.InputDataFields.image,
                        fields.InputDataFields.groundtruth_boxes,
                        fields.InputDataFields.groundtruth_classes,
                    )
                },
                {serialized: record},
            )
            for record in tf.python_io.tf_record_iterator(job["record"])
        ]
    with restored_detector(job, [1, None, None, 3], result) as (image, tensors, session, _):
        found = {
            name: tensors["postprocess/detection_" + name]
            for name in ("boxes", "scores", "classes")
        }
        for key, truth in enumerate(examples):
            detections = session.run(found, {image: truth[fields.InputDataFields.image][None]})
            _add(evaluator, str(key), truth, detections, chosen)
    metrics = evaluator.evaluate()
    prefix = "PascalBoxes_PerformanceByCategory/AP@0.5IOU/"
    by_name = {
        key[len(prefix) :]: float(value) for key, value in metrics.items() if key.startswith(prefix)
    }
    # A class without a box in the record has no AP; JSON has no word for NaN.
    result["ap"] = {name: value if np.isfinite(value) else None for name, value in by_name.items()}
    result["map"] = float(metrics["PascalBoxes_Precision/mAP@0.5IOU"])
    result["images"] = len(examples)


def _add(evaluator, key, truth, detections, chosen):
    """One image's boxes, of the chosen classes only, in the order the evaluator wants them."""
    labels = truth[fields.InputDataFields.groundtruth_classes]
    kept = np.isin(labels, chosen)
    evaluator.add_single_ground_truth_image_info(
        key,
        {
            fields.InputDataFields.groundtruth_boxes: truth[
                fields.InputDataFields.groundtruth_boxes
            ][kept],
            fields.InputDataFields.groundtruth_classes: labels[kept],
        },
    )
    # The model counts classes from 0, label maps from 1; scores of 0 pad the batch.
    labels = detections["classes"][0].astype(int) + 1
    kept = np.isin(labels, chosen) & (detections["scores"][0] > 0)
    evaluator.add_single_detected_image_info(
        key,
        {
            fields.DetectionResultFields.detection_boxes: detections["boxes"][0][kept],
            fields.DetectionResultFields.detection_scores: detections["scores"][0][kept],
            fields.DetectionResultFields.detection_classes: labels[kept],
        },
    )


def export(job, result):
    """The stock exporter: frozen graph, SavedModel, checkpoint and config in output_directory."""
    exporter.export_inference_graph(
        "image_tensor",
        stock_scene.read_pipeline(job["pipeline_config"]),
        job["checkpoint"],
        job["output_directory"],
    )
    result["output_directory"] = job["output_directory"]


def save(job, result):
    """A checkpoint of the config's model, freshly initialised, with a global_step of 0."""
    with restored_detector(dict(job, checkpoint=None), [1, None, None, 3], result) as (
        _,
        _,
        session,
        variables,
    ):
        step = tf.train.get_or_create_global_step()
        session.run(step.initializer)
        variables[step.op.name] = step
        tf.train.Saver(variables).save(
            session, job["output"], write_state=False, write_meta_graph=False
        )
    result["variables"] = len(variables)


VERBS = {
    "raw_outputs": raw_outputs,
    "detect": detect,
    "evaluate": evaluate,
    "export": export,
    "save": save,
}
