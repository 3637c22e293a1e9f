"""For which detectors OpenCV's layers detect what the API's do, as far as a config tells."""

from typing import Any, Iterator

from graphfix.detectors.families import CLASS, SSD
from graphfix.errors import Problem
from graphfix.exporting.detector import Detector

# The resizers of two-stage detectors that can be told to OpenCV.
SIZED = ("fixed_shape_resizer", "keep_aspect_ratio_resizer")
_STAGES = 2
_STAY = "run the frozen graph with TensorFlow"


def problems(detector: Detector) -> Iterator[Problem]:
    """Why OpenCV's layers would not detect what the API's do."""
    if detector.model.meta != SSD:
        yield from _two_stage(detector)
        yield from _scores(detector.body.second_stage_post_processing, "second_stage_")
        return
    body = detector.body
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
    yield from _scores(body.post_processing, "")
    if not all(head.background for head in detector.model.heads if head.role == CLASS):
        yield Problem(
            "add_background_class false", "leaves no background, which OpenCV counts as 0", _STAY
        )


def _two_stage(detector: Detector) -> Iterator[Problem]:
    body = detector.body
    predictor = body.second_stage_box_predictor.WhichOneof("box_predictor_oneof")
    if predictor != "mask_rcnn_box_predictor":
        yield Problem(
            f"second_stage_box_predictor.{predictor}", "pools crops as OpenCV does not", _STAY
        )
    elif body.second_stage_box_predictor.mask_rcnn_box_predictor.predict_instance_masks:
        yield Problem("predict_instance_masks", "is not exported: masks are a third stage", _STAY)
    if body.number_of_stages < _STAGES:
        yield Problem(f"number_of_stages {body.number_of_stages}", "leaves proposals only", _STAY)
    anchors = detector.model.anchors
    if anchors.generator != "grid_anchor_generator" or any(
        one.stride is None or one.stride[0] != one.stride[1] or any(one.offset or ())
        for one in anchors.maps
    ):
        yield Problem(
            f"first_stage_anchor_generator.{anchors.generator}",
            "does not place anchors at the corner of square cells",
            _STAY,
        )
    resizer = body.image_resizer.WhichOneof("image_resizer_oneof")
    if resizer not in SIZED or body.image_resizer.keep_aspect_ratio_resizer.pad_to_max_dimension:
        yield Problem(f"image_resizer.{resizer}", "is not one that can be told here", _STAY)


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


def _scores(after: Any, stage: str) -> Iterator[Problem]:
    suppression = after.batch_non_max_suppression
    converter = after.ScoreConverter.Name(after.score_converter)
    if converter == "IDENTITY" or (stage and converter != "SOFTMAX"):
        yield Problem(
            f"{stage}post_processing.score_converter {converter}", "makes no such scores", _STAY
        )
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
