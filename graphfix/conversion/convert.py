"""convert: a model for new classes, published whole.  plan: what that would do."""

import dataclasses
import difflib
import os
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from graphfix.conversion.graphs import new_generator, rewritten_graphs
from graphfix.detectors.anchor_generators import describe_anchors
from graphfix.detectors.config_heads import first_image
from graphfix.detectors.families import ANCHOR_FIELD, FASTER_RCNN, MOVING_AVERAGE
from graphfix.detectors.membership import strangers
from graphfix.errors import RequestError, SourceError, VerificationError
from graphfix.findings import WARNING, Finding, by_severity
from graphfix.formats.checkpoint import writer
from graphfix.formats.tensors import TensorStore
from graphfix.formats.textproto import Document, quote
from graphfix.modeldir import manifest, ownership, publishing
from graphfix.modeldir import openers as sources
from graphfix.modeldir.checkpoint_state import write_state
from graphfix.modeldir.openers import CONFIG, LABEL_MAP, SAVED_MODEL, Source
from graphfix.pipeline_config.anchor_generators import anchor_edits, parse_anchors
from graphfix.pipeline_config.edits import ConfigEdit, apply_edits
from graphfix.pipeline_config.label_map import Label, LabelMap, format_label_map, parse_label_map
from graphfix.planning.anchors import carry_anchors, clipped, fresh_anchors
from graphfix.planning.apply import apply_plan
from graphfix.planning.classes import SurgeryRequest, resolve_classes, same_classes, trained_ids
from graphfix.planning.config_edits import Paths, plan_config
from graphfix.planning.dtypes import check_types
from graphfix.planning.edits import Drop, Gather, Keep, Reset
from graphfix.planning.freeze import kept_patterns, plan_freeze
from graphfix.planning.non_finite_check import not_finite
from graphfix.planning.plan import SurgeryPlan, plan_tensors, remarks
from graphfix.planning.plan_check import check_plan
from graphfix.planning.plan_json import read_plan, to_json
from graphfix.report import html
from graphfix.report.report import (
    CHECKPOINT,
    PLAN_JSON,
    REPORT_HTML,
    REPORT_JSON,
    MapAnchorsChange,
    Report,
)
from graphfix.restore import trainers, training_state
from graphfix.stock_api.target_api import find_target_api
from graphfix.verification.copies import FAULT, check_copies
from graphfix.verification.judge import describe_output, judge
from graphfix.verification.models import check_model, requested


@dataclasses.dataclass(frozen=True)
class Target:
    """The target flags, as the command line gives them."""

    label_map_path: Optional[str] = None
    num_classes: Optional[int] = None
    source_label_map_path: Optional[str] = None
    map: Sequence[str] = ()
    new_rows: str = "prior"
    seed: int = 0
    weights: str = "auto"
    target_api: str = "auto"
    trainer: str = "any"
    fine_tune_checkpoint: Optional[str] = None
    train_record: Optional[str] = None
    eval_record: Optional[str] = None
    anchors: Optional[str] = None
    anchor_boxes: str = "carry"
    freeze: Optional[str] = None

    @property
    def paths(self) -> List[str]:
        """What of the target is read, or is to be read by the trainer."""
        return [
            path
            for path in (
                self.label_map_path,
                self.source_label_map_path,
                self.anchors,
                self.train_record,
                self.eval_record,
            )
            if path
        ]


