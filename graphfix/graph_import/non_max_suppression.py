"""Post-processing of a frozen graph: score converter, non-max suppression, box coder."""

import re
from typing import Any, List, Tuple

import numpy as np

from graphfix.formats.graphdef.graph import read_input
from graphfix.graph_import.config_text import Enum, Field, Fields
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised

CONVERTERS = {"Sigmoid": "SIGMOID", "Softmax": "SOFTMAX", "Identity": "IDENTITY"}
# Versions of the operation by where the thresholds are among its inputs: overlap, score, sigma.
_OPERATIONS = {
    "NonMaxSuppression": (None, None, None),
    "NonMaxSuppressionV2": (3, None, None),
    "NonMaxSuppressionV3": (3, 4, None),
    "NonMaxSuppressionV4": (3, 4, None),
    "NonMaxSuppressionV5": (3, 4, 5),
}
_STATIC = "NonMaxSuppressionV4"  # what use_static_shapes makes of it: padded to a fixed size
_SCOPE = re.compile(r"((?:.*/)?BatchMultiClassNonMaxSuppression(?:_\d+)?/)")
_OTHERS = ("CombinedNonMaxSuppression", "NonMaxSuppressionWithOverlaps")
# How many boxes are kept in all: what their number is compared with, in the last revisions by a
# difference; of a fixed number, the least of both.
_CLIPS = (
    (r".*PadOrClipBoxList/sub\Z", "Sub"),
    (r".*PadOrClipBoxList/Greater\Z", "Greater"),
    (r".*MultiClassNonMaxSuppression/Minimum\Z", "Minimum"),
)


class Suppression:
    """One suppression: its config's settings, read from the operations of all its classes."""

    def __init__(self, evidence: GraphEvidence, scope: str):
        nodes = evidence.nodes(re.escape(scope), *_OPERATIONS)
        self.classes = len(nodes)
        node = nodes[0]
        # Earlier revisions drop low scores before.
        dropped = evidence.nodes(
            re.escape(scope) + r".*FilterGreaterThan(_\d+)?/Greater\Z", "Greater"
        )
        settings = {_settings(evidence, one) for one in nodes}
        least = {evidence.number(one, 1, "the least score") for one in dropped}
        if dropped:
            settings = {
                (overlap, score, sigma) for overlap, _, sigma in settings for score in least
            }
        if len(settings) != 1:
            raise Unrecognised(f"thresholds under {scope} that differ between classes")
        self.iou, self.score, self.sigma = settings.pop()
        if self.score < 0 and not dropped:
            raise Unrecognised("the least score under " + scope)
        limit = evidence.source(node, 2)
        clips = [
            one
            for pattern, operation in _CLIPS
            for one in evidence.nodes(re.escape(scope) + pattern, operation)
        ]
        if not clips:
            raise Unrecognised("how many boxes are kept under " + scope)
        self.per_class = _known(evidence, limit)
        self.total = _known(evidence, clips[0])
        self.static = node.op == _STATIC

    def fields(self) -> Fields:
        fields = [
            Field("score_threshold", self.score),
            Field("iou_threshold", self.iou),
            Field("max_detections_per_class", self.per_class),
            Field("max_total_detections", self.total),
        ]
        if self.static:
            fields.append(Field("use_static_shapes", True))
        if self.sigma:
            fields.append(Field("soft_nms_sigma", self.sigma))
        return fields


def _settings(evidence: GraphEvidence, node: Any) -> Tuple[float, float, float]:
    """The overlap that suppresses, the least score, and the sigma of soft suppression."""
    overlap, score, sigma = _OPERATIONS[node.op]
    return (
        float(node.attr["iou_threshold"].f)
        if overlap is None
        else evidence.number(node, overlap, "the overlap that suppresses"),
        -1.0 if score is None else evidence.number(node, score, "the least score"),
        0.0 if sigma is None else evidence.number(node, sigma, "soft suppression"),
    )


def _known(evidence: GraphEvidence, node: Any) -> int:
    """The constant that a number of boxes is compared with, or the node's own value."""
    operands = (
        [node] if node.op == "Const" else [evidence.source(node, position) for position in range(2)]
    )
    known = [evidence.maybe(one) for one in operands if one.op == "Const"]
    if len(known) != 1 or known[0] is None or known[0].size != 1:
        raise Unrecognised(f"how many boxes are kept at the node {node.name}")
    return int(known[0])


