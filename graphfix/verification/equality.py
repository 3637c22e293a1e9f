"""The proof: the output computes for the same pictures what the source's own graph does.

The source's own graph is its frozen graph, its SavedModel's, or that of the `.meta` beside its
checkpoint, with the checkpoint's values; where there is none, the stock API builds one from the
source's config, which shows less: what a config means may have changed since it was written.

The stock API computes (`stock_api/stock_compare.py`); here are its job, and its answer in words.
"""

import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.detectors.channel_layout import ANCHOR, BOX_ENCODING
from graphfix.detectors.families import (
    BOX,
    CLASS,
    FASTER_RCNN,
    KERNEL,
    LEAVES,
    MASK,
    MOVING_AVERAGE,
    OBJECTNESS,
    OFFSET,
)
from graphfix.detectors.model_spec import HeadSpec, ModelSpec
from graphfix.findings import count
from graphfix.formats import extents
from graphfix.formats.graphdef import files, kinds
from graphfix.formats.graphdef.effects import check_computes
from graphfix.formats.graphdef.graph import Graph
from graphfix.modeldir.names import FROZEN, SAVED_MODEL_DIRECTORY
from graphfix.modeldir.openers import Model
from graphfix.planning.edits import Gather
from graphfix.planning.heads import class_places, leaf
from graphfix.planning.plan import Plan
from graphfix.report.report import OutputFigure, Outputs

_FIRST = "first stage"
_DETECTIONS = (
    "detection_boxes",
    "detection_scores",
    "detection_classes",
    "num_detections",
    "detection_masks",
)
_FIGURES = (("logit", "logit"), ("box", "box"), ("encoding", "box encoding"))
Side = Dict[str, Any]


class OwnGraph(NamedTuple):
    """A source's own graph, to be run for its detections, words for what it is, and its file."""

    graph: Graph
    what: str
    path: str


def own_graph(source: Model) -> Optional[OwnGraph]:
    """The graph of a source that detects, pruned to what detections need; None where it has none.

    Raises:
      SourceError: a graph is damaged.
    """
    for what, path, read in _graphs(source):
        graph = read()
        found = [name for name in _DETECTIONS if name in graph.nodes]
        if found:
            graph = graph.copy()
            graph.prune(found)
            return OwnGraph(graph, what, path)
    return None


def _graphs(source: Model):
    frozen, saved = (
        source.frozen,
        os.path.join(os.path.dirname(source.prefix), SAVED_MODEL_DIRECTORY),
    )
    if source.graph is not None:
        yield "frozen graph", source.prefix, lambda: source.graph
    elif frozen:
        yield "frozen graph", frozen, lambda: files.open_frozen(frozen).graph()
    directory = source.prefix if os.path.isdir(source.prefix) else saved
    if kinds.is_saved_model(directory):
        yield "SavedModel", directory, lambda: files.open_saved_model(directory).graph()
    if source.meta_graph:
        yield ".meta", source.meta_graph.path, lambda: source.meta_graph.graph


def own_side(source: Model, plan: Plan, path: str, allow_effects: bool) -> Optional[Side]:
    """The source's own graph as a side of a job, with words for it as `what`; its file is written
    to `path`.  None where it has none.

    Raises:
      SourceError: the graph is damaged, or would do more than compute.
    """
    own = own_graph(source)
    if own is None:
        return None
    if not allow_effects:
        check_computes(own.graph, own.path)
    extents.write(path, files.graph_pieces(own.graph))
    side: Side = {"graph": path, "what": own.what, "allow_effects": allow_effects}
    if os.path.exists(source.prefix + ".index"):
        # What was converted: a frozen graph beside it may hold other values.
        side.update(checkpoint=os.path.abspath(source.prefix), moving_averages=averaged(plan))
    return side


def averaged(plan: Plan) -> bool:
    """Whether the result's values are the source's moving averages."""
    return any(
        edit.tensor.endswith(MOVING_AVERAGE) and edit.output_name is not None for edit in plan.edits
    )


