"""The anchors of a config's generator, as the stock builders place them.

At each location of a feature map lies the same list of shapes; its order is the order of the
heads' anchor axis.  With s a scale and r an aspect ratio (width by height), an anchor is
s / sqrt(r) * base high and s * sqrt(r) * base wide.  As measured on the stock API:

* `ssd_anchor_generator`, normalized to the image: scales s_i from `min_scale` to `max_scale` in
  `num_layers` even steps (or `scales`), then 1.  The first map has (0.1, r=1), (s_0, 2), (s_0, 1/2)
  when `reduce_boxes_in_lowest_layer` holds; every other map `aspect_ratios` in order at s_i, and
  last sqrt(s_i * s_i+1) with `interpolated_scale_aspect_ratio`, unless that is 0.  Until 2017-10
  it came right behind each aspect ratio 1, and was of that.  The base is
  `base_anchor_height` and `_width`, times the image's shorter side by its height and width.
  Strides and offsets are pixels; without them a location is a cell, the anchors in its middle;
* `grid_anchor_generator`, pixels: one map; all `scales` of the first aspect ratio, then of the
  next; base `height` by `width`;
* `multiscale_anchor_generator`: a map for every level; aspect ratios outside, the scales
  2^(k / scales_per_octave) inside; base 2^level * `anchor_scale`, stride 2^level pixels, offset
  half of it where the image divides into such cells, or where its size varies (not in earlier
  revisions), else 0;
* `flexible_grid_anchor_generator`: a map for every `anchor_grid`, whose base sizes and aspect
  ratios are pairs.
"""

import dataclasses
import math
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.errors import SourceError

REDUCED_SCALE = 0.1
_MOST_MAPS = 64
_MOST_ANCHORS = 100000
_OTHER = "give it layers, scales and aspect ratios that are positive numbers"

Pair = Tuple[float, float]  # of the y and the x direction
# The month since which the API has the interpolated anchor last, and anchors of the image's shape.
INTERPOLATED_LAST = "2017-11"
# The first month known to have a pyramid's anchors in the middle of their cells where the image's
# size varies; the last known to have them in the cells' corners is 2019-07.
CENTRED = "2021-06"


@dataclasses.dataclass(frozen=True)
class MapAnchors:
    """The anchors at a location of a feature map.

    `sizes` are (height, width), of the image for `ssd_anchor_generator` and in pixels for all
    others.  `stride` and `offset` are pixels, None where they follow from the map's size.
    """

    sizes: Tuple[Pair, ...]
    stride: Optional[Pair]
    offset: Optional[Pair]


@dataclasses.dataclass(frozen=True)
class AnchorSpec:
    """The generator's name in the config and the anchors of each feature map."""

    generator: str
    maps: Tuple[MapAnchors, ...]

    @property
    def per_map(self) -> Tuple[int, ...]:
        """How many anchors a location of each feature map has."""
        return tuple(len(one.sizes) for one in self.maps)


class NoSize(SourceError):
    """Some anchors have no size that is a positive number; the stock API lays them all the same.
    `spec` has them."""

    def __init__(self, subject: str, generator: str, spec: AnchorSpec):
        super().__init__(subject, f"has a {generator} with anchors of no size", _OTHER)
        self.spec = spec


class NoAnchors(SourceError):
    """A generator that can be built places no anchors on a feature map."""


