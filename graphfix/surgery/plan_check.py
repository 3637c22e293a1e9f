"""Holds a plan that comes from a file against the source it is to be carried out on.

A plan that graphfix made fits by construction.  A file may have been made for another source, or
edited by hand: what it says must be possible before anything is written.
"""

from typing import Iterator, List, Mapping, Sequence

from graphfix import dtypes
from graphfix.config.history import revision_for
from graphfix.errors import Problem, RequestError
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.model.initializer import DISTRIBUTIONS
from graphfix.surgery.edits import (
    ADDED_NOISE, CONSTANT, MEAN, NOISE, Addition, Constant, Copy, Drop, Fill, Gather, Rename,
    Reset, Stretch, Widen)
from graphfix.surgery.plan import SurgeryPlan
from graphfix.surgery.request import TRAINERS
from graphfix.tensors import TensorMeta

_REMEDY = "make the plan again with graphfix plan --json"
_MOST_ELEMENTS = 1 << 20


def check_plan(plan: SurgeryPlan, metas: Mapping[str, TensorMeta], digest: str, subject: str
               ) -> None:
    """Refuses a plan that was made for another source, or that no source allows.

    Raises:
      RequestError: naming `subject`, the plan's file, and what in it is not possible.
    """
    if plan.source_digest != digest or [edit.tensor for edit in plan.edits] != list(metas):
        raise RequestError(subject, "was made for another source (digest %s, this one's is %s)"
                           % (plan.source_digest[:12], digest[:12]),
                           "replay it on the checkpoint and config it was made from")
    revision_for(plan.target_api)
    faults = list(_head_faults(plan)) + list(_tensor_faults(plan, metas))
    if faults:
        raise RequestError.collected(Problem(subject, fault, _REMEDY) for fault in faults)


def _head_faults(plan: SurgeryPlan) -> Iterator[str]:
    if plan.trainer not in TRAINERS:
        yield "is for the trainer '%s'" % plan.trainer
    if [one.id for one in plan.classes] != list(range(1, len(plan.classes) + 1)):
        yield "does not number its classes from 1 on"
    names = [one.name for one in plan.classes if one.name]
    if not names or len(set(names)) < len(names):
        yield "does not give each class a name of its own"
    if any(not all(edit.path) or not edit.path for edit in plan.config_edits):
        yield "has an edit of the config without a path"
    if any(one.severity not in (ERROR, WARNING, INFO) for one in plan.findings):
        yield "has a finding of no known severity"


def _tensor_faults(plan: SurgeryPlan, metas: Mapping[str, TensorMeta]) -> Iterator[str]:
    outgoing = set()
    for edit in plan.edits:
        meta = metas[edit.tensor]
        for fault in _edit_faults(edit, meta):
            yield "%s %s" % (edit.tensor, fault)
        if not isinstance(edit, Drop):
            name = edit.to if isinstance(edit, (Gather, Rename)) else edit.tensor
            if name in outgoing:
                yield "writes %s twice" % name
            outgoing.add(name)
    for edit in plan.edits:
        if isinstance(edit, Widen) and edit.of not in outgoing:
            yield "%s is to bound %s, which does not go out" % (edit.tensor, edit.of)
    for addition in plan.additions:
        if addition.name in outgoing or not addition.name:
            yield "writes %s twice" % (addition.name or "a tensor without a name")
        for fault in _addition_faults(addition, outgoing):
            yield "%s %s" % (addition.name, fault)
    made = [addition.name for addition in plan.additions]
    if len(set(made)) < len(made):
        yield "adds a tensor twice"


def _edit_faults(edit, meta: TensorMeta) -> Iterator[str]:
    if isinstance(edit, (Gather, Rename)) and not edit.to:
        yield "gets no name"
    if isinstance(edit, (Gather, Reset, Stretch, Widen)) and meta.dtype.numpy is None:
        yield "is of type %s, which graphfix does not compute with" % meta.dtype
    if isinstance(edit, (Stretch, Widen)) and edit.bound not in ("min", "max"):
        yield "is to become a '%s'" % edit.bound
    if isinstance(edit, Gather):
        for fault in _gather_faults(edit, meta):
            yield fault
    elif isinstance(edit, (Stretch, Widen)) and meta.size != 1:
        yield "is no bound, but has %d elements" % meta.size
    elif isinstance(edit, Stretch) and not edit.affine:
        yield "is stretched by nothing"


def _gather_faults(edit: Gather, meta: TensorMeta) -> Iterator[str]:
    if not meta.shape:
        yield "has no channels"
        return
    old, new = meta.shape[-1], len(edit.index)
    if any(not -1 <= origin < old for origin in edit.index):
        yield "takes channels that are not there (it has %d)" % old
    if edit.affine and len(edit.affine) != new:
        yield "scales %d channels of %d" % (len(edit.affine), new)
    filled = set()  # type: set
    for fill in edit.fills:
        if any(not 0 <= channel < new for channel in fill.channels):
            yield "fills channels that are not there (it gets %d)" % new
        for fault in _fill_faults(fill, old):
            yield fault
        filled.update(fill.channels)
    if filled != {channel for channel, origin in enumerate(edit.index) if origin < 0}:
        yield "does not fill just the channels that come from nowhere"


def _fill_faults(fill: Fill, old: int) -> Iterator[str]:
    if fill.rule == MEAN and (
            not fill.sources or any(not 0 <= source < old for source in fill.sources)):
        yield "takes the mean of channels that are not there (it has %d)" % old
    if fill.rule in (NOISE, ADDED_NOISE) and (
            fill.initializer is None or fill.initializer.kind not in DISTRIBUTIONS):
        yield "is filled with noise of no known distribution"
    if fill.rule not in (MEAN, NOISE, ADDED_NOISE, CONSTANT):
        yield "is filled by the unknown rule '%s'" % fill.rule


def _addition_faults(addition: Addition, outgoing: Sequence[str]) -> Iterator[str]:
    if isinstance(addition, Copy):
        if addition.of not in outgoing:
            yield "is to be a copy of %s, which does not go out" % addition.of
    elif isinstance(addition, Constant):
        dtype = dtypes.BY_NAME.get(addition.dtype)
        if dtype is None or dtype.numpy is None:
            yield "is to be of type '%s'" % addition.dtype
        if any(size < 0 for size in addition.shape) \
                or TensorMeta("", dtypes.INT64, addition.shape).size > _MOST_ELEMENTS:
            yield "is to have the shape %s" % list(addition.shape)
