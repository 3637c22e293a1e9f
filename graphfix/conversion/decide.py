"""Decides what becomes of everything: a plan, made from a context or replayed from a file."""

import dataclasses
import os
from typing import Optional, Tuple

from graphfix.conversion.context import Context
from graphfix.conversion.own_data import own_data
from graphfix.conversion.trained_meanings import trained_meanings
from graphfix.conversion.unlearned import unlearned
from graphfix.detectors.anchor_generators import describe_anchors
from graphfix.detectors.families import ANCHOR_FIELD, FASTER_RCNN, MOVING_AVERAGE
from graphfix.findings import WARNING, Finding, by_severity
from graphfix.formats.textproto import quote
from graphfix.modeldir.names import CHECKPOINT, LABEL_MAP
from graphfix.options import AnchorBoxes
from graphfix.pipeline_config.anchor_generators import anchor_edits, restated
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import TO_BE_CONFIGURED, absolute, beside
from graphfix.pipeline_config.resizers import largest_size
from graphfix.planning.anchors import AnchorCarry, carry_anchors, clipped, fresh_anchors, reordered
from graphfix.planning.classes import SurgeryRequest, resolve_classes, same_classes, trained_ids
from graphfix.planning.config_edits import Paths, plan_config
from graphfix.planning.dtypes import check_types
from graphfix.planning.edits import output_names
from graphfix.planning.freeze import kept_patterns, plan_freeze
from graphfix.planning.plan import Plan, plan_tensors, remarks
from graphfix.planning.plan_rules import check_names
from graphfix.restore import trainers

Findings = Tuple[Finding, ...]


def make_plan(context: Context, *, place: str, resumable: bool, classes_given: bool = True) -> Plan:
    """The plan for a source and options.

    `place` is the output's directory as the trainer will see it, unless an option says otherwise;
    `resumable` says that a complete training checkpoint is written, too.  Unless new classes or
    anchors must be given (`classes_given`), a source keeps its classes.

    Raises:
      RequestError, SourceError: what is asked for does not fit the source.
    """
    source, options, api = context.source, context.options, context.api
    assert api is not None, "a replayed plan is not made again"
    model, message, metas = source.model, source.config.message, source.metas
    check_names(metas, subject=os.path.basename(source.prefix))
    classes, about_classes = _classes(context, classes_given)
    carry, anchor_changes, about_anchors = _anchors(context)
    kept_meanings, about_meanings = trained_meanings(source, api=api, source_api=options.source_api)
    request = SurgeryRequest(
        classes,
        trained_ids(context.names, model.classes),
        options.new_rows,
        options.seed,
        options.weights,
        options.trainer,
        api.revision,
        carry,
    )
    edits, additions = plan_tensors(
        model,
        metas,
        request,
        averages_used=message.eval_config.use_moving_averages,
        shadowed=options.trainer != trainers.MODEL_MAIN
        and message.train_config.optimizer.use_moving_average,
        quantization_delay=message.graph_rewriter.quantization.delay,
    )
    going_out = {
        edit.output_name: metas[edit.tensor]
        for edit in edits
        if edit.output_name is not None and edit.reads
    }
    about_types = check_types(model, going_out, subject=os.path.basename(source.prefix))
    if options.freeze:
        variables = {
            name for name in output_names(edits, additions) if not name.endswith(MOVING_AVERAGE)
        }
        freeze, about_freeze = plan_freeze(model, variables, options.freeze, message)
    else:
        freeze, about_freeze = (), kept_patterns(message)
    pins = tuple(
        ConfigEdit(path, str(value), "the width of the trained layers")
        for path, value in model.pins
    )
    counted, about_data = own_data(
        source.config, options, before=model.classes, classes=len(classes)
    )
    checkpoint = options.fine_tune_checkpoint or os.path.join(place, CHECKPOINT)
    config_edits, about_config = plan_config(
        source.config,
        model.meta,
        len(classes) + model.class_field_offset,
        target_api=api.revision,
        trainer=options.trainer,
        resumable=resumable,
        paths=Paths(
            checkpoint,
            beside(checkpoint, LABEL_MAP),
            options.train_record and absolute(options.train_record),
            options.eval_record and absolute(options.eval_record),
        ),
        extra=pins + anchor_changes + kept_meanings + freeze + counted,
        schema=api.schema,
        new_ids={one.sources[0]: one.id for one in classes if len(one.sources) == 1},
    )
    findings = (
        source.findings
        + context.names_findings
        + about_config
        + context.findings
        + about_types
        + about_classes
        + unlearned(classes, options.train_record)
        + about_data
        + about_anchors
        + about_meanings
        + about_freeze
        + remarks(model, request)
    )
    return Plan(
        source.digest,
        api.revision,
        options.trainer,
        classes,
        edits,
        additions,
        config_edits,
        by_severity(findings),
        context.anchor_order,
        context.source_names,
    )


