"""The feature extractor of a frozen graph: type, widths, and the layers it adds.

A type is recognized by variables that it has and other types do not (`recognized_by` in its file);
its depth multiplier by the widths of layers whose published width is recorded.
"""

import re
from typing import Collection, List, Optional, Sequence, Tuple

from graphfix.detectors.availability import OVERRIDE
from graphfix.detectors.extractors.facts import FPN, MNASFPN, MULTI_RESOLUTION, POOLING_PYRAMID
from graphfix.detectors.extractors.layers import Kernel
from graphfix.detectors.extractors.loader import Extractor, extractors
from graphfix.detectors.extractors.widths import Widths
from graphfix.graph_import.config_text import Field, Fields, assumed
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised
from graphfix.graph_import.hyperparams import Layer, conv_hyperparams, find_layer

# Layers that a detector adds to the base network with the config's settings, by how it makes its
# feature maps; of an FPN they lie under the pattern by which its extractor is recognized.
_ADDED = {MULTI_RESOLUTION: r"FeatureExtractor/\w+/\w+_[12]_Conv2d_\d+_\dx\d"}
_MNASFPN_LAYERS = r"FeatureExtractor/MnasFPN/C\d+_Conv1x1/"

# Widths show a multiplier to a few hundredths; the usual ones are tried first.
_MULTIPLIERS = (1.0, 0.75, 0.5, 0.25, 0.125, 0.35, 1.4, 1.3) + tuple(
    step / 100.0 for step in range(1, 301)
)
_DEPTHS = (16, 8, 1)
_FPN_DEPTH = 256
# The first layer that an extractor with multi-resolution maps adds has this width.
_FIRST_ADDED = r"FeatureExtractor/\w+/\w+_2_Conv2d_\d+_\dx\d_s2_\d+/weights\Z"
_FIRST_ADDED_WIDTH = "S512"
_SQUEEZE = re.compile("squeeze", re.IGNORECASE)
_NUM_LAYERS = 6


def extractor_of(names: Collection[str]) -> Optional[Extractor]:
    """The feature extractor that has variables of these names, None where no extractor fits."""

    def has(pattern: str) -> bool:
        return any(re.match(pattern, name) for name in names)

    for extractor in extractors().values():
        if extractor.recognized_by and all(map(has, extractor.recognized_by)):
            return extractor
    return None


def recognize_extractor(evidence: GraphEvidence) -> Extractor:
    """The feature extractor of a graph.

    Raises:
      Unrecognised: no extractor fits.
    """
    extractor = extractor_of(evidence.metas)
    if extractor is not None:
        return extractor
    scopes = sorted(
        {
            "/".join(name.split("/")[:2])
            for name in evidence.metas
            if re.search("feature_?extractor", name, re.IGNORECASE)
        }
    )
    raise Unrecognised(
        "the feature extractor (its variables are under "
        f"{', '.join(scopes[:4]) or 'no scope of one'})"
    )


def infer_extractor(
    evidence: GraphEvidence,
    extractor: Extractor,
    maps: int,
    levels: Optional[Tuple[int, int]],
    predictor: Optional[Layer],
) -> Tuple[Fields, bool]:
    """The feature_extractor message of an SSD, and whether the graph shows if the base network's
    settings were the config's.

    `maps` is the number of feature maps, `levels` the first and last of a feature pyramid as the
    anchors have it; `predictor` a layer of the box predictor, for extractors that add none.

    Raises:
      Unrecognised: its layers are not as wide as any config makes them.
    """
    multiplier, least = _widths(evidence, extractor)
    base = find_layer(evidence, re.escape(extractor.first.name.rpartition("/")[0]) + r"\Z")
    added = _added_layers(extractor)
    layer = find_layer(evidence, added) if added else predictor
    override = _override(extractor, base, layer if added else None)
    fields = [
        Field("type", extractor.type),
        Field("depth_multiplier", multiplier),
        Field("min_depth", least),
        Field("conv_hyperparams", conv_hyperparams(layer or base)),
    ]
    if override or extractor.override_required:
        fields.append(Field(OVERRIDE, True))
    elif override is None:
        fields.append(assumed(OVERRIDE, False))
    if added and evidence.has(added + r".*(_depthwise|smoothing_\d+)/depthwise_weights"):
        fields.append(Field("use_depthwise", True))
    if extractor.explicit_padding and evidence.nodes(r"FeatureExtractor/", "Pad"):
        fields.append(Field("use_explicit_padding", True))
    if extractor.has_pyramid:
        fields += _fpn(evidence, extractor, multiplier, least, levels)
    elif (
        maps != _NUM_LAYERS
        and extractor.map_count is None
        and extractor.feature_maps != POOLING_PYRAMID
    ):
        fields.append(Field("num_layers", maps))
    return fields, override is not None or extractor.override_required


