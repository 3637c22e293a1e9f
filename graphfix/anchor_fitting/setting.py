"""What a pipeline.config sets about anchors: the generator, the feature maps, the matcher."""

import dataclasses
from typing import Any, Optional, Tuple

from graphfix.anchor_fitting.coverage import FeatureMaps
from graphfix.anchor_fitting.objective import Matching, described
from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.detectors.extractors.loader import described_extractor
from graphfix.detectors.families import ANCHOR_FIELD, FASTER_RCNN
from graphfix.detectors.feature_maps import check_maps
from graphfix.errors import SourceError
from graphfix.findings import INFO, WARNING, Finding
from graphfix.pipeline_config.document import PipelineConfig
from graphfix.pipeline_config.resizers import check_resizer, constant_size

# The threshold of a first stage, which no config can change, and one where there is none.
PROPOSALS = 0.7
USUAL = 0.5


@dataclasses.dataclass(frozen=True)
class Setting:
    """`message`: the AnchorGenerator, at `path` in the config; `spec` its anchors as
    `coverage.GridOverlaps` takes them; `image`: (height, width) of every resized image, if
    constant; `matching`: what the matcher does."""

    message: Any
    path: Tuple[str, ...]
    spec: AnchorSpec
    resizer: Any
    image: Optional[Tuple[float, float]]
    maps: FeatureMaps
    matching: Matching
    findings: Tuple[Finding, ...]


def read_setting(config: PipelineConfig, subject: str) -> Setting:
    """Reads a config, the file `subject`.

    Raises:
      SourceError: it describes no known model, or anchors that do not fit its feature maps.
    """
    meta = config.message.model.WhichOneof("model")
    if meta not in ANCHOR_FIELD:
        raise SourceError(
            subject,
            f"describes no meta-architecture that graphfix knows: {meta or 'none'}",
            "known are: " + ", ".join(sorted(ANCHOR_FIELD)),
        )
    body = getattr(config.message.model, meta)
    described_extractor(body.feature_extractor.type, subject)
    check_resizer(body.image_resizer, subject)
    image = constant_size(body.image_resizer)
    path = ("model", meta, ANCHOR_FIELD[meta])
    message = getattr(body, path[-1])
    spec = described(message, subject, image)
    check_maps(len(spec.maps), body, meta, subject)
    matching, findings = _matching(body, meta)
    inside = meta == FASTER_RCNN
    findings += _strides(body, spec, subject) if inside else ()
    if inside and body.clip_anchors_to_image:
        findings += (
            Finding(
                "ANCHORS_CLIPPED",
                INFO,
                subject,
                "has clip_anchors_to_image, by which anchors that "
                "reach out of the image train, too: more boxes may have an anchor than the figures "
                "tell",
                "take the figures as a lower bound",
            ),
        )
    return Setting(
        message,
        path,
        spec,
        body.image_resizer,
        image,
        FeatureMaps(body, meta, inside),
        matching,
        findings,
    )


def _strides(body: Any, spec: AnchorSpec, subject: str) -> Tuple[Finding, ...]:
    """Whether a first stage's anchors are where the cells of its feature map are."""
    cells = float(body.feature_extractor.first_stage_features_stride)
    strides = spec.maps[0].stride
    if strides is None or strides == (cells, cells):
        return ()
    apart = " and ".join(f"{stride:g}" for stride in dict.fromkeys(strides))
    covered = "only a part of the image" if min(strides) < cells else "more than the image"
    return (
        Finding(
            "ANCHOR_STRIDE",
            WARNING,
            subject,
            f"has first_stage_features_stride {cells:g}, but anchors {apart} pixels apart: they "
            f"cover {covered}, and lie beside the cells that predict them; the figures are of the "
            "anchors where they lie",
            "set height_stride and width_stride of grid_anchor_generator to "
            "first_stage_features_stride, unless the model was trained so",
        ),
    )


def _matching(body: Any, meta: str) -> Tuple[Matching, Tuple[Finding, ...]]:
    if meta == FASTER_RCNN:
        return Matching(PROPOSALS), ()
    findings: Tuple[Finding, ...] = ()
    similarity = body.similarity_calculator.WhichOneof("region_similarity")
    if similarity not in (None, "iou_similarity"):
        findings += (
            Finding(
                "NOT_IOU",
                WARNING,
                "similarity_calculator",
                (f"is {similarity}, but the figures here are of intersection over union"),
                "judge by training",
            ),
        )
    matcher = body.matcher.argmax_matcher
    if (
        body.matcher.WhichOneof("matcher_oneof") == "argmax_matcher"
        and not matcher.ignore_thresholds
    ):
        return Matching(matcher.matched_threshold, matcher.force_match_for_each_row), findings
    return Matching(USUAL), findings + (
        Finding(
            "NO_THRESHOLD",
            INFO,
            "matcher",
            f"has no threshold in the config; {USUAL:g} is used",
            f"read the recall as recall at IoU {USUAL:g}",
        ),
    )
