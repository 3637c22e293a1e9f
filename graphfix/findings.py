"""What graphfix has to say about a model or a conversion, as data."""

import dataclasses
from typing import Iterable, Tuple

INFO = "info"
WARNING = "warning"
ERROR = "error"


@dataclasses.dataclass(frozen=True)
class Finding:
    """A code to search for, how bad it is, what it is about, what it means, what to do."""

    code: str
    severity: str
    subject: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity} {self.code}: {self.subject} {self.message}; {self.remedy}"


def by_severity(findings: Iterable[Finding]) -> Tuple[Finding, ...]:
    """What ruins a run comes first; else the order stays."""
    order = (ERROR, WARNING, INFO)
    return tuple(sorted(findings, key=lambda one: order.index(one.severity)))
