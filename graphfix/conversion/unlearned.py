"""Which carried classes training will unlearn: those that no training record has.

A class without boxes is background in every picture, so that a trainer unlearns the rows that were
carried for it.
"""

import os
from typing import Iterable, Optional, Set, Tuple, Union

from graphfix.errors import SourceError
from graphfix.findings import WARNING, Finding, count
from graphfix.formats.wildcards import Budget, find
from graphfix.planning.classes import TargetClass

# Of more bytes than a second or two takes nothing is said; doctor reads them all.
_MOST_BYTES = 1 << 28
_SHOWN = 8


def unlearned(classes: Iterable[TargetClass], records: Optional[str]) -> Tuple[Finding, ...]:
    """A warning of the classes with carried rows that the records (a path or pattern) lack; nothing
    where the records are not here, are damaged, or are too many to read for this."""
    carried = [one for one in classes if one.sources]
    known = _classes_in(records) if records and carried else None
    if known is None:
        return ()
    lost = [one for one in carried if known.isdisjoint({one.name, one.display_name, one.id} - {""})]
    if not lost:
        return ()
    names = [repr(one.display_name) if one.display_name else str(one.id) for one in lost[:_SHOWN]]
    return (
        Finding(
            "CLASS_UNLEARNED",
            WARNING,
            "--train_record",
            f"has no box of {count(len(lost), 'carried class', 'carried classes')}: "
            f"{', '.join(names)}{', ...' if len(lost) > _SHOWN else ''}; the output finds "
            f"{'it' if len(lost) == 1 else 'them'}, but training unlearns "
            f"{'it' if len(lost) == 1 else 'them'}",
            "add pictures of every class that is to stay, or leave the class out",
        ),
    )


def _classes_in(records: str) -> Optional[Set[Union[str, int, None]]]:
    """The names and ids of all boxes' classes; None where that is not known."""
    from graphfix.datasets.tf_example import read_examples  # few conversions name records

    try:
        paths = [path for path in find(records, Budget()) if os.path.isfile(path)]
        if not paths or sum(os.path.getsize(path) for path in paths) > _MOST_BYTES:
            return None
        found: Set[Union[str, int, None]] = set()
        for path in paths:
            for image in read_examples(path):
                found.update(image.classes)
        return found or None
    except (SourceError, OSError):
        return None
