"""What a converted detector can be exported to, for the report to say before anybody has tried."""

import dataclasses
from typing import Optional, Tuple

from graphfix.choices import Target
from graphfix.conversion.context import Context
from graphfix.conversion.output import Output
from graphfix.detectors.families import CLASS, SSD
from graphfix.errors import GraphfixError, Problem
from graphfix.exporting.detector import Detector, of_tensors
from graphfix.exporting.targets import TARGETS, TargetRow
from graphfix.pipeline_config.document import bound_config
from graphfix.report.exports import Export, Suppression
from graphfix.verification.models import requested

_PYTHON = "--runtime_python"


def exports(context: Context, output: Output, place: str) -> Tuple[Export, ...]:
    """A row for every target; `place` is the directory of the conversion."""
    model = requested(context.source.model, output.plan, output.described)
    config = bound_config(output.config)
    made = of_tensors(context, output.plan, config, output.tensors, model, place)
    found = {target: _export(target, row, made) for target, row in TARGETS.items()}
    found[Target.ONNX] = dataclasses.replace(found[Target.ONNX], suppression=_suppression(made))
    return tuple(found.values())


def _export(target: Target, row: TargetRow, made: Detector) -> Export:
    asked = Export(target.value, row.title)
    try:
        found = row.problems(made)
        if made.quantization and not _only_python(found):
            without = dataclasses.replace(made, drop_quantization=True)
            less = row.problems(without)
            if _only_python(less):
                asked, found = dataclasses.replace(asked, drop_quantization=True), less
    except GraphfixError as error:
        found = tuple(error.problems)
    pythons = [one.remedy for one in found if one.subject == _PYTHON]
    others = tuple(f"{one.subject} {one.message}" for one in found if one.subject != _PYTHON)
    return dataclasses.replace(asked, python=pythons[0] if pythons else "", problems=others)


def _only_python(found: Tuple[Problem, ...]) -> bool:
    """Whether nothing is in the way but that no Python is named."""
    return all(one.subject == _PYTHON for one in found)


def _suppression(made: Detector) -> Optional[Suppression]:
    """What TensorRT's plugin has to be told, None where it suppresses otherwise or nobody tried."""
    if made.model.meta != SSD:
        return None
    body = made.body
    suppression, resizer = body.post_processing.batch_non_max_suppression, body.image_resizer
    per_class = min(suppression.max_detections_per_class, suppression.max_total_detections)
    fixed = resizer.fixed_shape_resizer
    if (
        resizer.WhichOneof("image_resizer_oneof") != "fixed_shape_resizer"
        or fixed.convert_to_grayscale
        or suppression.soft_nms_sigma
        or per_class < suppression.max_total_detections
    ):
        return None
    background = all(head.background for head in made.model.heads if head.role == CLASS)
    return Suppression(
        fixed.height,
        fixed.width,
        float(f"{suppression.score_threshold:.6g}"),
        float(f"{suppression.iou_threshold:.6g}"),
        suppression.max_total_detections,
        0 if background else -1,
        suppression.use_class_agnostic_nms,
    )
