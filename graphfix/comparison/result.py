"""What a comparison finds: the differences, each with what it is about and how large it is."""

import dataclasses
import json
from typing import List, Optional, Tuple

from graphfix.findings import count

TENSORS, CONFIG, LABELS, GRAPH, FILES = ("tensors", "config", "label map", "frozen graph", "files")
PARTS = (TENSORS, CONFIG, LABELS, GRAPH, FILES)

_MOST_LINES = 200


@dataclasses.dataclass(frozen=True)
class ArrayDifference:
    """How two arrays differ: in `count` of `total` elements, by at most `max_abs`, and by at most
    `max_rel` as a part of the larger magnitude of the two; infinite where only one of two elements
    is finite, or a number."""

    count: int
    total: int
    max_abs: float
    max_rel: float

    def __str__(self) -> str:
        return f"{self.count} of {self.total}, max {self.max_abs:.3g} (relative {self.max_rel:.3g})"


@dataclasses.dataclass(frozen=True)
class Difference:
    """One difference: the part, its subject (a class, a tensor, a field, a node), the difference in
    words, and in `numbers` where both values are at hand."""

    part: str
    subject: str
    message: str
    tensor: str = ""
    numbers: Optional[ArrayDifference] = None

    def __str__(self) -> str:
        numbers = f": {self.numbers}" if self.numbers else ""
        return f"{self.subject}: {self.message}{numbers}"


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison:
    """All differences, the parts compared, and how many tensors were compared and found equal."""

    differences: Tuple[Difference, ...]
    parts: Tuple[str, ...]
    compared: int
    equal: int

    def __repr__(self) -> str:
        return f"<Comparison: {self.summary}>"

    @property
    def same(self) -> bool:
        return not self.differences

    @property
    def summary(self) -> str:
        """One line: what was compared, and the result."""
        words = ", ".join(self.parts) + " compared"
        if self.compared:
            words += f"; {self.equal} of {self.compared} tensors equal"
        measured = [one.numbers for one in self.differences if one.numbers]
        if measured:
            absolute = max(one.max_abs for one in measured)
            relative = max(one.max_rel for one in measured)
            words += f", the others apart by at most {absolute:.3g} (relative {relative:.3g})"
        return words + (
            "; same" if self.same else f"; {count(len(self.differences), 'difference')}"
        )

    def to_lines(self) -> List[str]:
        """The first differences, a line each, and the summary."""
        lines = [str(one) for one in self.differences[:_MOST_LINES]]
        more = len(self.differences) - len(lines)
        if more:
            lines.append(f"... and {more} more; the JSON has them all")
        return [*lines, self.summary]

    def to_json(self) -> str:
        """All differences; infinity, for which JSON has no number, is "inf"."""
        rows = [dataclasses.asdict(one) for one in self.differences]
        for row in rows:
            for key, value in (row["numbers"] or {}).items():
                if value == float("inf"):
                    row["numbers"][key] = "inf"
        return json.dumps(
            {
                "same": self.same,
                "summary": self.summary,
                "parts": list(self.parts),
                "tensors_compared": self.compared,
                "tensors_equal": self.equal,
                "differences": rows,
            },
            indent=2,
            sort_keys=True,
        )


class Tally:
    """A comparison under way: how many tensors were compared and equal, and what messages call the
    two sides."""

    def __init__(self, names: Tuple[str, str]):
        self.names = names
        self.compared = self.equal = 0

    def only_in(self, after: object) -> str:
        """Words for what only one side has; `after` is None where that is the first."""
        return f"only in {self.names[0 if after is None else 1]}"
