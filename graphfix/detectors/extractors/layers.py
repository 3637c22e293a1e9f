r"""The layers of a feature extractor: what stands in its file, and the variables that they have.

They were recorded from the stock API's own builders (tests/stock/record_layers.py asks them,
write_layers.py writes the files).  A section for each type, until the end of the file:

    layers TYPE OPTIONS WIDTH...
      SCOPE KERNELS NORM [=NAME] [<N] [d|n]

WIDTHs (widths.py) are the channels of the extractor's outputs: of each feature map of an SSD, of
the first and the second stage of a Faster R-CNN.  OPTIONS are those that were recorded in addition
to the plain ones: `m`, any depth_multiplier and min_depth; `d`, use_depthwise; `-`, neither.

KERNELS are `leaf:AxBxCxD` joined by commas, an axis being a number or a width.  NORM is what a
layer has besides its kernels: `-` nothing, `b` biases; or who decides on the normalization, and
what that is unless the config decides: g, b, m, v (gamma, beta, moving_mean, moving_variance):

    f:gbmv   nobody: it is fixed
    o:gbmv   conv_hyperparams, with override_base_feature_extractor_hyperparams
    p:gbmv   likewise, but there is always BatchNorm: only its scale and center are the config's
    s:gbmv   like o, but where there is BatchNorm it always has a scale
    u:gbmv   like o, but there are never biases
    c        conv_hyperparams: BatchNorm, or biases where they have none

Keras's normalizations are layers beside the kernel's; their name follows the letter (`f@conv1_bn`).

A line with `d` exists only with use_depthwise, with `n` only without it.  With `=NAME` it is a
Keras layer that slim's classifier has as NAME.  With `<N` it is read only where there are N
feature maps or, in an FPN, levels up to N; with `<-` nothing reads it.  A kernel named `=` is a
variable of its own, SCOPE its name.  In a scope, {S256} stands for the number of channels.

An FPN is recorded for levels 2 to 7.  The API numbers its layers upwards from its lowest level
(projection_1 is of that level), and those beyond level 5 from a fixed number on.
"""

import functools
import os
import re
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.detectors.extractors.widths import Widths, is_width

HEADER = "layers"
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
# Patterns are compiled when first used, as most runs need few of them.
# Of an additional feature map, by its number.
_ADDED = r"_[12]_Conv2d_(\d+)_"
# Of an FPN: what follows its backbone's highest level, and the levels that were recorded.
_COARSE, _TOP, _RECORDED = "bottom_up", 5, (2, 7)
_FPN = r"/(projection|smoothing|bottom_up)_([A-Za-z]\w*?_?)??(\d+)(?=_|\Z)"
MULTIPLIER, DEPTHWISE = "m", "d"
Levels = Optional[Tuple[int, int]]


class Variable(NamedTuple):
    """A model variable's name and shape."""

    name: str
    shape: Tuple[int, ...]


class Kernel(NamedTuple):
    """A kernel's name, and the width that it gives, as the file has it (widths.py)."""

    name: str
    width: str


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


class Layer(NamedTuple):
    """A line of layers."""

    scope: str
    kernels: Tuple[Tuple[str, Tuple[str, ...]], ...]
    norm: str
    when: str = ""
    classifier: str = ""
    read_from: str = ""

    @property
    def last_kernel(self) -> Kernel:
        """The kernel that gives the layer's width."""
        leaf, axes = self.kernels[-1]
        return Kernel(f"{self.scope}/{leaf}", axes[-1])

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
        match = re.search(_ADDED, self.scope)
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


