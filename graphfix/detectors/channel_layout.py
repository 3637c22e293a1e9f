"""How a head's last axis packs its channels.

A head predicts, at one place of a feature map, a number for every combination of a few things:
anchors and class slots, or anchors and box code, or bins, classes and code.  The combinations lie
row-major along the last axis of the head's weights and biases; which axes there are, and in which
order, is the layout.  Measured on the stock API (channel = anchor * slots + slot for SSD class
heads, anchor * 4 + code for SSD boxes, class * 4 + code for second-stage boxes, bin-major for
position-sensitive ones).

Any change of classes or anchors is then one gather: `gather_index` says for each channel of the
new layout which channel of the old one it takes, or FRESH.
"""

import dataclasses
import itertools
from typing import Mapping, Sequence, Tuple

FRESH = -1


@dataclasses.dataclass(frozen=True)
class Axis:
    """One thing a head counts over ("anchor", "slot", "code", "bin", "class"), and how many."""

    kind: str
    size: int


@dataclasses.dataclass(frozen=True)
class ChannelLayout:
    """The axes packed into a head's last axis, the slowest first."""

    axes: Tuple[Axis, ...]

    @property
    def channels(self) -> int:
        count = 1
        for axis in self.axes:
            count *= axis.size
        return count

    def __str__(self) -> str:
        return " x ".join(f"{axis.size} {axis.kind}" for axis in self.axes) or "1"

    def has(self, kind: str) -> bool:
        return any(axis.kind == kind for axis in self.axes)

    def size(self, kind: str) -> int:
        """The size of the axis of a kind, 1 where the layout has none."""
        return next((axis.size for axis in self.axes if axis.kind == kind), 1)

    def stride(self, kind: str) -> int:
        """How many channels lie between one place of the axis of a kind and the next."""
        kinds = [axis.kind for axis in self.axes]
        return ChannelLayout(self.axes[kinds.index(kind) + 1 :]).channels

    def resized(self, kind: str, size: int) -> "ChannelLayout":
        """This layout with another size of one axis."""
        return ChannelLayout(
            tuple(Axis(axis.kind, size) if axis.kind == kind else axis for axis in self.axes)
        )

    def channel(self, places: Mapping[str, int]) -> int:
        """The channel at one place of every axis."""
        number = 0
        for axis in self.axes:
            number = number * axis.size + places[axis.kind]
        return number

    def places(self):
        """Yields each channel's place on every axis, as a dict, in channel order."""
        kinds = [axis.kind for axis in self.axes]
        for place in itertools.product(*(range(axis.size) for axis in self.axes)):
            yield dict(zip(kinds, place))

    def gather_index(self, sources: Mapping[str, Sequence[int]]) -> Tuple[int, ...]:
        """For each channel of the new layout, the channel of this one it takes, or FRESH.

        `sources` gives, for each axis kind that changes, the old place of every new place on it
        (FRESH where there is none); an axis not named stays as it is.
        """
        columns = [sources.get(axis.kind, range(axis.size)) for axis in self.axes]
        index = []
        for place in itertools.product(*columns):
            number = 0
            for axis, at in zip(self.axes, place):
                if at == FRESH:
                    number = FRESH
                    break
                number = number * axis.size + at
            index.append(number)
        return tuple(index)
