"""What becomes of a head's tensor when classes or anchors change: one gather over its channels.

Channels of a carried class or anchor come from the old one's, wherever the head's layout puts
them; box codes are recoded for their new anchor.  Those of a new class follow RULES, by
`--new_rows`, by what the head predicts and by what the tensor does there:

    prior   in kernels of class heads, noise from the config's own initializer.  Where a sigmoid
            scores each class by itself, with the bias whose score is 0.01 (the prior probability
            of Lin et al., Focal Loss for Dense Object Detection, 2017, 4.1).  Where a softmax
            does, on top of the mean of the source's classes, as all their other values are, so
            that a new class starts as quiet as they are on average.  In other heads: the mean, so
            that its boxes and masks are of objects in general.
    mean    the mean of the source's classes, everywhere
    random  what the stock API would start a new head with
    zero    the same with kernels of zeros
"""

import dataclasses
import math
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from graphfix.detectors.channel_layout import ANCHOR, BOX_ENCODING, FRESH, ChannelLayout
from graphfix.detectors.describe import HeadSpec
from graphfix.detectors.families import (
    BOX,
    CLASS,
    KERNEL,
    LEAVES,
    MEAN_OF,
    OFFSET,
    SCALE,
    VARIANCE_OF,
)
from graphfix.detectors.initializer import Initializer, for_tensor
from graphfix.errors import RequestError
from graphfix.formats.tensors import TensorMeta
from graphfix.options import NewRows
from graphfix.planning.anchors import AnchorCarry
from graphfix.planning.classes import SurgeryRequest, TargetClass
from graphfix.planning.edits import ADDED_NOISE, CONSTANT, MEAN, NOISE, Fill, Gather

INITIAL, QUIET = "initial", "quiet"
# The score a new class starts with under `prior`, where a sigmoid makes it from this bias.
PRIOR_SCORE = 0.01
PRIOR_BIAS = math.log(PRIOR_SCORE / (1 - PRIOR_SCORE))
# (new_rows, what the tensor does) -> what a new class gets there, in a class head.
RULES = {
    (NewRows.PRIOR, KERNEL): ADDED_NOISE,
    (NewRows.PRIOR, OFFSET): MEAN,
    (NewRows.PRIOR, SCALE): MEAN,
    (NewRows.PRIOR, MEAN_OF): MEAN,
    (NewRows.PRIOR, VARIANCE_OF): MEAN,
    (NewRows.MEAN, KERNEL): MEAN,
    (NewRows.MEAN, OFFSET): MEAN,
    (NewRows.MEAN, SCALE): MEAN,
    (NewRows.MEAN, MEAN_OF): MEAN,
    (NewRows.MEAN, VARIANCE_OF): MEAN,
    (NewRows.RANDOM, KERNEL): NOISE,
    (NewRows.RANDOM, OFFSET): INITIAL,
    (NewRows.RANDOM, SCALE): INITIAL,
    (NewRows.RANDOM, MEAN_OF): INITIAL,
    (NewRows.RANDOM, VARIANCE_OF): INITIAL,
    (NewRows.ZERO, KERNEL): INITIAL,
    (NewRows.ZERO, OFFSET): INITIAL,
    (NewRows.ZERO, SCALE): INITIAL,
    (NewRows.ZERO, MEAN_OF): INITIAL,
    (NewRows.ZERO, VARIANCE_OF): INITIAL,
}
# The same for `prior`, where a sigmoid scores each class by itself.
SIGMOID_RULES = {KERNEL: NOISE, OFFSET: QUIET}
_UNCHANGED = (1.0, 0.0)


