"""Looks for weights that are no numbers among those a plan moves: NaN and infinity.

A conversion carries rows as they are, and new classes start from the mean of old ones; so one NaN
in a class's row ends up in every new class.
"""

from typing import Dict, Iterator, List, Mapping, Sequence, Set

import numpy as np

from graphfix.findings import ERROR, Finding
from graphfix.model.describe import HeadSpec, ModelSpec
from graphfix.surgery.edits import MEAN, Edit, Gather
from graphfix.tensors import TensorStore

_MOST_NAMES = 5


def not_finite(model: ModelSpec, store: TensorStore, edits: Sequence[Edit],
               names: Mapping[int, str]) -> Iterator[Finding]:
    """A finding for each of the source's classes with such values; `names` are theirs by id.

    Raises:
      SourceError: a tensor is damaged.
    """
    heads = {name: head for head in model.heads for name in head.tensors}
    found = {}  # type: Dict[str, List[str]]
    spread = set()  # type: Set[str]
    for edit in edits:
        if not isinstance(edit, Gather):
            continue
        value = store[edit.tensor].load()
        if value.dtype.kind != "f" or np.isfinite(value).all():
            continue
        bad = np.flatnonzero(~np.isfinite(value.reshape(-1, value.shape[-1])).all(axis=0))
        averaged = {channel for fill in edit.fills if fill.rule == MEAN for channel in fill.sources}
        for channel in bad.tolist():
            subject = _subject(heads.get(edit.to), channel, names) or edit.tensor
            if edit.tensor not in found.setdefault(subject, []):
                found[subject].append(edit.tensor)
            if channel in averaged:
                spread.add(subject)
    for subject, tensors in found.items():
        more = len(tensors) - _MOST_NAMES
        yield Finding(
            "NOT_FINITE", ERROR, subject, "has values in the source that are not finite, in %s%s%s"
            % (", ".join(tensors[:_MOST_NAMES]), " and %d more" % more if more > 0 else "",
               "; they go into the mean that new classes start from" if subject in spread else ""),
            "start from another checkpoint, or from one saved before training diverged")


def _subject(head: HeadSpec, channel: int, names: Mapping[int, str]) -> str:
    kind = head.class_axis if head else None
    if kind is None:
        return ""
    place = channel // head.layout.stride(kind) % head.layout.size(kind)
    number = place if head.background else place + 1
    if number == 0:
        return "the background"
    return "the old class %d%s" % (number, " '%s'" % names[number] if names.get(number) else "")