def shaped(scale: float, ratio: float, base: Pair) -> Pair:
    """The (height, width) of an anchor; NaN or infinite, where it has none."""
    root = _root(ratio)
    return ((scale / root if root else math.inf) * base[0], scale * root * base[1])


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def _ssd(ssd, image: Optional[Pair], api: Optional[str]) -> List[MapAnchors]:
    layers = ssd.num_layers
    scales = list(ssd.scales)
    if not scales:
        step = (ssd.max_scale - ssd.min_scale) / (
            layers - 1
        )  # the stock API fails for one layer, too
        scales = [ssd.min_scale + step * layer for layer in range(layers)]
    scales.append(1.0)
    if len(scales) <= layers:  # the stock API ignores any beyond
        raise ValueError(f"has {len(scales) - 1} scales for {layers} layers")
    height, width = image or (1.0, 1.0)
    if api is not None and api < INTERPOLATED_LAST:
        height = width = 1.0  # the generator was not told of the image then
    base = (
        ssd.base_anchor_height * min(height, width) / height,
        ssd.base_anchor_width * min(height, width) / width,
    )
    # A search for anchors builds thousands: each field is read once.
    ratios = list(ssd.aspect_ratios)
    interpolated, reduced = ssd.interpolated_scale_aspect_ratio, ssd.reduce_boxes_in_lowest_layer
    strides, offsets = (
        _given(list(heights), list(widths), layers, what)
        for heights, widths, what in (
            (ssd.height_stride, ssd.width_stride, "strides"),
            (ssd.height_offset, ssd.width_offset, "offsets"),
        )
    )
    maps = []
    for layer in range(layers):
        scale = scales[layer]
        pairs = [(scale, ratio) for ratio in ratios]
        between = _root(scale * scales[layer + 1])
        if api is not None and api < INTERPOLATED_LAST:
            for place in reversed(range(len(pairs))):
                if pairs[place][1] == 1.0:
                    pairs.insert(place + 1, (between, 1.0))
        elif interpolated > 0:
            pairs.append((between, interpolated))
        if layer == 0 and reduced:
            pairs = [(REDUCED_SCALE, 1.0), (scale, 2.0), (scale, 0.5)]
        stride, offset = strides[layer], offsets[layer]
        if stride and not offset:
            offset = (stride[0] / 2, stride[1] / 2)
        sizes = tuple([shaped(side, ratio, base) for side, ratio in pairs])
        maps.append(MapAnchors(sizes, stride, offset))
    return maps


def _given(
    heights: List[float], widths: List[float], layers: int, what: str
) -> Sequence[Optional[Pair]]:
    """Of each layer the settings of y and x, None where there are none: the stock builder takes as
    many pairs as there are, and no pair for none."""
    if not heights or not widths:
        return (None,) * layers
    if min(len(heights), len(widths)) != layers:
        raise ValueError(f"has {len(heights)} and {len(widths)} {what} for {layers} layers")
    return [(float(height), float(width)) for height, width in zip(heights, widths)]


def _grid(grid, image: Optional[Pair], api: Optional[str]) -> List[MapAnchors]:
    base = (grid.height, grid.width)
    sizes = tuple(
        shaped(scale, ratio, base) for ratio in grid.aspect_ratios for scale in grid.scales
    )
    return [
        MapAnchors(
            sizes,
            (float(grid.height_stride), float(grid.width_stride)),
            (float(grid.height_offset), float(grid.width_offset)),
        )
    ]


def _multiscale(multiscale, image: Optional[Pair], api: Optional[str]) -> List[MapAnchors]:
    octave = multiscale.scales_per_octave
    scales = [2.0 ** (step / octave) for step in range(octave)]
    maps = []
    for level in range(multiscale.min_level, multiscale.max_level + 1):
        stride = 2.0**level
        base = (stride * multiscale.anchor_scale,) * 2
        sizes = tuple(
            shaped(scale, ratio, base) for ratio in multiscale.aspect_ratios for scale in scales
        )
        y, x = (stride / 2 if side % stride == 0 else 0.0 for side in image or (1.0, 1.0))
        if image is None and (api is None or api >= CENTRED):
            y = x = stride / 2
        maps.append(MapAnchors(sizes, (stride, stride), (y, x)))
    return maps


def _flexible(flexible, image: Optional[Pair], api: Optional[str]) -> List[MapAnchors]:
    maps = []
    for grid in flexible.anchor_grid:
        if len(grid.base_sizes) != len(grid.aspect_ratios):
            raise ValueError(
                f"pairs {len(grid.base_sizes)} base sizes with {len(grid.aspect_ratios)} aspect "
                "ratios"
            )
        sizes = tuple(
            shaped(size, ratio, (1.0, 1.0))
            for size, ratio in zip(grid.base_sizes, grid.aspect_ratios)
        )
        maps.append(
            MapAnchors(
                sizes,
                (float(grid.height_stride), float(grid.width_stride)),
                (float(grid.height_offset), float(grid.width_offset)),
            )
        )
    return maps


