"""detectors/channel_layout.py: layouts in words; what channels become is seen in tests/planning."""

import pytest

from graphfix.detectors.channel_layout import (
    ANCHOR,
    BIN,
    BOX_ENCODING,
    CLASS_AXIS,
    CLASS_CHANNEL,
    OBJECTNESS_AXIS,
    Axis,
    ChannelLayout,
    describe_axes,
)


@pytest.mark.parametrize(
    "axes, background, words",
    [
        (((ANCHOR, 3), (CLASS_CHANNEL, 91)), True, "3 anchors × (90 classes + background)"),
        (((ANCHOR, 1), (CLASS_CHANNEL, 2)), True, "1 anchor × (1 class + background)"),
        (((ANCHOR, 3), (CLASS_CHANNEL, 90)), False, "3 anchors × 90 classes"),
        (((ANCHOR, 3), (BOX_ENCODING, 4)), False, "3 anchors × 4 box coordinates"),
        (((ANCHOR, 12), (OBJECTNESS_AXIS, 2)), False, "12 anchors × (object + background)"),
        (((CLASS_CHANNEL, 21),), True, "20 classes + background"),
        (((CLASS_AXIS, 20), (BOX_ENCODING, 4)), False, "20 classes × 4 box coordinates"),
        (
            ((BIN, 9), (CLASS_AXIS, 1), (BOX_ENCODING, 4)),
            False,
            "9 bins × 1 class × 4 box coordinates",
        ),
        ((), False, "1 channel"),
    ],
)
def test_in_words(axes, background, words):
    layout = ChannelLayout(tuple(Axis(kind, size) for kind, size in axes))
    assert describe_axes(layout, background) == words
