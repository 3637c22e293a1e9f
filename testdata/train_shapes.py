"""Reproduces everything in testdata/: draws the shapes, trains, exports and evaluates the detector.

    python train_shapes.py --work_directory=WORK data train export evaluate publish

Needs the stock Object Detection API of 2019-07 and TensorFlow 1.15. Each step is the stock API's
own program, run in the work directory, which is laid out as testdata/ is, so that the committed
pipeline.config is, byte for byte, the one trained with:

    data      WORK/shapes/train.record-* and val.record, the label map and the pipeline.config
    train     WORK/model_dir/, by object_detection.model_main
    export    WORK/exported/, by object_detection.export_inference_graph
    evaluate  WORK/figures.json: per class AP at IoU 0.5 from the exported frozen graph,
              by the stock PascalDetectionEvaluator
    publish   what is committed, from WORK into testdata/

The pictures are seeded. Training is not: the stock trainer has no seed for initial values and
shuffling, so another run gives another checkpoint, of nearly the same figures.
"""

import json
import os
import shutil
import subprocess
import sys
import time

import make_shapes
from absl import app, flags

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = "shapes_detector/pipeline.config"
LABEL_MAP = "shapes_detector/shapes_label_map.pbtxt"
TRAIN_SHARDS = 4
COMMITTED = {"train": 160, "val": 120}  # the first pictures of each split
DEMO_PICTURES = 4

flags.DEFINE_string(
    "work_directory", None, "Where the data and the training go (about 200 MB).", required=True
)
flags.DEFINE_integer("train_pictures", 12000, "Pictures to train with.")
flags.DEFINE_integer("val_pictures", 400, "Pictures to evaluate with.")
flags.DEFINE_integer("num_train_steps", 6000, "Steps; other than 6000 only to try things out.")
FLAGS = flags.FLAGS


def _stock(program, *arguments):
    """Runs a program of the stock API in the work directory."""
    subprocess.run(
        [sys.executable, "-m", "object_detection." + program] + list(arguments),
        cwd=FLAGS.work_directory,
        check=True,
    )


def _in_work(*parts):
    return os.path.join(FLAGS.work_directory, *parts)


def _shard(number):
    return f"shapes/train.record-{number:05d}-of-{TRAIN_SHARDS:05d}"


def data():
    for directory in ("shapes", "shapes_detector"):
        os.makedirs(_in_work(directory), exist_ok=True)
    with open(_in_work(LABEL_MAP), "w") as stream:
        stream.write(make_shapes.label_map())
    shutil.copyfile(os.path.join(HERE, CONFIG), _in_work(CONFIG))
    make_shapes.write_records(
        [_in_work(_shard(number)) for number in range(TRAIN_SHARDS)], "train", FLAGS.train_pictures
    )
    make_shapes.write_records([_in_work("shapes/val.record")], "val", FLAGS.val_pictures)


def train():
    started = time.time()
    _stock(
        "model_main",
        "--model_dir=model_dir",
        "--pipeline_config_path=" + CONFIG,
        f"--num_train_steps={FLAGS.num_train_steps}",
    )
    with open(_in_work("training.json"), "w") as stream:
        json.dump(
            {
                "steps": FLAGS.num_train_steps,
                "pictures": FLAGS.train_pictures,
                "minutes": round((time.time() - started) / 60, 1),
                "cores": os.cpu_count(),
            },
            stream,
        )


def export():
    shutil.rmtree(_in_work("exported"), ignore_errors=True)
    _stock(
        "export_inference_graph",
        "--input_type=image_tensor",
        "--pipeline_config_path=" + CONFIG,
        f"--trained_checkpoint_prefix=model_dir/model.ckpt-{FLAGS.num_train_steps}",
        "--output_directory=exported",
    )


def detect(frozen_graph, pictures):
    """Yields the detections of each encoded picture: boxes in 0..1, scores, class ids."""
    import tensorflow as tf

    graph_def = tf.GraphDef()
    with open(frozen_graph, "rb") as stream:
        graph_def.ParseFromString(stream.read())
    with tf.Graph().as_default(), tf.Session() as session:
        encoded = tf.placeholder(tf.string, [])
        image = tf.io.decode_jpeg(encoded, channels=3)[None]
        fetches = tf.import_graph_def(
            graph_def,
            {"image_tensor": image},
            ["detection_boxes:0", "detection_scores:0", "detection_classes:0", "num_detections:0"],
        )
        for picture in pictures:
            boxes, scores, classes, number = session.run(fetches, {encoded: picture})
            found = int(number[0])
            yield boxes[0, :found], scores[0, :found], classes[0, :found].astype(int)


