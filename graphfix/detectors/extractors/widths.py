"""Widths of layers under a config's `depth_multiplier` and `min_depth`.

A width in an extractor's file is a number, or one of these, W being the published width, m the
multiplier:

    S512     512 * m in whole channels, but at least min_depth
    D512     the same, rounded to a multiple of 8, upwards where that would lose over a tenth
    T512     S of 512 * m in whole channels: Keras's MobileNet v1 applies the multiplier twice
    R512     512 * m rounded to the nearest multiple of 8, whatever min_depth is
    L1280    D1280 with a multiplier of at most 1
    A, SA    fpn.additional_layer_depth, and S of it
    I8       a third of S64, but at most 8
    D24*6    six times D24, rounded again (for S and I, the product)
    S64+S96  a sum, as of branches

Measured by building the stock API's models at several multipliers (tests/stock/record_layers.py).
"""

import re
from typing import NamedTuple

_WIDTH = (
    r"(?P<rule>[SDRITL]?)(?P<base>\d+|A)(?P<factors>(?:\*[\d.]+)*)\Z"  # compiled when first used
)
_EIGHT = 8


class Widths(NamedTuple):
    """What widths depend on: depth_multiplier, min_depth, fpn.additional_layer_depth."""

    multiplier: float = 1.0
    least: int = 8
    depth: int = 256

    def of(self, token: str) -> int:
        """The number of channels that a width stands for."""
        if "+" in token:
            return sum(self.of(one) for one in token.split("+"))
        match = re.match(_WIDTH, token)
        assert match is not None, token  # layers.parse checks what it reads
        width = self.depth if match.group("base") == "A" else int(match.group("base"))
        rule = match.group("rule")
        if rule == "R":
            width = _nearest(width * self.multiplier)
        elif rule == "I":
            width = min(width, self.of("S64") // 3)
        elif rule == "L":
            width = _divisible(width * min(self.multiplier, 1.0), self.least)
        elif rule == "D":
            width = _divisible(width * self.multiplier, self.least)
        elif rule == "S":
            width = max(int(width * self.multiplier), self.least)
        elif rule == "T":
            width = max(int(int(width * self.multiplier) * self.multiplier), self.least)
        for factor in match.group("factors").split("*")[1:]:
            product = width * float(factor)
            if rule in ("S", "I"):
                width = int(product)
            else:
                width = _nearest(product) if rule == "R" else _divisible(product, _EIGHT)
        return width


def is_width(token: str) -> bool:
    """Whether it is written as a width."""
    return all(re.match(_WIDTH, one) for one in token.split("+"))


def is_fixed(token: str) -> bool:
    """Whether a width is the same whatever the config says."""
    return token.isdigit()


def _divisible(wanted: float, least: int) -> int:
    rounded = max(least, int(wanted + _EIGHT / 2) // _EIGHT * _EIGHT)
    return rounded + _EIGHT if rounded < 0.9 * wanted else rounded


def _nearest(width: float) -> int:
    """The nearest multiple of 8 that is not 0."""
    return max(_EIGHT, int(width / _EIGHT + 0.5) * _EIGHT)
