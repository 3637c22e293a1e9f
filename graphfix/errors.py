"""The errors graphfix raises, and what they say to the person who reads them.

Two faults are kept apart because they have different remedies: `RequestError` is something the
user asked for (a flag, a mapping, an output directory), `SourceError` something a file holds (or
fails to hold).  Every error carries its problems as data, so that a caller can collect all of
them before refusing, and a test can look at the subject instead of matching prose.
"""

import dataclasses
from typing import Any, Iterable, Tuple

from graphfix import places
from graphfix.fronts import shown


@dataclasses.dataclass(frozen=True, repr=False)
class Problem:
    """One thing that is wrong: what it is about, what is wrong with it, what to do.

    The fields name options as flags (`--map`), `str` names them as whoever asked does (`map=`).
    """

    subject: str
    message: str
    remedy: str

    def __post_init__(self) -> None:
        for name in ("subject", "message", "remedy"):
            object.__setattr__(self, name, places.named(getattr(self, name)))

    def __str__(self) -> str:
        return shown(f"{self.subject}: {self.message}; {self.remedy}")

    def __repr__(self) -> str:
        return f"<Problem {self}>"


class GraphfixError(Exception):
    """Root of every error graphfix raises on purpose; holds one or more problems."""

    exit_code = 3

    def __init__(self, subject: str, message: str, remedy: str):
        self._set([Problem(subject, message, remedy)])

    @classmethod
    def collected(cls, problems: Iterable[Problem]) -> "GraphfixError":
        """One error for several problems, in the order they were found."""
        error = cls.__new__(cls)
        error._set(problems)
        return error

    def _set(self, problems: Iterable[Problem]) -> None:
        self.problems: Tuple[Problem, ...] = tuple(problems)
        Exception.__init__(self, str(self))

    def __reduce__(self) -> Tuple[Any, ...]:
        return self.collected, (self.problems,)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class RequestError(GraphfixError):
    """What was asked for cannot be done: the request has to change."""


class SourceError(GraphfixError):
    """A file is missing, damaged, or not what its name says: the file has to change."""


class VerificationError(GraphfixError):
    """What graphfix wrote is not what the plan says; nothing was published."""

    exit_code = 4
