"""The graphs of a source - its frozen graph, its SavedModel - rewritten for a plan's classes."""

import dataclasses
import os
from typing import Any, Dict, Optional, Tuple

from graphfix.detectors.anchor_generators import AnchorSpec, describe_anchors
from graphfix.detectors.families import FASTER_RCNN
from graphfix.errors import Problem, SourceError
from graphfix.findings import INFO, LEFT_OUT, WARNING, Finding, by_severity
from graphfix.formats.tensors import TensorStore
from graphfix.modeldir.names import CONFIG, FROZEN, SAVED_MODEL, TFLITE
from graphfix.modeldir.openers import Model
from graphfix.planning.plan import Plan

# Anchor generators that place anchors in parts of the image, wherever they are asked to.
_NORMALIZED = ("ssd_anchor_generator", "multiscale_anchor_generator")


def rewritten_graphs(
    source: Model, plan: Plan, generator: Any, outgoing: TensorStore, *, required: bool = False
) -> Tuple[Plan, Dict[str, bytes]]:
    """The bytes of each graph for the new classes and anchors, by its path in the output;
    `generator` is the new AnchorGenerator message, None where anchors stay, and `outgoing` are the
    output's tensors.

    A graph that cannot be rewritten is left out, and the plan that is returned has a finding that
    says why.

    Raises:
      SourceError: that is so, or there is no graph, and one is `required`.
    """
    made: Dict[str, bytes] = {}
    graphs = _graphs(source)
    if required and not graphs:
        raise SourceError(
            source.prefix,
            "has no frozen graph and no SavedModel beside it, and --require_graph is given",
            "put the graph beside it, or leave --require_graph out",
        )
    for name, path in graphs.items():
        try:
            message = _read(source, name, path)
            plan = _told(plan, _effects(message, path))
            _check_weights(message, path, source, plan)
            anchors = _new_anchors(source, generator, path, plan.target_api)
            made[name] = _rewritten(message, path, source, plan, anchors, outgoing)
            if anchors:
                plan = _told(
                    plan,
                    (
                        Finding(
                            "ANCHORS_CONSTANT",
                            INFO,
                            os.path.basename(path),
                            "has the new anchors%s as "
                            "constants, where they were computed before"
                            % ("' heights and widths" if source.model.meta == FASTER_RCNN else ""),
                            "there is nothing to do",
                        ),
                    ),
                )
        except SourceError as error:
            if required:
                raise
            plan = _told(plan, (_refused(error.problems[0]),))
    return plan, made


def graph_findings(source: Model) -> Tuple[Finding, ...]:
    """What there is to know of a source's graphs before one is run."""
    found: Tuple[Finding, ...] = ()
    for name, path in _graphs(source).items():
        try:
            found += _effects(_read(source, name, path), path)
        except SourceError as error:
            found += (_refused(error.problems[0]),)
    return found


def _graphs(source: Model) -> Dict[str, str]:
    """The files a source's graphs are in, by what they will be called."""
    beside = os.path.dirname(source.prefix)
    found = {
        FROZEN: source.frozen,
        TFLITE: os.path.join(beside, TFLITE),
        SAVED_MODEL: os.path.join(beside, SAVED_MODEL),
    }
    if source.frozen and os.path.basename(source.frozen) == TFLITE:
        found = {TFLITE: source.frozen}
    if os.path.isdir(source.prefix):
        found[SAVED_MODEL] = os.path.join(source.prefix, os.path.basename(SAVED_MODEL))
    return {name: path for name, path in found.items() if path and os.path.isfile(path)}


def _new_anchors(source: Model, message: Any, path: str, api: str) -> Optional[AnchorSpec]:
    """The anchors of the output, where they are not the source's."""
    model = source.model
    if message is None:
        return None
    kind = message.WhichOneof("anchor_generator_oneof")
    # The others place anchors in pixels, or as the image's size is while the graph runs.
    # A first stage's are put in as heights and widths, in the generator's own unit.
    if model.meta != FASTER_RCNN and (
        kind not in _NORMALIZED
        or not getattr(getattr(message, kind), "normalize_coordinates", True)
    ):
        raise SourceError(
            path,
            f"is not rewritten: the anchors of a {kind} cannot be put into a graph",
            "export the converted checkpoint with the stock exporter",
        )
    return describe_anchors(message, CONFIG, model.image, api=api)


# Graphs are large, and few models have one: their code is not loaded for nothing.
def _read(source: Model, name: str, path: str) -> Any:
    """The GraphDef or SavedModel of a file."""
    from graphfix.formats.graphdef import files

    if source.graph and path == source.frozen:
        return source.graph.graph_def
    if name in (FROZEN, TFLITE):
        return files.read_graph_def(path)
    return files.read_saved_model(os.path.dirname(path))


def _effects(message: Any, path: str) -> Tuple[Finding, ...]:
    from graphfix.formats.graphdef.effects import effects

    if message.DESCRIPTOR.name == "GraphDef":
        return effects(message, os.path.basename(path))
    return tuple(
        dict.fromkeys(
            finding
            for meta in message.meta_graphs
            for finding in effects(meta.graph_def, os.path.basename(path))
        )
    )


def _check_weights(message: Any, path: str, source: Model, plan: Plan) -> None:
    from graphfix.graph_rewrite.weights import check_weights

    graphs = (
        [message]
        if message.DESCRIPTOR.name == "GraphDef"
        else [meta.graph_def for meta in message.meta_graphs]
    )
    for graph_def in graphs:
        # What was thawed from this very graph needs no look.
        if path not in (source.prefix, os.path.join(source.prefix, os.path.basename(SAVED_MODEL))):
            check_weights(graph_def, source.store, plan.edits, subject=path)


def _rewritten(
    message: Any,
    path: str,
    source: Model,
    plan: Plan,
    anchors: Optional[AnchorSpec],
    outgoing: TensorStore,
) -> bytes:
    from graphfix.formats.graphdef import files
    from graphfix.graph_rewrite.rewrite import rewrite
    from graphfix.graph_rewrite.saved_model import rewrite_saved_model

    classes, carried = len(plan.classes), (source.store, outgoing)
    if message.DESCRIPTOR.name == "GraphDef":
        graph = (
            source.graph.copy()
            if source.graph and path == source.frozen
            else files.open_graph(message, path)
        )
        rewrite(
            graph, source.model, classes, plan.edits, subject=path, anchors=anchors, carried=carried
        )
        return files.graph_to_bytes(graph)
    for folder in ("variables", "assets"):
        where = os.path.join(os.path.dirname(path), folder)
        if os.path.isdir(where) and os.listdir(where):
            raise SourceError(
                path,
                f"is not rewritten: it has files in '{folder}'",
                "export the converted checkpoint with the stock exporter",
            )
    rewrite_saved_model(
        message, source.model, classes, plan.edits, subject=path, anchors=anchors, carried=carried
    )
    return files.to_bytes(message)


def _refused(why: Problem) -> Finding:
    return Finding(LEFT_OUT, WARNING, os.path.basename(why.subject), why.message, why.remedy)


def _told(plan: Plan, findings: Tuple[Finding, ...]) -> Plan:
    # A plan that is replayed knows them already.
    return dataclasses.replace(plan, findings=by_severity(dict.fromkeys(plan.findings + findings)))
