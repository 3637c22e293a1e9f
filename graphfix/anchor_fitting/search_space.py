"""The settings of each anchor generator, as vectors to search.

A search space (space.py) is one way to set a generator: which settings vary, where each starts,
and the message that values make.  Settings that are neither a size nor a shape (layers, levels,
strides, offsets) stay as the config has them.

* `ssd_anchor_generator`: a scale for every layer, so that a layer changes alone; the aspect ratios,
  which all layers share, and that of the interpolated anchor.  Where
  `reduce_boxes_in_lowest_layer` gives the first layer the API's own three shapes, those follow
  `base_anchor_height` and `_width` alone, so there is a search space with these, too, in which
  scales and ratios are those of the anchors: where the base changes, other layers stay;
* `multiscale_anchor_generator`: `anchor_scale`, the aspect ratios, and how a number of anchors is
  made of aspect ratios and scales per octave;
* `grid_anchor_generator`: `scales` and `aspect_ratios`, and how a number is made of both;
* `flexible_grid_anchor_generator`: base size and aspect ratio of every anchor.
"""

import math
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

import numpy as np

from graphfix.anchor_fitting.space import (
    ALL_DIGITS,
    BASES,
    RATIOS,
    SCALES,
    SearchSpace,
    Shapes,
    Values,
    changed,
    make_bounds,
    rounded,
)
from graphfix.detectors.anchor_generators import REDUCED_SCALE
from graphfix.errors import RequestError


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
    # What the API computes is rounded to float32 before it is used, as a setting is.
    even = [float(np.float32(scale)) for scale in np.linspace(ssd.min_scale, ssd.max_scale, layers)]
    scales = list(ssd.scales)[:layers] or even
    same_ratios = ratio_count == len(ssd.aspect_ratios)
    measured = shapes.quantiles(shapes.ratios, ratio_count)
    ratios = list(ssd.aspect_ratios) if same_ratios else [float(one) for one in np.exp(measured)]
    between = [ssd.interpolated_scale_aspect_ratio][:interpolated]
    # The base as size and ratio; the lowest layer's smallest anchor is a part of its size.
    sides = ssd.base_anchor_height, ssd.base_anchor_width
    base = [math.sqrt(sides[0] * sides[1]), sides[1] / sides[0]]
    # The boxes' own shapes.
    middle = float(np.median(shapes.ratios))
    own_scales = shapes.quantiles(shapes.sides, layers)
    own_base = [own_scales[0] - math.log(REDUCED_SCALE), middle]
    reduced = ssd.reduce_boxes_in_lowest_layer
    anchors = [
        3 if reduced and not level else ratio_count + interpolated for level in range(layers)
    ]
    # The lowest layer's first anchor has a scale of its own.
    groups = tuple(
        (level, tuple((level, number) for number in range(int(reduced and not level), most)))
        for level, most in enumerate(anchors)
    )

    def space(with_ratios: bool, with_base: bool) -> SearchSpace:
        values = Values([*scales, *(ratios + between) * with_ratios, *base * with_base])
        end = layers + ratio_count * with_ratios

        def build(vector: np.ndarray) -> Any:
            made = values(vector)
            settings: Dict[str, Any] = {}
            if with_base and made[-2:] != base:
                size, ratio = made[-2:]
                settings.update(
                    base_anchor_height=rounded(size / math.sqrt(ratio), ALL_DIGITS),
                    base_anchor_width=rounded(size * math.sqrt(ratio), ALL_DIGITS),
                )
                # The values are the anchors' own: what multiplies the base makes up for it.
                by = [size / base[0]] * layers + [ratio / base[1]] * (len(made) - layers - 2)
                made = [rounded(one / part, ALL_DIGITS) for one, part in zip(made, by)]
            if made[:layers] != scales:
                settings.update(scales=made[:layers], min_scale=None, max_scale=None)
            if with_ratios:
                settings["aspect_ratios"] = made[layers:end]
                if interpolated:
                    settings["interpolated_scale_aspect_ratio"] = made[end]
            return changed(message, **settings)

        other = np.concatenate(
            [own_scales]
            + [measured, [middle][:interpolated]] * with_ratios
            + [own_base] * with_base
        )
        # The lowest layer alone, and all.
        lowest = []
        if with_base and values.present is not None:
            lowest.append(np.concatenate([values.present[:-2], own_base[:1], values.present[-1:]]))
        name = (
            "scales"
            + ", aspect ratios" * with_ratios
            + ", base_anchor_height and base_anchor_width" * with_base
        )
        return SearchSpace(
            name,
            values.starts(*lowest, other),
            make_bounds(
                (SCALES, layers),
                (RATIOS, (ratio_count + interpolated) * with_ratios),
                (BASES, 2 * with_base),
            ),
            build,
            values.present if same_ratios else None,
            groups,
            slice(0, layers if scales == sorted(scales) else 0),
        )

    if same_ratios:
        yield space(False, False)
    yield space(True, False)
    if reduced:
        yield space(True, True)


