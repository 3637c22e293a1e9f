"""The rows of doctor's tables: checks of a setup."""

from typing import Any, Callable, Iterable, NamedTuple, Optional, Sequence, Tuple

from graphfix.pipeline_config.edits import ConfigEdit


class Symptom(NamedTuple):
    """One thing that a check found: where, and what.

    `remedy` replaces the check's own, where this case has a better one.  `edits` are the remedy as
    edits of the config, `text` as its whole new text (where it can't be parsed), `label_map` as a
    label map's path and new bytes; none of them, where that can't fix it.
    """

    subject: str
    message: str
    remedy: str = ""
    edits: Tuple[ConfigEdit, ...] = ()
    text: Optional[str] = None
    label_map: Optional[Tuple[str, bytes]] = None


class Check(NamedTuple):
    """A check: code, severity, why it matters (`cause`), what to do (`remedy`), what finds it.

    `find` takes a Setup and yields a Symptom for each thing it finds.  Findings of one severity are
    listed in the order of the tables (diagnosis.TABLES): that in which a trainer runs into them.
    """

    code: str
    severity: str
    cause: str
    remedy: str
    find: Callable[[Any], Iterable[Symptom]]


def listed(things: Sequence[object], most: int = 8) -> str:
    """The first `most` things, separated by commas, and whether there are more."""
    return ", ".join(map(str, things[:most])) + (", ..." if len(things) > most else "")
