"""The arithmetic of a plan: gathers and fills over channels.

Values must be the same on every machine and Python for ever, so nothing here leaves rounding to a
library.  Means are summed in float64, source after source.
"""

from typing import Iterator, List, Sequence, Set

import numpy as np

from graphfix.detectors.initializer import draw_each
from graphfix.planning.edits import ADDED_NOISE, CONSTANT, MEAN, NOISE, Fill, Gather, Stretch, Widen

# Values whose draws fit a processor's cache.
_DRAWN_AT_ONCE = 1 << 16


def gather(value: np.ndarray, edit: Gather) -> np.ndarray:
    """The new tensor of a Gather: the shape of `value` but for the last axis."""
    index = np.asarray(edit.index, np.int64)
    out = np.zeros(value.shape[:-1] + (len(index),), value.dtype)
    taken = index >= 0
    out[..., taken] = value[..., index[taken]]
    for fills in _alike(edit.fills, int(np.prod(value.shape[:-1]))):
        channels = [channel for fill in fills for channel in fill.channels]
        filled = _filled(value, fills)
        added = fills[0].rule == ADDED_NOISE
        out[..., channels] = out[..., channels] + filled if added else filled
    changed = [channel for channel, pair in enumerate(edit.affine) if pair != (1.0, 0.0)]
    if changed:
        scale, shift = np.asarray(edit.affine, np.float64)[changed].T
        out[..., changed] = out[..., changed].astype(np.float64) * scale + shift
    return out


def _alike(fills: Sequence[Fill], rows: int) -> Iterator[List[Fill]]:
    """Fills in their order, those together that can be drawn together: there may be as many as
    classes.  A channel has `rows` values."""
    group: List[Fill] = []
    taken: Set[int] = set()
    for fill in fills:
        if group and not (
            fill.rule in (NOISE, ADDED_NOISE)
            and (fill.rule, fill.initializer) == (group[0].rule, group[0].initializer)
            and len(fill.channels) == len(group[0].channels)
            and (len(group) + 1) * len(fill.channels) * rows <= _DRAWN_AT_ONCE
            and taken.isdisjoint(fill.channels)
        ):
            yield group
            group, taken = [], set()
        group.append(fill)
        taken.update(fill.channels)
    if group:
        yield group


def _filled(value: np.ndarray, fills: Sequence[Fill]) -> np.ndarray:
    """The values of all channels of fills that are alike."""
    fill = fills[0]
    if fill.rule == MEAN:
        total = np.zeros(value.shape[:-1], np.float64)
        for channel in fill.sources:
            total += value[..., channel]
        return (total / len(fill.sources))[..., np.newaxis].astype(value.dtype)
    if fill.rule in (NOISE, ADDED_NOISE):
        shape = value.shape[:-1] + (len(fill.channels),)
        assert fill.initializer is not None
        drawn = draw_each(fill.initializer, [one.key for one in fills], shape).astype(value.dtype)
        # From [fill, ..., channel] to [..., channels of all].
        return np.moveaxis(drawn, 0, -2).reshape(shape[:-1] + (len(fills) * shape[-1],))
    assert fill.rule == CONSTANT, fill.rule
    return np.asarray(fill.value, value.dtype)


def widen(value: np.ndarray, of: np.ndarray, edit: Widen) -> np.ndarray:
    """A bound, moved to where it holds all of the outgoing tensor `of`."""
    further = np.minimum if edit.bound == "min" else np.maximum
    return further(value, further.reduce(of, axis=None)).astype(value.dtype)


def stretch(value: np.ndarray, edit: Stretch) -> np.ndarray:
    """A bound of outputs, moved to where it holds all that they become."""
    scale, shift = np.asarray(edit.affine, np.float64).T
    values = value.astype(np.float64) * scale + shift
    return np.asarray(values.min() if edit.bound == "min" else values.max(), value.dtype).reshape(
        value.shape
    )
