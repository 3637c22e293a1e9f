"""The sections of report.html: a template each, and what it shows, as data.

A section is a row of SECTIONS: its title, its template in templates/, and the function that makes
the template's `view` of a report, or None where there is nothing to show and the section is left
out.  Templates see `report`, too.  Views have texts and numbers, never HTML.
"""

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from graphfix.findings import by_severity
from graphfix.modeldir.names import (
    CHECKPOINT,
    CHECKPOINT_STATE,
    CONFIG,
    FROZEN,
    LABEL_MAP,
    MANIFEST,
    PICTURES,
    PLAN_JSON,
    REPORT_HTML,
    REPORT_JSON,
    SAVED_MODEL_DIRECTORY,
    TFLITE,
)
from graphfix.planning.edits import ADDED_NOISE, CONSTANT, Edit, Gather
from graphfix.planning.heads import PRIOR_BIAS, PRIOR_SCORE
from graphfix.planning.plan import Plan
from graphfix.report import drawing
from graphfix.report.next_steps import config_path, verify_command
from graphfix.report.report import Report
from graphfix.report.stages import exported, stages, to_tensorrt, ways

_KINDS = {0: "new", 1: "carried"}
_FOLDED = 12
_FILES = {
    CHECKPOINT_STATE: "names the checkpoint, for tools that look for the latest",
    FROZEN: "the source's frozen graph, rewritten for the new classes",
    LABEL_MAP: "the new classes",
    f"{CHECKPOINT}.data-00000-of-00001": "the checkpoint's values",
    f"{CHECKPOINT}.index": "the checkpoint's names, shapes and checksums",
    PICTURES: "the pictures above",
    CONFIG: "the source's config, changed as shown below",
    MANIFEST: "sizes and digests of all files; verify compares them",
    PLAN_JSON: "what happened to every tensor; convert --plan replays it",
    REPORT_HTML: "this page",
    REPORT_JSON: "the same for programs",
    TFLITE: "the source's graph for TensorFlow Lite, rewritten for the new classes",
    SAVED_MODEL_DIRECTORY: "the source's SavedModel, rewritten for the new classes",
}

View = Optional[Dict[str, Any]]
Contents = Mapping[str, bytes]  # the JPEG files' bytes, by `Picture.file`


class Section(NamedTuple):
    """A part of the page under a title of its own."""

    title: str
    template: str
    view: Callable[[Report, Contents], View]


class OldClass(NamedTuple):
    """A class of the source."""

    name: str
    id: int


class ClassRow(NamedTuple):
    """A class of the output, and the source's classes it is made from."""

    id: int
    name: str
    kind: str
    sources: List[OldClass]


class TensorRow(NamedTuple):
    """A tensor whose values change; `shape` pairs its sides before and after, where they differ."""

    tensor: str
    shape: Optional[List[Tuple[int, int]]]
    what: str


def _checks(report: Report, contents: Contents) -> View:
    return {} if report.verifications else None


def _outputs(report: Report, contents: Contents) -> View:
    if not report.outputs:
        return None
    from graphfix.stock_api.agreement import TOLERANCE  # and NumPy, for the few that need it

    return {"tolerance": f"{TOLERANCE:g}"}


def _pictures(report: Report, contents: Contents) -> View:
    if not report.pictures:
        return None
    return {
        "new_classes": [
            one.display_name for one in report.plan.classes if one.name and not one.sources
        ],
        "graph": FROZEN if FROZEN in report.artifacts else "",
        "drawings": drawing.draw_pictures(report, contents),
        "threshold": round(100 * drawing.THRESHOLD),
    }


def _findings(report: Report, contents: Contents) -> View:
    return {"findings": by_severity(report.findings)}


def _classes(report: Report, contents: Contents) -> View:
    def old(ids: Iterable[int]) -> List[OldClass]:
        return [OldClass(report.plan.source_name(number), number) for number in ids]

    return {
        "classes": [
            ClassRow(
                one.id,
                one.display_name,
                _KINDS.get(len(one.sources), "averaged") if one.name else "unused",
                old(one.sources),
            )
            for one in report.plan.classes
        ],
        "starts": starting_values(report.plan),
        "left_behind": old(report.left_behind),
        "folded": len(report.left_behind) > _FOLDED,
    }


