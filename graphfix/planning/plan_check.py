"""Holds a plan that comes from a file against the source it is to be carried out on.

A plan that graphfix made fits by construction, and one that was read is possible by itself
(`plan_rules`).  But it may have been made for another source, or edited by hand: what it says must
be possible here before anything is written, down to the model that comes out.
"""

from typing import Iterator, List, Mapping

from graphfix.detectors.channel_layout import ANCHOR
from graphfix.detectors.describe import HeadSpec, ModelSpec, describe
from graphfix.detectors.families import BOX, GLOBAL_STEP
from graphfix.errors import GraphfixError, Problem, RequestError
from graphfix.formats.tensors import TensorMeta
from graphfix.modeldir.names import CONFIG
from graphfix.modeldir.openers import Model
from graphfix.pipeline_config.anchor_generators import touches_anchors
from graphfix.pipeline_config.document import bound_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.planning import edits as tensor_edits
from graphfix.planning.edits import (
    ADDED_NOISE,
    CONSTANT,
    MEAN,
    NOISE,
    Gather,
    Reset,
    Stretch,
    Widen,
    output_names,
)
from graphfix.planning.heads import class_places
from graphfix.planning.plan import Plan
from graphfix.planning.plan_rules import Fault, computed, held

REMEDY = "make the plan again with graphfix plan --json"
_MOST_TOLD = 20
# Of names and what stands beside each; beyond, no reader takes the index that would be written.
_LARGEST_INDEX, _ENTRY = 12 << 20, 64


def check_plan(plan: Plan, source: Model, subject: str) -> None:
    """Refuses a plan that was made for another source, or that this one does not allow.

    Raises:
      RequestError: naming `subject`, the plan's file, and what in it is not possible.
    """
    metas = source.metas
    if plan.source_digest != source.digest or [edit.tensor for edit in plan.edits] != list(metas):
        raise RequestError(
            subject,
            f"was made for another source (digest {plan.source_digest[:12]}, this one's is "
            f"{source.digest[:12]})",
            "replay it on the checkpoint and config it was made from",
        )
    found = list(_class_faults(plan, source.model)) + list(_tensor_faults(plan, metas))
    found += _anchor_faults(plan, source.model)
    if not found:
        found = list(_head_faults(plan, source.model)) or list(_lost(plan, source))
    refuse(found, subject, RequestError, REMEDY)
    try:
        _describe(plan, source)
    except GraphfixError as error:
        raise RequestError.collected(
            Problem(
                subject,
                _short(f"does not lead to a model: {problem.subject}: {problem.message}"),
                REMEDY,
            )
            for problem in error.problems
        ) from None


def refuse(found: List[Fault], subject: str, kind, remedy: str) -> None:
    """Raises an error of a kind for faults, if there are any."""
    if found:
        told = [_short(f"{place} {words}") for place, words in found[:_MOST_TOLD]]
        if len(found) > _MOST_TOLD:
            told[-1] += f", and {len(found) - _MOST_TOLD} faults more"
        raise kind.collected(Problem(subject, words, remedy) for words in told)


def _short(words: str) -> str:
    """Words in which something that a file says may be of any length."""
    return words if len(words) <= 400 else f"{words[:250]}...{words[-100:]}"


def _class_faults(plan: Plan, model: ModelSpec) -> Iterator[Fault]:
    for number, one in enumerate(plan.classes):
        if any(source > model.classes for source in one.sources):
            yield (
                f"classes[{number}].sources",
                f"is {list(one.sources[:8])}, and the source has {model.classes} classes",
            )


def _anchor_faults(plan: Plan, model: ModelSpec) -> Iterator[Fault]:
    if plan.anchor_order and tuple(map(len, plan.anchor_order)) != model.anchors.per_map:
        yield (
            "anchor_order",
            f"is of {'/'.join(str(len(one)) for one in plan.anchor_order)} anchors, and the source "
            f"has {'/'.join(map(str, model.anchors.per_map))}",
        )


def _tensor_faults(plan: Plan, metas: Mapping[str, TensorMeta]) -> Iterator[Fault]:
    outgoing = {
        edit.output_name: metas[edit.tensor] for edit in plan.edits if edit.output_name is not None
    }
    for number, edit in enumerate(plan.edits):
        meta = metas[edit.tensor]
        for message in _edit_faults(edit, meta, metas):
            yield f"edits[{number}]", f"({edit.tensor}) {message}"
        if edit.depends_on is not None:
            of = outgoing[edit.depends_on]
            if not computed(of.dtype) or not of.size or of.dtype.numpy.kind != "f":
                yield f"edits[{number}].of", f"is {edit.depends_on}, which has no extremes"
    size = sum(
        len(name.encode("utf-8")) + _ENTRY
        for name in list(outgoing) + [one.name for one in plan.additions]
    )
    if size > _LARGEST_INDEX:
        yield "additions", "are more than a checkpoint's index holds"


def _edit_faults(edit, meta: TensorMeta, metas: Mapping[str, TensorMeta]) -> Iterator[str]:
    if edit.rewrites and not computed(meta.dtype):
        yield f"is of type {meta.dtype}, which graphfix does not compute with"
        return
    own = metas.get(edit.output_name)
    if own is not None and (
        own.dtype != meta.dtype
        or own.shape[:-1] != meta.shape[:-1]
        or (edit.copies and own.shape != meta.shape)
    ):
        yield f"is no {own.dtype} of shape {list(own.shape)}, as {own.name} is"
    if isinstance(edit, Reset) and not held(meta.dtype, edit.value):
        yield f"is to become {edit.value!r}, which {meta.dtype} does not hold"
    if isinstance(edit, (Stretch, Widen)) and (meta.size != 1 or meta.dtype.numpy.kind != "f"):
        yield f"is not a scalar bound: it has {meta.size} elements of type {meta.dtype}"
    if isinstance(edit, Gather):
        yield from _gather_faults(edit, meta)


