"""What a detection graph computes, as {what: facts}, whatever its era spells it with.

Of each layer, however often it is used, its operation, strides, padding, dilation, what pads its
input by hand, and its activation; of each BatchNorm its epsilon; what preprocessing multiplies and
subtracts; resizing; anchors; the box coder's scales; scores; crops; random operations.
"""

import re

import numpy as np

from graphfix.formats import dtypes
from graphfix.formats.graphdef.graph import Graph, read_input
from graphfix.formats.tensors import TensorMeta
from graphfix.graph_import.anchors import find_generator, generator_maps
from graphfix.graph_import.evidence import GraphEvidence
from graphfix.graph_import.hyperparams import ACTIVATIONS

_KERNEL = re.compile(r".*/(depthwise_|pointwise_)?weights\Z").match
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_TO_KERNEL = ("Identity", "FakeQuantWithMinMaxVars", "Mul", "Reshape")
_TO_ACTIVATION = _NORMS + (
    ("Identity", "FakeQuantWithMinMaxVars", "Mul", "Add", "AddV2", "Sub", "BiasAdd")
    + ("BatchToSpaceND",)
)
_RESIZES = ("ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "ResizeArea")


def facts(graph_def):
    graph = Graph(graph_def)
    metas = {
        node.name: TensorMeta(
            node.name,
            dtypes.BY_NAME["float32"],
            tuple(side.size for side in node.attr["shape"].shape.dim),
        )
        for node in graph_def.node
        if node.op == "VariableV2"
    }
    evidence = GraphEvidence(graph, metas)
    found = {}
    for name in metas:
        if _KERNEL(name):
            found["layer " + name] = sorted(set(map(str, _layers(evidence, name))))
        elif name.endswith("/moving_variance"):
            found["epsilon " + name] = _epsilon(evidence, name)
    found["preprocessing"] = _preprocessing(evidence)
    found["resizing"] = _resizing(evidence)
    for number, one in enumerate(generator_maps(evidence, find_generator(evidence)[0])):
        found[f"anchors {number}"] = _rounded(one)
    scales = [
        evidence.maybe(evidence.source(node, 1))
        for node in evidence.nodes(r"(.*/)?Decode(_\d+)?/", "RealDiv", "Div")
    ]
    found["coder"] = sorted(float(one) for one in scales if one is not None)
    found["scores"] = sorted({n.op for n in evidence.nodes("", "Sigmoid", "Softmax")})
    found["random"] = sorted(n.name for n in evidence.nodes("", "RandomUniform"))
    found["crops"] = sorted(
        {
            (n.attr["method"].s, n.attr["extrapolation_value"].f, str(_value(evidence, n, 3)))
            for n in evidence.nodes("", "CropAndResize")
        }
    )
    return found


def _value(evidence, node, position):
    value = evidence.maybe(evidence.source(node, position))
    return None if value is None else np.round(value, 6).tolist()


def _rounded(one):
    return [
        None if part is None else np.round(part, 6).tolist()
        for part in one
        if not isinstance(part, bool)
    ]


def _layers(evidence, kernel):
    """What each convolution with a kernel does."""
    pending, convolutions = [kernel], {}
    while pending:
        for reader, position in evidence.consumers.get(pending.pop(), ()):
            if reader.op in _CONVOLUTIONS and position == 1:
                convolutions[reader.name] = reader
            elif reader.op in _TO_KERNEL:
                pending.append(reader.name)
    for node in convolutions.values():
        before = _before(evidence, node)
        rate, padding = list(node.attr["dilations"].list.i), node.attr["padding"].s
        if before.op == "SpaceToBatchND":
            rate, padding = [1] + _value(evidence, before, 1) + [1], b"dilated"
            before = _before(evidence, before)
        by_hand = None
        if before.op in ("Pad", "PadV2"):
            by_hand = _value(evidence, before, 1)
        elif before.op == "ConcatV2" and any("zeros" in text for text in before.input):
            by_hand = "zeros"
        yield (
            node.op,
            list(node.attr["strides"].list.i),
            padding,
            rate if max(rate, default=1) > 1 else None,
            by_hand,
            _activation(evidence, node.name),
        )


def _before(evidence, node):
    return evidence.source(node, 0)


def _activation(evidence, name):
    for _ in range(16):
        readers = [one for one, _ in evidence.consumers.get(name, ())]
        for reader in readers:
            if reader.op in ACTIVATIONS:
                return reader.op
        name = next((one.name for one in readers if one.op in _TO_ACTIVATION), None)
        if name is None:
            return None
    return None


def _epsilon(evidence, variance):
    for node, position in evidence.readers(variance, *_NORMS, "Add", "AddV2"):
        value = (
            node.attr["epsilon"].f if node.op in _NORMS else _value(evidence, node, 1 - position)
        )
        if value is not None:
            return round(float(np.reshape(value, ())), 7)
    return None


def _preprocessing(evidence):
    return [
        (node.op, value)
        for node in evidence.nodes(r"(.*/)?Preprocessor/(mul|sub)(_\d+)?\Z")
        for value in (_value(evidence, node, 0), _value(evidence, node, 1))
        if value is not None
    ]


def _resizing(evidence):
    return sorted(
        {
            (node.op, node.attr["align_corners"].b, node.attr["half_pixel_centers"].b)
            + (str(_value(evidence, node, 1)), read_input(node.input[0]).port)
            for node in evidence.nodes(r"(.*/)?Preprocessor/", *_RESIZES)
        }
    )
