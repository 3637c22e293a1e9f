"""What a check is: a row of a table that says what is wrong, why it matters, and what to do.

`find` looks at a Setup and gives one Evidence for each thing it finds.  The order of the tables is
the order of what a trainer runs into, and of findings of one severity.
"""

from typing import Any, Callable, Iterable, NamedTuple, Optional, Tuple

from graphfix.pipeline_config.edits import ConfigEdit


class Evidence(NamedTuple):
    """One thing that was found: where, and what.

    `remedy` takes the place of the check's own, where this case knows better.  `edits` are the
    remedy as edits of the config, `text` as its whole new text (where it cannot be parsed);
    neither, where the config cannot cure it.
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
    find: Callable[[Any], Iterable[Evidence]]
