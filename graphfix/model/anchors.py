"""How many anchors a config's generator places at each location of each feature map.

That number is what the heads' channels depend on.  Rules as measured on the stock builder for
`ssd_anchor_generator`: the first map has 3 anchors when `reduce_boxes_in_lowest_layer` holds;
every other map has one for each aspect ratio, and one more, between two scales, unless
`interpolated_scale_aspect_ratio` is 0.
"""

import dataclasses
from typing import Tuple

from graphfix.errors import SourceError

_REDUCED = 3


@dataclasses.dataclass(frozen=True)
class AnchorSpec:
    """The generator's name in the config and the anchors per location of each feature map."""

    generator: str
    per_map: Tuple[int, ...]


def describe_anchors(message, subject: str) -> AnchorSpec:
    """The anchors of an AnchorGenerator message.

    Raises:
      SourceError: naming `subject`, for a generator or settings graphfix does not know.
    """
    generator = message.WhichOneof("anchor_generator_oneof")
    if generator != "ssd_anchor_generator":
        raise SourceError(subject, "has the anchor generator '%s', which graphfix does not know "
                          "for this model" % generator, "use a model with ssd_anchor_generator")
    ssd = message.ssd_anchor_generator
    if not 1 <= ssd.num_layers <= 64:
        raise SourceError(subject, "has an ssd_anchor_generator of %d layers" % ssd.num_layers,
                          "give num_layers as many as the model has feature maps")
    full = len(ssd.aspect_ratios) + (1 if ssd.interpolated_scale_aspect_ratio > 0 else 0)
    counts = [full] * ssd.num_layers
    if ssd.reduce_boxes_in_lowest_layer:
        counts[0] = _REDUCED
    return AnchorSpec(generator, tuple(counts))
