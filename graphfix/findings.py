"""What graphfix has to say about a model or a conversion, as data; and how its sentences count."""

import dataclasses
from typing import Iterable, Tuple

from graphfix import places
from graphfix.fronts import shown

INFO = "info"
WARNING = "warning"
ERROR = "error"

LEFT_OUT = "FROZEN_GRAPH"  # the code of what says that a graph is not in the output


@dataclasses.dataclass(frozen=True, repr=False)
class Finding:
    """A code to search for, how bad it is, what it is about, what it means, what to do.

    The fields name options as flags (`--map`), `str` names them as whoever asked does (`map=`).
    """

    code: str
    severity: str
    subject: str
    message: str
    remedy: str

    def __post_init__(self) -> None:
        for name in ("subject", "message", "remedy"):
            object.__setattr__(self, name, places.named(getattr(self, name)))

    def __str__(self) -> str:
        return shown(f"{self.severity} {self.code}: {self.subject} {self.message}; {self.remedy}")

    def __repr__(self) -> str:
        return f"<Finding {self}>"


def by_severity(findings: Iterable[Finding]) -> Tuple[Finding, ...]:
    """Errors first, then warnings; findings of one severity keep their order."""
    order = (ERROR, WARNING, INFO)
    return tuple(sorted(findings, key=lambda one: order.index(one.severity)))


def count(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 class", "0 records"; `plural` where that is not the noun and s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
