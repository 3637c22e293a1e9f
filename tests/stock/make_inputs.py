"""Makes, under a stock interpreter, what the tests beside it feed to the worker.

    make_inputs.py record PATH NUM_CLASSES      a TFRecord, by the worker's own scene
    make_inputs.py training RESULT.json DIR     a complete training checkpoint: every variable
                                                that a `restore` job found in the trainer's graph,
                                                seeded values, global_step 7
"""

import json
import os
import sys

import numpy as np
import tensorflow as tf

STOCK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "graphfix", "stock")
LISTS = ("restored", "dropped", "missing", "not_asked_for")


def training(result_path, directory):
    with open(result_path, encoding="utf-8") as file:
        result = json.load(file)
    random = np.random.RandomState(0)
    values = {}
    for row in sorted((row for key in LISTS for row in result[key]), key=lambda row: row["name"]):
        value = np.abs(random.standard_normal(row["shape"])) * 0.05 + 0.01
        values[row["name"]] = np.asarray(value, row["dtype"])
    values["global_step"] = np.int64(7)
    prefix = os.path.join(directory, "model.ckpt-7")
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(tf.raw_ops.SaveV2(
            prefix=prefix, tensor_names=list(values), shape_and_slices=[""] * len(values),
            tensors=list(values.values())))
    with open(os.path.join(directory, "checkpoint"), "w", encoding="utf-8") as file:
        file.write('model_checkpoint_path: "model.ckpt-7"\n')


def record(path, num_classes):
    sys.path.insert(0, STOCK)
    import stock_scene
    stock_scene.write_record(path, int(num_classes), seed=0)


if __name__ == "__main__":
    {"record": record, "training": training}[sys.argv[1]](*sys.argv[2:])
