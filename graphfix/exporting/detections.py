"""Whether a device's runtime detects what TensorFlow does: the same boxes, in any order."""

from typing import Any, Dict, List, NamedTuple, Sequence

# By how much scores and edges (as parts of the picture) may differ.
NEAR = 1e-3

Detections = Sequence[Dict[str, Any]]


class Agreement(NamedTuple):
    """How many detections there are, how many are found on both sides, and by how much those differ
    at most."""

    total: int
    found: int
    score: float
    edge: float

    @property
    def equal(self) -> bool:
        return self.found == self.total

    def __str__(self) -> str:
        return (
            f"{self.found} of {self.total} detections found alike: scores within {self.score:.2g}, "
            f"edges within {self.edge:.2g}"
        )


def compare(before: Sequence[Detections], after: Sequence[Detections], least: float) -> Agreement:
    """Compares detections picture by picture, where either side's score is `least` or more."""
    total = found = 0
    score = edge = 0.0
    for one, other in zip(before, after):
        left: List[Dict[str, Any]] = list(other)
        for wanted in one:
            near = [(_gaps(wanted, given), given) for given in left if _same(wanted, given)]
            if near:
                gaps, given = min(near, key=lambda pair: pair[0][1])
                left.remove(given)
                score, edge = max(score, gaps[0]), max(edge, gaps[1])
            # What is at the threshold may be on one side only.
            counts = wanted["score"] >= least + NEAR
            total += counts or bool(near)
            found += bool(near)
        total += sum(given["score"] >= least + NEAR for given in left)
    return Agreement(total, found, score, edge)


def _same(one: Dict[str, Any], other: Dict[str, Any]) -> bool:
    return one["class_id"] == other["class_id"] and max(_gaps(one, other)) <= NEAR


def _gaps(one: Dict[str, Any], other: Dict[str, Any]) -> Any:
    edges = [abs(a - b) for a, b in zip(one["box"], other["box"])]
    return abs(one["score"] - other["score"]), max(edges)