def comparison_job(
    source: ModelSpec, plan: Plan, sides: Sequence[Side], images: Sequence[str]
) -> Dict[str, Any]:
    """The job that compares `sides`, the source's first, on pictures or, without, on noise."""
    stages = []
    for name in dict.fromkeys(head.stage == _FIRST for head in source.heads):
        heads = [head for head in source.heads if (head.stage == _FIRST) == name]
        scores = [head for head in heads if head.role in (CLASS, OBJECTNESS)]
        boxes = [head for head in heads if head.role == BOX]
        if scores and boxes:
            stages.append(_stage(source, plan, scores, boxes, first=name))
    masks = [head for head in source.heads if head.role == MASK]
    job: Dict[str, Any] = {
        "verb": "compare",
        "images": [os.path.abspath(path) for path in images],
        "source": sides[0],
        "outputs": list(sides[1:]),
        "stages": stages,
    }
    if masks:
        pairs, sizes = _classes(masks[0], plan)
        if pairs:
            job["masks"] = {"kernel": [_kernel(masks[0])] * 2, "classes": pairs, "channels": sizes}
    if any("anchor_generator" in step for edit in plan.config_edits for step in edit.path):
        job["carried"] = _carried(source, plan)
    return job


def _stage(
    source: ModelSpec,
    plan: Plan,
    scores: Sequence[HeadSpec],
    boxes: Sequence[HeadSpec],
    first: bool,
) -> Dict[str, Any]:
    two_stages = source.meta == FASTER_RCNN
    logits, channels = _classes(scores[0], plan)
    encoded, classes = _classes(boxes[0], plan)
    return {
        "name": (_FIRST if first else "second stage") if two_stages else "",
        "class_kernels": [[_kernel(head)] * 2 for head in scores],
        "box_kernels": [[_kernel(head)] * 2 for head in boxes],
        "logits": logits,
        "channels": channels,
        "boxes": encoded,
        "classes": classes,
        "codes": boxes[0].layout.size(BOX_ENCODING),
        "proposals": two_stages and not first,
    }


def _classes(head: HeadSpec, plan: Plan) -> Tuple[List[Tuple[int, int]], List[int]]:
    """The pairs of places, in source and output, of what a head has for carried classes and the
    background, and how many places there are in each."""
    axis = head.class_axis
    if head.role == OBJECTNESS:
        return [(0, 0), (1, 1)], [2, 2]
    if axis is None:
        return [(0, 0)], [1, 1]
    places = class_places(plan.classes, head)
    pairs = [(old[0], new) for new, old in enumerate(places) if len(old) == 1]
    return pairs, [head.layout.size(axis), len(places)]


def _kernel(head: HeadSpec) -> str:
    return next(name for name in head.tensors if LEAVES[leaf(name)][0] == KERNEL)


def _carried(source: ModelSpec, plan: Plan) -> List[Dict[str, Any]]:
    """What became of the channels of heads whose anchors change."""
    edits = {edit.output_name: edit for edit in plan.edits if isinstance(edit, Gather)}
    rows = []
    for head in source.heads:
        if not head.layout.has(ANCHOR):
            continue
        edit = edits.get(_kernel(head))
        offset = next(
            (edits.get(name) for name in head.tensors if LEAVES[leaf(name)][0] == OFFSET), None
        )
        rows.append(
            {
                "kernel": [_kernel(head)] * 2,
                "index": list(edit.index) if edit else None,
                "affine": [list(pair) for pair in offset.affine] if offset else [],
                "key": "encoding" if head.role == BOX else "logit",
                "step": "box encodings" if head.role == BOX else "class logits",
            }
        )
    return rows


