"""What was done to a graph after it was frozen, or not done: each kind by its name."""

import collections
import re
from typing import List, NamedTuple, Pattern

from graphfix.errors import Problem
from graphfix.findings import count
from graphfix.formats.graphdef.graph import Graph

REMEDY = "export the model without transforming it"
# A name that the transform obfuscate_names gives has a few letters.
_OBFUSCATED = re.compile(r"[A-Za-z0-9]{1,3}\Z")
_FEWEST = 10


class Kind(NamedTuple):
    """Operations, a noun for one, what they mean for the variables, and what to do.  `total`: it
    matters only where no variable is left at all."""

    operations: Pattern[str]
    noun: str
    what: str
    remedy: str
    total: bool = False


KINDS = (
    Kind(
        re.compile(r"TRTEngineOp\Z"),
        "segment",
        "has layers in {} of TensorRT (TRTEngineOp), where they are no variables any more",
        REMEDY,
    ),
    Kind(
        re.compile(r"Quantized(Conv2D|MatMul|DepthwiseConv2D)"),
        "layer",
        "computes {} with 8-bit integers, as the transform quantize_nodes leaves them",
        REMEDY,
    ),
    Kind(
        re.compile(r"(Stateful)?PartitionedCall\Z"),
        "function call",
        "has its layers behind {}, as SavedModels of TensorFlow 2 do",
        "take the model of TensorFlow 1, or a graph that was frozen with TensorFlow 1",
        True,
    ),
    Kind(
        re.compile(r"(VarHandleOp|Variable|VariableV2)\Z"),
        "variable",
        "is not frozen: it has {} without values",
        "name the checkpoint that has the values, or the frozen_inference_graph.pb that the stock "
        "exporter wrote",
        True,
    ),
)


def transformations(graph: Graph, subject: str, *, total: bool) -> List[Problem]:
    """A problem for each kind of transformation that a graph shows; `total` says that no variable
    is left."""
    out = []
    operations = collections.Counter(node.op for node in graph.nodes.values())
    for kind in KINDS:
        many = sum(number for op, number in operations.items() if kind.operations.match(op))
        if many and (total or not kind.total):
            out.append(Problem(subject, kind.what.format(count(many, kind.noun)), kind.remedy))
    names = [name for name, node in graph.nodes.items() if node.op == "Const"]
    short = sum(1 for name in names if _OBFUSCATED.match(name))
    if total and short >= _FEWEST and short > 0.9 * len(names):
        message = "has nodes without their names, as the transform obfuscate_names leaves them"
        out.append(Problem(subject, message, REMEDY))
    return out
