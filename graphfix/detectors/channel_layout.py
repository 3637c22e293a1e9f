"""How a head's last axis packs its channels.

A head predicts, at each location of a feature map, one number for every combination of a few
things: anchors and class channels, or anchors and the numbers of a box encoding, or bins, classes
and box encodings.  The combinations lie row-major along the last axis of the head's weights and
biases; which axes there are, and in which order, is the layout.  Measured on the stock API, for C
class channels:

    class head of an SSD          anchor * C + class channel
    box head of an SSD            anchor * 4 + coordinate
    box head of a second stage    class * 4 + coordinate
    position-sensitive heads      the bin first

Any change of classes or anchors is then one gather: `gather_index` gives for each channel of the
new layout the channel of the old one that it takes, or FRESH.
"""

import dataclasses
import itertools
from typing import Mapping, Sequence, Tuple

FRESH = -1

# Kinds of axes.  A class channel scores one class or the background; a second stage's box and mask
# heads have channels for the classes alone (CLASS_AXIS).
ANCHOR, BIN = "anchor", "bin"
CLASS_CHANNEL, CLASS_AXIS = "class_channel", "class"
BOX_ENCODING, OBJECTNESS_AXIS = "box_encoding", "objectness"


@dataclasses.dataclass(frozen=True)
class Axis:
    """One thing that a head has channels for, one of the kinds above, and how many there are."""

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
        index = [0]
        for axis in self.axes:
            column = sources.get(axis.kind, range(axis.size))
            index = [
                FRESH if number == FRESH or at == FRESH else number * axis.size + at
                for number in index
                for at in column
            ]
        return tuple(index)


def describe_axes(layout: ChannelLayout, background: bool) -> str:
    """A layout in words, such as "3 anchors × (90 classes + background)"; `background`: whether the
    first class channel is the background's."""
    words = [_describe_axis(axis, background) for axis in layout.axes]
    if len(words) > 1:
        words = [f"({word})" if "+" in word else word for word in words]
    return " × ".join(words) or "1 channel"


def _describe_axis(axis: Axis, background: bool) -> str:
    if axis.kind == CLASS_CHANNEL and background:
        return f"{_count(axis.size - 1, 'class')} + background"
    if axis.kind == OBJECTNESS_AXIS:
        return "object + background"
    return _count(axis.size, _WORDS[axis.kind])


_WORDS = {
    ANCHOR: "anchor",
    BIN: "bin",
    CLASS_CHANNEL: "class",
    CLASS_AXIS: "class",
    BOX_ENCODING: "box coordinate",
}


def _count(number: int, word: str) -> str:
    if number == 1:
        return f"1 {word}"
    return f"{number} {word}{'es' if word.endswith('s') else 's'}"
