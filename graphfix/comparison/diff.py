"""diff: two checkpoints, graphs, configs or directories, and where they differ."""

import dataclasses
import json
from typing import List

from graphfix.comparison.differ import Comparison, compare
from graphfix.comparison.snapshots import open_thing

_MOST_LINES = 200


def diff(one: str, two: str) -> Comparison:
    """The differences between two paths.

    Raises:
      GraphfixError: one is damaged, or they cannot be compared.
    """
    return compare(open_thing(one), open_thing(two))


def summary(found: Comparison) -> str:
    """One line: what was compared, and what came of it."""
    words = ", ".join(found.parts) + " compared"
    if found.compared:
        words += f"; {found.equal} of {found.compared} tensors equal"
    measured = [one.numbers for one in found.differences if one.numbers]
    if measured:
        words += f", the others apart by at most {max((one.max_abs for one in measured)):.3g} (relative {max((one.max_rel for one in measured)):.3g})"
    return words + ("; same" if found.same else f"; {len(found.differences)} differences")


def to_lines(found: Comparison) -> List[str]:
    lines = [str(one) for one in found.differences[:_MOST_LINES]]
    more = len(found.differences) - len(lines)
    if more:
        lines.append(f"... and {more} more; --json has them all")
    return lines + [summary(found)]


def to_json(found: Comparison) -> str:
    rows = [dataclasses.asdict(one) for one in found.differences]
    for row in rows:
        for key, value in (row["numbers"] or {}).items():
            if value == float("inf"):
                row["numbers"][key] = "inf"  # JSON has no such number
    return json.dumps(
        {
            "same": found.same,
            "summary": summary(found),
            "parts": list(found.parts),
            "tensors_compared": found.compared,
            "tensors_equal": found.equal,
            "differences": rows,
        },
        indent=2,
        sort_keys=True,
    )
