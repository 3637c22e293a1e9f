"""TFLite_Detection_PostProcess: suppression as one operation of TensorFlow Lite.

export_tflite_ssd_graph.py puts it behind an SSD's heads.  Its inputs are the codes of the boxes,
the scores [images, anchors, class channels], and the anchors [anchors, 4] as centre, height and
width; its attribute num_classes counts the classes.  A background, which comes first, is told by
there being one channel more than classes.  TensorFlow 1.15: lite/kernels/detection_postprocess.cc.
"""

from typing import Any, Optional

import numpy as np

from graphfix.formats.graphdef.graph import Graph, Input, read_input
from graphfix.graph_rewrite.axis_types import CHANNEL, CLASS, NotUnderstood, Outputs

OPERATION = "TFLite_Detection_PostProcess"
_CLASSES = "num_classes"


def detection(tracker: Any, node: Any, inputs: Any) -> Outputs:
    """The rule: the class axis ends, and an attribute has its length."""
    if len(inputs) != 3 or inputs[0] or inputs[2] or len(inputs[1] or ()) != 3:
        raise NotUnderstood(node, "it takes something other than boxes, scores and anchors")
    if inputs[1][2] not in ((CHANNEL,), (CLASS,)):
        raise NotUnderstood(node, "its scores hold more than classes")
    if node.attr[_CLASSES].i != tracker.old:
        raise NotUnderstood(
            node, f"its {_CLASSES} is {node.attr[_CLASSES].i}, where there are {tracker.old}"
        )
    tracker.attributes.append((node.name, _CLASSES, None, tracker.new))
    return {}


def anchors(graph: Graph) -> Optional[Input]:
    """The tensor of the anchors, None in a graph without the operation."""
    found = [node for node in graph.nodes.values() if node.op == OPERATION]
    return read_input(found[0].input[2]) if len(found) == 1 else None


def corners(centred_boxes: np.ndarray) -> np.ndarray:
    """Boxes by their corners, of those by centre, height and width."""
    centres, sides = centred_boxes[:, :2], centred_boxes[:, 2:]
    return np.concatenate([centres - sides / 2, centres + sides / 2], 1)


def centred(boxes: np.ndarray) -> np.ndarray:
    """And the other way round."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], 1)
