"""How many inputs operations take, for those that are looked at more closely than others.

As TensorFlow 1.15 registers them (core/ops).  A node with another number is damaged, or made to
mislead; held against this table once, the inputs of every other are there to be read.
"""

from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.graphdef.nodes import message_of

# Data inputs -> operations with as many.
INPUTS = {
    0: ("Const", "Placeholder"),
    1: (
        "Cast",
        "Enter",
        "Exit",
        "Exp",
        "FakeQuantWithMinMaxArgs",
        "Identity",
        "Log",
        "LogicalNot",
        "LoopCond",
        "Neg",
        "NextIteration",
        "Rank",
        "RefNextIteration",
        "Relu",
        "Relu6",
        "Round",
        "Shape",
        "Sigmoid",
        "Size",
        "Softmax",
        "Sqrt",
        "Square",
        "Squeeze",
        "StopGradient",
        "TensorArrayV3",
        "Unpack",
        "ZerosLike",
    ),
    2: (
        "Add",
        "AddV2",
        "Any",
        "ArgMax",
        "BatchMatMul",
        "BatchMatMulV2",
        "BiasAdd",
        "Conv2D",
        "DepthwiseConv2dNative",
        "ExpandDims",
        "Fill",
        "Gather",
        "Greater",
        "GreaterEqual",
        "Less",
        "LessEqual",
        "LogicalAnd",
        "MatMul",
        "Max",
        "Maximum",
        "Mean",
        "Min",
        "Minimum",
        "Mul",
        "Pad",
        "Pow",
        "RealDiv",
        "Reshape",
        "ResizeBilinear",
        "ResizeNearestNeighbor",
        "Split",
        "Sub",
        "Sum",
        "Switch",
        "TensorArraySizeV3",
        "Tile",
        "TopKV2",
        "Transpose",
    ),
    3: (
        "Conv2DBackpropInput",
        "Dequantize",
        "FakeQuantWithMinMaxVars",
        "GatherV2",
        "Range",
        "Select",
        "Slice",
        "TensorArrayGatherV3",
        "TensorArrayReadV3",
    ),
    4: ("CropAndResize", "StridedSlice", "TensorArrayScatterV3", "TensorArrayWriteV3"),
    5: ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"),
    6: ("CombinedNonMaxSuppression",),
}
# Operation -> inputs besides the list whose length is the attribute N.
LISTS = {"AddN": 0, "Merge": 0, "Pack": 0, "RefMerge": 0, "ConcatV2": 1}
_COUNT = {operation: count for count, operations in INPUTS.items() for operation in operations}


def check_inputs(graph: Graph) -> None:
    """Raises ValueError where a node has more or fewer inputs than its operation takes, or data
    inputs after its control inputs."""
    for node in graph.nodes.values():
        count = len(node.input)
        while count and node.input[count - 1][:1] == "^":
            count -= 1
        if any(text[:1] == "^" for text in node.input[:count]):
            raise ValueError(f"has a node '{node.name}' whose inputs are out of order")
        takes = _COUNT.get(node.op, count)
        if node.op in LISTS:
            # Asking a map for what it lacks would put it there.
            attributes = message_of(node).attr
            takes = LISTS[node.op] + (attributes["N"].i if "N" in attributes else 0)
        if count != takes:
            raise ValueError(
                f"has a node '{node.name}' with {count} inputs where {node.op} takes {takes}"
            )
