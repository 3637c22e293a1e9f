"""Names of the variables that quantization-aware training adds to a model.

TensorFlow 1.15's contrib.quantize adds scalars to a layer, which bound the values of its weights or
activations; their number and shapes depend on neither classes nor anchors.  With
Y = LAYER/weights_quant, LAYER/act_quant or another scope whose last part ends in `_quant`:

    Y/min, Y/max                    the range
    Y/Y/min/biased, .../local_step  of a tracked range (not of weights), while training: its
                                    zero-debiased moving average and how often it was updated
    fake_quantization_step          int64, counts to the step from which ranges are applied

A weight-shared predictor's levels beyond the first have activation ranges of their own, under
the predictor's scope with _1, _2, ... behind it.
"""

import functools
import re
from typing import Iterable, Match, Optional, Tuple

STEP = "fake_quantization_step"
_RANGE = re.compile(r"(?P<scope>(?:.+/)?\w*_quant)/(?P<bound>min|max)\Z")
_ANY = re.compile(r"(?:^|/)\w*_quant/")


def is_quantization(name: str) -> bool:
    """Whether a variable belongs to quantization."""
    return name == STEP or _ANY.search(name) is not None


def weight_ranges(scope: str, names: Iterable[str]) -> Tuple[Tuple[str, str], ...]:
    """(name, "min" or "max") of the variables that bound the weights of a head's scope."""
    return tuple(
        (name, match.group("bound"))
        for name, match in _ranges(names)
        if match.group("scope") == scope + "/weights_quant"
    )


def output_ranges(scope: str, names: Iterable[str]) -> Tuple[Tuple[str, str], ...]:
    """(name, "min" or "max") of the variables that bound the outputs of a head's scope, on every
    level that shares it; the state that tracks them included."""
    top, slash, rest = scope.partition("/")
    layer = re.compile(rf"{re.escape(top)}(_\d+)?{re.escape(slash + rest)}/act_quant\Z")
    names = set(names)
    found = []
    for name, match in _ranges(sorted(names)):
        if layer.match(match.group("scope")):
            found += [
                (one, match.group("bound")) for one in (name, tracking(name)[0]) if one in names
            ]
    return tuple(found)


def _ranges(names: Iterable[str]):
    return ((name, match) for name, match in ((name, _range(name)) for name in names) if match)


@functools.lru_cache(maxsize=4096)
def _range(name: str) -> Optional[Match[str]]:
    """Which bound a name is, asked again for each head."""
    return _RANGE.match(name)


def tracking(name: str) -> Tuple[str, str]:
    """The (biased, local_step) variables of a tracked range's variable; empty names where its
    range is not tracked: that of weights is their own minimum and maximum at each step."""
    match = _RANGE.match(name)
    if not match or match.group("scope").endswith("/weights_quant"):
        return "", ""
    scope, bound = match.group("scope"), match.group("bound")
    inner = f"{scope}/{scope}/{bound}"
    return inner + "/biased", inner + "/local_step"