def outcome(found: Dict[str, Any], plan: Plan, *, api: str, what: str, beside: str) -> Outputs:
    """The answer of the stock API for one side, in words and figures; `what` was compared with what
    is `beside` it."""
    figures, words = [], []
    carried = sum(len(one.sources) == 1 for one in plan.classes)
    classes = count(carried, "carried class", "carried classes")
    for stage in found["stages"]:
        said = []
        for key, name in _FIGURES:
            if key not in stage or (key == "encoding" and "box" in stage):
                continue
            figures.append(_figure(f"{stage['stage']} {name}".strip(), stage[key]))
            unit = " px" if key == "box" and stage["stage"] else ""
            said.append(f"max |Δ{name}| {_short(stage[key]['largest'])}{unit}")
        if not stage["stage"]:
            said.append(classes)
        boxes = ("anchor", "anchors") if "anchors" in stage else ("box", "boxes")
        said.append(count(stage["rows"], *boxes))
        words.append(f"{stage['stage']}: {', '.join(said)}" if stage["stage"] else ", ".join(said))
    if found["masks"]:
        figures.append(_figure("mask", found["masks"]))
        words.append(f"masks: max |Δ| {_short(found['masks']['largest'])}")
    if len(found["stages"]) > 1:
        words.append(classes)
    equal = found["equal"]
    summary = f"outputs equal: {'; '.join(words)}"
    if not equal:
        summary = f"outputs differ, first at: {found['part'][1]}"
    notes = list(found["notes"])
    if found.get("proposals"):
        same, all_ = found["proposals"]
        notes.append(f"{same} of the source's {all_} proposals are the output's, too")
    return Outputs(
        api,
        what,
        f"{what}: {summary} ({beside})",
        equal,
        tuple(figures),
        tuple(dict.fromkeys(notes)),
    )


def _figure(name: str, apart: Dict[str, Any]) -> OutputFigure:
    return OutputFigure(name, apart["largest"], apart["scale"])


def _short(value: Optional[float]) -> str:
    if value is None:
        return "of no number"
    mantissa, _, exponent = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if value and exponent else f"{value:g}"


def outcomes(
    answer: Dict[str, Any], plan: Plan, *, names: Sequence[str], source: str, images: Sequence[str]
) -> Tuple[Tuple[Outputs, ...], List[str]]:
    """What the stock API answered to a `comparison_job`, and why something was not compared."""
    if "error" in answer or "unknown" in answer:
        error = answer.get("error")
        why = f"{source}: {answer.get('unknown')}"
        if error:
            line = (error["message"].strip().splitlines() or ["no message"])[0]
            why = f"{error['type']}: {line} ({error['where']})"
        return (), [f"outputs were not compared: {why}"]
    pictures = count(len(answer["pictures"]), "image") + ("" if images else " of seeded noise")
    api = answer["api"]["revision"] or "unknown"
    found, unknown = [], []
    for name, one in zip(names, answer["compared"]):
        if "unknown" in one:
            unknown.append(f"the outputs of {name} were not compared: {one['unknown']}")
            continue
        beside = f"stock API {api} beside {source}, {pictures}"
        found.append(outcome(one, plan, api=api, what=name, beside=beside))
    return tuple(found), unknown


def advice(directory: str, plan: Plan, outputs: Sequence[Outputs]) -> List[str]:
    """What to do where something of the output does not compute what the source does: which of
    checkpoint and graph agrees with the source, and which does not."""
    wrong = [one.what for one in outputs if not one.equal]
    right = [one.what for one in outputs if one.equal]
    if not wrong:
        return []
    if FROZEN in wrong and right:
        return [
            f"{os.path.join(directory, FROZEN)} does not compute what the source does, and the "
            "checkpoint beside it does: do not use the graph; export the checkpoint with the stock "
            "exporter"
        ]
    foretold = [one for one in plan.findings if one.code == "LAYERS_PADDED"]
    remedy = (
        f", which its report foretold (LAYERS_PADDED): {foretold[0].remedy}"
        if foretold
        else ": do not train from it with this revision"
    )
    words = (
        f"{directory}: with this revision of the stock API the checkpoint and its config do not "
        f"compute what the source does{remedy}"
    )
    if right:
        words += f"; {FROZEN} does compute it, so that it is the one to detect with"
    return [words]
