"""What graphfix has to say about a model or a conversion, as data."""

import dataclasses

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