def gather_head(
    tensor: str, to: str, head: HeadSpec, request: SurgeryRequest, meta: TensorMeta
) -> Optional[Gather]:
    """The edit of one tensor of a head, None where nothing about it changes.

    Raises:
      RequestError: a new class wants noise, and the config has no initializer to draw it from.
    """
    old = head.layout
    if head.role == BOX and request.anchors and old.has(ANCHOR) and not request.anchors.recodes:
        return _fresh_boxes(tensor, to, head, request, meta)
    sources: Dict[str, Sequence[Tuple[int, ...]]] = {
        axis.kind: [(place,) for place in range(axis.size)] for axis in old.axes
    }
    if head.class_axis:
        sources[head.class_axis] = class_places(request.classes, head)
    if request.anchors and old.has(ANCHOR):
        sources[ANCHOR] = [(one,) for one in request.anchors.sources[head.map or 0]]
    new = old
    for kind, places in sources.items():
        new = new.resized(kind, len(places))
    effect, _ = LEAVES[leaf(to)]
    affine = _affine(head, new, request.anchors, effect)
    index = old.gather_index(
        {
            kind: [one[0] if len(one) == 1 else FRESH for one in places]
            for kind, places in sources.items()
        }
    )
    if index == tuple(range(old.channels)) and all(pair == _UNCHANGED for pair in affine):
        return None
    fills = tuple(_Fills(to, head, request, meta, sources, new).all()) if head.class_axis else ()
    return Gather(
        tensor, to, index, fills, affine if any(pair != _UNCHANGED for pair in affine) else ()
    )


def _fresh_boxes(
    tensor: str, to: str, head: HeadSpec, request: SurgeryRequest, meta: TensorMeta
) -> Gather:
    """A box head for other anchors as the stock API would start it."""
    assert request.anchors is not None
    channels = head.layout.resized(ANCHOR, len(request.anchors.sources[head.map or 0])).channels
    effect, initial = LEAVES[leaf(to)]
    everywhere = tuple(range(channels))
    if effect == KERNEL:
        if head.initializer is None:
            raise RequestError(
                "--anchor_boxes",
                (
                    f"random wants noise for {meta.name}, but the config gives its predictor no "
                    "initializer to draw it from"
                ),
                "add a truncated_normal_initializer to it, or leave --anchor_boxes out",
            )
        fill = Fill(
            NOISE,
            everywhere,
            initializer=for_tensor(head.initializer, meta.shape[:-1] + (channels,)),
            key=f"graphfix/{request.seed}/{to}",
        )
    else:
        fill = Fill(CONSTANT, everywhere, value=initial)
    return Gather(tensor, to, (FRESH,) * channels, (fill,))


def leaf(name: str) -> str:
    """A variable's own name, without its scope."""
    return name.rsplit("/", 1)[-1]


def class_places(classes: Sequence[TargetClass], head: HeadSpec) -> List[Tuple[int, ...]]:
    """For every new place on the class axis, the old places it is made of; the background's is
    kept."""
    shift = _shift(head)
    background = [(number,) for number in range(shift)]
    return background + [tuple(source - 1 + shift for source in one.sources) for one in classes]


def _shift(head: HeadSpec) -> int:
    """How many places lie before the first class on the class axis."""
    return 1 if head.background else 0


def _affine(
    head: HeadSpec, new: ChannelLayout, anchors: Optional[AnchorCarry], effect: str
) -> Tuple[Tuple[float, float], ...]:
    """What each new channel of a box head is multiplied by and gets added."""
    if anchors is None or not anchors.recodes or head.role != BOX or not new.has(ANCHOR):
        return ()
    recodes = anchors.recodes[head.map or 0]
    pairs = tuple(recodes[place[ANCHOR]][place[BOX_ENCODING]] for place in new.places())
    return output_affine(pairs, effect, _normalized(head))


def _normalized(head: HeadSpec) -> bool:
    """Whether the head's outputs go through a BatchNorm of their own."""
    return any(LEAVES[leaf(name)][0] == SCALE for name in head.tensors)


def output_affine(pairs, effect: str, normalized: bool) -> Tuple[Tuple[float, float], ...]:
    """The part of an output's a * x + b that falls to a tensor: kernel and offset share it, or,
    where the output is normalized, scale and offset."""
    if effect == OFFSET:
        return tuple(pairs)
    if effect == (SCALE if normalized else KERNEL):
        return tuple((scale, 0.0) for scale, _ in pairs)
    return tuple(_UNCHANGED for _ in pairs)