def starting_values(plan: Plan) -> Tuple[Tuple[str, str], ...]:
    """(kind of tensor, what its channels of new classes start as); empty without new classes.

    In one tensor all new classes start by the same rule.  Noise and constants are for new classes
    only; means are for averaged classes, too, and count where a tensor has no other fill.
    """
    rows: Dict[str, str] = {}
    if any(not one.sources for one in plan.classes):
        for edit in plan.edits:
            if isinstance(edit, Gather) and edit.fills:
                rows["/".join(edit.to.split("/")[-2:])] = _start(edit)
    return tuple(sorted(rows.items(), key=lambda row: (not row[0].startswith("Class"), row[0])))


def _start(edit: Gather) -> str:
    for fill in edit.fills:
        if fill.initializer:
            mean = "the mean of the source's classes, plus " if fill.rule == ADDED_NOISE else ""
            return (
                mean + "seeded noise as from the config's initializer "
                f"({fill.initializer.kind.replace('_', ' ')}, {fill.initializer.scale:g})"
            )
        if fill.rule == CONSTANT:
            if fill.value == PRIOR_BIAS:
                return f"initial score {PRIOR_SCORE:g}"
            return f"{fill.value:g}"
    return "the mean of the source's classes"


def _anchors(report: Report, contents: Contents) -> View:
    if not report.anchors:
        return None
    return {"maps": [drawing.draw_anchors(one) for one in report.anchors]}


def _next_steps(report: Report, contents: Contents) -> View:
    config = config_path(report)
    if config is None:
        return None
    found = ways(report)
    return {
        "verify": "" if report.verifications else verify_command(config),
        "trainers": stages(report),
        "exported": exported(config),
        "ways": [one for one in found if one.command],
        "tensorrt": to_tensorrt(report),
        "from_0": any(
            one.suppression and one.suppression.background_class for one in report.exports
        ),
        "none": [one for one in found if not one.command],
    }


def _files(report: Report, contents: Contents) -> View:
    if not report.artifacts:
        return None
    return {"files": [(name, _FILES.get(name, "")) for name in report.artifacts]}


def _tensors(report: Report, contents: Contents) -> View:
    plan = report.plan
    folds = []
    for words, rows in (
        (
            "dropped",
            [(edit.describe(), edit.tensor) for edit in plan.edits if edit.output_name is None],
        ),
        ("added", [(one.reason, one.name) for one in plan.additions]),
    ):
        for reason, names in _grouped(rows):
            folds.append((f"{len(names)} {words}: {reason}", names))
    copied = [edit for edit in plan.edits if edit.copies]
    renamed = [edit.describe() for edit in copied if edit.output_name != edit.tensor]
    if renamed:
        folds.append((f"{len(renamed)} kept under another name", renamed))
    kept = [edit.tensor for edit in copied if edit.output_name == edit.tensor]
    folds.append((f"{len(kept)} kept byte for byte", kept))
    rewritten = [_rewritten(report, edit) for edit in plan.edits if edit.rewrites]
    return {"rewritten": rewritten, "folds": folds}


def _rewritten(report: Report, edit: Edit) -> TensorRow:
    """The row of a tensor whose values change."""
    shape = None
    if edit.channels is not None:
        before = report.source_shapes.get(edit.tensor, ())
        shape = list(zip(before, (*before[:-1], edit.channels)))
    return TensorRow(edit.output_name or edit.tensor, shape, edit.describe())


def _grouped(rows: Iterable[Tuple[str, str]]) -> List[Tuple[str, List[str]]]:
    """Names by reason, in the order in which the reasons come."""
    groups: Dict[str, List[str]] = {}
    for reason, name in rows:
        groups.setdefault(reason, []).append(name)
    return list(groups.items())


def _config_diff(report: Report, contents: Contents) -> View:
    lines = []
    for line in report.config_diff:
        if line.startswith(("---", "+++", "@@")):
            kind = "place"
        else:
            kind = {"+": "add", "-": "del"}.get(line[:1], "")
        lines.append((kind, line))
    return {"lines": lines}


SECTIONS = (
    Section("Checked with the stock API", "checks.html", _checks),
    Section("Outputs beside the source's", "outputs.html", _outputs),
    Section("The same pictures, before and after", "pictures.html", _pictures),
    Section("Findings", "findings.html", _findings),
    Section("Classes", "classes.html", _classes),
    Section("Anchors", "anchors.html", _anchors),
    Section("What to run next", "next_steps.html", _next_steps),
    Section("Files", "files.html", _files),
    Section("Tensors", "tensors.html", _tensors),
    Section(CONFIG, "config_diff.html", _config_diff),
)
