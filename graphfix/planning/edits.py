"""The vocabulary of a plan: what can become of a tensor.

Plain data, in JSON both ways, so that a plan can be printed, compared and replayed.
"""

import dataclasses
from typing import Optional, Tuple, Union

from graphfix.detectors.initializer import Initializer

MEAN = "mean"
NOISE = "noise"
ADDED_NOISE = "added_noise"
CONSTANT = "constant"


@dataclasses.dataclass(frozen=True)
class Fill:
    """Values for channels that no single old channel gives.

    `rule` MEAN: every channel is the mean of the old channels `sources`.  NOISE: all channels
    together are one draw from `initializer`, named by `key`.  ADDED_NOISE: that draw is added to
    what an earlier fill put there.  CONSTANT: `value` everywhere.
    """

    rule: str
    channels: Tuple[int, ...]
    sources: Tuple[int, ...] = ()
    initializer: Optional[Initializer] = None
    key: str = ""
    value: float = 0.0


@dataclasses.dataclass(frozen=True)
class Keep:
    """The tensor stays as it is, byte for byte."""

    tensor: str


@dataclasses.dataclass(frozen=True)
class Gather:
    """The tensor `to` takes, along the last axis, channel `index[j]` of `tensor` as its j-th;
    where that is -1, one of `fills` says what it is.  Where `affine` is given, channel j is then
    multiplied by the first number of `affine[j]`, and the second is added."""

    tensor: str
    to: str
    index: Tuple[int, ...]
    fills: Tuple[Fill, ...]
    affine: Tuple[Tuple[float, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class Reset:
    """The tensor keeps type and shape; every element becomes `value`."""

    tensor: str
    value: float


@dataclasses.dataclass(frozen=True)
class Rename:
    """The tensor's bytes go out under another name."""

    tensor: str
    to: str


@dataclasses.dataclass(frozen=True)
class Drop:
    """The tensor does not go out."""

    tensor: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Widen:
    """A scalar that bounds ("min" or "max") the outgoing tensor `of`: it keeps its value, or
    becomes that tensor's extreme where that lies beyond."""

    tensor: str
    of: str
    bound: str


@dataclasses.dataclass(frozen=True)
class Stretch:
    """A scalar that bounds ("min" or "max") a head's outputs, which become a * output + b by
    channel: it becomes the extreme of a * value + b."""

    tensor: str
    affine: Tuple[Tuple[float, float], ...]
    bound: str


Edit = Union[Keep, Gather, Reset, Rename, Drop, Widen, Stretch]


@dataclasses.dataclass(frozen=True)
class Copy:
    """An additional tensor: the same bytes as the outgoing tensor `of`."""

    name: str
    of: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Constant:
    """An additional tensor of one value."""

    name: str
    dtype: str
    shape: Tuple[int, ...]
    value: float
    reason: str


Addition = Union[Copy, Constant]