def make_plan(
    source: Source, target: Target, *, output_directory: Optional[str], resumable: bool
) -> SurgeryPlan:
    """The plan for a source and a target.

    Raises:
      RequestError, SourceError: the target does not fit the source, or a file is damaged.
    """
    api, schema, findings = find_target_api(target.target_api)
    label_map = None
    if target.label_map_path:
        label_map = parse_label_map(
            sources.read_file(target.label_map_path, pipes=True), target.label_map_path
        )
        if label_map.unused:
            findings += (
                Finding(
                    "LABEL_MAP_FIELDS",
                    WARNING,
                    target.label_map_path,
                    (
                        "has fields that are not written "
                        f"to the output's label map: {', '.join(label_map.unused)}"
                    ),
                    "point the config to your own label map, where something reads them",
                ),
            )
    known, told_names = sources.source_labels(
        source,
        target.source_label_map_path,
        target=label_map,
        target_path=target.label_map_path or "",
    )
    asked = target.label_map_path or target.num_classes is not None or target.map
    if target.anchors and not asked:
        classes, more = same_classes(known, source.model.classes), ()
    else:
        classes, more = resolve_classes(
            source=known,
            source_classes=source.model.classes,
            target=label_map,
            num_classes=target.num_classes,
            mappings=target.map,
        )
    carry, anchor_changes, told = plan_anchors(source, target.anchors, target.anchor_boxes)
    request = SurgeryRequest(
        classes,
        trained_ids(known, source.model.classes),
        target.new_rows,
        target.seed,
        target.weights,
        target.trainer,
        api,
        carry,
    )
    message = source.config.message
    optimizer = message.train_config.optimizer
    metas = source.metas
    edits, additions = plan_tensors(
        source.model,
        metas,
        request,
        averages_used=message.eval_config.use_moving_averages,
        shadowed=target.trainer != trainers.MODEL_MAIN and optimizer.use_moving_average,
        quantization_delay=message.graph_rewriter.quantization.delay,
    )
    findings += check_types(
        source.model,
        {
            getattr(edit, "to", edit.tensor): metas[edit.tensor]
            for edit in edits
            if not isinstance(edit, (Drop, Reset))
        },
        subject=os.path.basename(source.prefix),
    )
    freeze, more_told = (
        plan_freeze(source.model, _outgoing(edits, additions), target.freeze, message)
        if target.freeze
        else ((), kept_patterns(message))
    )
    checkpoint = target.fine_tune_checkpoint or os.path.join(
        os.path.abspath(output_directory or "OUT"), CHECKPOINT
    )
    pins = tuple(
        ConfigEdit(path, str(value), "the width of the trained layers")
        for path, value in source.model.pins
    )
    config_edits, about = plan_config(
        source.config,
        source.model.meta,
        len(classes) + source.model.class_field_offset,
        target_api=api,
        trainer=target.trainer,
        resumable=resumable,
        paths=Paths(
            checkpoint,
            os.path.join(os.path.dirname(checkpoint), LABEL_MAP),
            target.train_record,
            target.eval_record,
        ),
        extra=pins + anchor_changes + freeze,
        schema=schema,
        new_ids={one.sources[0]: one.id for one in classes if len(one.sources) == 1},
    )
    return SurgeryPlan(
        source.digest,
        api,
        target.trainer,
        classes,
        edits,
        additions,
        config_edits,
        by_severity(
            source.findings
            + told_names
            + about
            + findings
            + more
            + told
            + more_told
            + remarks(source.model, request)
        ),
    )


def _outgoing(edits, additions) -> Set[str]:
    """The names of the model's variables in the output."""
    names = {getattr(edit, "to", edit.tensor) for edit in edits if not isinstance(edit, Drop)}
    return {
        name
        for name in names | {one.name for one in additions}
        if not name.endswith(MOVING_AVERAGE)
    }


def plan_anchors(source: Source, path: Optional[str], boxes: str):
    """How a model's heads follow the anchors of a file: carry, config edits, findings.

    Raises:
      GraphfixError: the file is damaged, or the heads cannot follow.
    """
    if path is None:
        if boxes != "carry":
            raise RequestError(
                "--anchor_boxes",
                "is given without --anchors",
                "give the new anchors with --anchors FILE, or leave it out",
            )
        return None, (), ()
    model = source.model
    document, message = parse_anchors(sources.read_file(path, pipes=True), path)
    body = getattr(source.config.message.model, model.meta)
    anchors = describe_anchors(message, path, model.image)
    fit = dict(
        image=model.image,
        shared=len(model.anchors.maps) > 1 and all(head.map is None for head in model.heads),
    )
    if boxes == "random":
        carry, findings = fresh_anchors(model.anchors, anchors, **fit)
    else:
        carry, findings = carry_anchors(model.anchors, anchors, model.coder, **fit)
    if model.meta == FASTER_RCNN and carry.recodes:
        findings += (clipped(model.anchors, anchors, carry, first_image(body.image_resizer)),)
    return (
        carry,
        anchor_edits(
            ("model", model.meta, ANCHOR_FIELD[model.meta]), source.config.document, document
        ),
        findings,
    )


