"""A search space: vectors, and the settings of an anchor generator that they stand for.

Values are logarithms, so that a step is a factor.  A value that is the present one's makes the
present setting, to the last bit.
"""

import dataclasses
import functools
import math
from typing import Any, Callable, List, Optional, Sequence, Tuple

import numpy as np

# Settings that vary stay between these: parts of the image or pixels, and ratios.
SCALES = (math.log(1e-3), math.log(1e5))
RATIOS = (math.log(1 / 20), math.log(20))
BASES = (math.log(1 / 20), math.log(20))
_DIGITS = 4  # of a setting, as it is written
ALL_DIGITS = 8  # of one that makes up for another: as many as float32 has
ROUNDING = 6e-4  # the most that changes a logarithm by

Groups = Tuple[Tuple[int, Tuple[Tuple[int, int], ...]], ...]


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """`starts`: vectors to search from; `bounds`: [low, high] of each value; `build(vector)`: the
    AnchorGenerator message.

    `present`: the vector of the settings as they are, None where this space has other settings;
    `groups`: for each value that is a size, the anchors (map, number) that grow with it;
    `ascending`: values that stay sorted, but for those that are as they were.
    """

    name: str
    starts: Tuple[np.ndarray, ...]
    bounds: np.ndarray
    build: Callable[[np.ndarray], Any]
    present: Optional[np.ndarray]
    groups: Groups
    # CPython 3.11 takes no slice as a default.
    ascending: slice = dataclasses.field(default_factory=lambda: slice(0, 0))

    def ordered(self, vector: np.ndarray) -> bool:
        """Whether no changed value is larger than a changed one behind it."""
        values = vector[self._changed(vector)]
        return bool((values[1:] >= values[:-1]).all())

    def sorted(self, vector: np.ndarray) -> np.ndarray:
        """A vector whose changed values are at most as large as those behind them."""
        out, places = vector.copy(), self._changed(vector)
        out[places] = np.minimum.accumulate(vector[places][::-1])[::-1]
        return out

    def _changed(self, vector: np.ndarray) -> np.ndarray:
        places = np.arange(len(vector))[self.ascending]
        return places if self.present is None else places[(vector != self.present)[places]]


@dataclasses.dataclass(frozen=True)
class Shapes:
    """The shapes in a data set, to start from: logarithms of the boxes' sides (in the
    generator's unit) and of their ratios, width by height; sorted."""

    sides: np.ndarray
    ratios: np.ndarray

    def quantiles(self, values: np.ndarray, count: int) -> np.ndarray:
        """`count` values, each in the middle of an equal part of all."""
        return values[[int((number + 0.5) / count * len(values)) for number in range(count)]]


@functools.lru_cache(maxsize=4096)  # a step of a search changes one value of many
def rounded(value: float, digits: int = _DIGITS) -> float:
    """A setting as the file will have it."""
    return float(f"{value:.{digits}g}")


class Values:
    """Settings from a vector: the present ones where it is the present vector, else rounded as the
    file will have them: what is searched is what will be read."""

    def __init__(self, settings: Optional[Sequence[float]]):
        self.settings = settings
        self.present = None if settings is None else np.log(np.array(settings, np.float64))

    def __call__(self, vector: np.ndarray) -> List[float]:
        made = [rounded(value) for value in np.exp(vector)]
        if self.settings is None or self.present is None:
            return made
        same = vector == self.present
        return [old if stays else new for old, new, stays in zip(self.settings, made, same)]

    def starts(self, *others: np.ndarray) -> Tuple[np.ndarray, ...]:
        return others if self.present is None else (self.present, *others)


def changed(message: Any, **settings) -> Any:
    """A message with other settings of its generator; None clears one."""
    made = type(message)()
    made.CopyFrom(message)
    body = getattr(made, made.WhichOneof("anchor_generator_oneof"))
    for name, value in settings.items():
        body.ClearField(name)
        if isinstance(value, list):
            getattr(body, name).extend(value)
        elif value is not None:
            setattr(body, name, value)
    return made


def make_bounds(*parts: Tuple[Tuple[float, float], int]) -> np.ndarray:
    """The bounds of a vector, from those of its parts and how many values each has."""
    return np.array([bound for bound, count in parts for _ in range(count)], np.float64)
