"""report.html: one self-contained page, a view of a Report for people.

templates/ has the HTML, sections.py the data, environment.py what escapes it.  No scripts, nothing
fetched (the page's own policy forbids both), light and dark, narrow and wide.  Every text is
escaped, for HTML and against control characters.  The same report gives the same bytes.

Jinja2 takes 30 ms to import, so it is imported only where a page is rendered.
"""

import functools
from typing import Any, List, Mapping, Optional, Tuple

from graphfix.findings import ERROR, WARNING
from graphfix.report.report import Report
from graphfix.report.sections import SECTIONS
from graphfix.restore import trainers


def render(report: Report, pictures: Optional[Mapping[str, bytes]] = None) -> str:
    """The page of a report; `pictures` has the bytes of each `Picture.file` of it."""
    views = [(one, one.view(report, pictures or {})) for one in SECTIONS]
    return (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            severity=_severity(report),
            tiles=_tiles(report),
            sections=[(one, view) for one, view in views if view is not None],
        )
    )


@functools.lru_cache(maxsize=None)
def _environment() -> Any:
    from graphfix.report.environment import make_environment

    return make_environment()


def _severity(report: Report) -> str:
    """The worst that the page's first line has to warn of."""
    if report.exit_code:
        return ERROR
    found = {one.severity for one in report.findings}
    return next((one for one in (ERROR, WARNING) if one in found), "")


def _tiles(report: Report) -> List[Tuple[str, str]]:
    """The figures at the top of the page, and what they count."""
    plan = report.plan
    rows = []
    for name, what in trainers.restored(plan.target_api, plan.trainer):
        kept, total = report.restore_count(name, what)
        rows.append((name, f"{kept} of {total}"))
    if len({words for _, words in rows}) == 1:
        rows = [("the stock API", rows[0][1])]
    return [
        (f"{plan.carried}", "class carried over" if plan.carried == 1 else "classes carried over"),
        (f"{plan.new}", "new class" if plan.new == 1 else "new classes"),
        (f"{plan.copied} of {len(plan.edits)}", "tensors kept byte for byte"),
        *((words, f"variables that {name} of {plan.target_api} restores") for name, words in rows),
    ]
