"""report.html: one self-contained page that says what became of every class and every tensor."""

import html
from typing import Iterable, Sequence

from graphfix.emit.report import Report
from graphfix.surgery.edits import Drop, Gather, Keep, Rename, Reset, Widen

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2330;background:#f6f7f9;margin:0}
main{max-width:62em;margin:0 auto;padding:2em 1.5em 4em}
h1{font-size:1.5em;margin:0 0 .2em}h2{font-size:1.1em;margin:2.2em 0 .6em}
.summary{background:#fff;border-left:4px solid #2f7d5b;padding:.8em 1em;font-weight:600}
table{border-collapse:collapse;width:100%;background:#fff}
th,td{text-align:left;padding:.35em .7em;border-bottom:1px solid #e3e6eb;vertical-align:top}
th{font-weight:600;color:#566073}td.n{text-align:right;font-variant-numeric:tabular-nums}
.tag{border-radius:3px;padding:.1em .5em;font-size:.85em;background:#e3e6eb}
.carried,.keep,.rename,.info{background:#d8efe3}.new,.gather,.warning{background:#fdeec9}
.reset,.mixed{background:#dde7fb}.drop,.error{background:#f9d9d6}
pre{background:#fff;padding:1em;overflow:auto;font-size:13px;line-height:1.4}
.add{color:#1d6b47}.del{color:#a5291f}code{font-size:.92em}details{background:#fff;padding:.5em .8em}
"""


def render(report: Report) -> str:
    """The page of a report; every text from a file is escaped."""
    plan = report.plan
    parts = [
        "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>graphfix report</title>",
        "<style>%s</style><main><h1>graphfix report</h1>" % _STYLE,
        "<p>%s &middot; %s</p><p class=summary>%s</p>" % (
            _text(report.family), _text(report.source), _text(report.summary)),
        "<h2>Findings</h2>", _findings(report),
        "<h2>Classes</h2>",
        _table(("id", "class", "", "made of"), (
            ("<td class=n>%d" % one.id, "<td>%s" % (_text(one.display_name) or "(no class)"),
             "<td>%s" % _tag(("new", "carried")[len(one.sources)]
                             if len(one.sources) < 2 else "mixed"),
             "<td>%s" % (", ".join("source class %d" % number for number in one.sources)
                         or "a new row")) for one in plan.classes)),
        "<h2>Tensors</h2>",
        _table(("", "tensor", "what became of it"), (
            _tensor_row(edit) for edit in plan.edits if not isinstance(edit, Keep))),
        "<details><summary>%d tensors kept byte for byte</summary>%s</details>" % (
            plan.count(Keep), "<br>".join("<code>%s</code>" % _text(edit.tensor)
                                          for edit in plan.edits if isinstance(edit, Keep))),
        "<p>%d tensors added.</p>" % len(plan.additions),
        "<h2>pipeline.config</h2><pre>%s</pre>" % _diff(report.config_diff),
        "</main></html>\n",
    ]
    return "\n".join(parts)


def _text(value: str) -> str:
    return html.escape(value)


def _tag(kind: str) -> str:
    return "<span class='tag %s'>%s</span>" % (kind, kind)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "<table><tr>%s%s</table>" % (
        "".join("<th>" + head for head in heads),
        "".join("<tr>" + "".join(cells) for cells in rows))


def _findings(report: Report) -> str:
    if not report.findings:
        return "<p>Nothing to remark.</p>"
    return _table(("", "about", "what", "what to do"), (
        ("<td>" + _tag(one.severity), "<td><code>%s</code>" % _text(one.subject),
         "<td>" + _text(one.message), "<td>" + _text(one.remedy)) for one in report.findings))


def _tensor_row(edit) -> Sequence[str]:
    words = {
        Gather: lambda: "%d channels taken from the source, %d made new" % (
            sum(number >= 0 for number in edit.index),
            sum(number < 0 for number in edit.index)),
        Reset: lambda: "set to %g" % edit.value,
        Rename: lambda: "written as %s" % edit.to,
        Drop: lambda: edit.reason,
        Widen: lambda: "widened where the new weights lie beyond it",
    }[type(edit)]()
    return ("<td>" + _tag(type(edit).__name__.lower()),
            "<td><code>%s</code>" % _text(edit.tensor), "<td>" + _text(words))


def _diff(diff: str) -> str:
    lines = []
    for line in diff.splitlines():
        kind = {"+": "add", "-": "del"}.get(line[:1])
        text = _text(line)
        lines.append("<span class=%s>%s</span>" % (kind, text) if kind else text)
    return "\n".join(lines)