def _read_record(path):
    """Yields (file name, JPEG bytes, boxes in 0..1, class ids) of a record's pictures."""
    import numpy as np
    import tensorflow as tf

    for serialized in tf.compat.v1.io.tf_record_iterator(path):
        feature = tf.train.Example.FromString(serialized).features.feature
        boxes = np.stack(
            [
                feature["image/object/bbox/" + edge].float_list.value
                for edge in ("ymin", "xmin", "ymax", "xmax")
            ],
            axis=1,
        )
        yield (
            feature["image/filename"].bytes_list.value[0].decode(),
            feature["image/encoded"].bytes_list.value[0],
            boxes,
            np.array(feature["image/object/class/label"].int64_list.value),
        )


def average_precision(frozen_graph, record, limit=None):
    """Figures of the frozen graph on a record's first `limit` pictures."""
    from object_detection.core import standard_fields as fields
    from object_detection.utils import object_detection_evaluation

    truth, detection = fields.InputDataFields, fields.DetectionResultFields
    evaluator = object_detection_evaluation.PascalDetectionEvaluator(
        [{"id": number, "name": name} for number, name in enumerate(make_shapes.CLASSES, start=1)]
    )
    examples = list(_read_record(record))[:limit]
    most = 0
    for (name, _, true_boxes, true_classes), (boxes, scores, classes) in zip(
        examples, detect(frozen_graph, [example[1] for example in examples])
    ):
        evaluator.add_single_ground_truth_image_info(
            name, {truth.groundtruth_boxes: true_boxes, truth.groundtruth_classes: true_classes}
        )
        evaluator.add_single_detected_image_info(
            name,
            {
                detection.detection_boxes: boxes,
                detection.detection_scores: scores,
                detection.detection_classes: classes,
            },
        )
        most = max(most, len(scores))
    metrics = evaluator.evaluate()
    prefix = "PascalBoxes_PerformanceByCategory/AP@0.5IOU/"
    return {
        "pictures": len(examples),
        "objects": sum(len(example[3]) for example in examples),
        "map_at_50": round(float(metrics["PascalBoxes_Precision/mAP@0.5IOU"]), 4),
        "ap_at_50": {name: round(float(metrics[prefix + name]), 4) for name in make_shapes.CLASSES},
        "most_detections_in_a_picture": most,
    }


def evaluate():
    import numpy as np
    import PIL
    import tensorflow as tf

    with open(_in_work("training.json")) as stream:
        training = json.load(stream)
    frozen_graph, record = (
        _in_work("exported/frozen_inference_graph.pb"),
        _in_work("shapes/val.record"),
    )
    figures = {
        "seed": make_shapes.SEED,
        "training": training,
        "val_full": average_precision(frozen_graph, record),
        "val_committed": average_precision(frozen_graph, record, limit=COMMITTED["val"]),
        "versions": {
            "python": ".".join(map(str, sys.version_info[:3])),
            "tensorflow": tf.__version__,
            "object_detection": "2019-07",
            "numpy": np.__version__,
            "pillow": PIL.__version__,
        },
    }
    with open(_in_work("figures.json"), "w") as stream:
        json.dump(figures, stream, indent=2)
        stream.write("\n")


def publish():
    """Puts everything that is committed in its place; the config is there already."""
    detector, shapes = os.path.join(HERE, "shapes_detector"), os.path.join(HERE, "shapes")
    os.makedirs(shapes, exist_ok=True)
    for name in (
        "model.ckpt.index",
        "model.ckpt.data-00000-of-00001",
        "checkpoint",
        "frozen_inference_graph.pb",
    ):
        shutil.copyfile(_in_work("exported", name), os.path.join(detector, name))
    shutil.copyfile(_in_work("figures.json"), os.path.join(detector, "figures.json"))
    shutil.copyfile(_in_work(LABEL_MAP), os.path.join(HERE, LABEL_MAP))
    for split, count in sorted(COMMITTED.items()):
        make_shapes.write_records([os.path.join(shapes, split + ".record")], split, count)
    make_shapes.write_images(shapes, "demo", DEMO_PICTURES)


STEPS = {step.__name__: step for step in (data, train, export, evaluate, publish)}


def main(arguments):
    steps = arguments[1:]
    unknown = [name for name in steps if name not in STEPS]
    if unknown or not steps:
        raise app.UsageError("Name the steps to run: " + " ".join(STEPS))
    FLAGS.work_directory = os.path.abspath(FLAGS.work_directory)
    for name in steps:
        STEPS[name]()


if __name__ == "__main__":
    app.run(main)
