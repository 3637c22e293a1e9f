"""Which layers each feature extractor has: what layers.txt says, read and made variables.

layers.txt beside this module was recorded from the stock API's own builders (tests/stock/
record_layers.py asks them, write_layers.py writes the file).  A section a type:

    extractor TYPE FEATURES WIDTH...
      SCOPE KERNELS NORM [d|n] [=NAME] [<N]

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
    u:gbmv   as o, but there are never biases
    c        conv_hyperparams decide: BatchNorm, or biases where they have none

Keras's normalizations are layers beside the kernel's; their name follows the letter (`f@conv1_bn`).

A line with `d` exists with use_depthwise only, with `n` without it only.  With `=NAME` it is a
layer of Keras's that slim's classifier has as NAME.  With `<N` it is read only where there are N
feature maps, or, of an FPN, levels up to N; with `<-` nothing reads it.  A kernel named `=` is a
variable of its own, SCOPE its name.

A width is S512 (512 * depth_multiplier in whole channels, at least min_depth), D512 (the same
rounded to a multiple of 8), T512 (the multiplier taken twice; see graphfix.detectors.backbones for
all three), R512 (the nearest multiple of 8, whatever min_depth says), L1280 (D1280 with a
multiplier of at most 1), SA (S of fpn.additional_layer_depth), I8 (a third of S64, but at most 8),
D24*6 (six times D24, rounded so again; for S and I just the product), or S64+S96 (a sum, as of
branches). In a scope, {S256} stands for its number.

An FPN is recorded for levels 2 to 7.  The API numbers its layers upwards from its lowest level
(projection_1 is of that level), and those beyond level 5 from a fixed number on.
"""

import dataclasses
import functools
import os
import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.detectors.backbones import DIVISIBLE, SCALED, TWICE, scaled_width

_WIDTH = re.compile(r"(?P<rule>[SDRITL]?)(?P<base>\d+|A)(?P<factors>(?:\*[\d.]+)*)\Z")
_RULES = {"S": SCALED, "D": DIVISIBLE, "T": TWICE}
_EIGHT = 8
_NORM = {"g": "gamma", "b": "beta", "m": "moving_mean", "v": "moving_variance"}
# What a layer's kernels may be called, by slim and by Keras.
KERNELS = (
    "weights",
    "depthwise_weights",
    "pointwise_weights",
    "kernel",
    "depthwise_kernel",
    "pointwise_kernel",
)
DEPTHWISE_KERNELS = ("depthwise_weights", "depthwise_kernel")
# Of an additional feature map, by its number.
_ADDED = re.compile(r"_[12]_Conv2d_(\d+)_")
# Of an FPN: what follows its backbone's highest level, and the levels that were recorded.
_COARSE, _TOP, _RECORDED = "bottom_up", 5, (2, 7)
_FPN = re.compile(r"/(projection|smoothing|bottom_up)_([A-Za-z]\w*?_?)??(\d+)(?=_|\Z)")
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

    def leaves(self, keras: bool = False) -> Tuple[str, ...]:
        """Variables beside a kernel; Keras's has a bias where the normalization has none."""
        if not self.batch_norm:
            return ("biases",)
        return (
            ("biases",) * (keras and not self.center)
            + ("BatchNorm/gamma",) * self.scale
            + ("BatchNorm/beta",) * self.center
            + ("BatchNorm/moving_mean", "BatchNorm/moving_variance")
        )


