"""Looks for weights that are no numbers among those a plan takes: NaN and infinity.

A conversion carries rows as they are, and new classes start from the mean of old ones; so one NaN
in a class's row ends up in every new class.  Of heads every value is looked at.  All else is copied
without being read, and half a gigabyte of it would take as long to look at as to copy; so there
the first values of each tensor are looked at: once a loss is NaN, so is every value that trains.
`graphfix doctor` looks at all.
"""

import os
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np

from graphfix.detectors.describe import HeadSpec, ModelSpec
from graphfix.findings import ERROR, Finding
from graphfix.formats import regular_files
from graphfix.formats.tensors import Extent, TensorStore, TensorView
from graphfix.planning.edits import MEAN, Edit, Gather

_MOST_NAMES = 5
# How many values of a tensor that is copied are looked at.
_FIRST = 256


def not_finite(
    model: ModelSpec, store: TensorStore, edits: Sequence[Edit], names: Mapping[int, str]
) -> Iterator[Finding]:
    """A finding for each of the source's classes with such values, and for what is kept; `names`
    are the classes', by id.

    Raises:
      SourceError: a tensor is damaged.
    """
    heads = {name: head for head in model.heads for name in head.tensors}
    found: Dict[str, List[str]] = {}
    spread: Set[str] = set()
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
    bad_kept = _kept(store, [edit.tensor for edit in edits if edit.copies])
    for name in bad_kept:
        found.setdefault(
            "the feature extractor" if name.startswith(model.backbone) else "the model", []
        ).append(name)
    for subject, tensors in found.items():
        listed = ", ".join(tensors[:_MOST_NAMES])
        if len(tensors) > _MOST_NAMES:
            listed += f" and {len(tensors) - _MOST_NAMES} more"
        mean = "; they go into the mean that new classes start from" if subject in spread else ""
        yield Finding(
            "NOT_FINITE",
            ERROR,
            subject,
            f"has values in the source that are not finite, in {listed}{mean}",
            "start from another checkpoint, or from one saved before training diverged",
        )


def _kept(store: TensorStore, names: Sequence[str]) -> List[str]:
    """Those of some tensors whose first values are not finite."""
    views = [
        store[name]
        for name in names
        if store[name].meta.size
        and store[name].meta.dtype.numpy is not None
        and store[name].meta.dtype.is_floating
    ]
    first = _first_of_extents([(view, view.extent) for view in views if view.extent])
    bad = []
    for view in views:
        values = first.get(view.meta.name)
        if values is None:
            values = view.load().reshape(-1)[:_FIRST]
        if not np.isfinite(values).all():
            bad.append(view.meta.name)
    return bad


def _first_of_extents(rows: Sequence[Tuple[TensorView, Extent]]) -> Dict[str, np.ndarray]:
    """The first values of tensors in files, each file opened once; what is wrong with the files,
    those who copy them will say."""
    found = {}
    for path in sorted({extent.path for _, extent in rows}):
        try:
            with open(path, "rb", buffering=0) as file:
                for view, extent in rows:
                    if extent.path == path:
                        kind: Any = view.meta.dtype.numpy
                        data = os.pread(
                            file.fileno(), min(extent.length, _FIRST * kind.itemsize), extent.offset
                        )
                        found[view.meta.name] = np.frombuffer(
                            data[: len(data) // kind.itemsize * kind.itemsize], kind
                        )
        except OSError as error:
            raise regular_files.unreadable(path, error) from None
    return found


def _subject(head: Optional[HeadSpec], channel: int, names: Mapping[int, str]) -> str:
    kind = head.class_axis if head else None
    if head is None or kind is None:
        return ""
    place = channel // head.layout.stride(kind) % head.layout.size(kind)
    number = place if head.background else place + 1
    if number == 0:
        return "the background"
    return f"the old class {number}" + (f" '{names[number]}'" if names.get(number) else "")
