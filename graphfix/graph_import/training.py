"""What a trainer's graph shows of the config, where an exporter's shows more.

A trainer's graph resizes images in a function of its input pipeline, or at its beginning; encodes
boxes instead of decoding them, and has a loss where an exporter converts scores and suppresses
boxes.  What only detections show is assumed, as the API's sample configs have it.
"""

import re
from typing import Any, List

from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.schema import message_class
from graphfix.graph_import.config_text import Enum, Field, Fields, assumed
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised

_PREPROCESSOR = "Preprocessor/"
_ENCODERS = r"Loss/Encode/mul(_\d+)?\Z"
_SOFTMAX = ("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits")
# An output of a node in a function: NODE:OUTPUT:NUMBER (function.proto).
_OUTPUT = re.compile(r"([^:^]+):[^:]+:([0-9]+)\Z")
DETECTING = ("score converter", "non-max suppression")


def input_pipeline(evidence: GraphEvidence) -> GraphEvidence:
    """Where images are resized: the graph itself, or the function of it that does so."""
    if evidence.nodes(_PREPROCESSOR):
        return evidence
    for function in evidence.graph.graph_def.library.function:
        if any(node.name.startswith(_PREPROCESSOR) for node in function.node_def):
            try:
                return GraphEvidence(_graph_of(function), {})
            except ValueError as error:
                raise Unrecognised(f"the function {function.signature.name} ({error})") from None
    return evidence


def _graph_of(function: Any) -> Graph:
    """The body of a function as a graph, its arguments as placeholders."""
    made = message_class("graphfix.graph.GraphDef")()
    names = {node.name for node in function.node_def}
    arguments = {arg.name for arg in function.signature.input_arg}
    for name in sorted(arguments - names):
        made.node.add(name=name, op="Placeholder")
    for node in function.node_def:
        copy = made.node.add()
        copy.CopyFrom(node)
        copy.input[:] = [_OUTPUT.sub(r"\1:\2", text) for text in node.input]
    return Graph(made)


def has_background(evidence: GraphEvidence) -> bool:
    """Whether the loss puts a background before the classes it is given."""
    for node in evidence.nodes(r"Loss/Pad(_\d+)?\Z", "Pad"):
        padding = evidence.maybe(evidence.source(node, 1))
        if padding is not None and padding.tolist() == [[0, 0], [1, 0]]:
            return True
    return False


def infer_coder(evidence: GraphEvidence) -> Fields:
    """The box coder of an SSD: what codes are multiplied with.

    Raises:
      Unrecognised: boxes are encoded by another.
    """
    nodes = evidence.nodes(_ENCODERS, "Mul")
    if len(nodes) != 4 or len(evidence.nodes(r"Loss/Encode/Log(_\d+)?\Z", "Log")) != 2:
        raise Unrecognised("boxes are not encoded as by faster_rcnn_box_coder")
    names = ("y_scale", "x_scale", "height_scale", "width_scale")
    return [
        Field(
            "faster_rcnn_box_coder",
            [
                Field(name, evidence.number(node, 1, "the box coder's scale"))
                for node, name in zip(nodes, names)
            ],
        )
    ]


def post_processing(evidence: GraphEvidence, threshold: float, iou: float, most: int) -> Fields:
    """A post_processing message, of which only the loss tells something."""
    softmax = bool(evidence.nodes(r"Loss/", *_SOFTMAX))
    suppression: List[Field] = [
        Field("score_threshold", threshold),
        Field("iou_threshold", iou),
        Field("max_detections_per_class", min(100, most)),
        Field("max_total_detections", most),
    ]
    return [
        assumed("batch_non_max_suppression", suppression),
        assumed("score_converter", Enum("SOFTMAX" if softmax else "SIGMOID")),
    ]
