"""A detector's graph with its weights, and where in it what a detector computes is.

A graph is found by its structure, not by names that changed from one revision of the API to the
next.  Layers are known by their variables, which have the same names in all of them: from a kernel
the way leads to its convolutions, and from those of a head through whatever keeps its values
(biases, shapes, concatenation of feature maps) to its logits or encodings.  Only a box coder is
found by its name scope, `Decode`, which it has had in all revisions.
"""

import contextlib
import re

import agreement
import stock_detect
import tensorflow.compat.v1 as tf
from stock_train import unoptimised
from tensorflow.python import pywrap_tensorflow

# The operations by which a kernel gets to its convolution, and those of a layer.
_TO_CONVOLUTION = ("Identity", "ReadVariableOp", "Mul", "Reshape", agreement.QUANTIZATION)
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp")
# How many of its first inputs an operation takes values from that are still those of a head.
_PASSING = {
    "Add": 2,
    "AddV2": 2,
    "BiasAdd": 1,
    "Concat": 99,
    "ConcatV2": 99,
    "ExpandDims": 1,
    agreement.QUANTIZATION: 1,
    "FusedBatchNorm": 1,
    "FusedBatchNormV2": 1,
    "FusedBatchNormV3": 1,
    "Identity": 1,
    "Maximum": 2,
    "Minimum": 2,
    "Mul": 2,
    "Reshape": 1,
    "Squeeze": 1,
    "Sub": 2,
}
_TO_SCORES = {
    "Concat": 99,
    "ConcatV2": 99,
    "ExpandDims": 1,
    "Identity": 1,
    "Mul": 1,
    "RealDiv": 1,
    "Reshape": 1,
    "Slice": 1,
    "Squeeze": 1,
    "StridedSlice": 1,
}
_DECODE = re.compile(r"(?:.*/)?Decode(?:_\d+)?/")
_NUMBERS = re.compile(r"(\d+)")


class Unrecognised(Exception):
    """What was not recognised in a graph, as a clause."""


def natural(name):
    return [int(part) if part.isdigit() else part for part in _NUMBERS.split(name)]


@contextlib.contextmanager
def opened(side, result):
    """The `StockGraph` of one side of a job: `graph`, a file of a GraphDef, with the variables of
    `checkpoint`, if one is given; or `pipeline_config` and `checkpoint`, for the API's own."""
    if side.get("graph"):
        graph_def = tf.GraphDef()
        with open(side["graph"], "rb") as file:
            graph_def.ParseFromString(file.read())
        if side.get("checkpoint"):
            _fill(graph_def, side["checkpoint"], side.get("moving_averages"))
        for node in graph_def.node:
            node.device = ""
        with tf.Graph().as_default() as graph, tf.Session(
            config=unoptimised(tf.ConfigProto())
        ) as session:
            tf.import_graph_def(graph_def, name="")
            yield StockGraph(graph, session, _image_of(graph))
        return
    with stock_detect.restored_detector(
        dict(side, suppressed=False), [1, None, None, 3], result
    ) as (image, _, session, _):
        yield StockGraph(session.graph, session, image)


def _fill(graph_def, prefix, averages):
    """Makes every variable of a graph, and every constant that was one, what a checkpoint has."""
    reader = pywrap_tensorflow.NewCheckpointReader(prefix)
    shapes = reader.get_variable_to_shape_map()
    for node in graph_def.node:
        if node.op not in _VARIABLES + ("Const",):
            if node.op == "ReadVariableOp":
                node.op = "Identity"
                node.attr["T"].CopyFrom(node.attr["dtype"])
                del node.attr["dtype"]
            continue
        averaged = node.name + "/ExponentialMovingAverage"
        name = averaged if averages and averaged in shapes else node.name
        if name not in shapes:
            if node.op != "Const":
                raise Unrecognised(f"the checkpoint has no value for its variable {node.name}")
            continue
        value = reader.get_tensor(name)
        if node.op == "Const" and list(tf.make_ndarray(node.attr["value"].tensor).shape) != list(
            value.shape
        ):
            continue
        dtype = tf.as_dtype(value.dtype).as_datatype_enum
        for key in list(node.attr):
            del node.attr[key]
        del node.input[:]
        node.op = "Const"
        node.attr["dtype"].type = dtype
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))


def _image_of(graph):
    """The tensor that takes pictures: a placeholder, or what is decoded from encoded ones."""
    operations = graph.get_operations()
    for operation in operations:
        if operation.type == "Placeholder" and operation.outputs[0].dtype == tf.uint8:
            return operation.outputs[0]
    for operation in operations:
        if operation.type == "Cast" and operation.inputs[0].dtype == tf.uint8:
            return operation.inputs[0]
    raise Unrecognised("it takes no pictures as pixels")