def convert(
    source_path: str,
    target: Target,
    *,
    output_directory: str,
    overwrite: bool,
    plan_path: Optional[str] = None,
    config_path: Optional[str] = None,
    model_dir: Optional[str] = None,
    made_of: Optional[Callable[[Report], Dict[str, Any]]] = None,
) -> Report:
    """Converts, verifies and publishes; the report is also in the output directory.

    `made_of` says what the manifest is to record of what the output was made of.

    Raises:
      GraphfixError: nothing was published, and what was there before still is.
    """
    destinations = [output_directory] + ([model_dir] if model_dir else [])
    inputs = [path for path in (source_path, config_path, plan_path) if path] + target.paths
    publishing.check_destinations(destinations, overwrite=overwrite, inputs=inputs)
    source = sources.open_source(source_path, config_path=config_path)
    inputs += source.paths
    if plan_path:
        plan = read_plan(plan_path, pipes=True)
        check_plan(plan, source, plan_path)
        plan = _with_other_place(plan, output_directory)
    else:
        plan = make_plan(
            source, target, output_directory=output_directory, resumable=bool(model_dir)
        )
    outgoing = apply_plan(plan.edits, plan.additions, source.store)
    plan = _with_not_finite(plan, source, target)
    config = apply_edits(source.config.document, plan.config_edits)
    plan, graphs = rewritten_graphs(source, plan, config, outgoing)
    with publishing.staged(*destinations, overwrite=overwrite, inputs=inputs) as stages:
        staging = stages[0]
        writer.write_bundle(outgoing, os.path.join(staging, CHECKPOINT))
        write_state(staging, CHECKPOINT)
        _write(staging, CONFIG, config.encode())
        for name, data in graphs.items():
            _write(staging, name, data)
        if SAVED_MODEL in graphs:
            # Empty as the exporter's, which has its variables as constants in the graph.
            os.mkdir(os.path.join(staging, os.path.dirname(SAVED_MODEL), "variables"))
        _write(
            staging,
            LABEL_MAP,
            format_label_map(
                LabelMap(
                    tuple(
                        Label(one.id, one.name, one.display_name)
                        for one in plan.classes
                        if one.name
                    )
                )
            ).encode(),
        )
        _write(staging, PLAN_JSON, to_json(plan).encode())
        report = _report(
            source_path,
            source,
            target,
            plan,
            tuple(outgoing),
            model_dir=model_dir,
            written=ownership.published(staging),
            config=config.text,
        )
        _write(staging, REPORT_JSON, report.to_json().encode())
        _write(staging, REPORT_HTML, html.render(report).encode())
        _seal(staging, report, outgoing, source, config, made_of and made_of(report))
        if model_dir:
            _write_model_dir(stages[1], outgoing, source)
    return report


def _seal(
    staging: str,
    report: Report,
    outgoing: TensorStore,
    source: Source,
    config: Document,
    made_of: Optional[Dict[str, Any]],
) -> None:
    """Reads all back that was written, judges it, and records it.

    Raises:
      VerificationError: it is not what was meant.
    """
    plan = report.plan
    measured = manifest.measure(staging)
    check_copies(CHECKPOINT, outgoing, measured, source=source.store, edits=plan.edits)
    try:
        described = describe_output(staging, measured.stores[CHECKPOINT])
    except SourceError as error:
        raise VerificationError.collected(error.problems) from None
    generator = new_generator(source, plan, config.encode())
    anchors = (
        source.model.anchors
        if generator is None
        else describe_anchors(generator, CONFIG, source.model.image)
    )
    check_model(described[1], requested(source.model, plan, anchors), CONFIG)
    record, _ = manifest.write(staging, measured=measured, model=described[1], made_of=made_of)
    judgement = judge(staging, record, measured, described, remedy=FAULT)
    if judgement.problems:
        raise VerificationError.collected(judgement.problems)


def _source_names(source: Source, target: Target, plan: SurgeryPlan) -> Dict[int, str]:
    """The display names of the source's classes by id, as far as the plan knew them."""
    labels = sources.source_labels(
        source,
        target.source_label_map_path,
        beside=not any(one.code == sources.NOT_THE_SOURCES for one in plan.findings),
    ).labels
    return {label.id: label.display_name for label in labels.labels} if labels else {}


