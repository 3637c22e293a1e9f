"""The graphs of a source - its frozen graph, its SavedModel - rewritten for a plan's classes."""

import dataclasses
import os
from typing import Any, Dict, Iterable, Optional, Tuple

from graphfix.detectors.anchor_generators import AnchorSpec, describe_anchors
from graphfix.detectors.families import FASTER_RCNN
from graphfix.errors import Problem, SourceError
from graphfix.findings import INFO, LEFT_OUT, WARNING, Finding, by_severity
from graphfix.formats.extents import Pieces
from graphfix.formats.graphdef.kinds import saved_model_file
from graphfix.formats.tensors import TensorStore
from graphfix.modeldir.names import CONFIG, FROZEN, SAVED_MODEL, SAVED_MODEL_DIRECTORY, TFLITE
from graphfix.modeldir.openers import Model
from graphfix.planning.plan import Plan

# Anchor generators that place anchors in parts of the image, wherever they are asked to.
_NORMALIZED = ("ssd_anchor_generator", "multiscale_anchor_generator")


def rewritten_graphs(
    source: Model, plan: Plan, generator: Any, outgoing: TensorStore, *, required: bool = False
) -> Tuple[Plan, Dict[str, Pieces]]:
    """What each graph's file is to have for the new classes and anchors, by its path in the output;
    `generator` is the new AnchorGenerator message, None where anchors stay, and `outgoing` are the
    output's tensors.

    A graph that cannot be rewritten is left out, and the plan that is returned has a finding that
    says why.

    Raises:
      SourceError: that is so, or there is no graph, and one is `required`.
    """
    made: Dict[str, Pieces] = {}
    graphs = _graphs(source)
    if required and not graphs:
        raise SourceError(
            source.prefix,
            "has no frozen graph and no SavedModel beside it, and --require_graph is given",
            "put the graph beside it, or leave --require_graph out",
        )
    for name, path in graphs.items():
        try:
            file = _open(source, name, path)
            plan = _told(plan, _effects(file.graph_defs, path))
            _check_weights(file.graph_defs, path, source, plan)
            anchors = _new_anchors(source, generator, path, plan.target_api)
            made[name] = _rewritten(file, source, plan, anchors, outgoing)
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
            found += _effects(_open(source, name, path).graph_defs, path)
        except SourceError as error:
            found += (_refused(error.problems[0]),)
    return found


def _graphs(source: Model) -> Dict[str, str]:
    """The files a source's graphs are in, by what they will be called; what has a graph's name and
    is no file (a link to nothing, a pipe) is among them, for its opener to refuse."""
    beside = os.path.dirname(source.prefix)
    frozen = os.path.join(beside, FROZEN)
    found = {
        FROZEN: source.frozen or (None if os.path.isfile(frozen) else frozen),
        TFLITE: os.path.join(beside, TFLITE),
        SAVED_MODEL: saved_model_file(os.path.join(beside, SAVED_MODEL_DIRECTORY)),
    }
    if source.frozen and os.path.basename(source.frozen) == TFLITE:
        found = {TFLITE: source.frozen}
    if os.path.isdir(source.prefix):
        found[SAVED_MODEL] = saved_model_file(source.prefix)
    return {name: path for name, path in found.items() if path and os.path.lexists(path)}


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
def _open(source: Model, name: str, path: str) -> Any:
    """The GraphFile of a path."""
    from graphfix.formats.graphdef import files

    if source.graph_file is not None and source.graph_file.path == path:
        return source.graph_file
    if name in (FROZEN, TFLITE):
        return files.open_frozen(path)
    return files.open_saved_model(os.path.dirname(path))


def _effects(graph_defs: Iterable[Any], path: str) -> Tuple[Finding, ...]:
    from graphfix.formats.graphdef.effects import effects

    return tuple(
        dict.fromkeys(
            finding for one in graph_defs for finding in effects(one, os.path.basename(path))
        )
    )


def _check_weights(graph_defs: Iterable[Any], path: str, source: Model, plan: Plan) -> None:
    from graphfix.graph_rewrite.weights import check_weights

    # What was thawed from this very graph needs no look.
    if source.graph_file is None or source.graph_file.path != path:
        for graph_def in graph_defs:
            check_weights(graph_def, source.store, plan.edits, subject=path)


def _rewritten(
    file: Any, source: Model, plan: Plan, anchors: Optional[AnchorSpec], outgoing: TensorStore
) -> Pieces:
    from graphfix.graph_rewrite.saved_model import rewrite_file

    for folder in ("variables", "assets") if file.is_saved_model else ():
        where = os.path.join(os.path.dirname(file.path), folder)
        if os.path.isdir(where) and os.listdir(where):
            raise SourceError(
                file.path,
                f"is not rewritten: it has files in '{folder}'",
                "export the converted checkpoint with the stock exporter",
            )
    return rewrite_file(
        file,
        source.model,
        len(plan.classes),
        plan.edits,
        anchors=anchors,
        carried=(source.store, outgoing),
    )


def _refused(why: Problem) -> Finding:
    return Finding(LEFT_OUT, WARNING, os.path.basename(why.subject), why.message, why.remedy)


def _told(plan: Plan, findings: Tuple[Finding, ...]) -> Plan:
    # A plan that is replayed knows them already.
    return dataclasses.replace(plan, findings=by_severity(dict.fromkeys(plan.findings + findings)))
