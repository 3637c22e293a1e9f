"""The settings of each anchor generator, as vectors to search.

A search space is one way to set a generator: which settings vary, where each starts, and the
message that values make.  Values are logarithms, so that a step is a factor.  Settings that are
neither a size nor a shape (layers, levels, strides, offsets) stay as the config has them.

* `ssd_anchor_generator`: `min_scale` and `max_scale`, or a scale for every layer; the aspect
  ratios, which all layers share, and that of the interpolated anchor.  Where
  `reduce_boxes_in_lowest_layer` gives the first layer the API's own three shapes, those follow
  `base_anchor_height` and `_width` alone, so there are search spaces with these, too;
* `multiscale_anchor_generator`: `anchor_scale`, the aspect ratios, and how a number of anchors is
  made of aspect ratios and scales per octave;
* `grid_anchor_generator`: `scales` and `aspect_ratios`, and how a number is made of both;
* `flexible_grid_anchor_generator`: base size and aspect ratio of every anchor.
"""

import dataclasses
import math
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.errors import RequestError

# Settings that vary stay between these: parts of the image or pixels, and ratios.
SCALES = (math.log(1e-3), math.log(1e5))
RATIOS = (math.log(1 / 20), math.log(20))
BASES = (math.log(1 / 20), math.log(20))
_DIGITS = 4  # of a setting, as it is written


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """`starts`: vectors to search from; `bounds`: [low, high] of each value; `build(vector)`: the
    AnchorGenerator message.  `simplicity`: the lower, the more a space is preferred."""

    name: str
    starts: Tuple[np.ndarray, ...]
    bounds: np.ndarray
    build: Callable[[np.ndarray], Any]
    simplicity: int


@dataclasses.dataclass(frozen=True)
class Shapes:
    """The shapes in a data set, to start from: logarithms of the boxes' sides (in the
    generator's unit) and of their ratios, width by height; sorted."""

    sides: np.ndarray
    ratios: np.ndarray

    def quantiles(self, values: np.ndarray, count: int) -> np.ndarray:
        """`count` values, each in the middle of an equal part of all."""
        return values[[int((number + 0.5) / count * len(values)) for number in range(count)]]


def rounded(value: float) -> float:
    """A setting as the file will have it: what is searched is what will be read."""
    return float(f"{value:.{_DIGITS}g}")


def search_spaces(
    message: Any, shapes: Shapes, count: Optional[int], per_map: Sequence[int]
) -> List[SearchSpace]:
    """The search spaces of a message's generator with as many anchors as it has, or `count`.

    Raises:
      RequestError: it cannot have so many.
    """
    generator = message.WhichOneof("anchor_generator_oneof")
    if count is not None and not 1 <= count <= 100:
        raise RequestError("--num_anchors", f"is {count}", "ask for 1 to 100 at a location")
    return list(_GENERATORS[generator](message, shapes, count, per_map))


def _changed(message: Any, **settings) -> Any:
    """A message with other settings of its generator; None clears one."""
    made = type(message)()
    made.CopyFrom(message)
    body = getattr(made, made.WhichOneof("anchor_generator_oneof"))
    for name, value in settings.items():
        body.ClearField(name)
        if isinstance(value, list):
            getattr(body, name).extend(rounded(one) for one in value)
        elif value is not None:
            setattr(body, name, rounded(value))
    return made


def _bounds(*parts: Tuple[Tuple[float, float], int]) -> np.ndarray:
    return np.array([bound for bound, count in parts for _ in range(count)], np.float64)


def _ssd(
    message: Any, shapes: Shapes, count: Optional[int], per_map: Sequence[int]
) -> Iterator[SearchSpace]:
    ssd = message.ssd_anchor_generator
    layers = ssd.num_layers
    interpolated = int(ssd.interpolated_scale_aspect_ratio > 0)
    ratio_count = len(ssd.aspect_ratios) if count is None else count - interpolated
    if ratio_count < 1:
        raise RequestError(
            "--num_anchors",
            "leaves no aspect ratio besides the interpolated anchor",
            "ask for at least 2",
        )
    middle = float(np.median(shapes.ratios))
    measured = shapes.quantiles(shapes.ratios, ratio_count)
    bases = [math.log(ssd.base_anchor_height), math.log(ssd.base_anchor_width)]
    # Scales, ratios, the interpolated anchor's ratio, bases: as they are, and as the boxes are.
    present = (
        np.log(list(ssd.scales) or np.linspace(ssd.min_scale, ssd.max_scale, layers)),
        np.log(ssd.aspect_ratios) if ratio_count == len(ssd.aspect_ratios) else measured,
        [math.log(ssd.interpolated_scale_aspect_ratio)] if interpolated else [],
        bases,
    )
    other = (
        shapes.quantiles(shapes.sides, layers),
        measured,
        [middle][:interpolated],
        [bases[0] - middle / 2, bases[1] + middle / 2],
    )

    def build(vector: np.ndarray, free: bool, with_base: bool) -> Any:
        values = np.exp(vector)
        settings: Dict[str, Any] = {}
        split = layers if free else 2
        ordered = sorted(values[:split])
        if free:
            settings.update(scales=list(ordered), min_scale=None, max_scale=None)
        else:
            settings.update(scales=None, min_scale=ordered[0], max_scale=ordered[1])
        settings["aspect_ratios"] = list(values[split : split + ratio_count])
        if interpolated:
            settings["interpolated_scale_aspect_ratio"] = values[split + ratio_count]
        if with_base:
            settings.update(base_anchor_height=values[-2], base_anchor_width=values[-1])
        return _changed(message, **settings)

    def space(simplicity: int, free: bool, with_base: bool) -> SearchSpace:
        starts = tuple(
            np.concatenate(
                [scales if free else scales[[0, -1]], ratios, between, base if with_base else []]
            )
            for scales, ratios, between, base in (present, other)
        )
        bounds = _bounds(
            (SCALES, layers if free else 2),
            (RATIOS, ratio_count + interpolated),
            (BASES, 2 * with_base),
        )
        name = ("scales" if free else "min_scale and max_scale") + (
            ", base_anchor_height and base_anchor_width" if with_base else ""
        )
        return SearchSpace(
            name, starts, bounds, lambda vector: build(vector, free, with_base), simplicity
        )

    ranged = layers > 1 and not ssd.scales
    if ranged:
        yield space(0, False, False)
    yield space(1, True, False)
    if ssd.reduce_boxes_in_lowest_layer:
        if ranged:
            yield space(2, False, True)
        yield space(3, True, True)


