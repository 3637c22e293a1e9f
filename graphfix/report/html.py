"""report.html: one self-contained page, a view of a Report for people.

No scripts, nothing fetched (the page's own policy forbids both), light and dark, narrow and wide.
Every text that comes from a file is escaped.  The same report gives the same bytes.
"""

import os
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from graphfix.findings import ERROR, INFO, WARNING
from graphfix.modeldir.openers import FROZEN
from graphfix.planning.edits import (
    ADDED_NOISE,
    CONSTANT,
    Drop,
    Gather,
    Keep,
    Rename,
    Reset,
    Stretch,
    Widen,
)
from graphfix.planning.plan import SurgeryPlan
from graphfix.report import drawing
from graphfix.report.drawing import plain
from graphfix.report.next_steps import next_steps
from graphfix.report.report import Report
from graphfix.restore import trainers

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_TAGS = {0: "new", 1: "carried"}
_FOLDED = 12
_FILES = {
    "checkpoint": "names the checkpoint, for tools that look for the latest",
    "frozen_inference_graph.pb": "the source's frozen graph, rewritten for the new classes",
    "label_map.pbtxt": "the new classes",
    "model.ckpt.data-00000-of-00001": "the checkpoint's values",
    "model.ckpt.index": "the checkpoint's names, shapes and checksums",
    "pictures": "the pictures above",
    "pipeline.config": "the source's config, changed as below",
    "plan.json": "what became of every tensor; convert --plan replays it",
    "report.html": "this page",
    "report.json": "the same for programs",
    "saved_model": "the source's SavedModel, rewritten for the new classes",
}


def render(report: Report, pictures: Optional[Mapping[str, bytes]] = None) -> str:
    """The page of a report; `pictures` has the bytes of each `Picture.file` of it."""
    with open(os.path.join(os.path.dirname(__file__), "report.css"), encoding="utf-8") as file:
        style = file.read()
    worst = next(
        (
            one
            for one in (ERROR, WARNING)
            if any(found.severity == one for found in report.findings)
        ),
        "",
    )
    worst = worst if report.exit_code == 0 else ERROR
    parts = [
        "<!DOCTYPE html>",
        "<html lang=en>",
        "<head>",
        "<meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f'<meta http-equiv=Content-Security-Policy content="{_POLICY}">',
        f"<title>graphfix: {plain(report.source)}</title>",
        "<style>",
        style + "</style>",
        "</head>",
        "<body><main>",
        "<h1>graphfix report</h1>",
        f"<p class=from>{plain(report.family)} from <code>{plain(report.source)}</code></p>",
        f"<p class='summary {worst}'>{plain(report.summary)}</p>",
        _tiles(report),
    ]
    parts += _section("Checked with the stock API", _verifications(report))
    parts += _section("The same pictures, before and after", _pictures(report, pictures or {}))
    parts += _section("Findings", _findings(report))
    parts += _section("Classes", _classes(report))
    parts += _section("Anchors", _anchors(report))
    parts += _section("What to run next", _next(report))
    parts += _section("Files", _files(report))
    parts += _section("Tensors", _tensors(report))
    parts += _section("pipeline.config", _diff(report.config_diff))
    parts += ["</main></body>", "</html>", ""]
    return "\n".join(parts)


def _section(title: str, body: Iterable[str]) -> List[str]:
    rows = list(body)
    return ["<section>", f"<h2>{title}</h2>"] + rows + ["</section>"] if rows else []


def _code(value: str) -> str:
    return f"<code>{plain(value)}</code>"


def _tag(kind: str) -> str:
    return f"<span class='tag {kind}'>{kind}</span>"


def _table(heads: Sequence[Tuple[str, str]], rows: Iterable[Sequence[str]]) -> str:
    """A table; heads are (CSS class, text), cells are HTML."""

    def cells(kind, texts):
        return "".join(
            f"<{kind}{' class=' + style if style else ''}>{text}"
            for (style, _), text in zip(heads, texts)
        )

    return "<div class=scroll><table>\n<tr>%s\n%s\n</table></div>" % (
        cells("th", [text for _, text in heads]),
        "\n".join("<tr>" + cells("td", row) for row in rows),
    )


def _names(names: Iterable[str]) -> str:
    return f"<div class=names>{''.join(map(_code, names))}</div>"