class RecordedLayers(NamedTuple):
    """A section of layers; `outputs` are the widths of its header."""

    type: str
    options: str
    outputs: Tuple[str, ...]
    layers: Tuple[Layer, ...]

    def variables(
        self,
        widths: Widths,
        norm: Norm,
        override: bool,
        depthwise: bool,
        maps: int,
        levels: Levels = None,
    ) -> Iterator[Variable]:
        """The extractor's variables under a config that has so many feature maps, or an FPN of
        these levels."""
        for layer in self.built(depthwise, maps, levels):
            yield from layer.variables(widths, norm, override)

    def built(self, depthwise: bool, maps: int, levels: Levels = None) -> Iterator[Layer]:
        """The layers that the API builds, those of an FPN at its own levels."""
        layers = self._built(depthwise, maps)
        return iter(layers) if levels is None else _at_levels(layers, *levels)

    def unread(self, depthwise: bool, maps: int, levels: Levels = None) -> List[Layer]:
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
    found = [re.search(_FPN, layer.scope) for layer in layers]
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
    return layer._replace(
        scope=f"{layer.scope[:start]}{number}{layer.scope[end:]}",
        norm=layer.norm.replace("@" + name, f"@{name[: -len(match.group(3))]}{number}"),
    )


_OPTIONS = r"-\Z|[md]{1,2}\Z"
_LINE = (
    r" +(?P<scope>\S+) (?P<kernels>\S+) (?P<norm>[-bc]|[fopsuc](?:@[^\s:]+)?(?::g?b?m?v?)?)"
    r"(?P<classifier> =\S+)?(?P<read_from> <(?:-|\d+))?(?P<when> [dn])?\s*\Z"
)
_KERNEL = r"(?P<leaf>=|\w+):(?P<axes>\S+)\Z"


class BadExtractorFile(Exception):
    """A line of an extractor's file is wrong, which is a fault of whoever wrote the file."""

    def __init__(self, path: str, line: int, message: str):
        super().__init__(f"{os.path.basename(path)}:{line}: {message}")


def parse(lines: Iterable[str], path: str, number: int) -> RecordedLayers:
    """A section of layers, its header first, which is at the line `number` of the file `path`.

    Raises:
      BadExtractorFile: a line is not as described above.
    """
    header, found = None, []
    for place, line in enumerate(lines, start=number):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            if header is None:
                header = _parse_header(line)
            else:
                found.append(_parse_layer(line))
        except ValueError as error:
            raise BadExtractorFile(path, place, str(error)) from None
    if header is None or not found:
        raise BadExtractorFile(path, number, "there are no layers here")
    return RecordedLayers(header[1], header[2], tuple(header[3:]), tuple(found))


def _parse_header(line: str) -> List[str]:
    words = line.split()
    if words[0] != HEADER or len(words) < 4 or not re.match(_OPTIONS, words[2]):
        raise ValueError(f"'{line.strip()}' is not '{HEADER} TYPE OPTIONS WIDTH...'")
    for word in words[3:]:
        _check_width(word)
    return words


def _parse_layer(line: str) -> Layer:
    match = re.match(_LINE, line)
    if match is None:
        raise ValueError(f"'{line.strip()}' is not 'SCOPE KERNELS NORM [=NAME] [<N] [d|n]'")
    return Layer(
        match.group("scope"),
        tuple(_parse_kernel(one) for one in match.group("kernels").split(",")),
        match.group("norm"),
        (match.group("when") or "").strip(),
        (match.group("classifier") or "").strip()[1:],
        (match.group("read_from") or "").strip()[1:],
    )


@functools.lru_cache(maxsize=1024)  # many layers of a network have the same kernel
def _parse_kernel(text: str) -> Tuple[str, Tuple[str, ...]]:
    match = re.match(_KERNEL, text)
    if match is None or match.group("leaf") not in (*KERNELS, "="):
        raise ValueError(
            f"'{text}' is not a kernel: LEAF:AxBxCxD, LEAF one of {', '.join(KERNELS)}"
        )
    axes = tuple(match.group("axes").split("x"))
    for axis in axes:
        _check_width(axis)
    return match.group("leaf"), axes


def _check_width(token: str) -> None:
    if not is_width(token):
        raise ValueError(f"'{token}' is not a width: those are described in widths.py")
