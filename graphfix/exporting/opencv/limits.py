"""For which detectors OpenCV's layers detect what TensorFlow does."""

from typing import Iterator

from graphfix.detectors.families import CLASS, SSD
from graphfix.errors import Problem
from graphfix.exporting.detector import Detector

_STAY = "run the frozen graph with TensorFlow"


def problems(detector: Detector) -> Iterator[Problem]:
    """Why OpenCV's layers would not detect what the API's do."""
    body = detector.body
    if detector.model.meta != SSD:
        yield Problem(
            "model.faster_rcnn", "is a two-stage detector, and only SSDs are exported", _STAY
        )
        return
    predictor = body.box_predictor.WhichOneof("box_predictor_oneof")
    if predictor != "convolutional_box_predictor":
        yield Problem(
            f"box_predictor.{predictor}",
            "shares its heads among maps, which is not exported",
            _STAY,
        )
    resizer = body.image_resizer.WhichOneof("image_resizer_oneof")
    if resizer != "fixed_shape_resizer":
        yield Problem(
            f"image_resizer.{resizer}", "has no fixed size, in which OpenCV places anchors", _STAY
        )
    yield from _boxes(detector)
    yield from _scores(detector)


def _boxes(detector: Detector) -> Iterator[Problem]:
    anchors, body = detector.model.anchors, detector.body
    coder = body.box_coder.WhichOneof("box_coder_oneof")
    scales = body.box_coder.faster_rcnn_box_coder
    if coder != "faster_rcnn_box_coder":
        yield Problem(f"box_coder.{coder}", "is not one that OpenCV decodes", _STAY)
    elif scales.y_scale != scales.x_scale or scales.height_scale != scales.width_scale:
        yield Problem("box_coder.faster_rcnn_box_coder", "has other scales for y than for x", _STAY)
    if anchors.generator != "ssd_anchor_generator" or any(
        one.stride or one.offset for one in anchors.maps
    ):
        yield Problem(
            f"anchor_generator.{anchors.generator}",
            "does not place anchors in the middle of each cell, as OpenCV does",
            _STAY,
        )


def _scores(detector: Detector) -> Iterator[Problem]:
    after = detector.body.post_processing
    suppression = after.batch_non_max_suppression
    converter = after.ScoreConverter.Name(after.score_converter)
    if converter == "IDENTITY":
        yield Problem("post_processing.score_converter IDENTITY", "makes no scores", _STAY)
    if after.logit_scale != 1:
        yield Problem("post_processing.logit_scale", "is not applied by OpenCV", _STAY)
    if after.HasField("calibration_config"):
        yield Problem("post_processing.calibration_config", "is not applied by OpenCV", _STAY)
    for field in ("use_class_agnostic_nms", "soft_nms_sigma", "use_combined_nms"):
        if getattr(suppression, field):
            yield Problem(
                f"batch_non_max_suppression.{field}",
                "is another suppression than OpenCV's, which takes each class by itself",
                _STAY,
            )
    if suppression.max_detections_per_class < suppression.max_total_detections:
        yield Problem(
            "batch_non_max_suppression.max_detections_per_class",
            f"is {suppression.max_detections_per_class}, and OpenCV only limits all detections "
            f"({suppression.max_total_detections})",
            "set it to that",
        )
    if not all(head.background for head in detector.model.heads if head.role == CLASS):
        yield Problem(
            "add_background_class false", "leaves no background, which OpenCV counts as 0", _STAY
        )
