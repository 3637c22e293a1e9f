"""How many anchors a config's generator places at each location of each feature map.

That number is what the heads' channels depend on.  As measured on the stock builders:

* `ssd_anchor_generator`: the first of `num_layers` maps has 3 anchors when
  `reduce_boxes_in_lowest_layer` holds; every other map one for each aspect ratio, and one more,
  between two scales, unless `interpolated_scale_aspect_ratio` is 0;
* `grid_anchor_generator`: one map, an anchor for every scale of every aspect ratio;
* `multiscale_anchor_generator`: a map for every level from `min_level` to `max_level`, an anchor
  for every aspect ratio at each of `scales_per_octave` scales;
* `flexible_grid_anchor_generator`: a map for every `anchor_grid`, an anchor for every base size.
"""

import dataclasses
from typing import Callable, Dict, List, Tuple

from graphfix.errors import SourceError

_REDUCED = 3
_MOST = 100000


@dataclasses.dataclass(frozen=True)
class AnchorSpec:
    """The generator's name in the config and the anchors per location of each feature map."""

    generator: str
    per_map: Tuple[int, ...]


def _ssd(ssd) -> List[int]:
    full = len(ssd.aspect_ratios) + (1 if ssd.interpolated_scale_aspect_ratio > 0 else 0)
    counts = [full] * ssd.num_layers
    if counts and ssd.reduce_boxes_in_lowest_layer:
        counts[0] = _REDUCED
    return counts


def _grid(grid) -> List[int]:
    return [len(grid.scales) * len(grid.aspect_ratios)]


def _multiscale(multiscale) -> List[int]:
    levels = multiscale.max_level - multiscale.min_level + 1
    return [multiscale.scales_per_octave * len(multiscale.aspect_ratios)] * max(levels, 0)


def _flexible(flexible) -> List[int]:
    return [len(grid.base_sizes) for grid in flexible.anchor_grid]


GENERATORS = {
    "ssd_anchor_generator": _ssd,
    "grid_anchor_generator": _grid,
    "multiscale_anchor_generator": _multiscale,
    "flexible_grid_anchor_generator": _flexible,
}  # type: Dict[str, Callable]


def describe_anchors(message, subject: str) -> AnchorSpec:
    """The anchors of an AnchorGenerator message.

    Raises:
      SourceError: naming `subject`, for a generator or settings graphfix does not know.
    """
    generator = message.WhichOneof("anchor_generator_oneof")
    if generator is None:
        raise SourceError(subject, "has no anchor generator",
                          "give the pipeline.config that the checkpoint was trained with")
    settings = getattr(message, generator)
    layers = getattr(settings, "num_layers", 0)
    levels = getattr(settings, "max_level", 0) - getattr(settings, "min_level", 0)
    if max(layers, levels) > 64:
        raise SourceError(subject, "has a %s of %d feature maps" % (generator, max(layers, levels)),
                          "give as many as the model has")
    counts = GENERATORS[generator](settings)
    if not counts or not all(0 < count <= _MOST for count in counts):
        raise SourceError(subject, "has a %s that places %s anchors at a location" % (
            generator, "/".join(map(str, counts)) or "no"),
                          "give it layers, scales and aspect ratios")
    return AnchorSpec(generator, tuple(counts))
