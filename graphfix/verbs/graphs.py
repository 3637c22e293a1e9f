"""The graphs of a source - its frozen graph, its SavedModel - rewritten for a plan's classes."""

import dataclasses
import os
from typing import Dict, Tuple

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
            if any("anchor_generator" in step for edit in plan.config_edits for step in edit.path):
                raise SourceError(path, "is not rewritten: its anchors would have to change",
                                  "export the converted checkpoint with the stock exporter")
            made[name] = _rewritten(name, path, source, plan)
        except SourceError as error:
            plan = _told(plan, error.problems[0])
    return plan, made


def _graphs(source: Source) -> Dict[str, str]:
    """The files a source's graphs are in, by what they will be called."""
    beside = os.path.dirname(source.prefix)
    found = {FROZEN: source.frozen, SAVED_MODEL: os.path.join(beside, SAVED_MODEL)}
    if os.path.isdir(source.prefix):
        found[SAVED_MODEL] = os.path.join(source.prefix, os.path.basename(SAVED_MODEL))
    return {name: path for name, path in found.items() if path and os.path.isfile(path)}


def _rewritten(name: str, path: str, source: Source, plan: SurgeryPlan) -> bytes:
    # Graphs are large, and few conversions have one: their code is not loaded for nothing.
    from graphfix.frozen.rewrite import rewrite
    from graphfix.frozen.saved_model import rewrite_saved_model
    from graphfix.graphdef import files
    if name == FROZEN:
        graph = files.open_graph(files.read_graph_def(path), path)
        rewrite(graph, source.model, len(plan.classes), plan.edits, subject=path)
        return files.to_bytes(graph.to_graph_def())
    directory = os.path.dirname(path)
    for folder in ("variables", "assets"):
        if os.path.isdir(os.path.join(directory, folder)) and \
                os.listdir(os.path.join(directory, folder)):
            raise SourceError(path, "is not rewritten: it has files in '%s'" % folder,
                              "export the converted checkpoint with the stock exporter")
    saved = files.read_saved_model(directory)
    rewrite_saved_model(saved, source.model, len(plan.classes), plan.edits, subject=path)
    return files.to_bytes(saved)


def _told(plan: SurgeryPlan, why: Problem) -> SurgeryPlan:
    finding = Finding("FROZEN_GRAPH", WARNING, os.path.basename(why.subject), why.message, why.remedy)
    known = plan.findings if finding in plan.findings else plan.findings + (finding,)
    return dataclasses.replace(plan, findings=by_severity(known))