def _multiscale(
    message: Any, shapes: Shapes, count: Optional[int], per_map: Sequence[int]
) -> Iterator[SearchSpace]:
    one = message.multiscale_anchor_generator
    total = count or one.scales_per_octave * len(one.aspect_ratios)
    scale = math.log(one.anchor_scale)

    def space(octave: int) -> SearchSpace:
        number = total // octave
        ratios = [shapes.quantiles(shapes.ratios, number)]
        if number == len(one.aspect_ratios):
            ratios.insert(0, np.log(one.aspect_ratios))

        def build(vector: np.ndarray) -> Any:
            made = _changed(
                message, anchor_scale=math.exp(vector[0]), aspect_ratios=list(np.exp(vector[1:]))
            )
            made.multiscale_anchor_generator.scales_per_octave = octave
            return made

        # A whole octave up or down is another level: starts within one are enough.
        starts = tuple(
            np.concatenate([[scale + step], own]) for own in ratios for step in (0, -0.35)
        )
        return SearchSpace(
            f"anchor_scale and {number} aspect ratios, {octave} scales per octave",
            starts,
            _bounds((SCALES, 1), (RATIOS, number)),
            build,
            int(octave != one.scales_per_octave),
        )

    for octave in range(1, total + 1):
        if total % octave == 0:
            yield space(octave)


def _grid(
    message: Any, shapes: Shapes, count: Optional[int], per_map: Sequence[int]
) -> Iterator[SearchSpace]:
    grid = message.grid_anchor_generator
    total = count or len(grid.scales) * len(grid.aspect_ratios)
    base = (math.log(grid.height) + math.log(grid.width)) / 2
    # Ratios multiply the base's own.
    own = math.log(grid.width) - math.log(grid.height)

    def space(scale_count: int) -> SearchSpace:
        number = total // scale_count
        scales = [shapes.quantiles(shapes.sides, scale_count) - base]
        ratios = [shapes.quantiles(shapes.ratios, number) - own]
        if (scale_count, number) == (len(grid.scales), len(grid.aspect_ratios)):
            scales.insert(0, np.log(grid.scales))
            ratios.insert(0, np.log(grid.aspect_ratios))

        def build(vector: np.ndarray) -> Any:
            return _changed(
                message,
                scales=sorted(np.exp(vector[:scale_count])),
                aspect_ratios=list(np.exp(vector[scale_count:])),
            )

        return SearchSpace(
            f"{scale_count} scales and {number} aspect ratios",
            tuple(np.concatenate(pair) for pair in zip(scales, ratios)),
            _bounds((SCALES, scale_count), (RATIOS, number)),
            build,
            int(scale_count != len(grid.scales)),
        )

    for scale_count in range(1, total + 1):
        if total % scale_count == 0:
            yield space(scale_count)


def _flexible(
    message: Any, shapes: Shapes, count: Optional[int], per_map: Sequence[int]
) -> Iterator[SearchSpace]:
    grids = message.flexible_grid_anchor_generator.anchor_grid
    counts = [count or number for number in per_map]
    total = sum(counts)
    sides = shapes.quantiles(shapes.sides, len(counts))
    starts = [
        np.concatenate(
            [np.repeat(sides, counts)]
            + [shapes.quantiles(shapes.ratios, number) for number in counts]
        )
    ]
    if list(per_map) == counts:
        starts.insert(
            0,
            np.log(
                [size for grid in grids for size in grid.base_sizes]
                + [ratio for grid in grids for ratio in grid.aspect_ratios]
            ),
        )

    def build(vector: np.ndarray) -> Any:
        made = _changed(message)
        values = [rounded(value) for value in np.exp(vector)]
        first = 0
        for grid, number in zip(made.flexible_grid_anchor_generator.anchor_grid, counts):
            grid.ClearField("base_sizes")
            grid.ClearField("aspect_ratios")
            grid.base_sizes.extend(values[first : first + number])
            grid.aspect_ratios.extend(values[total + first : total + first + number])
            first += number
        return made

    yield SearchSpace(
        "base sizes and aspect ratios",
        tuple(starts),
        _bounds((SCALES, total), (RATIOS, total)),
        build,
        0,
    )


_GENERATORS: Dict[str, Callable[..., Iterator[SearchSpace]]] = {
    "ssd_anchor_generator": _ssd,
    "grid_anchor_generator": _grid,
    "multiscale_anchor_generator": _multiscale,
    "flexible_grid_anchor_generator": _flexible,
}
