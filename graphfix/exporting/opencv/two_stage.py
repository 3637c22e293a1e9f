"""The text graph of a Faster R-CNN: both stages of a frozen graph, and OpenCV's layers behind each.

PriorBox places anchors at the corner of each cell, and clips them as the API does; a first
DetectionOutput makes proposals, whose boxes CropAndResize takes, a second one detections.  The
second decodes boxes of each class; the background, which has none, is given zeros.
"""

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from graphfix.detectors.families import BOX, CLASS
from graphfix.errors import RequestError
from graphfix.exporting.opencv.text_graph import (
    DETECTIONS,
    IMAGE,
    Mean,
    Node,
    Suppression,
    Walk,
    constant,
    output_of,
    value,
)
from graphfix.formats.graphdef.graph import Graph, source_name

OBJECTNESS = "objectness"
PROPOSALS = "proposals/clip"
_FIRST, _SECOND = "FirstStage", "SecondStage"


class Settings(NamedTuple):
    """What the layers of both stages are told: the `anchors` (height, width) of each cell in
    pixels, the cells' stride, and whether all classes have one box."""

    anchors: Sequence[Tuple[float, float]]
    stride: float
    first: Suppression
    second: Suppression
    shared_boxes: bool


class _TwoStageWalk(Walk):
    """As far as the image, or the crops of proposals."""

    def sources(self, node: Any) -> List[str]:
        names = super().sources(node)
        if node.op == "CropAndResize":
            return [names[0], names[3]]  # without the boxes and their pictures
        return names[:1] if node.op == "Reshape" else names

    def add(self, node: Any, inputs: List[str]) -> None:
        if node.op == "CropAndResize":
            features, size = inputs
            self.append(Node(node.name, node.op, [features, PROPOSALS, size]))
        elif node.op == "Reshape" and self._of_crops(node):
            self.known[node.name] = inputs[0]  # from [pictures, crops] to crops
        elif node.op == "Reshape":
            self.append(Node(node.name, "Flatten", inputs))
        else:
            super().add(node, inputs)

    def _of_crops(self, node: Any) -> bool:
        while node is not None and node.op in ("Reshape", "Identity"):
            node = self.graph.nodes.get(source_name(node.input[0]))
        return node is not None and node.op == "CropAndResize"


class Text(NamedTuple):
    """The text, how pixels are fed, (pixel - mean) * scale, the number of layers, and the constants
    to add to the frozen graph."""

    text: str
    mean: Mean
    scale: float
    layers: int
    folded: Mapping[str, np.ndarray]


def text_and_preprocessing(
    graph: Graph, heads: Sequence[Any], settings: Settings, subject: str
) -> Text:
    """The text of a detector's graph, and what belongs to it.

    Raises:
      RequestError: naming what OpenCV would not compute.
    """
    walk = _TwoStageWalk(graph, subject)
    consumers = graph.consumers()
    outputs: Dict[Tuple[str, str], str] = {}
    stages: Dict[str, List[Node]] = {}
    for stage in (_FIRST, _SECOND):
        before = len(walk.nodes)
        for head in heads:
            if head.scope.startswith(stage):
                outputs[stage, head.role] = walk.node(output_of(graph, consumers, head, subject))
        stages[stage] = walk.nodes[before:]
    if not any(node.op == "CropAndResize" for node in stages[_SECOND]):
        raise RequestError(
            subject, "crops proposals in another way than CropAndResize", "run it with TensorFlow"
        )
    mean, scale = walk.preprocessing()
    image = Node(IMAGE, "Placeholder", (), {"dtype": "type: DT_FLOAT"})
    nodes = [image, *stages[_FIRST]]
    nodes += _proposals(outputs[_FIRST, OBJECTNESS], outputs[_FIRST, BOX], settings)
    nodes += stages[_SECOND]
    nodes += _detections(outputs[_SECOND, CLASS], outputs[_SECOND, BOX], settings)
    text = "".join(node.to_text() for node in nodes)
    return Text(text, mean, scale, len(walk.nodes), walk.folded)