def with_place(plan: Plan, place: str) -> Plan:
    """A replayed plan for `place`, where it left its place open; with a finding where its config
    looks for the checkpoint elsewhere."""
    here = quote(os.path.join(place, CHECKPOINT))
    filled = {
        quote(os.path.join(TO_BE_CONFIGURED, name)): quote(os.path.join(place, name))
        for name in (CHECKPOINT, LABEL_MAP)
    }
    plan = dataclasses.replace(
        plan,
        config_edits=tuple(
            dataclasses.replace(edit, literal=filled[edit.literal])
            if edit.literal in filled
            else edit
            for edit in plan.config_edits
        ),
    )
    elsewhere = tuple(
        Finding(
            "PLANNED_PATH",
            WARNING,
            "fine_tune_checkpoint",
            f"is {edit.literal}, as the plan says, and not this output's",
            "move the output there, or plan with "
            "--output_directory or --fine_tune_checkpoint as they will be",
        )
        for edit in plan.config_edits
        if edit.path[-1] == "fine_tune_checkpoint" and edit.literal not in (None, here)
    )
    return with_findings(plan, tuple(plan.findings) + elsewhere)


def with_findings(plan: Plan, findings: Findings) -> Plan:
    """The plan with other findings, each once, the worst first."""
    return dataclasses.replace(plan, findings=by_severity(dict.fromkeys(findings)))


def _classes(context: Context, given: bool):
    options, count = context.options, context.source.model.classes
    asked = context.target or context.num_classes is not None or options.map
    if (options.anchors or not given) and not asked:
        return same_classes(context.names, count)
    return resolve_classes(
        source=context.names,
        source_classes=count,
        target=context.target,
        num_classes=context.num_classes,
        mappings=options.map,
    )


def _anchors(context: Context) -> Tuple[Optional[AnchorCarry], Tuple[ConfigEdit, ...], Findings]:
    """How the heads follow the new anchors, or another order of theirs: carry, config edits,
    findings.

    Raises:
      RequestError: they cannot follow.
    """
    new = context.anchors
    source, model = context.source, context.source.model
    if new is None:
        return reordered(context.anchor_order, model), (), ()
    shared = len(model.anchors.maps) > 1 and all(head.map is None for head in model.heads)
    if context.options.anchor_boxes == AnchorBoxes.RANDOM:
        carry, findings = fresh_anchors(model.anchors, new.spec, image=model.image, shared=shared)
    else:
        carry, findings = carry_anchors(
            model.anchors, new.spec, model.coder, image=model.image, shared=shared
        )
    if model.meta == FASTER_RCNN and carry.recodes:
        body = getattr(source.config.message.model, model.meta)
        findings += (clipped(model.anchors, new.spec, carry, largest_size(body.image_resizer)),)
    field = ("model", model.meta, ANCHOR_FIELD[model.meta])
    edits = anchor_edits(field, source.config.document, new.document)
    # The config has these already, but the source was trained with others.
    if not edits and model.anchors != describe_anchors(new.message, "--anchors", model.image):
        edits = restated(field, new.document)
    return carry, edits, findings
