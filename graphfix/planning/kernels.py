"""The arithmetic of a plan: gathers and fills over channels.

Values must be the same on every machine and Python for ever, so nothing here leaves rounding to a
library.  Means are summed in float64, source after source.
"""

import numpy as np

from graphfix.detectors.initializer import draw
from graphfix.planning.edits import ADDED_NOISE, CONSTANT, MEAN, NOISE, Fill, Gather, Stretch, Widen


def gather(value: np.ndarray, edit: Gather) -> np.ndarray:
    """The new tensor of a Gather: the shape of `value` but for the last axis."""
    index = np.asarray(edit.index, np.int64)
    out = np.zeros(value.shape[:-1] + (len(index),), value.dtype)
    taken = index >= 0
    out[..., taken] = value[..., index[taken]]
    for fill in edit.fills:
        channels = list(fill.channels)
        filled = _filled(value, fill)
        out[..., channels] = out[..., channels] + filled if fill.rule == ADDED_NOISE else filled
    changed = [channel for channel, pair in enumerate(edit.affine) if pair != (1.0, 0.0)]
    if changed:
        scale, shift = np.asarray(edit.affine, np.float64)[changed].T
        out[..., changed] = out[..., changed].astype(np.float64) * scale + shift
    return out


def _filled(value: np.ndarray, fill: Fill) -> np.ndarray:
    if fill.rule == MEAN:
        total = np.zeros(value.shape[:-1], np.float64)
        for channel in fill.sources:
            total += value[..., channel]
        return (total / len(fill.sources))[..., np.newaxis].astype(value.dtype)
    if fill.rule in (NOISE, ADDED_NOISE):
        shape = value.shape[:-1] + (len(fill.channels),)
        assert fill.initializer is not None
        return draw(fill.initializer, fill.key, shape).astype(value.dtype)
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
