"""The settings of each anchor generator, as vectors to search.

A search space is one way to set a generator: which settings vary, where each starts, and the
message that values make.  Values are logarithms, so that a step is a factor.  A value that is the
present one's makes the present setting, to the last bit.  Settings that are neither a size nor a
shape (layers, levels, strides, offsets) stay as the config has them.

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

import dataclasses
import math
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from graphfix.detectors.anchor_generators import REDUCED_SCALE
from graphfix.errors import RequestError

# Settings that vary stay between these: parts of the image or pixels, and ratios.
SCALES = (math.log(1e-3), math.log(1e5))
RATIOS = (math.log(1 / 20), math.log(20))
BASES = (math.log(1 / 20), math.log(20))
_DIGITS = 4  # of a setting, as it is written
_ALL_DIGITS = 8  # of one that makes up for another: as many as float32 has
ROUNDING = 6e-4  # the most that changes a logarithm by

Groups = Tuple[Tuple[int, Tuple[Tuple[int, int], ...]], ...]


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """`starts`: vectors to search from; `bounds`: [low, high] of each value; `build(vector)`: the
    AnchorGenerator message.

    `present`: the vector of the settings as they are, None where this space has other settings;
    `groups`: for each value that is a size, the anchors (map, number) that grow with it;
    `ascending`: values that stay sorted, but for those that are as they were.
    """

    name: str
    starts: Tuple[np.ndarray, ...]
    bounds: np.ndarray
    build: Callable[[np.ndarray], Any]
    present: Optional[np.ndarray]
    groups: Groups
    ascending: slice = slice(0, 0)

    def ordered(self, vector: np.ndarray) -> bool:
        """Whether no changed value is larger than a changed one behind it."""
        values = vector[self._changed(vector)]
        return bool((values[1:] >= values[:-1]).all())

    def sorted(self, vector: np.ndarray) -> np.ndarray:
        """A vector whose changed values are at most as large as those behind them."""
        out, places = vector.copy(), self._changed(vector)
        out[places] = np.minimum.accumulate(vector[places][::-1])[::-1]
        return out

    def _changed(self, vector: np.ndarray) -> np.ndarray:
        places = np.arange(len(vector))[self.ascending]
        return places if self.present is None else places[(vector != self.present)[places]]


@dataclasses.dataclass(frozen=True)
class Shapes:
    """The shapes in a data set, to start from: logarithms of the boxes' sides (in the
    generator's unit) and of their ratios, width by height; sorted."""

    sides: np.ndarray
    ratios: np.ndarray

    def quantiles(self, values: np.ndarray, count: int) -> np.ndarray:
        """`count` values, each in the middle of an equal part of all."""
        return values[[int((number + 0.5) / count * len(values)) for number in range(count)]]


def rounded(value: float, digits: int = _DIGITS) -> float:
    """A setting as the file will have it."""
    return float(f"{value:.{digits}g}")


class _Values:
    """Settings from a vector: the present ones where it is the present vector, else rounded as the
    file will have them: what is searched is what will be read."""

    def __init__(self, settings: Optional[Sequence[float]]):
        self.settings = settings
        self.present = None if settings is None else np.log(np.array(settings, np.float64))

    def __call__(self, vector: np.ndarray) -> List[float]:
        made = [rounded(value) for value in np.exp(vector)]
        if self.settings is None or self.present is None:
            return made
        same = vector == self.present
        return [old if stays else new for old, new, stays in zip(self.settings, made, same)]

    def starts(self, *others: np.ndarray) -> Tuple[np.ndarray, ...]:
        return others if self.present is None else (self.present, *others)


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
            getattr(body, name).extend(value)
        elif value is not None:
            setattr(body, name, value)
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
        values = _Values([*scales, *(ratios + between) * with_ratios, *base * with_base])
        end = layers + ratio_count * with_ratios

        def build(vector: np.ndarray) -> Any:
            made = values(vector)
            settings: Dict[str, Any] = {}
            if with_base and made[-2:] != base:
                size, ratio = made[-2:]
                settings.update(
                    base_anchor_height=rounded(size / math.sqrt(ratio), _ALL_DIGITS),
                    base_anchor_width=rounded(size * math.sqrt(ratio), _ALL_DIGITS),
                )
                # The values are the anchors' own: what multiplies the base makes up for it.
                by = [size / base[0]] * layers + [ratio / base[1]] * (len(made) - layers - 2)
                made = [rounded(one / part, _ALL_DIGITS) for one, part in zip(made, by)]
            if made[:layers] != scales:
                settings.update(scales=made[:layers], min_scale=None, max_scale=None)
            if with_ratios:
                settings["aspect_ratios"] = made[layers:end]
                if interpolated:
                    settings["interpolated_scale_aspect_ratio"] = made[end]
            return _changed(message, **settings)

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
            _bounds(
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
        values = _Values([one.anchor_scale, *one.aspect_ratios] if as_now else None)
        ratios = [shapes.quantiles(shapes.ratios, number)]
        if number == len(one.aspect_ratios):
            ratios.insert(0, np.log(one.aspect_ratios))

        def build(vector: np.ndarray) -> Any:
            made = values(vector)
            changed = _changed(message, anchor_scale=made[0], aspect_ratios=made[1:])
            changed.multiscale_anchor_generator.scales_per_octave = octave
            return changed

        # A whole octave up or down is another level: starts within one are enough.
        starts = [np.concatenate([[scale + step], own]) for own in ratios for step in (0, -0.35)]
        every = tuple((level, anchor) for level in range(len(per_map)) for anchor in range(total))
        return SearchSpace(
            f"anchor_scale and {number} aspect ratios, {octave} scales per octave",
            values.starts(*starts[as_now:]),
            _bounds((SCALES, 1), (RATIOS, number)),
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
        values = _Values([*grid.scales, *grid.aspect_ratios] if as_now else None)

        def build(vector: np.ndarray) -> Any:
            made = values(vector)
            return _changed(message, scales=made[:scale_count], aspect_ratios=made[scale_count:])

        measured = np.concatenate(
            [
                shapes.quantiles(shapes.sides, scale_count) - base,
                shapes.quantiles(shapes.ratios, number) - own,
            ]
        )
        return SearchSpace(
            f"{scale_count} scales and {number} aspect ratios",
            values.starts(measured),
            _bounds((SCALES, scale_count), (RATIOS, number)),
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
    values = _Values(
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
        changed = _changed(message)
        made = values(vector)
        first = 0
        for grid, number in zip(changed.flexible_grid_anchor_generator.anchor_grid, counts):
            grid.ClearField("base_sizes")
            grid.ClearField("aspect_ratios")
            grid.base_sizes.extend(made[first : first + number])
            grid.aspect_ratios.extend(made[total + first : total + first + number])
            first += number
        return changed

    places = [(level, anchor) for level, number in enumerate(counts) for anchor in range(number)]
    yield SearchSpace(
        "base sizes and aspect ratios",
        values.starts(measured),
        _bounds((SCALES, total), (RATIOS, total)),
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