class StockGraph:
    """A graph, the session that has its values, and the tensor that takes a picture."""

    def __init__(self, graph, session, image):
        self.graph, self.session, self.image = graph, session, image
        self._operations = {one.name: one for one in graph.get_operations()}

    def run(self, fetches, picture, feeds=None):
        """The values of a structure of tensors for a picture, [height, width, 3]."""
        given = dict(feeds or {})
        given[self.image] = picture[None]
        return self.session.run(fetches, given)

    def convolutions(self, kernel):
        """The operations that multiply by a kernel, in the order they were made."""
        if kernel not in self._operations:
            raise Unrecognised(f"it has no variable {kernel}")
        found, pending, seen = [], [self._operations[kernel]], set()
        while pending:
            one = pending.pop()
            if one in seen:
                continue
            seen.add(one)
            for reader in one.outputs[0].consumers():
                if reader.type in _CONVOLUTIONS:
                    found.append(reader)
                elif reader.type in _TO_CONVOLUTION:
                    pending.append(reader)
        return sorted(set(found), key=lambda one: natural(one.name))

    def raw(self, kernel):
        """What a head computes for each feature map, before its channels are taken apart."""
        found = []
        for convolution in self.convolutions(kernel):
            last = convolution
            for one in _onward(convolution, _PASSING):
                if one.type in ("Reshape", "Squeeze", "Concat", "ConcatV2", "ExpandDims"):
                    break
                last = one
            found.append(last.outputs[0])
        return found

    def roundings(self, kernels):
        """The operations that round to 8 bits what heads with these kernels compute."""
        return [
            one
            for kernel in kernels
            for convolution in self.convolutions(kernel)
            for one in _onward(convolution, _PASSING)
            if one.type == agreement.QUANTIZATION
        ]

    def joined(self, kernels):
        """The tensor of what the heads with these kernels compute, all feature maps one after
        another; its last axes are those of the channels."""
        ways = [
            [convolution] + _onward(convolution, _PASSING)
            for kernel in kernels
            for convolution in self.convolutions(kernel)
        ]
        # A graph that was rewritten may have convolutions that lead nowhere.
        ways = [way for way in ways if len(way) > 1] or ways
        if not ways:
            raise Unrecognised(f"nothing multiplies by its variable {kernels[0]}")
        if len(ways) == 1:
            (way,) = ways
            return next((one for one in way if one.type == "Reshape"), way[-1]).outputs[0]
        others = [set(way) for way in ways[1:]]
        for one in ways[0]:
            if all(one in other for other in others):
                return one.outputs[0]
        raise Unrecognised(f"its feature maps' predictions do not come together ({kernels[0]})")

    def decoding(self, joined):
        """(encodings, anchors, boxes): what a box coder takes and gives, None where there is
        none."""
        for one in [joined.op] + _onward(joined.op, dict(_PASSING, Pad=1)):
            for reader in one.outputs[0].consumers():
                match = _DECODE.match(reader.name)
                if match:
                    return self._coder(match.group(), one.outputs[0])
        return None

    def _coder(self, scope, encodings):
        inside = [one for one in self.graph.get_operations() if one.name.startswith(scope)]
        names = {one.name for one in inside}
        entering = {
            tensor
            for one in inside
            for tensor in one.inputs
            if tensor.op.name not in names
            and tensor.op.type != "Const"
            and tensor.dtype == tf.float32
            and tensor is not encodings
        }
        leaving = {
            tensor
            for one in inside
            for tensor in one.outputs
            for reader in tensor.consumers()
            if reader.name not in names and tensor.dtype == tf.float32
        }
        if len(entering) != 1 or not leaving:
            raise Unrecognised(
                f"{scope} takes {len(entering)} tensors beside the encodings, and gives "
                f"{len(leaving)}"
            )
        # The first that leaves are the boxes; keypoints come after.
        return encodings, entering.pop(), min(leaving, key=lambda one: natural(one.name))

    def conversion(self, logits):
        """(operation, tensor that it takes) of what makes scores of logits."""
        for one in _onward(logits.op, dict(_TO_SCORES, Sigmoid=1, Softmax=1)):
            if one.type in ("Sigmoid", "Softmax"):
                return one.type, one.inputs[0]
        return "Identity", logits

    def needed(self, tensors):
        """The operations that tensors depend on, each after those it depends on itself."""
        order, seen = [], set()
        for tensor in tensors:
            stack = [(tensor.op, False)]
            while stack:
                one, done = stack.pop()
                if done:
                    order.append(one)
                elif one not in seen:
                    seen.add(one)
                    stack.append((one, True))
                    stack += [(source.op, False) for source in reversed(one.inputs)]
        return order

    def crops(self, tensors):
        """The tensors of boxes by which features are cropped for some tensors."""
        found = {one for one in self.needed(tensors) if one.type == "CropAndResize"}
        return [one.inputs[1] for one in sorted(found, key=lambda one: natural(one.name))]

    def operation(self, name):
        return self._operations.get(name)

    def kernels(self):
        """Names of the variables that convolutions or matrices of the graph may have as kernels."""
        return [
            name
            for name, one in self._operations.items()
            if one.type in _VARIABLES + ("Const",)
            and name.rsplit("/", 1)[-1]
            in ("weights", "kernel", "depthwise_weights", "pointwise_weights", "depthwise_kernel")
        ]


def _onward(operation, passing):
    """The operations that an operation's values pass on to, the nearest first."""
    found, seen, pending = [], {operation}, [operation]
    while pending:
        one = pending.pop(0)
        for reader in one.outputs[0].consumers():
            places = passing.get(reader.type, 0)
            if reader not in seen and any(
                tensor is one.outputs[0] for tensor in list(reader.inputs)[:places]
            ):
                seen.add(reader)
                found.append(reader)
                pending.append(reader)
    return found
