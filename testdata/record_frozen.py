"""Records the heads and the post-processing of exported graphs, for tests without TensorFlow.

    record_frozen.py testdata/frozen/NAME.tar.xz DIRECTORY...

Each DIRECTORY has the frozen_inference_graph.pb (or tflite_graph.pb) and the pipeline.config of one
detector for another number of classes, as tests/stock/old_tensorflow.py exports them; NAME says by
which TensorFlow and which API.  Of a graph goes what comes before the heads: where it is asked
for an image's features or a first stage's proposals, the node becomes a Placeholder of its name.
The heads keep the first two of their input channels, so that a graph takes a few kB.
"""

import io
import os
import sys
import tarfile

import numpy as np

from graphfix.detectors.families import LEAVES
from graphfix.formats import extents
from graphfix.formats.dtypes import BY_NUMBER
from graphfix.formats.graphdef import constants, files

HEADS = ("BoxPredictor", "SecondStageBoxPredictor", "WeightSharedConvolutionalBoxPredictor")
_BEFORE = ("TensorArrayGatherV3", "Relu", "Relu6", "Mean", "AvgPool", "Conv2D", "ResizeBilinear")
_OUTPUTS = ("detection_", "num_detections", "raw_detection_", "TFLite_")


def is_head(name):
    return name.split("/")[0].rstrip("_0123456789") in HEADS


def trim(graph):
    """Cuts a graph off before its heads."""
    below, consumers = set(), graph.consumers()
    pending = [
        name
        for name, node in graph.nodes.items()
        if is_head(name) and node.op in ("MatMul", "Conv2D")
    ]
    while pending:
        name = pending.pop()
        if name not in below:
            below.add(name)
            pending += [node.name for node, _ in consumers[name]]
    for name, node in list(graph.nodes.items()):
        if name not in below and node.op in _BEFORE:
            kind = node.attr["dtype"] if "dtype" in node.attr else node.attr["T"]
            number = kind.type
            del node.input[:]
            node.op = "Placeholder"
            node.attr.clear()
            node.attr["dtype"].type = number
        leaf = name.rsplit("/", 1)[-1]
        if node.op == "Const" and is_head(name) and leaf in LEAVES:
            value = constants.value_of(node)
            if value.ndim > 1:
                value = np.zeros(value.shape[:-2] + (min(2, value.shape[-2]), value.shape[-1]))
            constants.set_value(node, value * 0, BY_NUMBER[node.attr["dtype"].type])
        node.attr.pop("_output_shapes", None)
    graph.prune([name for name in graph.nodes if name.startswith(_OUTPUTS)])


def main(target, *directories):
    with tarfile.open(target, "w:xz") as archive:
        for directory in directories:
            with open(os.path.join(directory, "pipeline.config"), "rb") as file:
                config = file.read()
            name = os.path.join(directory, "tflite_graph.pb")
            if not os.path.exists(name):
                name = os.path.join(directory, "frozen_inference_graph.pb")
            graph = files.open_graph(files.read_graph_def(name), name)
            trim(graph)
            number = len(archive.getnames()) // 2
            for suffix, data in (
                (".config", config),
                (".pb", extents.joined(files.graph_pieces(graph))),
            ):
                info = tarfile.TarInfo(f"{number}{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            print(f"{name}: {len(graph.nodes)} nodes")
    print(f"{target}: {os.path.getsize(target)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