def _fold(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>{body}</details>"


def _tiles(report: Report) -> str:
    plan = report.plan
    tiles = [
        (f"{plan.carried}", "classes carried over"),
        (f"{plan.new}", "new classes"),
        (f"{plan.count(Keep, Rename)} of {len(plan.edits)}", "tensors kept byte for byte"),
    ]
    rows = [
        (name, "%d of %d" % report.restore_count(name, what))
        for name, what in trainers.restored(plan.target_api, plan.trainer)
    ]
    if len({words for _, words in rows}) == 1:
        rows = [("the stock API", rows[0][1])]
    tiles += [
        (words, f"variables that {name} of {plan.target_api} restores") for name, words in rows
    ]
    return "<ul class=tiles>%s</ul>" % "".join(
        f"<li><b>{plain(figure)}</b> {plain(words)}" for figure, words in tiles
    )


def _verifications(report: Report) -> Iterator[str]:
    for one in report.verifications:
        yield "<div class=card>%s %s%s</div>" % (
            _tag("complete") if one.complete else "<span class='tag error'>not complete</span>",
            plain(one.summary),
            _fold(f"{len(one.unrestored)} not restored", _names(one.unrestored))
            if one.unrestored
            else "",
        )


def _pictures(report: Report, contents: Mapping[str, bytes]) -> Iterator[str]:
    if not report.pictures:
        return
    yield (
        "<p>No training happened in between. Classes that were carried over find what they "
        "found before; those that were left behind are gone.</p>"
    )
    new = [one.display_name for one in report.plan.classes if one.name and not one.sources]
    if new:
        yield f"<p>New, not trained yet, and therefore not drawn: <b>{plain(', '.join(new))}</b>.</p>"
    if FROZEN in report.artifacts:
        yield f"<p>After: found by the rewritten {_code(FROZEN)}, and by the checkpoint the same.</p>"
    yield drawing.pictures(report, contents)
    yield (
        "<p class=quiet>Drawn are detections with a score of at least "
        f"{100 * drawing.THRESHOLD}%. A class has the "
        "same colour on both sides; grey ones were left behind.</p>"
    )


def _anchors(report: Report) -> Iterator[str]:
    if not report.anchors:
        return
    yield (
        "<p>At each location of a feature map: the source's anchors dashed, the new ones solid. "
        "Each map has a scale of its own.</p>"
    )
    yield drawing.anchors(report.anchors)


def _findings(report: Report) -> Iterator[str]:
    if not report.findings:
        yield "<p>Nothing to remark.</p>"
    order = (ERROR, WARNING, INFO)
    for one in sorted(report.findings, key=lambda one: order.index(one.severity)):
        yield (
            f"<div class='card finding {one.severity}'><p>{_tag(one.severity)} "
            f"<b>{plain(one.code)}</b></p><p>{_code(one.subject)} "
            f"{plain(one.message)}.</p><p><b>To do:</b> {plain(one.remedy)}."
            "</p></div>"
        )


def _classes(report: Report) -> Iterator[str]:
    rows = []
    for one in report.plan.classes:
        kind = _TAGS.get(len(one.sources), "averaged") if one.name else "unused"
        made = " + ".join(
            f"{plain(report.source_name(number))} <span class=quiet>(id {number})</span>"
            for number in one.sources
        )
        rows.append(
            (
                f"{one.id}",
                plain(one.display_name) or "<span class=quiet>(no class)</span>",
                _tag(kind),
                made or "new channels",
            )
        )
    yield _table((("number", "id"), ("", "class"), ("", ""), ("", "made from")), rows)
    starts = starting_values(report.plan)
    if starts:
        yield "<p>New channels start as:</p><ul>%s</ul>" % "".join(
            f"<li>{_code(where)}: {plain(what)}" for where, what in starts
        )
    left = [
        f"{plain(report.source_name(number))} <span class=quiet>(id {number})</span>"
        for number in report.left_behind
    ]
    if len(left) > _FOLDED:
        yield _fold(
            f"{len(left)} classes of the source were left behind", f"<p>{', '.join(left)}</p>"
        )
    elif left:
        yield f"<p>Left behind: {', '.join(left)}</p>"


def starting_values(plan: SurgeryPlan) -> Tuple[Tuple[str, str], ...]:
    """(kind of tensor, what its channels of new classes start as); nothing without new classes.

    In one tensor all new classes start by the same rule.  Drawn and constant channels are theirs
    alone; means are an averaged class's too, and theirs only where the tensor has no others.
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
            return f"{fill.value:g}"
    return "the mean of the source's classes"


def _next(report: Report) -> Iterator[str]:
    for step in next_steps(report):
        yield f"<h3>{plain(step.trainer)}, stock API {plain(report.plan.target_api)}</h3>"
        yield f"<p>{plain(step.remark)}</p>"
        if step.command:
            yield "<pre class=command>%s</pre>" % "\n".join(map(plain, step.command.split("\n")))
    if not report.verifications:
        yield (
            "<p class=quiet>Before that, <code>graphfix verify OUT --stock --steps 5</code> has "
            "the stock API restore the checkpoint and train a few steps.</p>"
        )


def _files(report: Report) -> Iterator[str]:
    yield _table(
        (("", "file"), ("", "what it is")),
        ((_code(name), plain(_FILES.get(name, ""))) for name in report.artifacts),
    )


def _tensors(report: Report) -> Iterator[str]:
    plan = report.plan
    rows = []
    for edit in plan.edits:
        if isinstance(edit, Gather):
            before = report.source_shapes.get(edit.tensor, ())
            after = before[:-1] + (len(edit.index),)
            taken = sum(number >= 0 for number in edit.index)
            made = len(edit.index) - taken
            what = f"{taken} channels from the source" + (f", {made} made" if made else "")
            what += ", recoded for the new anchors" if edit.affine else ""
            if edit.to != edit.tensor:
                what += f"; taken from {edit.tensor}"
            rows.append((_code(edit.to), _shape(before, after), plain(what)))
        elif isinstance(edit, Reset):
            rows.append((_code(edit.tensor), "", f"set to {edit.value:g}"))
        elif isinstance(edit, Widen):
            rows.append(
                (
                    _code(edit.tensor),
                    "",
                    plain(f"range: its {edit.bound} goes as far as the new {edit.of}"),
                )
            )
        elif isinstance(edit, Stretch):
            rows.append(
                (
                    _code(edit.tensor),
                    "",
                    plain(f"range: its {edit.bound} follows the recoded boxes"),
                )
            )
    if rows:
        yield f"<h3>{len(rows)} rewritten</h3>"
        yield _table((("", "tensor"), ("shape", "shape"), ("", "what happened")), rows)
    groups = _grouped((edit.reason, edit.tensor) for edit in plan.edits if isinstance(edit, Drop))
    for reason, names in groups:
        yield _fold(f"{len(names)} dropped: {plain(reason)}", _names(names))
    groups = _grouped((one.reason, one.name) for one in plan.additions)
    for reason, names in groups:
        yield _fold(f"{len(names)} added: {plain(reason)}", _names(names))
    renamed = [edit for edit in plan.edits if isinstance(edit, Rename)]
    if renamed:
        yield _fold(
            f"{len(renamed)} kept under another name",
            _names(f"{edit.to} from {edit.tensor}" for edit in renamed),
        )
    kept = [edit.tensor for edit in plan.edits if isinstance(edit, Keep)]
    yield _fold(f"{len(kept)} kept byte for byte", _names(kept))


def _grouped(rows: Iterable[Tuple[str, str]]) -> List[Tuple[str, List[str]]]:
    """Names by reason, in the order in which the reasons come."""
    groups: Dict[str, List[str]] = {}
    for reason, name in rows:
        groups.setdefault(reason, []).append(name)
    return list(groups.items())


def _shape(before: Sequence[int], after: Sequence[int]) -> str:
    return "[%s]" % ", ".join(
        f"{new}" if old == new else f"{old} &rarr; <b>{new}</b>" for old, new in zip(before, after)
    )


def _diff(lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        yield "<p>Nothing changed.</p>"
        return
    out = []
    for line in lines:
        kind = (
            "place"
            if line.startswith(("---", "+++", "@@"))
            else {"+": "add", "-": "del"}.get(line[:1])
        )
        out.append(f"<span{' class=' + kind if kind else ''}>{plain(line) or ' '}</span>")
    yield f"<pre class=diff>{''.join(out)}</pre>"
