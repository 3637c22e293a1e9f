"""The stock exporter as it was until 2017-10, in the order of its anchors; and what a graph gives.

    old_order_oracle.py export CONFIG CHECKPOINT DIRECTORY IMAGE.npy OUT.npz
                            exports an SSD into DIRECTORY, and runs its graph
    old_order_oracle.py run GRAPH IMAGE.npy OUT.npz
                            runs a frozen SSD: all anchors, their decoded boxes and class logits

Under a Python that has the stock API.
"""

import os
import sys
import unittest.mock

import numpy as np
import stock_scene
import tensorflow.compat.v1 as tf
from object_detection import exporter
from object_detection.anchor_generators import multiple_grid_anchor_generator

_now = multiple_grid_anchor_generator.create_ssd_anchors


def as_until_2017_10(**settings):
    """What the builder calls: the interpolated anchor comes right behind that of aspect ratio 1."""
    made = _now(**settings)
    ratios = [list(one) for one in made._aspect_ratios]
    scales = [list(one) for one in made._scales]
    for number, (ratio, scale) in enumerate(zip(ratios, scales)):
        if number == 0 and settings["reduce_boxes_in_lowest_layer"]:
            continue
        place = ratio.index(1.0) + 1
        ratio.insert(place, ratio.pop())
        scale.insert(place, scale.pop())
    return multiple_grid_anchor_generator.MultipleGridAnchorGenerator(
        [list(zip(one, other)) for one, other in zip(scales, ratios)],
        made._base_anchor_size,
        made._anchor_strides,
        made._anchor_offsets,
    )


def export(config, checkpoint, directory):
    with unittest.mock.patch.object(
        multiple_grid_anchor_generator, "create_ssd_anchors", as_until_2017_10
    ):
        exporter.export_inference_graph(
            "image_tensor", stock_scene.read_pipeline(config), checkpoint, directory
        )


def run(path, image, output):
    with open(path, "rb") as file:
        graph_def = tf.GraphDef.FromString(file.read())
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.import_graph_def(graph_def, name="")
        operation = graph.get_operation_by_name
        names = {node.name for node in graph_def.node}
        scores = "Postprocessor/" + next(
            name for name in ("convert_scores", "Sigmoid") if "Postprocessor/" + name in names
        )
        anchors, boxes, logits = session.run(
            [
                operation("Postprocessor/ExpandDims").inputs[0],
                operation("Postprocessor/Decode/transpose_1").outputs[0],
                operation(scores).inputs[0],
            ],
            {"image_tensor:0": np.load(image)[None]},
        )
    np.savez(output, anchors=anchors, boxes=boxes, logits=logits.reshape(len(anchors), -1))


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(*sys.argv[2:5])
        run(os.path.join(sys.argv[4], "frozen_inference_graph.pb"), *sys.argv[5:])
    else:
        run(*sys.argv[2:])
