"""The facts of an extractor's file, and how each is read; loader.py says what they mean."""

import re
from typing import Callable, Dict, List, Mapping, NamedTuple, Tuple

MULTI_RESOLUTION, POOLING_PYRAMID = "multi_resolution", "pooling_pyramid"
FPN, MNASFPN = "fpn", "mnasfpn"
SLIM, KERAS = "slim", "keras"
ALWAYS, OVERRIDDEN, NEVER = "always", "overridden", "never"
_STEP = r"(\d+)/(\d+)(,?)\Z"

# The windows and strides that lead to a feature map.
Steps = Tuple[Tuple[int, int], ...]


class Fact(NamedTuple):
    """A line of facts: of how many values, and what it makes of them, {field: value}."""

    least: int
    most: int
    parse: Callable[[List[str]], Dict[str, object]]


def _flag(name: str) -> Fact:
    return Fact(0, 0, lambda words: {name: True})


def _number(name: str) -> Fact:
    return Fact(1, 1, lambda words: {name: int(words[0])})


def _choice(name: str, *choices: str) -> Fact:
    def parse(words: List[str]) -> Dict[str, object]:
        if words[0] not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return {name: words[0]}

    return Fact(1, 1, parse)


def _epsilon(words: List[str]) -> Dict[str, object]:
    if words[1:] not in ([], [ALWAYS]):
        raise ValueError(f"has {words[1]} where only '{ALWAYS}' can be")
    return {"epsilon": float(words[0]), "epsilon_stays": len(words) > 1}


def _unpadded(words: List[str]) -> Dict[str, object]:
    maps: List[Steps] = [()]
    for word in words:
        match = re.match(_STEP, word)
        if match is None:
            raise ValueError(f"has '{word}', which is not WINDOW/STRIDE")
        maps[-1] += ((int(match.group(1)), int(match.group(2))),)
        if match.group(3):
            maps.append(())
    if not all(maps):
        raise ValueError("ends with a comma")
    return {"unpadded": tuple(maps)}


_MANY = 99
FACTS: Mapping[str, Fact] = {
    "scopes": Fact(1, 2, lambda words: {"scopes": tuple(words)}),
    "naming": _choice("naming", SLIM, KERAS),
    "feature_maps": _choice("feature_maps", MULTI_RESOLUTION, FPN, MNASFPN, POOLING_PYRAMID),
    "first_stride": _number("first_stride"),
    "map_count": _number("map_count"),
    "unpadded": Fact(1, _MANY, _unpadded),
    "least_side": _number("least_side"),
    "only_side": _number("only_side"),
    "stage_strides": Fact(1, _MANY, lambda words: {"stage_strides": tuple(map(int, words))}),
    "levels": Fact(2, 2, lambda words: {"levels": (int(words[0]), int(words[1]))}),
    "batch_norm_decay": Fact(1, 1, lambda words: {"batch_norm_decay": float(words[0])}),
    "epsilon": Fact(1, 2, _epsilon),
    "activation": Fact(1, 1, lambda words: {"activation": words[0]}),
    "override_required": _flag("override_required"),
    "depthwise_regularizer": _choice("depthwise_regularizer", ALWAYS, OVERRIDDEN, NEVER),
    "classifier_averages": _flag("classifier_averages"),
    "classifier_name": Fact(2, 2, lambda words: {"classifier_name": tuple(words)}),
    "unread_copies": Fact(1, 1, lambda words: {"unread_copies": words[0]}),
    "whole_stages": _flag("whole_stages"),
    "recognized_by": Fact(1, _MANY, lambda words: {"recognized_by": tuple(words)}),
    "width_layers": Fact(1, 1, lambda words: {"width_layers": words[0]}),
    "explicit_padding": _flag("explicit_padding"),
    "samples": Fact(
        1, _MANY, lambda words: {"samples": tuple(one.partition("=")[::2] for one in words)}
    ),
}
