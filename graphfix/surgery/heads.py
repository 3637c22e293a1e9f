"""What becomes of a head's tensor when the classes change: one gather over its channels.

Channels of a carried class come from the old class's, wherever the head's layout puts them.
Those of a new class follow RULES, by `--new_rows`, by what the head predicts and by what the
tensor does there:

    prior   class kernels: noise from the config's own initializer, so that new classes differ;
            class offsets: the mean of the source's classes, so that a new class starts as quiet as
            they are on average; boxes and masks of a class: the mean of the source's classes,
            which is a detector of boxes in general
    mean    the mean of the source's classes, everywhere
    random  what the stock API would start a new head with
    zero    the same with kernels of zeros
"""

import collections
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from graphfix.errors import RequestError
from graphfix.model.describe import HeadSpec
from graphfix.model.families import CENTRE, CLASS, KERNEL, LEAVES, OFFSET, SCALE
from graphfix.model.initializer import for_tensor
from graphfix.model.layout import FRESH
from graphfix.surgery.edits import CONSTANT, MEAN, NOISE, Fill, Gather
from graphfix.surgery.request import SurgeryRequest, TargetClass
from graphfix.tensors import TensorMeta

INITIAL = "initial"
# (new_rows, what the tensor does) -> what a new class gets there, in a class head.
RULES = {
    ("prior", KERNEL): NOISE, ("prior", OFFSET): MEAN, ("prior", SCALE): MEAN,
    ("prior", CENTRE): INITIAL,
    ("mean", KERNEL): MEAN, ("mean", OFFSET): MEAN, ("mean", SCALE): MEAN, ("mean", CENTRE): MEAN,
    ("random", KERNEL): NOISE, ("random", OFFSET): INITIAL, ("random", SCALE): INITIAL,
    ("random", CENTRE): INITIAL,
    ("zero", KERNEL): INITIAL, ("zero", OFFSET): INITIAL, ("zero", SCALE): INITIAL,
    ("zero", CENTRE): INITIAL,
}

def places(classes: Sequence[TargetClass], head: HeadSpec) -> List[Tuple[int, ...]]:
    """For every new place on the class axis, the old places it is made of; the background's is
    kept."""
    shift = _shift(head)
    background = [(number,) for number in range(shift)]
    return background + [tuple(source - 1 + shift for source in one.sources) for one in classes]


def _shift(head: HeadSpec) -> int:
    """How many places lie before the first class on the class axis."""
    return 1 if head.background else 0


def gather_head(tensor: str, to: str, head: HeadSpec, request: SurgeryRequest,
                meta: TensorMeta) -> Optional[Gather]:
    """The edit of one tensor of a head, None where nothing about it changes.

    Raises:
      RequestError: a new class wants noise, and the config has no initializer to draw it from.
    """
    axis = head.class_axis
    if axis is None:
        return None
    old = head.layout
    wanted = places(request.classes, head)
    if wanted == [(place,) for place in range(old.size(axis))]:
        return None
    new = old.resized(axis, len(wanted))
    index = old.gather_index({axis: [one[0] if len(one) == 1 else FRESH for one in wanted]})
    effect, initial = LEAVES[tensor_leaf(to)]
    shift = _shift(head)
    everything = tuple(number - 1 + shift for number in request.trained)
    channels = collections.defaultdict(list)  # type: Dict[int, List[Tuple[int, Mapping[str, int]]]]
    for channel, place in enumerate(new.places()):
        channels[place[axis]].append((channel, place))
    fills = []  # type: List[Fill]
    means = {}  # type: Dict[Any, List[int]]
    for place, sources in enumerate(wanted):
        if len(sources) == 1:
            continue
        rule = MEAN if sources or head.role != CLASS and request.new_rows == "prior" \
            else RULES[request.new_rows, effect]
        own = tuple(channel for channel, _ in channels[place])
        if rule == MEAN:
            # Old places, and the first of their channels: the same for all classes new alike.
            for channel, where in channels[place]:
                of = sources or everything
                means.setdefault((of, old.channel(dict(where, **{axis: 0}))), []).append(channel)
        elif rule == NOISE:
            one = request.classes[place - shift]
            fills.append(Fill(
                NOISE, own, initializer=_drawn_from(head, meta, new.channels),
                key="graphfix/%d/%s/%s" % (request.seed, to, one.name or one.id)))
        else:
            fills.append(Fill(CONSTANT, own, value=initial))
    stride = old.stride(axis)
    fills += [Fill(MEAN, tuple(into), tuple(base + place * stride for place in of))
              for (of, base), into in means.items()]
    return Gather(tensor, to, index, tuple(fills))


def tensor_leaf(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def _drawn_from(head: HeadSpec, meta: TensorMeta, channels: int):
    if head.initializer is None:
        raise RequestError("--new_rows", "wants noise for %s, but the config gives its predictor no "
                           "initializer graphfix knows" % meta.name,
                           "add a truncated_normal_initializer to it, or pass --new_rows mean")
    return for_tensor(head.initializer, meta.shape[:-1] + (channels,))