GENERATORS: Dict[str, Callable] = {
    "ssd_anchor_generator": _ssd,
    "grid_anchor_generator": _grid,
    "multiscale_anchor_generator": _multiscale,
    "flexible_grid_anchor_generator": _flexible,
}


def describe_anchors(
    message, subject: str, image: Optional[Pair] = None, *, api: Optional[str] = None
) -> AnchorSpec:
    """The anchors of an AnchorGenerator message, as the API of a month (of today) lays them.

    `image` is the size of the resized images in pixels, where the config fixes it.

    Raises:
      SourceError: naming `subject`, for a generator or settings that the stock API refuses too;
        NoSize, for some that it takes.
    """
    generator = message.WhichOneof("anchor_generator_oneof")
    if generator is None:
        raise SourceError(
            subject,
            "has no anchor generator",
            "give the pipeline.config that the checkpoint was trained with",
        )
    settings = getattr(message, generator)
    _check_extent(settings, generator, subject)
    try:
        maps = tuple(GENERATORS[generator](settings, image, api))
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise SourceError(
            subject,
            f"has a {generator} that cannot be built: it {error}"
            if isinstance(error, ValueError) and str(error).startswith(("has", "pairs"))
            else f"has a {generator} that cannot be built ({error})",
            _OTHER,
        ) from None
    spec = AnchorSpec(generator, maps)
    counts = spec.per_map
    if not maps or not 0 < min(counts) <= max(counts) <= _MOST_ANCHORS:
        kind = NoAnchors if maps and not min(counts) else SourceError
        raise kind(
            subject,
            f"has a {generator} that places {'/'.join(map(str, counts)) or 'no'} anchors at "
            "a location",
            _OTHER,
        )
    sides = [side for one in maps for size in one.sizes for side in size]
    # Their sum is no number where one of them is none.
    if math.isnan(sum(sides)) or not 0 < min(sides) <= max(sides) < math.inf:
        raise NoSize(subject, generator, spec)
    return spec


def _check_extent(settings, generator: str, subject: str) -> None:
    """Refuses numbers that would take forever to count to."""
    maps = max(
        getattr(settings, "num_layers", 0),
        getattr(settings, "max_level", 0) - getattr(settings, "min_level", 0) + 1,
    )
    most = max([maps] + [abs(getattr(settings, name, 0)) for name in ("min_level", "max_level")])
    octave = getattr(settings, "scales_per_octave", 1)
    if most > _MOST_MAPS or not 1 <= octave <= _MOST_ANCHORS:
        raise SourceError(
            subject,
            f"has a {generator} of {maps} feature maps and {octave} scales an octave",
            "give as many as the model has",
        )


def anchor_boxes(
    one: MapAnchors, generator: str, shape: Tuple[int, int], image: Pair
) -> np.ndarray:
    """Every anchor of a feature map: float64 [rows * columns * anchors, 4], ymin, xmin, ymax, xmax
    in pixels; row by row, column by column, in the order of the heads' channels.

    `shape` is the map's (rows, columns), `image` the image's (height, width) in pixels.
    """
    sizes = np.asarray(one.sizes, np.float64)
    if generator == "ssd_anchor_generator":
        sizes = sizes * np.asarray(image, np.float64)
    stride = one.stride or (image[0] / shape[0], image[1] / shape[1])
    offset = one.offset or (stride[0] / 2, stride[1] / 2)
    rows = np.arange(shape[0]) * stride[0] + offset[0]
    columns = np.arange(shape[1]) * stride[1] + offset[1]
    centres = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)[:, :, None, :]
    half = sizes[None, None] / 2
    return np.concatenate([centres - half, centres + half], axis=-1).reshape(-1, 4)
