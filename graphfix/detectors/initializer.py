"""The initializers of the stock API's Hyperparams, as distributions to draw from.

The variance-scaling one is slim's (tf.contrib.layers): its scale follows from a tensor's fan-in and
fan-out, so `for_tensor` computes it.

Drawn values must be the same on every machine and Python, so no library rounds them.  Random bits
are SHAKE-256 of a text that names the draw; a normal variate is the sum of twelve uniform 32-bit
integers, shifted and scaled (Irwin-Hall: mean 0, variance 1, never beyond 6), which takes exact
integer sums and one IEEE multiplication.
"""

import dataclasses
import hashlib
import math
from typing import Any, Optional, Sequence, Tuple

import numpy as np

DISTRIBUTIONS = ("truncated_normal", "normal", "uniform")
VARIANCE_SCALING = "variance_scaling"
_WORDS = 12


@dataclasses.dataclass(frozen=True)
class Initializer:
    """A distribution to draw from: "truncated_normal" (redrawn beyond 2 scales), "normal" (scale
    is the standard deviation) or "uniform" (scale is half the width).

    "variance_scaling:MODE:KIND" stands for a KIND whose scale depends on the tensor; its own
    `scale` is the factor.
    """

    kind: str
    mean: float
    scale: float


def read_initializer(hyperparams) -> Optional[Initializer]:
    """The initializer of a Hyperparams message; None where it has none graphfix can draw from."""
    found = _read(hyperparams)
    # NaN compares false with everything; beyond a million, float32 and float16 overflow.
    return found if found and 0 <= found.scale <= 1e6 and abs(found.mean) <= 1e6 else None


def _read(hyperparams) -> Optional[Initializer]:
    kind = hyperparams.initializer.WhichOneof("initializer_oneof")
    given: Any = getattr(hyperparams.initializer, kind) if kind else None
    if kind == "truncated_normal_initializer":
        return Initializer("truncated_normal", given.mean, given.stddev)
    if kind == "random_normal_initializer":
        return Initializer("normal", given.mean, given.stddev)
    if kind == "variance_scaling_initializer":
        mode = type(given).DESCRIPTOR.fields_by_name["mode"].enum_type.values_by_number[given.mode]
        return Initializer(
            f"{VARIANCE_SCALING}:{mode.name}:{'uniform' if given.uniform else 'truncated_normal'}",
            0.0,
            given.factor,
        )
    return None


def for_tensor(initializer: Initializer, shape: Tuple[int, ...]) -> Initializer:
    """The distribution of a kernel of a shape: HWIO of a convolution, or [in, out]."""
    if not initializer.kind.startswith(VARIANCE_SCALING):
        return initializer
    _, mode, kind = initializer.kind.split(":")
    window = 1
    for size in shape[:-2]:
        window *= size
    fan_in, fan_out = window * shape[-2], window * shape[-1]
    count = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2.0}[mode]
    # slim widens a truncated normal by 1.3, for what truncation takes off its variance.
    widening = 3.0 if kind == "uniform" else 1.3
    return Initializer(kind, 0.0, math.sqrt(widening * initializer.scale / max(count, 1.0)))


def draw(initializer: Initializer, key: str, shape: Tuple[int, ...]) -> np.ndarray:
    """float64 values of `shape`, drawn from `initializer`; `key` names the draw."""
    return draw_each(initializer, [key], shape)[0]


def draw_each(initializer: Initializer, keys: Sequence[str], shape: Tuple[int, ...]) -> np.ndarray:
    """What `draw` gives for each of several keys, [key, *shape]: faster than one by one, where
    there are thousands of a few values each."""
    count = int(np.prod(shape, dtype=np.int64))
    if initializer.kind == "uniform":
        words = _words(keys, 0, [count] * len(keys))
        unit = words.astype(np.float64) * 2.0**-31 - 1.0
    else:
        unit = _normal(keys, count, truncated=initializer.kind == "truncated_normal")
    return (unit * initializer.scale + initializer.mean).reshape((len(keys), *shape))


def _words(keys: Sequence[str], turn: int, counts: Sequence[int]) -> np.ndarray:
    """The words of each key's turn, one key's after the other's."""
    parts = [
        hashlib.shake_256(f"{key}/{turn}".encode()).digest(4 * count)
        for key, count in zip(keys, counts)
        if count
    ]
    return np.frombuffer(b"".join(parts) if len(parts) != 1 else parts[0], "<u4")


def _normal(keys: Sequence[str], count: int, *, truncated: bool) -> np.ndarray:
    out = np.empty((len(keys), count))
    places = np.arange(count)
    have = np.zeros(len(keys), np.int64)
    turn = 0
    while (have < count).any():
        missing = count - have
        words = _words(keys, turn, [int(one) * _WORDS for one in missing]).reshape(-1, _WORDS)
        # Sums of integers: exact, whoever computes them in whatever order.
        sums = np.einsum("ij->i", words, dtype=np.uint64)
        values = sums.astype(np.float64) * 2.0**-32 - _WORDS / 2
        found = missing
        if truncated:
            kept = np.abs(values) <= 2.0
            found = np.bincount(np.repeat(np.arange(len(keys)), missing)[kept], minlength=len(keys))
            values = values[kept]
        # A key's values go behind those it has.
        first, last = have[:, np.newaxis], (have + found)[:, np.newaxis]
        out[(places >= first) & (places < last)] = values
        have = have + found
        turn += 1
    return out
