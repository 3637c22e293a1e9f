"""Which layers each feature extractor has: what layers.txt says, read and made variables.

layers.txt beside this module was recorded from the stock API's own builders (tests/stock/
record_layers.py asks them, write_layers.py writes the file).  A section a type:

    extractor TYPE FEATURES WIDTH...
      SCOPE KERNELS NORM [d|n]

WIDTHs are the channels of what the extractor gives: of each feature map of an SSD, of the first and
of the second stage of a Faster R-CNN.  FEATURES says which options were recorded, beside the plain
ones: `m`, any depth_multiplier and min_depth; `d`, use_depthwise; `-`, neither.

KERNELS are `leaf:AxBxCxD` joined by commas, axes being numbers or widths.  NORM is what stands
beside the kernels: `-` nothing, `b` biases, or who decides on the normalization, and what it is
unless the config decides: g, b, m, v (gamma, beta, moving_mean, moving_variance):

    f:gbmv   it is fixed
    o:gbmv   conv_hyperparams decide, if override_base_feature_extractor_hyperparams says so
    p:gbmv   so, but there is always BatchNorm: only its scale and center are theirs
    s:gbmv   as o, but where there is BatchNorm it always has a scale
    c        conv_hyperparams decide: BatchNorm, or biases where they have none

A line ending in `d` exists with use_depthwise only, in `n` without it only.  A kernel named `=` is
a variable of its own, SCOPE its name.

A width is S512 (512 * depth_multiplier in whole channels, at least min_depth), D512 (the same
rounded to a multiple of 8; see graphfix.model.backbones), R512 (the nearest multiple of 8, whatever
min_depth says), SA (S of fpn.additional_layer_depth), or D24*6 (six times D24, rounded so again);
in a scope, {S256} stands for its number.
"""

import dataclasses
import functools
import os
import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from graphfix.model.backbones import DIVISIBLE, SCALED, scaled_width

_WIDTH = re.compile(r"(?P<rule>[SDR]?)(?P<base>\d+|A)(?P<factors>(?:\*[\d.]+)*)\Z")
_RULES = {"S": SCALED, "D": DIVISIBLE}
_EIGHT = 8
_NORM = {"g": "gamma", "b": "beta", "m": "moving_mean", "v": "moving_variance"}
# Of an additional feature map, by its number.
_ADDED = re.compile(r"_[12]_Conv2d_(\d+)_")
MULTIPLIER, DEPTHWISE = "m", "d"


class Variable(NamedTuple):
    """A model variable's name and shape."""

    name: str
    shape: Tuple[int, ...]


class Norm(NamedTuple):
    """How a config's hyperparameters normalize: whether at all, and with which of both."""

    batch_norm: bool
    scale: bool
    center: bool

    def leaves(self) -> Tuple[str, ...]:
        """Variables beside a kernel."""
        if not self.batch_norm:
            return ("biases",)
        return (("BatchNorm/gamma",) * self.scale + ("BatchNorm/beta",) * self.center
                + ("BatchNorm/moving_mean", "BatchNorm/moving_variance"))


class Widths(NamedTuple):
    """What widths depend on."""

    multiplier: float = 1.0
    least: int = 8
    depth: int = 256

    def of(self, token: str) -> int:
        """The number of channels that a width stands for."""
        match = _WIDTH.match(token)
        width = self.depth if match.group("base") == "A" else int(match.group("base"))
        rule = match.group("rule")
        if rule == "R":
            width = _rounded(width * self.multiplier)
        elif rule:
            width = scaled_width(width, _RULES[rule], self.multiplier, self.least)
        for factor in match.group("factors").split("*")[1:]:
            width = _rounded(width * float(factor)) if rule == "R" else scaled_width(
                width, DIVISIBLE, float(factor), _EIGHT)
        return width


def _rounded(width: float) -> int:
    """The nearest multiple of 8 that is not 0."""
    return max(_EIGHT, int(width / _EIGHT + 0.5) * _EIGHT)


@dataclasses.dataclass(frozen=True)
class Layer:
    """A line of layers.txt."""

    scope: str
    kernels: Tuple[Tuple[str, Tuple[str, ...]], ...]
    norm: str
    when: str = ""

    def variables(self, widths: Widths, norm: Norm, override: bool) -> Iterator[Variable]:
        """The layer's variables under a config."""
        scope = re.sub(r"\{(.+?)\}", lambda match: str(widths.of(match.group(1))), self.scope)
        for leaf, axes in self.kernels:
            shape = tuple(widths.of(axis) for axis in axes)
            yield Variable(scope if leaf == "=" else scope + "/" + leaf, shape)
        if self.norm == "-":
            return
        # A depthwise kernel has its channels on the axis before the last.
        out = shape[-1] if leaf != "depthwise_weights" else shape[-1] * shape[-2]
        for leaf in self._beside(norm, override):
            yield Variable(scope + "/" + leaf, (out,))

    def is_of_map(self, number: int) -> bool:
        """Whether it belongs to an additional feature map of this number, or a later one."""
        match = _ADDED.search(self.scope)
        return match is not None and int(match.group(1)) >= number

    def _beside(self, norm: Norm, override: bool) -> Tuple[str, ...]:
        who, _, fixed = self.norm.partition(":")
        if who == "b":
            return ("biases",)
        if who == "c" or (who == "o" and override):
            return norm.leaves()
        if who == "p" and override and norm.batch_norm:
            return norm.leaves()
        if who == "s" and override:
            return norm._replace(scale=True).leaves()
        return tuple("BatchNorm/" + _NORM[letter] for letter in fixed)


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A section of layers.txt."""

    type: str
    features: str
    maps: Tuple[str, ...]
    layers: Tuple[Layer, ...]

    def variables(self, widths: Widths, norm: Norm, override: bool, depthwise: bool, maps: int
                  ) -> Iterator[Variable]:
        """The extractor's variables under a config that has so many feature maps."""
        for layer in self.layers:
            if layer.when in ("", "d" if depthwise else "n") and not layer.is_of_map(maps):
                yield from layer.variables(widths, norm, override)

    @property
    def narrowest(self) -> int:
        """The least number of channels that a convolution gives, at a multiplier of 1."""
        return min(Widths().of(axes[-1]) for layer in self.layers
                   for leaf, axes in layer.kernels if leaf in ("weights", "pointwise_weights"))


def parse_layers(text: str) -> Dict[str, Extractor]:
    """The sections of a layers.txt, by type."""
    found = {}  # type: Dict[str, Tuple[str, Tuple[str, ...], List[Layer]]]
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        if words[0] == "extractor":
            layers = []  # type: List[Layer]
            found[words[1]] = (words[2], tuple(words[3:]), layers)
            continue
        kernels = tuple((one.partition(":")[0], tuple(one.partition(":")[2].split("x")))
                        for one in words[1].split(","))
        layers.append(Layer(words[0], kernels, words[2], words[3] if len(words) > 3 else ""))
    return {kind: Extractor(kind, features, maps, tuple(layers))
            for kind, (features, maps, layers) in found.items()}


@functools.lru_cache(maxsize=None)
def find_extractor(kind: str) -> Optional[Extractor]:
    """The recorded layers of a feature extractor's type, None where there are none."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.txt")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    # Of the file, which is large, only the section that is asked for.
    start = text.find("\nextractor %s " % kind)
    end = text.find("\nextractor ", start + 1)
    return parse_layers(text[start:end if end >= 0 else None]).get(kind) if start >= 0 else None
