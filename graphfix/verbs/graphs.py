"""The graphs of a source - its frozen graph, its SavedModel - rewritten for a plan's classes."""

import dataclasses
import os
from typing import Any, Dict, Tuple

from graphfix.errors import Problem, SourceError
from graphfix.findings import WARNING, Finding, by_severity
from graphfix.source import FROZEN, Source
from graphfix.surgery.plan import SurgeryPlan

# Where the stock exporter leaves its SavedModel, beside the checkpoint and the frozen graph.
SAVED_MODEL = "saved_model/saved_model.pb"


def rewritten_graphs(source: Source, plan: SurgeryPlan) -> Tuple[SurgeryPlan, Dict[str, bytes]]:
    """The bytes of each graph for the new classes, by its path in the output.

    A graph that cannot be rewritten is left out, and the plan that is returned has a finding that
    says why.
    """
    made = {}  # type: Dict[str, bytes]
    for name, path in _graphs(source).items():
        try:
            message = _read(name, path)
            plan = _told(plan, _effects(message, path))
            if any("anchor_generator" in step for edit in plan.config_edits for step in edit.path):
                raise SourceError(path, "is not rewritten: its anchors would have to change",
                                  "export the converted checkpoint with the stock exporter")
            made[name] = _rewritten(message, path, source, plan)
        except SourceError as error:
            plan = _told(plan, (_refused(error.problems[0]),))
    return plan, made


def graph_findings(source: Source) -> Tuple[Finding, ...]:
    """What there is to know of a source's graphs before one is run."""
    found = ()  # type: Tuple[Finding, ...]
    for name, path in _graphs(source).items():
        try:
            found += _effects(_read(name, path), path)
        except SourceError as error:
            found += (_refused(error.problems[0]),)
    return found


def _graphs(source: Source) -> Dict[str, str]:
    """The files a source's graphs are in, by what they will be called."""
    beside = os.path.dirname(source.prefix)
    found = {FROZEN: source.frozen, SAVED_MODEL: os.path.join(beside, SAVED_MODEL)}
    if os.path.isdir(source.prefix):
        found[SAVED_MODEL] = os.path.join(source.prefix, os.path.basename(SAVED_MODEL))
    return {name: path for name, path in found.items() if path and os.path.isfile(path)}


# Graphs are large, and few models have one: their code is not loaded for nothing.
def _read(name: str, path: str) -> Any:
    """The GraphDef or SavedModel of a file."""
    from graphfix.graphdef import files
    if name == FROZEN:
        return files.read_graph_def(path)
    return files.read_saved_model(os.path.dirname(path))


def _effects(message: Any, path: str) -> Tuple[Finding, ...]:
    from graphfix.graphdef.effects import effects
    if message.DESCRIPTOR.name == "GraphDef":
        return effects(message, os.path.basename(path))
    return tuple(dict.fromkeys(
        finding for meta in message.meta_graphs
        for finding in effects(meta.graph_def, os.path.basename(path))))


def _rewritten(message: Any, path: str, source: Source, plan: SurgeryPlan) -> bytes:
    from graphfix.frozen.rewrite import rewrite
    from graphfix.frozen.saved_model import rewrite_saved_model
    from graphfix.graphdef import files
    classes = len(plan.classes)
    if message.DESCRIPTOR.name == "GraphDef":
        graph = files.open_graph(message, path)
        rewrite(graph, source.model, classes, plan.edits, subject=path)
        return files.to_bytes(graph.to_graph_def())
    for folder in ("variables", "assets"):
        where = os.path.join(os.path.dirname(path), folder)
        if os.path.isdir(where) and os.listdir(where):
            raise SourceError(path, "is not rewritten: it has files in '%s'" % folder,
                              "export the converted checkpoint with the stock exporter")
    rewrite_saved_model(message, source.model, classes, plan.edits, subject=path)
    return files.to_bytes(message)


def _refused(why: Problem) -> Finding:
    return Finding("FROZEN_GRAPH", WARNING, os.path.basename(why.subject), why.message, why.remedy)


def _told(plan: SurgeryPlan, findings: Tuple[Finding, ...]) -> SurgeryPlan:
    # A plan that is replayed knows them already.
    return dataclasses.replace(plan, findings=by_severity(
        dict.fromkeys(plan.findings + findings)))
