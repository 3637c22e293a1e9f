"""opencv: a frozen graph, and the text graph with which OpenCV's dnn module runs it.

OUT/frozen_inference_graph.pb
OUT/graph.pbtxt
OUT/label_map.pbtxt
"""

from typing import TYPE_CHECKING, Any, Dict, List, Tuple

from graphfix.conversion.output import write_file
from graphfix.exporting.detector import Detector, Written
from graphfix.exporting.opencv import limits, text_graph
from graphfix.exporting.targets import Trial
from graphfix.findings import INFO, Finding, count
from graphfix.formats.graphdef.files import open_graph
from graphfix.formats.schema import message_class, parse
from graphfix.modeldir.names import FROZEN

if TYPE_CHECKING:
    from graphfix.verification.stock_trial import StockTrial

TEXT = "graph.pbtxt"
# OpenCV compares every pair of candidates of a class: below this their number would make it slow.
LEAST_SCORE = 0.01

problems = limits.problems


def write(detector: Detector, directory: str) -> Written:
    """Writes the graph and its text."""
    data, told = detector.frozen_graph()
    graph_def = parse(message_class("graphfix.graph.GraphDef"), data)
    graph = open_graph(graph_def, FROZEN)
    body = detector.body
    found = text_graph.network(graph, detector.model.heads, FROZEN)
    resizer = body.image_resizer.fixed_shape_resizer
    image = (resizer.height, resizer.width)
    maps = [one.sizes for one in detector.model.anchors.maps]
    chosen = _chosen(detector)
    write_file(directory, FROZEN, data)
    text = text_graph.with_detections(found, image, maps, chosen)
    write_file(directory, TEXT, text.encode("ascii"))
    details = {
        "height": image[0],
        "width": image[1],
        "mean": found.mean,
        "scale": found.scale,
        "score_threshold": chosen.score,
    }
    return Written(
        f"{count(len(found.nodes), 'layer')} in {TEXT}",
        told + _findings(detector, chosen),
        (_usage(detector.place, details),),
        details=details,
    )


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> "StockTrial":
    """Whether OpenCV reads it, and detects what TensorFlow does."""
    from graphfix.exporting.opencv.trial import tried as work  # which exporting does without

    return work(directory, exported, trial)


def _chosen(detector: Detector) -> text_graph.Suppression:
    after = detector.body.post_processing
    suppression = after.batch_non_max_suppression
    scales = detector.body.box_coder.faster_rcnn_box_coder
    return text_graph.Suppression(
        detector.model.classes,
        after.ScoreConverter.Name(after.score_converter) == "SOFTMAX",
        (1 / scales.y_scale, 1 / scales.height_scale),
        round(suppression.iou_threshold, 6),
        max(LEAST_SCORE, round(suppression.score_threshold, 6)),
        suppression.max_total_detections,
    )


def _findings(detector: Detector, chosen: text_graph.Suppression) -> Tuple[Finding, ...]:
    suppression = detector.body.post_processing.batch_non_max_suppression
    asked = round(suppression.score_threshold, 6)
    told: List[Finding] = []
    if asked < chosen.score:
        told.append(
            Finding(
                "SCORE_THRESHOLD",
                INFO,
                "batch_non_max_suppression.score_threshold",
                f"is {chosen.score:g} in {TEXT}, and was {asked:g}: OpenCV compares all pairs of "
                "candidates, and more of them take long",
                f"change confidence_threshold in {TEXT} if you need lower scores",
            )
        )
    told.append(
        Finding(
            "RESIZING",
            INFO,
            "cv2.dnn.blobFromImage",
            "resizes pictures from the middle of pixels, the API from their corners: scores differ "
            "a little where a picture is resized",
            "there is nothing to do",
        )
    )
    return tuple(told)


def _usage(place: str, details: Any) -> str:
    size = (details["width"], details["height"])
    return (
        "net = cv2.dnn.readNetFromTensorflow("
        f"{place + '/' + FROZEN!r}, {place + '/' + TEXT!r})\n"
        f"net.setInput(cv2.dnn.blobFromImage(image, {details['scale']!r}, {size}, "
        f"({details['mean']!r},) * 3, swapRB=True))\n"
        "for _, label, score, left, top, right, bottom in net.forward()[0, 0]: "
        "...  # label: an id of label_map.pbtxt"
    )
