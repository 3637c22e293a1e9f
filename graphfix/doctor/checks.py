"""What a check is: a row of a table that tells what is wrong, why it matters, and what to do.

`find` looks at a Setup and yields one Symptom for each thing it finds.  Findings of one severity
are listed in the order of the tables, which is the order in which a trainer runs into them.
"""

from typing import Any, Callable, Iterable, NamedTuple, Optional, Tuple

from graphfix.pipeline_config.edits import ConfigEdit


class Symptom(NamedTuple):
    """One thing that a check found: where, and what.

    `remedy` replaces the check's own, where this case has a better one.  `edits` are the remedy as
    edits of the config, `text` as its whole new text (where it can't be parsed); neither, where the
    config can't fix it.
    """

    subject: str
    message: str
    remedy: str = ""
    edits: Tuple[ConfigEdit, ...] = ()
    text: Optional[str] = None


class Check(NamedTuple):
    """A row: code, severity, cause and remedy in one sentence each, and what finds it."""

    code: str
    severity: str
    cause: str
    remedy: str
    find: Callable[[Any], Iterable[Symptom]]