def find_suppressions(evidence: GraphEvidence) -> List[Suppression]:
    """Every suppression of a graph, in the order they run.

    Raises:
      Unrecognised: one is of a form that is not known.
    """
    others = evidence.nodes("", *_OTHERS)
    if others:
        raise Unrecognised(f"boxes are suppressed by {others[0].op} (node {others[0].name})")
    scopes: List[str] = []
    for node in evidence.nodes("" if not evidence.trains else "(?!Loss/)", *_OPERATIONS):
        match = _SCOPE.match(node.name)
        if match is None:
            raise Unrecognised(f"the suppression {node.name}")
        if match.group(1) not in scopes:
            scopes.append(match.group(1))
    # The first stage's is at the root; the second's under a scope, or second at the root.
    return [
        Suppression(evidence, scope)
        for scope in sorted(scopes, key=lambda scope: (scope.count("/"), len(scope), scope))
    ]


def infer_post_processing(
    evidence: GraphEvidence, suppression: Suppression, classes: int, scope: str
) -> Fields:
    """The post_processing message; `scope` matches where its nodes are.

    Raises:
      Unrecognised: scores are converted or boxes suppressed in a way that is not known.
    """
    if suppression.classes != classes:
        raise Unrecognised(f"there are {suppression.classes} suppressions for {classes} classes")
    if evidence.nodes(scope + ".*calibrat"):
        raise Unrecognised("scores are calibrated, and what that is made of is not read")
    fields = [
        Field("batch_non_max_suppression", suppression.fields()),
        Field("score_converter", Enum(converter(evidence, scope))),
    ]
    scale = _logit_scale(evidence, scope)
    if scale != 1.0:
        fields.append(Field("logit_scale", scale))
    return fields


def _logit_scale(evidence: GraphEvidence, scope: str) -> float:
    """What logits are divided by; from 2020-05 on they are multiplied by its inverse."""
    for node in evidence.nodes(scope + r"scale_logits\Z", "RealDiv", "Mul"):
        scale = evidence.number(node, 1, "the logits' scale")
        if node.op == "RealDiv":
            return scale
        if not scale:
            raise Unrecognised(f"the logits' scale at the node {node.name}")
        # The number of fewest digits that has this inverse, in float32.
        inverses = (float(f"{1 / scale:.{digits}g}") for digits in range(1, 10))
        return next(
            (one for one in inverses if np.float32(1 / one) == np.float32(scale)), 1 / scale
        )
    return 1.0


def converter(evidence: GraphEvidence, scope: str) -> str:
    """The score converter's name in the config."""
    # In 2017 the operation had no name of its own.
    found = evidence.nodes(scope + r"convert_scores\Z") or evidence.nodes(
        scope + r"(Sigmoid|Softmax)\Z", "Sigmoid", "Softmax"
    )
    operations = [_flattened(evidence, node) for node in found]
    if len(operations) != 1 or operations[0] not in CONVERTERS:
        raise Unrecognised(
            "the conversion of scores (%s)"
            % (
                ", ".join(f"{node.name} is {node.op}" for node in found)
                or "there is no node convert_scores"
            )
        )
    return CONVERTERS[operations[0]]


def _flattened(evidence: GraphEvidence, node: Any) -> str:
    """The operation of a node; until TensorFlow 1.10, Softmax takes two axes, and what it makes of
    more is given their shape behind it."""
    if node.op == "Reshape":
        source = evidence.source(node, 0)
        return source.op if source.op == "Softmax" else node.op
    return node.op


def infer_coder(evidence: GraphEvidence) -> Fields:
    """The box coder of an SSD: its codes, taken apart, are divided by the scales.

    Raises:
      Unrecognised: boxes are decoded by another.
    """
    scope = r"(.*/)?Postprocessor/Decode/"
    scales = {}
    for node in evidence.nodes(scope, "RealDiv", "Div"):
        code = read_input(node.input[0])
        if evidence.graph.nodes[code.name].op == "Unpack":
            scales[code.port] = evidence.number(node, 1, "the box coder's scale")
    if sorted(scales) != [0, 1, 2, 3] or len(evidence.nodes(scope, "Exp")) != 2:
        raise Unrecognised("boxes are not decoded as by faster_rcnn_box_coder")
    names = ("y_scale", "x_scale", "height_scale", "width_scale")
    return [
        Field(
            "faster_rcnn_box_coder",
            [Field(name, scale) for (_, scale), name in zip(sorted(scales.items()), names)],
        )
    ]
