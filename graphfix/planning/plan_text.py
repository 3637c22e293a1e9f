"""A plan in words, for whoever wants to see what `convert` would do."""

from typing import Dict, Iterable, Iterator, List, Tuple

from graphfix.findings import count
from graphfix.fronts import shown
from graphfix.planning.classes import TargetClass
from graphfix.planning.plan import Plan

# How many tensors of one kind are named.
_MOST_NAMES = 20


def to_lines(plan: Plan) -> List[str]:
    """The classes, what does not stay as it is, the config's changes, the findings."""
    return changes(plan) + [str(finding) for finding in plan.findings]


def changes(plan: Plan) -> List[str]:
    """The same without the findings."""
    out = [f"classes: {plan.carried} carried over, {plan.new} new"]
    for one in plan.classes:
        name = one.display_name or "(no class)"
        out.append(f"  {one.id:4d}  {name:<30} {_origin(plan, one)}".rstrip())
    changed = [edit for edit in plan.edits if edit.kind != "keep"]
    kept = len(plan.edits) - len(changed)
    out.append(f"tensors: {len(plan.edits)}, of which {kept} stay as they are")
    out += _grouped((edit.describe(), edit.tensor) for edit in changed)
    for number, places in enumerate(plan.anchor_order):
        if list(places) != sorted(places):
            out.append(f"anchors: map {number} takes the old ones {' '.join(map(str, places))}")
    if plan.additions:
        out.append(f"added: {count(len(plan.additions), 'tensor')}")
        out += _grouped((one.reason, one.name) for one in plan.additions)
    out.append("config:")
    for change in plan.config_edits:
        value = change.literal or "removed"
        out.append(f"  {'.'.join(change.path)}: {value}  ({shown(change.reason)})")
    return out


def _origin(plan: Plan, one: TargetClass) -> str:
    if not one.name:
        return ""
    names = " + ".join(map(plan.source_name, one.sources))
    return f"from {names}" if names else "new"


def _grouped(rows: Iterable[Tuple[str, str]]) -> Iterator[str]:
    """What is said of tensors, each once, with their names below it."""
    groups: Dict[str, List[str]] = {}
    for words, name in rows:
        groups.setdefault(words, []).append(name)
    for words, names in groups.items():
        yield f"  {words}:"
        yield from (f"    {name}" for name in names[:_MOST_NAMES])
        if len(names) > _MOST_NAMES:
            yield f"    and {len(names) - _MOST_NAMES} more, in the JSON"