class Widths(NamedTuple):
    """What widths depend on."""

    multiplier: float = 1.0
    least: int = 8
    depth: int = 256

    def of(self, token: str) -> int:
        """The number of channels that a width stands for."""
        if "+" in token:
            return sum(self.of(one) for one in token.split("+"))
        match = _WIDTH.match(token)
        assert match is not None, token
        width = self.depth if match.group("base") == "A" else int(match.group("base"))
        rule = match.group("rule")
        if rule == "R":
            width = _rounded(width * self.multiplier)
        elif rule == "I":
            width = min(width, self.of("S64") // 3)
        elif rule == "L":
            width = scaled_width(width, DIVISIBLE, min(self.multiplier, 1.0), self.least)
        elif rule:
            width = scaled_width(width, _RULES[rule], self.multiplier, self.least)
        for factor in match.group("factors").split("*")[1:]:
            width = (
                int(width * float(factor))
                if rule in ("S", "I")
                else _rounded(width * float(factor))
                if rule == "R"
                else scaled_width(width, DIVISIBLE, float(factor), _EIGHT)
            )
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
    classifier: str = ""
    read_from: str = ""

    def variables(self, widths: Widths, norm: Norm, override: bool) -> Iterator[Variable]:
        """The layer's variables under a config."""

        def named(pattern: str) -> str:
            return re.sub(r"\{(.+?)\}", lambda match: str(widths.of(match.group(1))), pattern)

        shapes = [(leaf, tuple(widths.of(axis) for axis in axes)) for leaf, axes in self.kernels]
        leaf, shape = shapes[-1]
        # slim's residual units have a convolution in the shortcut only where widths differ.
        if self.scope.endswith("/shortcut") and shape[-1] == shape[-2]:
            return
        scope = named(self.scope)
        for leaf, shape in shapes:
            yield Variable(scope if leaf == "=" else scope + "/" + leaf, shape)
        # A depthwise kernel has its channels on the axis before the last.
        out = shape[-1] if leaf not in DEPTHWISE_KERNELS else shape[-1] * shape[-2]
        keras = leaf.endswith("kernel")
        sibling = named(self.norm.partition(":")[0].partition("@")[2])
        beside = "/".join(scope.split("/")[:-1] + [sibling]) if sibling else ""
        for name in self._beside(norm, override, keras):
            yield Variable(
                beside_kernel(scope, name, "bias" if keras else "biases", beside), (out,)
            )

    def is_governed(self, override: bool) -> bool:
        """Whether conv_hyperparams decide on its regularizer, and not the extractor itself."""
        return self.norm[0] == "c" or (override and self.norm[0] in "opsu")

    def is_read(self, number: int) -> bool:
        """Whether an output depends on it, of so many feature maps, or of an FPN up to this
        level."""
        return not self.read_from or (self.read_from != "-" and int(self.read_from) <= number)

    def is_of_map(self, number: int) -> bool:
        """Whether it belongs to an additional feature map of this number, or a later one."""
        match = _ADDED.search(self.scope)
        return match is not None and int(match.group(1)) >= number

    def _beside(self, norm: Norm, override: bool, keras: bool) -> Tuple[str, ...]:
        who, _, fixed = self.norm.partition(":")
        who = who.partition("@")[0]
        if who == "-":
            return ()
        if who == "b":
            return ("biases",)
        if who == "c" or (who == "o" and override):
            return norm.leaves(keras)
        if who == "u" and override:
            return tuple(leaf for leaf in norm.leaves() if leaf != "biases")
        if who == "p" and override and norm.batch_norm:
            return norm.leaves(keras)
        if who == "s" and override:
            return norm._replace(scale=True).leaves(keras)
        return tuple("BatchNorm/" + _NORM[letter] for letter in fixed)


def beside_kernel(scope: str, leaf: str, bias: str, norm: str = "") -> str:
    """The name of a variable beside a kernel: of its bias, or of its normalization, which has the
    scope `norm`, or one within the layer's."""
    if leaf == "biases":
        return scope + "/" + bias
    return norm + "/" + leaf.rpartition("/")[2] if norm else scope + "/" + leaf


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A section of layers.txt."""

    type: str
    features: str
    maps: Tuple[str, ...]
    layers: Tuple[Layer, ...]

    def variables(
        self,
        widths: Widths,
        norm: Norm,
        override: bool,
        depthwise: bool,
        maps: int,
        levels: Optional[Tuple[int, int]] = None,
    ) -> Iterator[Variable]:
        """The extractor's variables under a config that has so many feature maps, or an FPN of
        these levels."""
        layers = self._built(depthwise, maps)
        for layer in layers if levels is None else _at_levels(layers, *levels):
            yield from layer.variables(widths, norm, override)

    def unread(
        self, depthwise: bool, maps: int, levels: Optional[Tuple[int, int]] = None
    ) -> List[Layer]:
        """The layers on which no output depends."""
        return [
            layer
            for layer in self._built(depthwise, maps)
            if not layer.is_read(levels[1] if levels else maps)
        ]

    def _built(self, depthwise: bool, maps: int) -> List[Layer]:
        return [
            layer
            for layer in self.layers
            if layer.when in ("", "d" if depthwise else "n") and not layer.is_of_map(maps)
        ]

    def converted(self) -> Dict[str, str]:
        """{variable: its name in slim's classifier} of what the API restores from it name by
        name."""
        plain = Norm(True, True, True)
        slim = {"kernel": "weights", "bias": "biases"}
        found = {}
        for layer in self.layers:
            for variable in layer.variables(Widths(), plain, False) if layer.classifier else ():
                leaf = variable.name.rpartition("/")[2]
                found[variable.name] = f"{layer.classifier}/{slim.get(leaf, 'BatchNorm/' + leaf)}"
        return found

    @property
    def narrowest(self) -> int:
        """The least number of channels that a convolution gives, at a multiplier of 1."""
        return min(
            Widths().of(axes[-1])
            for layer in self.layers
            for leaf, axes in layer.kernels
            if leaf in KERNELS and leaf not in DEPTHWISE_KERNELS
        )


def _at_levels(layers: Sequence[Layer], low: int, high: int) -> Iterator[Layer]:
    """What an FPN has of its recorded layers at other levels, numbered anew."""
    found = [_FPN.search(layer.scope) for layer in layers]
    first = min(int(match.group(3)) for match in found if match and match.group(1) == _COARSE)
    for layer, match in zip(layers, found):
        if match is None:
            yield layer
            continue
        kind, number = match.group(1), int(match.group(3))
        if kind == _COARSE:
            level = number - first + _TOP + 1
            # Beyond what is recorded every level is like the one before.
            last = level if level < _RECORDED[1] else high
            for own in range(level, min(last, high) + 1):
                yield _numbered(layer, match, number + own - level)
        else:
            level = number - 1 + _RECORDED[0]
            # The highest level is not smoothed.
            if low <= level <= min(high, _TOP) - (kind == "smoothing"):
                yield _numbered(layer, match, level - low + 1)


def _numbered(layer: Layer, match, number: int) -> Layer:
    """A layer under another number in the place that _FPN found, and its normalization, too."""
    start, end = match.span(3)
    name = match.group()[1:]
    return dataclasses.replace(
        layer,
        scope=f"{layer.scope[:start]}{number}{layer.scope[end:]}",
        norm=layer.norm.replace("@" + name, f"@{name[: -len(match.group(3))]}{number}"),
    )


def parse_layers(text: str) -> Dict[str, Extractor]:
    """The sections of a layers.txt, by type."""
    found: Dict[str, Tuple[str, Tuple[str, ...], List[Layer]]] = {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        if words[0] == "extractor":
            layers: List[Layer] = []
            found[words[1]] = (words[2], tuple(words[3:]), layers)
            continue
        kernels = tuple(
            (one.partition(":")[0], tuple(one.partition(":")[2].split("x")))
            for one in words[1].split(",")
        )
        others = {word[0]: word[word[0] in "=<" :] for word in words[3:]}
        layers.append(
            Layer(
                words[0],
                kernels,
                words[2],
                others.get("d", others.get("n", "")),
                others.get("=", ""),
                others.get("<", ""),
            )
        )
    return {
        kind: Extractor(kind, features, maps, tuple(layers))
        for kind, (features, maps, layers) in found.items()
    }


@functools.lru_cache(maxsize=None)
def find_extractor(kind: str) -> Optional[Extractor]:
    """The recorded layers of a feature extractor's type, None where there are none."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.txt")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    # Of the file, which is large, only the section that is asked for.
    start = text.find(f"\nextractor {kind} ")
    end = text.find("\nextractor ", start + 1)
    return parse_layers(text[start : end if end >= 0 else None]).get(kind) if start >= 0 else None
