"""The stock evaluator's mAP at IoU 0.5, of the pictures of a record.

    pascal.py DETECTIONS --record VAL --label_map MAP --output OUT

DETECTIONS is JSON: {step: [detections of each picture]}, a detection [ymin, xmin, ymax, xmax,
score, class id]; OUT gets {step: figures}, as arms/train.py's.
"""

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow.compat.v1 as tf
from object_detection.core import standard_fields as fields
from object_detection.data_decoders import tf_example_decoder
from object_detection.utils import label_map_util, object_detection_evaluation

TRUTH, FOUND = fields.InputDataFields, fields.DetectionResultFields


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


def figures(pictures, detections, label_map):
    """{"map": mAP at IoU 0.5, "ap": {class: AP or None}} of (boxes [n, 4], scores [n], class ids
    [n]) for each picture."""
    categories = [
        {"id": item.id, "name": item.name} for item in label_map_util.load_labelmap(label_map).item
    ]
    evaluator = object_detection_evaluation.PascalDetectionEvaluator(categories)
    for key, (picture, (boxes, scores, classes)) in enumerate(zip(pictures, detections)):
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
                FOUND.detection_boxes: boxes,
                FOUND.detection_scores: scores,
                FOUND.detection_classes: classes,
            },
        )
    metrics = evaluator.evaluate()
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


def write(path, found):
    """Writes JSON, whole or not at all."""
    with open(path + ".part", "w") as file:
        json.dump(found, file)
    os.rename(path + ".part", path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("detections")
    parser.add_argument("--record", required=True)
    parser.add_argument("--label_map", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    tf.logging.set_verbosity("ERROR")
    pictures = read(args.record, args.label_map)
    with open(args.detections) as file:
        steps = json.load(file)
    found = {}
    for step, rows in steps.items():
        arrays = [np.array(one, np.float32).reshape(-1, 6) for one in rows]
        parts = [(one[:, :4], one[:, 4], one[:, 5].astype(int)) for one in arrays]
        found[step] = figures(pictures, parts, args.label_map)
    write(args.output, found)


if __name__ == "__main__":
    main()