class _Fills:
    """The values of the channels of classes that are no single old class."""

    def __init__(
        self,
        to: str,
        head: HeadSpec,
        request: SurgeryRequest,
        meta: TensorMeta,
        sources: Mapping[str, Sequence[Tuple[int, ...]]],
        new: ChannelLayout,
    ):
        self.to, self.head, self.request, self.meta = to, head, request, meta
        assert head.class_axis is not None
        self.sources, self.axis, self.new = sources, head.class_axis, new
        self.effect, self.initial = LEAVES[leaf(to)]
        self.shift = _shift(head)
        self.everything = tuple(number - 1 + self.shift for number in request.trained)
        self._drawn: Dict[str, Initializer] = {}

    def all(self) -> List[Fill]:
        # What a class has of the other axes, and its channels there, were it the first: nothing is
        # looked up for each of ten thousand classes that is the same for all.
        places = list(self.new.resized(self.axis, 1).places())
        first = [self.new.channel(place) for place in places]
        taken = [self._first(place) for place in places]
        new, old = self.new.stride(self.axis), self.head.layout.stride(self.axis)
        made = [one for one in enumerate(self.sources[self.axis]) if len(one[1]) != 1]
        rules = {mapped: self._rule(mapped) for mapped in {bool(sources) for _, sources in made}}
        fills: List[Fill] = []
        means: Dict[Any, List[int]] = {}
        for number, sources in made:
            own = tuple([channel + number * new for channel in first])
            rule = rules[bool(sources)]
            if rule in (MEAN, ADDED_NOISE):
                # Old places, () for all, and the first of their channels: the same for all classes
                # new alike.
                of = () if sources == self.everything else sources
                for base, channel in zip(taken, own):
                    means.setdefault((of, base), []).append(channel)
            if rule in (NOISE, ADDED_NOISE):
                fills.append(self._noise(rule, number, own))
            elif rule != MEAN:
                fills.append(
                    Fill(CONSTANT, own, value=self.initial if rule == INITIAL else PRIOR_BIAS)
                )
        # What noise is added to comes first.
        return [
            Fill(MEAN, tuple(into), tuple(base + place * old for place in of or self.everything))
            for (of, base), into in means.items()
        ] + fills

    def _rule(self, mapped: bool) -> str:
        if mapped or (self.head.role != CLASS and self.request.new_rows == NewRows.PRIOR):
            return MEAN
        if (
            self.request.new_rows == NewRows.PRIOR
            and self.head.sigmoid
            and not _normalized(self.head)
        ):
            return SIGMOID_RULES[self.effect]
        return RULES[self.request.new_rows, self.effect]

    def _first(self, place: Mapping[str, int]) -> int:
        """The old channel at the first place of the class axis, otherwise where `place` comes
        from."""
        old = {kind: self.sources[kind][at][0] for kind, at in place.items() if kind != self.axis}
        return self.head.layout.channel(dict(old, **{self.axis: 0}))

    def _noise(self, rule: str, number: int, channels: Tuple[int, ...]) -> Fill:
        if self.head.initializer is None:
            raise RequestError(
                "--new_rows",
                (
                    f"wants noise for {self.meta.name}, but the config gives its predictor no "
                    "initializer to draw it from"
                ),
                "add a truncated_normal_initializer to it, or pass --new_rows mean",
            )
        one = self.request.classes[number - self.shift]
        return Fill(
            rule,
            channels,
            initializer=self._initializer(rule, self.head.initializer),
            key=f"graphfix/{self.request.seed}/{self.to}/{one.name or one.id}",
        )

    def _initializer(self, rule: str, given: Initializer) -> Initializer:
        """What noise is drawn from."""
        if rule not in self._drawn:
            found = for_tensor(given, self.meta.shape[:-1] + (self.new.channels,))
            self._drawn[rule] = (
                dataclasses.replace(found, mean=0.0) if rule == ADDED_NOISE else found
            )
        return self._drawn[rule]
