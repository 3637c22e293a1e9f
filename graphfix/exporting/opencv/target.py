"""opencv: a frozen graph, and the text graph with which OpenCV's dnn module runs it.

OUT/frozen_inference_graph.pb
OUT/graph.pbtxt
OUT/label_map.pbtxt
"""

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Tuple

import numpy as np

from graphfix.conversion.output import write_file
from graphfix.detectors.families import SSD
from graphfix.exporting.detector import Detector, Written
from graphfix.exporting.opencv import text_graph, two_stage
from graphfix.exporting.opencv.refusals import SIZED
from graphfix.exporting.targets import Trial
from graphfix.findings import INFO, Finding, count
from graphfix.formats.graphdef.files import open_graph
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.schema import message_class, parse
from graphfix.graph_import.graph_meanings import suppressed_before_clipping
from graphfix.modeldir.names import FROZEN

if TYPE_CHECKING:
    from graphfix.verification.stock_trial import StockTrial

TEXT = "graph.pbtxt"
# OpenCV compares every pair of candidates of a class: below this their number would make it slow.
LEAST_SCORE = 0.01
# Of the API's coder of two-stage detectors, which no config sets.
_VARIANCE = (0.1, 0.2)


def write(detector: Detector, directory: str) -> Written:
    """Writes the graph and its text."""
    data, told = detector.frozen_graph()
    graph_def = parse(message_class("graphfix.graph.GraphDef"), data)
    graph = open_graph(graph_def, FROZEN)
    make = _one_stage_text if detector.model.meta == SSD else _two_stage_text
    text, layers, details, folded = make(detector, graph)
    # Messages behind each other are one: TensorFlow computes with what it had.
    write_file(directory, FROZEN, data + text_graph.constants_of(folded))
    write_file(directory, TEXT, text.encode("ascii"))
    return Written(
        f"{count(layers, 'layer')} in {TEXT}",
        told + _findings(detector, details),
        (_usage(detector.place, details),),
        details=details,
    )


Made = Tuple[str, int, Dict[str, Any], Mapping[str, np.ndarray]]


def _one_stage_text(detector: Detector, graph: Graph) -> Made:
    resizer = detector.body.image_resizer.fixed_shape_resizer
    image = (resizer.height, resizer.width)
    found = text_graph.network(graph, detector.model.heads, FROZEN, image)
    maps = [one.sizes for one in detector.model.anchors.maps]
    scales = detector.body.box_coder.faster_rcnn_box_coder
    chosen = _chosen(
        detector.model.classes,
        detector.body.post_processing,
        (1 / scales.y_scale, 1 / scales.height_scale),
        graph,
    )
    text = text_graph.with_detections(found, image, maps, chosen)
    details = {"mean": found.mean, "scale": found.scale, "score_threshold": chosen.score}
    return text, len(found.nodes), {**details, **_size(detector)}, found.folded


def _two_stage_text(detector: Detector, graph: Graph) -> Made:
    body = detector.body
    (anchors,) = detector.model.anchors.maps
    assert anchors.stride is not None, "problems() asks for it"
    second = _chosen(detector.model.classes, body.second_stage_post_processing, _VARIANCE, graph)
    first = text_graph.Suppression(
        1,
        True,
        _VARIANCE,
        round(body.first_stage_nms_iou_threshold, 6),
        round(body.first_stage_nms_score_threshold, 6),
        body.first_stage_max_proposals,
        second.clips,
    )
    predictor = body.second_stage_box_predictor.mask_rcnn_box_predictor
    settings = two_stage.Settings(
        anchors.sizes, anchors.stride[0], first, second, predictor.share_box_across_classes
    )
    found = two_stage.text_and_preprocessing(graph, detector.model.heads, settings, FROZEN)
    details = {"mean": found.mean, "scale": found.scale, "score_threshold": second.score}
    return found.text, found.layers, {**details, **_size(detector)}, found.folded


def _size(detector: Detector) -> Dict[str, int]:
    """How large a picture is fed."""
    resizer = detector.body.image_resizer
    if resizer.WhichOneof("image_resizer_oneof") == SIZED[0]:
        fixed = resizer.fixed_shape_resizer
        return {"height": fixed.height, "width": fixed.width}
    keep = resizer.keep_aspect_ratio_resizer
    return {"min_dimension": keep.min_dimension, "max_dimension": keep.max_dimension}


def tried(directory: str, exported: Dict[str, Any], trial: Trial) -> "StockTrial":
    """Whether OpenCV reads it, and detects what TensorFlow does."""
    from graphfix.exporting.opencv.trial import tried as work  # which exporting does without

    return work(directory, exported, trial)


def _chosen(
    classes: int, after: Any, variance: Tuple[float, float], graph: Graph
) -> text_graph.Suppression:
    suppression = after.batch_non_max_suppression
    return text_graph.Suppression(
        classes,
        after.ScoreConverter.Name(after.score_converter) == "SOFTMAX",
        variance,
        round(suppression.iou_threshold, 6),
        max(LEAST_SCORE, round(suppression.score_threshold, 6)),
        suppression.max_total_detections,
        # As graphs until 2018 do.
        suppressed_before_clipping(graph.nodes) is False,
    )


def _findings(detector: Detector, details: Dict[str, Any]) -> Tuple[Finding, ...]:
    body, ssd = detector.body, detector.model.meta == SSD
    after = body.post_processing if ssd else body.second_stage_post_processing
    asked, score = (
        round(after.batch_non_max_suppression.score_threshold, 6),
        details["score_threshold"],
    )
    told: List[Finding] = []
    if asked < score:
        told.append(
            Finding(
                "SCORE_THRESHOLD",
                INFO,
                "batch_non_max_suppression.score_threshold",
                f"is {score:g} in {TEXT}, and was {asked:g}: OpenCV compares all pairs of "
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
    before = ""
    if "width" in details:
        size = str((details["width"], details["height"]))
    else:
        size = "tuple(round(side * scale) for side in image.shape[1::-1])"
        before = (
            f"scale = min({details['min_dimension']} / min(image.shape[:2]), "
            f"{details['max_dimension']} / max(image.shape[:2]))\n"
        )
    mean = details["mean"]
    means = f"({mean!r},) * 3" if isinstance(mean, float) else repr(mean)
    return (
        "net = cv2.dnn.readNetFromTensorflow("
        f"{place + '/' + FROZEN!r}, {place + '/' + TEXT!r})\n"
        f"{before}net.setInput(cv2.dnn.blobFromImage(image, {details['scale']!r}, {size}, "
        f"{means}, swapRB=True))\n"
        "for _, label, score, left, top, right, bottom in net.forward()[0, 0]: "
        "...  # label: an id of label_map.pbtxt"
    )