def _multiscale(
    message: Any, shapes: Shapes, count: Optional[int], per_map: Sequence[int]
) -> Iterator[SearchSpace]:
    one = message.multiscale_anchor_generator
    total = count or one.scales_per_octave * len(one.aspect_ratios)
    scale = math.log(one.anchor_scale)

    def space(octave: int) -> SearchSpace:
        number = total // octave
        as_now = (octave, number) == (one.scales_per_octave, len(one.aspect_ratios))
        values = Values([one.anchor_scale, *one.aspect_ratios] if as_now else None)
        ratios = [shapes.quantiles(shapes.ratios, number)]
        if number == len(one.aspect_ratios):
            ratios.insert(0, np.log(one.aspect_ratios))

        def build(vector: np.ndarray) -> Any:
            made = values(vector)
            other = changed(message, anchor_scale=made[0], aspect_ratios=made[1:])
            other.multiscale_anchor_generator.scales_per_octave = octave
            return other

        # A whole octave up or down is another level: starts within one are enough.
        starts = [np.concatenate([[scale + step], own]) for own in ratios for step in (0, -0.35)]
        every = tuple((level, anchor) for level in range(len(per_map)) for anchor in range(total))
        return SearchSpace(
            f"anchor_scale and {number} aspect ratios, {octave} scales per octave",
            values.starts(*starts[as_now:]),
            make_bounds((SCALES, 1), (RATIOS, number)),
            build,
            values.present,
            ((0, every),),
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
        as_now = (scale_count, number) == (len(grid.scales), len(grid.aspect_ratios))
        values = Values([*grid.scales, *grid.aspect_ratios] if as_now else None)

        def build(vector: np.ndarray) -> Any:
            made = values(vector)
            return changed(message, scales=made[:scale_count], aspect_ratios=made[scale_count:])

        measured = np.concatenate(
            [
                shapes.quantiles(shapes.sides, scale_count) - base,
                shapes.quantiles(shapes.ratios, number) - own,
            ]
        )
        return SearchSpace(
            f"{scale_count} scales and {number} aspect ratios",
            values.starts(measured),
            make_bounds((SCALES, scale_count), (RATIOS, number)),
            build,
            values.present,
            tuple(
                (place, tuple((0, place + scale_count * ratio) for ratio in range(number)))
                for place in range(scale_count)
            ),
            slice(0, scale_count if list(grid.scales) == sorted(grid.scales) else 0),
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
    as_now = list(per_map) == counts
    values = Values(
        [size for grid in grids for size in grid.base_sizes]
        + [ratio for grid in grids for ratio in grid.aspect_ratios]
        if as_now
        else None
    )
    measured = np.concatenate(
        [np.repeat(shapes.quantiles(shapes.sides, len(counts)), counts)]
        + [shapes.quantiles(shapes.ratios, number) for number in counts]
    )

    def build(vector: np.ndarray) -> Any:
        other = changed(message)
        made = values(vector)
        first = 0
        for grid, number in zip(other.flexible_grid_anchor_generator.anchor_grid, counts):
            grid.ClearField("base_sizes")
            grid.ClearField("aspect_ratios")
            grid.base_sizes.extend(made[first : first + number])
            grid.aspect_ratios.extend(made[total + first : total + first + number])
            first += number
        return other

    places = [(level, anchor) for level, number in enumerate(counts) for anchor in range(number)]
    yield SearchSpace(
        "base sizes and aspect ratios",
        values.starts(measured),
        make_bounds((SCALES, total), (RATIOS, total)),
        build,
        values.present,
        tuple((number, (place,)) for number, place in enumerate(places)),
    )


_GENERATORS: Dict[str, Callable[..., Iterator[SearchSpace]]] = {
    "ssd_anchor_generator": _ssd,
    "grid_anchor_generator": _grid,
    "multiscale_anchor_generator": _multiscale,
    "flexible_grid_anchor_generator": _flexible,
}