def _gather_faults(edit: Gather, meta: TensorMeta) -> Iterator[str]:
    if not meta.shape:
        yield "has no channels"
        return
    old = meta.shape[-1]
    floating = meta.dtype.numpy.kind == "f"
    if any(origin >= old for origin in edit.index):
        yield f"takes channels that are not there (it has {old})"
    if edit.affine and not floating:
        yield f"is scaled, and of type {meta.dtype}"
    for fill in edit.fills:
        if fill.rule == MEAN and any(source >= old for source in fill.sources):
            yield f"takes the mean of channels that are not there (it has {old})"
        if fill.rule in (MEAN, NOISE, ADDED_NOISE) and not floating:
            yield f"is filled by the rule '{fill.rule}', and of type {meta.dtype}"
        if fill.rule == CONSTANT and not held(meta.dtype, fill.value):
            yield f"is filled with {fill.value!r}, which {meta.dtype} does not hold"
        if (
            fill.initializer
            and floating
            and not held(meta.dtype, abs(fill.initializer.mean) + 6 * fill.initializer.scale)
        ):
            yield f"is filled with noise that {meta.dtype} does not hold"


def _head_faults(plan: Plan, model: ModelSpec) -> Iterator[Fault]:
    """Channels are a head's, and those of a class come from the class that it is made of; those of
    an anchor, unless the config gets others, from where `anchor_order` says."""
    moved = touches_anchors(plan.config_edits)
    heads = {name: head for head in model.heads for name in head.tensors}
    for number, edit in enumerate(plan.edits):
        head = heads.get(edit.output_name or "")
        where = f"edits[{number}]"
        if edit.channels is not None and head is None:
            yield where, f"({edit.tensor}) changes channels, but is not a head's"
        elif head is not None and (edit.copies or edit.channels is not None):
            found = _misplaced(plan, edit, head) if head.class_axis else iter(())
            for message in found if moved else [*found, *_out_of_order(plan, edit, head)]:
                yield where, f"({edit.tensor}) {message}"


def _misplaced(plan: Plan, edit, head: HeadSpec) -> Iterator[str]:
    old, axis = head.layout, head.class_axis
    assert axis is not None
    index = tuple(range(old.channels)) if edit.channels is None else edit.index
    wanted = class_places(plan.classes, head)
    new = old.resized(axis, len(wanted)).resized(ANCHOR, 1)
    if len(index) % new.channels:
        yield f"gets {len(index)} channels, which {len(plan.classes)} classes do not share"
        return
    new = new.resized(ANCHOR, len(index) // new.channels)
    if new.channels != len(index):
        yield f"gets {len(index)} channels, and {len(plan.classes)} classes need {new.channels}"
        return
    fresh = head.role == BOX and set(index) == {-1}
    for channel, origin in enumerate(index):
        sources = wanted[channel // new.stride(axis) % len(wanted)]
        taken = () if origin < 0 else (origin // old.stride(axis) % old.size(axis),)
        if taken != (sources if len(sources) == 1 else ()) and not fresh:
            place = "nowhere" if origin < 0 else f"channel {origin}"
            yield f"takes channel {channel} from {place}, which is not what classes says"
            return


def _out_of_order(plan: Plan, edit, head: HeadSpec) -> Iterator[str]:
    old = head.layout
    if not old.has(ANCHOR):
        return
    count = old.size(ANCHOR)
    order = plan.anchor_order[head.map or 0] if plan.anchor_order else tuple(range(count))
    index = tuple(range(old.channels)) if edit.channels is None else edit.index
    new = (
        old.resized(head.class_axis, len(class_places(plan.classes, head)))
        if (head.class_axis)
        else old
    )
    if new.channels != len(index):
        yield f"gets {len(index)} channels, and its {count} anchors need {new.channels}"
        return
    for channel, origin in enumerate(index):
        wanted = order[channel // new.stride(ANCHOR) % count]
        if origin >= 0 and origin // old.stride(ANCHOR) % count != wanted:
            yield f"takes channel {channel} from channel {origin}, which is another anchor's"
            return


def _lost(plan: Plan, source: Model) -> Iterator[Fault]:
    extras = source.model.extras
    outgoing = set(output_names(plan.edits))
    spared = set(extras.optimizer) | set(extras.moving_averages) | {GLOBAL_STEP}
    for number, edit in enumerate(plan.edits):
        if edit.tensor not in spared and edit.tensor not in outgoing:
            yield f"edits[{number}]", f"({edit.tensor}) drops a variable of the model"


def _describe(plan: Plan, source: Model) -> None:
    """Raises GraphfixError where config and tensors would be no model of the plan's classes."""
    config = apply_edits(source.config.document, plan.config_edits)
    message = bound_config(config).message
    outgoing = tensor_edits.apply_edits(plan.edits, plan.additions, source.store)
    model = describe(
        message,
        {name: view.meta for name, view in outgoing.items()},
        config=CONFIG,
        checkpoint="what the plan writes",
    )
    if model.classes != len(plan.classes):
        raise RequestError(
            "num_classes",
            f"makes {model.classes} classes, and the plan has {len(plan.classes)}",
            REMEDY,
        )
