"""Carries a plan out, and writes what comes of it."""

import dataclasses
import difflib
import os
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from graphfix.conversion.context import Context
from graphfix.conversion.decide import with_findings
from graphfix.conversion.graphs import rewritten_graphs
from graphfix.detectors.anchor_generators import AnchorSpec, describe_anchors
from graphfix.detectors.families import ANCHOR_FIELD
from graphfix.detectors.membership import strangers
from graphfix.formats import extents
from graphfix.formats.checkpoint import writer
from graphfix.formats.extents import Pieces
from graphfix.formats.tensors import TensorStore, TensorView
from graphfix.formats.textproto import Document
from graphfix.modeldir import ownership
from graphfix.modeldir.checkpoint_state import write_state
from graphfix.modeldir.destinations import Destination, Stage
from graphfix.modeldir.measuring import Content, Figures, content_of, meant_of
from graphfix.modeldir.names import (
    CHECKPOINT,
    CONFIG,
    LABEL_MAP,
    MANIFEST,
    PLAN_JSON,
    REPORT_HTML,
    REPORT_JSON,
    SAVED_MODEL,
    SAVED_MODEL_VARIABLES,
    TRAINING_CHECKPOINT,
)
from graphfix.pipeline_config.anchor_generators import touches_anchors
from graphfix.pipeline_config.document import bound_config
from graphfix.pipeline_config.edits import apply_edits
from graphfix.pipeline_config.label_map import format_label_map
from graphfix.planning import edits as tensor_edits
from graphfix.planning.non_finite_check import not_finite
from graphfix.planning.plan import Plan
from graphfix.planning.plan_json import to_json
from graphfix.process.background import Background
from graphfix.report import html
from graphfix.report.exports import Export
from graphfix.report.report import MapAnchorsChange, Report
from graphfix.restore import training_state


class Output(NamedTuple):
    """What a plan makes of a source: tensors, config, graphs by their path in the output.

    `plan` has the findings of what only values and graphs show; `anchors` are the output's to the
    API that will train, None where they are the source's, `described` what its config describes.
    """

    plan: Plan
    tensors: TensorStore
    config: Document
    graphs: Mapping[str, Pieces]
    anchors: Optional[AnchorSpec]
    described: AnchorSpec


# What an output in a directory can be exported to.
Exports = Callable[[Context, Output, str], Tuple[Export, ...]]


def apply(plan: Plan, context: Context) -> Output:
    """Carries a plan out.  Tensors are views, read and computed when they are written.

    Raises:
      SourceError: a tensor of the source is damaged, or a graph cannot be rewritten that has to be.
    """
    source = context.source
    tensors = tensor_edits.apply_edits(plan.edits, plan.additions, source.store)
    names = dict(enumerate(context.source_names, 1))
    told = tuple(not_finite(source.model, source.store, plan.edits, names))
    plan = with_findings(plan, plan.findings + told)
    config = apply_edits(source.config.document, plan.config_edits)
    generator = new_generator(context, plan, config)
    plan, graphs = rewritten_graphs(
        source, plan, generator, tensors, required=context.options.require_graph
    )
    anchors = generator and describe_anchors(
        generator, CONFIG, source.model.image, api=plan.target_api
    )
    described = (
        describe_anchors(generator, CONFIG, source.model.image)
        if generator
        else source.model.anchors
    )
    return Output(plan, tensors, config, graphs, anchors, described)


def write(
    output: Output,
    stage: Stage,
    context: Context,
    destination: Destination,
    exports: Optional[Exports] = None,
) -> Tuple[Report, Figures, Dict[str, Content]]:
    """Writes checkpoint, config, graphs, label map, plan and report into a stage.

    One thread copies tensors.  The other writes the other files meanwhile, and then reads back what
    was copied: the figures that come of it, and what the other files are to have, are `verify`'s.
    """
    directory, plan, figures = stage.directory, output.plan, Figures()
    meant: Dict[str, Content] = {}

    def put(name: str, data: bytes) -> None:
        meant[name] = content_of(data)
        write_file(directory, name, data)

    bundles = [(output.tensors, os.path.join(directory, CHECKPOINT))]
    if stage.model_dir is not None:
        tensors = training_tensors(output, context)
        bundles.append((tensors, os.path.join(stage.model_dir, TRAINING_CHECKPOINT)))

    def write_bundles(step: Callable[[], None]) -> None:
        def written(view: TensorView) -> None:
            step()
            figures.add(view)

        try:
            for tensors, prefix in bundles:
                writer.write_bundle(tensors, prefix, written)
        finally:
            figures.close()
        figures.work(step)

    with Background(write_bundles):
        for _, prefix in bundles:
            write_state(*os.path.split(prefix))
        put(CONFIG, output.config.encode())
        for name, pieces in output.graphs.items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            extents.write(path, pieces)
            figures.add_file(path)
            meant[name] = meant_of(pieces)
        if SAVED_MODEL in output.graphs:
            # Empty as the exporter's, which has its variables as constants in the graph.
            os.mkdir(os.path.join(directory, SAVED_MODEL_VARIABLES))
        put(LABEL_MAP, format_label_map(plan.label_map).encode())
        put(PLAN_JSON, to_json(plan).encode())
        report = _report(output, stage, context, destination)
        if exports:
            told = exports(context, output, destination.place)
            report = dataclasses.replace(report, exports=told)
        put(REPORT_JSON, report.to_json().encode())
        put(REPORT_HTML, html.render(report).encode())
        figures.work()
    return report, figures, meant


def write_file(directory: str, name: str, data: bytes) -> None:
    """Writes a file of a stage, which is synced when it is published."""
    path = os.path.join(directory, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def training_tensors(output: Output, context: Context) -> TensorStore:
    """The tensors of a complete training checkpoint: the output's, and the optimizer's state."""
    source = context.source
    return training_state.complete(output.tensors, source.config.message, source.config_path)


def new_generator(context: Context, plan: Plan, config: Document) -> Any:
    """The AnchorGenerator message of the output's config, None where its anchors are the
    source's."""
    if not plan.anchor_order and not touches_anchors(plan.config_edits):
        return None
    meta = context.source.model.meta
    return getattr(getattr(bound_config(config).message.model, meta), ANCHOR_FIELD[meta])


def _report(output: Output, stage: Stage, context: Context, destination: Destination) -> Report:
    source, plan = context.source, output.plan
    written = {*ownership.published(stage.directory), *writer.files_of(CHECKPOINT)}
    shapes = {
        edit.tensor: source.store[edit.tensor].meta.shape
        for edit in plan.edits
        if edit.channels is not None
    }
    return Report(
        source.path,
        source.model.family,
        plan,
        tuple(output.tensors),
        tuple(sorted(written | {REPORT_JSON, REPORT_HTML, MANIFEST})),
        tuple(
            difflib.unified_diff(
                source.config.document.text.splitlines(),
                output.config.text.splitlines(),
                "source/" + CONFIG,
                "output/" + CONFIG,
                lineterm="",
            )
        ),
        shapes,
        destination.model_dir and os.path.abspath(destination.model_dir),
        anchors=tuple(
            MapAnchorsChange(old.sizes, new.sizes)
            for old, new in zip(source.model.anchors.maps, output.anchors.maps)
        )
        if output.anchors
        else (),
        strangers=strangers(source.model, output.tensors),
    )