def _added_layers(extractor: Extractor) -> Optional[str]:
    """A pattern of the layers that have the config's settings, None where there are none."""
    if extractor.feature_maps == FPN:
        return extractor.recognized_by[0]
    return _ADDED.get(extractor.feature_maps)


def _pyramid_layers(extractor: Extractor) -> str:
    """A pattern of layers that are as wide as the feature pyramid."""
    if extractor.feature_maps == MNASFPN:
        return _MNASFPN_LAYERS
    return extractor.recognized_by[0] + "projection_"


def _widths(evidence: GraphEvidence, extractor: Extractor) -> Tuple[float, int]:
    """depth_multiplier and min_depth that make the layers as wide as they are."""
    first = extractor.first
    found = [
        (evidence.shape(name)[-1], width)
        for name, width in [first, *_known_widths(extractor)]
        if name in evidence.metas
    ]
    if not found:
        raise Unrecognised(f"the widths of a {extractor.type} (there is no {first.name})")
    if extractor.feature_maps == MULTI_RESOLUTION:
        found += [
            (evidence.shape(name)[-1], _FIRST_ADDED_WIDTH)
            for name in evidence.variables(_FIRST_ADDED)[:1]
        ]
    narrowest = min(
        evidence.shape(name)[-1]
        for name in evidence.variables(
            re.escape(extractor.scopes[0]) + r".*/(pointwise_)?weights\Z"
        )
        if not _SQUEEZE.search(name)
    )
    for multiplier in _MULTIPLIERS:
        for least in _DEPTHS:
            if least <= max(narrowest, 1) and all(
                Widths(multiplier, least).of(width) == have for have, width in found
            ):
                return multiplier, least
    raise Unrecognised(
        f"the depth_multiplier of a {extractor.type} whose layers are "
        f"{'/'.join(str(one[0]) for one in found)} wide"
    )


def _known_widths(extractor: Extractor) -> List[Kernel]:
    """The kernels whose recorded widths show the depth multiplier."""
    if not extractor.width_layers:
        return []
    pattern = re.compile(re.escape(extractor.scopes[0]) + f"(?:{extractor.width_layers})\\Z")
    kernels = [layer.last_kernel for layer in extractor.layers().layers]
    return [kernel for kernel in kernels if pattern.match(kernel.name)]


def _override(
    extractor: Extractor, base: Optional[Layer], added: Optional[Layer]
) -> Optional[bool]:
    """Whether the base network has the config's settings instead of its own; None where both
    would look the same."""
    if base is None:
        return None
    own = extractor.activation
    if (own is not None and base.activation not in (None, own)) or (
        base.epsilon is not None and abs(base.epsilon - extractor.epsilon) > 1e-7
    ):
        return True
    if added is None:
        return None
    if own is not None and added.activation not in (None, base.activation):
        return False
    if (
        added.epsilon is not None
        and base.epsilon is not None
        and not extractor.epsilon_stays
        and abs(added.epsilon - base.epsilon) > 1e-7
    ):
        return False
    return None


def _fpn(
    evidence: GraphEvidence,
    extractor: Extractor,
    multiplier: float,
    least: int,
    levels: Optional[Tuple[int, int]],
) -> Fields:
    """The fpn message: levels as the anchors have them, width as its layers have it."""
    if levels is None:
        raise Unrecognised("the levels of a feature pyramid whose anchors are of another kind")
    names = evidence.variables(_pyramid_layers(extractor) + r".*weights\Z")
    width = evidence.shape(names[0])[-1]
    wanted = next(
        (
            depth
            for depth in _candidates(width, multiplier)
            if max(int(depth * multiplier), least) == width
        ),
        None,
    )
    if wanted is None:
        raise Unrecognised(f"the width of the feature pyramid, {width}")
    fields = [Field("min_level", levels[0]), Field("max_level", levels[1])]
    if wanted != _FPN_DEPTH:
        fields.append(Field("additional_layer_depth", wanted))
    return [Field("fpn", fields)]


def _candidates(width: int, multiplier: float) -> Sequence[int]:
    nearest = int(width / multiplier)
    return sorted(
        range(max(nearest - 2, 1), nearest + 4), key=lambda depth: (depth % 8 != 0, depth)
    )
