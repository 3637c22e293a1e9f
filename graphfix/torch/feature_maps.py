"""How an SSD makes its feature maps of a base network's end points.

* multi_resolution: convolutions beyond the base network, each of which halves the map.
* fpn: a pyramid from the top down; levels beyond the network's are convolutions of its
  coarsest map.
* pooling_pyramid: one map, pooled again and again.
"""

import re
from typing import List

from torch import Tensor, nn

from graphfix.torch.layers import EXPLICIT, SAME, Scope, max_pool
from graphfix.torch.networks import Network, Points

_ADDED = re.compile(r"_([12])_Conv2d_(\d+)_\d+x\d+(_s2)?_\d+(_depthwise)?\Z")


def multi_resolution(network: Network, points: Points, count: int, padding: str) -> List[Tensor]:
    maps = [points[name] for name in network.END_POINTS["multi_resolution"]][:count]
    for number in range(len(maps), count):
        x = maps[-1]
        for name in network:
            match = _ADDED.search(name)
            if match is None or int(match.group(2)) != number:
                continue
            halves = match.group(1) == "2" and network[name].window > 1
            x = network[name](x, 2 if halves else 1, padding if halves else SAME)
        maps.append(x)
    return maps


def fpn(network: Network, points: Points, low: int, high: int, padding: str) -> List[Tensor]:
    ends = network.END_POINTS["fpn"]
    levels = [points[ends[level]] for level in range(low, min(high, max(ends)) + 1)]
    layers: Scope = network["fpn"]
    x = layers[f"projection_{len(levels)}"](levels[-1])
    maps = [x]
    # What is passed on downwards is not smoothed.
    for number in range(len(levels) - 1, 0, -1):
        beside = layers[f"projection_{number}"](levels[number - 1])
        x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
        if padding == EXPLICIT:
            x = x[:, :, : beside.shape[2], : beside.shape[3]]
        x = x + beside
        maps.insert(0, layers[f"smoothing_{number}"](x, 1, padding))
    for name in layers.matching("bottom_up_"):
        maps.append(layers[name](maps[-1], 2, padding))
    return maps


def pooling_pyramid(network: Network, points: Points, count: int) -> List[Tensor]:
    x = points[network.END_POINTS["pooling_pyramid"]]
    for name in network.matching("Base_Conv2d_"):
        x = network[name](x)
    maps = [x]
    while len(maps) < count:
        maps.append(max_pool(maps[-1], 2, 2))
    return maps
