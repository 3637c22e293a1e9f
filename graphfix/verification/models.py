"""Whether two descriptions are of one model, and the one that a plan asks for."""

import dataclasses
import math
from typing import Any, Iterator, Tuple

from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.detectors.channel_layout import ANCHOR, CLASS_AXIS, CLASS_CHANNEL
from graphfix.detectors.describe import HeadSpec, ModelSpec
from graphfix.errors import Problem, VerificationError
from graphfix.modeldir.manifest import spec_json
from graphfix.planning.plan import Plan
from graphfix.verification.copies import FAULT

# Square roots and powers may differ in the last bit from one machine's library to another's.
_CLOSE = 1e-9


def requested(source: ModelSpec, plan: Plan, anchors: AnchorSpec) -> ModelSpec:
    """The model that a plan makes of a source; `anchors` are its new ones, or the source's."""
    classes = len(plan.classes)

    def resized(head: HeadSpec) -> HeadSpec:
        sizes = {CLASS_CHANNEL: classes + (1 if head.background else 0), CLASS_AXIS: classes}
        axis = head.class_axis
        packed = head.layout.resized(axis, sizes[axis]) if axis else head.layout
        if packed.has(ANCHOR):
            packed = packed.resized(ANCHOR, anchors.per_map[head.map or 0])
        return dataclasses.replace(head, layout=packed)

    # An API from before quantization does not take the block that asks for it.
    removed = any(
        edit.path == ("graph_rewriter",) and edit.literal is None for edit in plan.config_edits
    )
    return dataclasses.replace(
        source,
        classes=classes,
        heads=tuple(map(resized, source.heads)),
        anchors=anchors,
        quantized=source.quantized and not removed,
    )


def check_model(found: ModelSpec, wanted: ModelSpec, subject: str) -> None:
    """Whether the model that was written is the one that was asked for, in all that a config and
    tensors tell of it.

    Raises:
      VerificationError: it is not.
    """
    # Which variables training added is no part of the request; names are held against the plan.
    one, other = (
        spec_json(dataclasses.replace(spec, extras=wanted.extras, pins=()))
        for spec in (wanted, found)
    )
    problems = [
        Problem(
            subject,
            f"makes the model's {path.lstrip('.')} {now!s:.60} instead of {said!s:.60}",
            FAULT,
        )
        for path, said, now in differences(one, other, "")
    ]
    if problems:
        raise VerificationError.collected(problems)


def differences(one: Any, other: Any, path: str) -> Iterator[Tuple[str, Any, Any]]:
    """(path, the one, the other) of everything that differs in two JSON values."""
    if isinstance(one, dict) and isinstance(other, dict) and set(one) == set(other):
        for name in sorted(one):
            yield from differences(one[name], other[name], f"{path}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other)):
            yield from differences(left, right, f"{path}[{number}]")
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE):
            yield path, one, other
    elif one != other or type(one) is not type(other):
        yield path, one, other