def _with_not_finite(plan: SurgeryPlan, source: Source, target: Target) -> SurgeryPlan:
    """The plan, with findings of what only its values show."""
    names = _source_names(source, target, plan)
    told = plan.findings + tuple(not_finite(source.model, source.store, plan.edits, names))
    return dataclasses.replace(plan, findings=by_severity(dict.fromkeys(told)))


def _report(
    source_path: str,
    source: Source,
    target: Target,
    plan: SurgeryPlan,
    outgoing: Tuple[str, ...],
    *,
    model_dir: Optional[str],
    written: Sequence[str],
    config: str,
) -> Report:
    names = _source_names(source, target, plan)
    return Report(
        source_path,
        source.model.family,
        plan,
        outgoing,
        tuple(sorted(list(written) + [REPORT_JSON, REPORT_HTML, manifest.MANIFEST])),
        tuple(
            difflib.unified_diff(
                source.config.document.text.splitlines(),
                config.splitlines(),
                "source/" + CONFIG,
                "output/" + CONFIG,
                lineterm="",
            )
        ),
        tuple(names.get(number, "") for number in range(1, source.model.classes + 1)),
        {
            edit.tensor: source.store[edit.tensor].meta.shape
            for edit in plan.edits
            if isinstance(edit, Gather)
        },
        model_dir,
        anchors=_anchors(source, plan, config),
        strangers=strangers(source.model, outgoing),
    )


def _anchors(source: Source, plan: SurgeryPlan, config: str) -> Tuple[MapAnchorsChange, ...]:
    """The anchors of each feature map, before and after, where the plan changes them."""
    message = new_generator(source, plan, config.encode())
    if message is None:
        return ()
    after = describe_anchors(message, CONFIG, source.model.image)
    return tuple(
        MapAnchorsChange(old.sizes, new.sizes)
        for old, new in zip(source.model.anchors.maps, after.maps)
    )


def _with_other_place(plan: SurgeryPlan, output_directory: str) -> SurgeryPlan:
    """A replayed plan, with a remark where its config will look for the checkpoint elsewhere."""
    here = quote(os.path.join(os.path.abspath(output_directory), CHECKPOINT))
    findings = list(plan.findings)
    for edit in plan.config_edits:
        if edit.path[-1] == "fine_tune_checkpoint" and edit.literal not in (None, here):
            findings.append(
                Finding(
                    "PLANNED_PATH",
                    WARNING,
                    "fine_tune_checkpoint",
                    (f"is {edit.literal}, as the plan says, and not this output's"),
                    "move the output there, or plan with "
                    "--output_directory or --fine_tune_checkpoint as they will be",
                )
            )
    return dataclasses.replace(plan, findings=by_severity(dict.fromkeys(findings)))


def _write_model_dir(staging: str, outgoing, source: Source) -> None:
    complete = training_state.complete(outgoing, source.config.message, source.config_path)
    prefix = os.path.join(staging, "model.ckpt-0")
    writer.write_bundle(complete, prefix)
    write_state(staging, "model.ckpt-0")
    _, measured = manifest.write(staging)
    check_copies("model.ckpt-0", complete, measured)


def _write(directory: str, name: str, data: bytes) -> None:
    path = os.path.join(directory, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def format_plan(plan: SurgeryPlan) -> List[str]:
    """The plan as a table's lines: the classes, what is not simply kept, and the config's changes."""
    rows = ["classes:"]
    for one in plan.classes:
        rows.append(
            "  %4d  %-30s %s"
            % (
                one.id,
                one.display_name or "(no class)",
                " + ".join(f"old {number}" for number in one.sources) or "new",
            )
        )
    rows.append(f"tensors: {len(plan.edits)}, of which {plan.count(Keep)} are kept as they are")
    for edit in plan.edits:
        if not isinstance(edit, Keep):
            rows.append(
                "  %-7s %s%s"
                % (
                    type(edit).__name__.lower(),
                    edit.tensor,
                    (f" -> {len(edit.index)} channels") if hasattr(edit, "index") else "",
                )
            )
    rows.append(f"added: {len(plan.additions)}")
    rows.append("config:")
    for edit in plan.config_edits:
        rows.append(f"  {'.'.join(edit.path)}: {edit.literal or 'removed'}  ({edit.reason})")
    return rows + [str(finding) for finding in plan.findings]
