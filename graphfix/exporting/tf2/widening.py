"""SSD MobileNet v1 of a depth other than 1, which is wider in TensorFlow 2 and computes the same.

TensorFlow 2 applies the depth multiplier twice to the layers of the base network and once to those
added to it, TensorFlow 1 once to all, so the widths of TensorFlow 1 cannot be had.  Here the
multiplier is the least one that makes no layer narrower.  Layers before the predictor are as wide
as the map they read, within the predictor's bounds, so that they get wider with it.  The channels
that are too many have no weights, in what makes them as in what reads them: they are 0 in every
picture, no gradient reaches them, and so they stay while the model is trained.  (Their batch
normalization is as it starts.)
"""

import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from graphfix.formats.tensors import TensorMeta, TensorView

# The feature extractor that this is about.
WIDENED = "ssd_mobilenet_v1"
# At a multiplier of 1: the layers of the base network, and those that are added to it.
_BASE = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_ADDED = (512, 256, 256, 128)
_FIRST_ADDED = 2
_MAPS = (11, 13)
_STEP = 1000
_KEPT_AT = {"gamma": 1.0, "moving_variance": 1.0}
_SCOPES = (
    (r"Conv2d_(\d+)(?:_(?:depth|point)wise)?", "base"),
    (r"\w+_1_Conv2d_(\d+)_1x1_\d+", "between"),
    (r"\w+_2_Conv2d_(\d+)_3x3_s2_\d+(?:_depthwise)?", "added"),
)
_BETWEEN = re.compile(r"(?:BoxPredictor_(\d+)/)?Conv2d_(\d+)_1x1_\d+/")
_HEAD = re.compile(r"(?:BoxPredictor_(\d+)/)?(?:Box|Class)(?:Encoding)?Predictor(?:_depthwise)?/")
_ABOVE = re.compile(r"FeatureExtractor/(?:MobilenetV1/){1,2}")


class Width(NamedTuple):
    """Channels that a layer takes and makes; a head makes as many as it does in TensorFlow 1."""

    taken: int
    made: Optional[int]


def multiplier(depth: float, least: int) -> float:
    """The multiplier for TensorFlow 2 where TensorFlow 1 has `depth` and a min_depth of `least`."""
    number = 1
    while not _covers(number / _STEP, depth, least):
        number += 1
    return number / _STEP


def _covers(candidate: float, depth: float, least: int) -> bool:
    return all(
        _base(plain, candidate, least) >= _once(plain, depth, least) for plain in _BASE
    ) and all(
        _once(plain // part, candidate, least) >= _once(plain // part, depth, least)
        for plain in _ADDED
        for part in (1, 2)
    )


def _once(plain: int, factor: float, least: int) -> int:
    return max(int(plain * _as_stored(factor)), least)


def _base(plain: int, factor: float, least: int) -> int:
    return max(int(int(plain * _as_stored(factor)) * _as_stored(factor)), least)


def _as_stored(factor: float) -> float:
    """As a config has it, with the digits of float32."""
    return float(np.float32(factor))


class Widening:
    """The shapes of a detector's variables in TensorFlow 2; `body` is its config's `ssd` message,
    or None of another network, which is as wide there."""

    def __init__(self, body: Any):
        self.needed = body is not None and body.feature_extractor.depth_multiplier != 1
        if not self.needed:
            return
        extractor = body.feature_extractor
        predictor = body.box_predictor.convolutional_box_predictor
        least = extractor.min_depth
        self.multiplier = multiplier(extractor.depth_multiplier, least)
        widths = [_base(plain, self.multiplier, least) for plain in _BASE]
        self._layers: Dict[Tuple[str, int], Width] = {
            ("base", number): Width(taken, made)
            for number, (taken, made) in enumerate(zip([3, *widths], widths))
        }
        self._maps: List[int] = [widths[number] for number in _MAPS]
        for number, plain in enumerate(_ADDED, _FIRST_ADDED):
            half, whole = (_once(plain // part, self.multiplier, least) for part in (2, 1))
            self._layers["between", number] = Width(self._maps[-1], half)
            self._layers["added", number] = Width(half, whole)
            self._maps.append(whole)
        # What the heads of each map read.
        self._read = list(self._maps)
        if predictor.num_layers_before_predictor and predictor.max_depth:
            self._read = [
                max(min(width, predictor.max_depth), predictor.min_depth) for width in self._maps
            ]

    def view(self, view: TensorView) -> TensorView:
        """A variable as TensorFlow 2 has it; the same where it is as wide there."""
        meta = view.meta
        shape = self.shape(meta.name, meta.shape)
        if shape == meta.shape:
            return view
        leaf = meta.name.rpartition("/")[2]

        def load() -> np.ndarray:
            found = np.full(shape, _KEPT_AT.get(leaf, 0.0), meta.dtype.numpy)
            found[tuple(map(slice, meta.shape))] = view.load()
            return found

        return TensorView(TensorMeta(meta.name, meta.dtype, shape), load)

    def shape(self, name: str, shape: Tuple[int, ...]) -> Tuple[int, ...]:
        """The shape of a variable in TensorFlow 2, by its name and shape in TensorFlow 1."""
        width = self._width(name) if self.needed else None
        if width is None:
            return shape
        made = shape[-1] if width.made is None else width.made
        if "_depthwise/" in name:
            return (width.taken,) if len(shape) == 1 else (*shape[:2], width.taken, shape[3])
        return (made,) if len(shape) == 1 else (*shape[:2], width.taken, made)

    def _width(self, name: str) -> Optional[Width]:
        above = _ABOVE.match(name)
        if above:
            scope = name[above.end() :].replace("/BatchNorm/", "/").rpartition("/")[0]
            for pattern, kind in _SCOPES:
                match = re.fullmatch(pattern, scope)
                if match:
                    return self._layers[kind, int(match[1])]
        between = _BETWEEN.match(name)
        if between:
            number, layer = int(between[1] or 0), int(between[2])
            made = self._read[number]
            return Width(made if layer else self._maps[number], made)
        head = _HEAD.match(name)
        return Width(self._read[int(head[1] or 0)], None) if head else None