def _proposals(scores: str, boxes: str, settings: Settings) -> List[Node]:
    first = settings.first
    variance = [first.variance[0]] * 2 + [first.variance[1]] * 2
    anchors = {
        "width": value([float(width) for _, width in settings.anchors]),
        "height": value([float(height) for height, _ in settings.anchors]),
        "variance": value(variance),
        "step": value(settings.stride),
        "offset": value(0.0),
        "flip": value(False),
        "clip": value(True),
    }
    inputs = ["proposals/boxes", "proposals/scores", "proposals/anchors"]
    return [
        Node("proposals/logits", "Flatten", [scores]),
        constant("proposals/shape", [0, -1, 2]),
        Node("proposals/pairs", "Reshape", ["proposals/logits", "proposals/shape"]),
        Node("proposals/softmax", "Softmax", ["proposals/pairs"], {"axis": value(-1)}),
        Node("proposals/scores", "Flatten", ["proposals/softmax"]),
        Node("proposals/boxes", "Flatten", [boxes]),
        Node("proposals/anchors", "PriorBox", [boxes, IMAGE], anchors),
        Node("proposals", "DetectionOutput", inputs, first.attributes()),
        constant("proposals/lower", [0.0]),
        constant("proposals/upper", [1.0]),
        Node(PROPOSALS, "ClipByValue", ["proposals", "proposals/lower", "proposals/upper"]),
    ]


def _detections(scores: str, boxes: str, settings: Settings) -> List[Node]:
    second = settings.second
    own = 1 if settings.shared_boxes else second.classes
    variance = [second.variance[0]] * 2 + [second.variance[1]] * 2
    nodes = [
        Node("second/softmax", "Softmax", [scores], {"axis": value(-1)}),
        constant("second/row", [1, -1]),
        Node("second/scores", "Reshape", ["second/softmax", "second/row"]),
        constant("second/codes_shape", [1, -1, 4]),
        Node("second/codes", "Reshape", [boxes, "second/codes_shape"]),
        constant("second/variance", variance),
        Node("second/scaled", "Mul", ["second/codes", "second/variance"], {"axis": value(2)}),
    ]
    codes = "second/scaled"
    if not settings.shared_boxes:
        nodes += [
            constant("second/classes_shape", [-1, own, 4]),
            Node("second/of_classes", "Reshape", [codes, "second/classes_shape"]),
            _paddings("second/background", [[0, 0], [1, 0], [0, 0]]),
            Node("second/with_background", "Pad", ["second/of_classes", "second/background"]),
        ]
        codes = "second/with_background"
    attributes = second.attributes(shared=settings.shared_boxes)
    attributes["variance_encoded_in_target"] = value(True)
    inputs = ["second/boxes", "second/scores", "second/proposals"]
    return [
        *nodes,
        Node("second/boxes", "Reshape", [codes, "second/row"]),
        constant("second/begin", [0, 0, 0, 3]),
        constant("second/size", [-1, -1, -1, 4]),
        Node("second/slice", "Slice", [PROPOSALS, "second/begin", "second/size"]),
        constant("second/proposals_shape", [1, 1, -1]),
        Node("second/proposals", "Reshape", ["second/slice", "second/proposals_shape"]),
        Node(DETECTIONS, "DetectionOutput", inputs, attributes),
    ]


def _paddings(name: str, rows: Sequence[Sequence[int]]) -> Node:
    numbers = " ".join(f"int_val: {one}" for row in rows for one in row)
    shape = f"tensor_shape {{ dim {{ size: {len(rows)} }} dim {{ size: 2 }} }}"
    content = f"tensor {{ dtype: DT_INT32 {shape} {numbers} }}"
    return Node(name, "Const", (), {"value": content})
