"""The feature extractor of a frozen graph: type, widths, and the layers it adds.

A type is recognised by variables that it has and the other types do not; its depth multiplier by
the widths of layers whose published width is known.
"""

import re
from typing import NamedTuple, Optional, Sequence, Tuple

from graphfix.detectors.backbones import BACKBONES, SCALED, scaled_width
from graphfix.graph_import.config_text import Field, Fields, assumed
from graphfix.graph_import.evidence import Evidence, Unrecognised
from graphfix.graph_import.hyperparams import Layer, conv_hyperparams, find_layer
from graphfix.pipeline_config.extractor_availability import NEED_OVERRIDE, OVERRIDE


class Kind(NamedTuple):
    """A type of feature extractor: variables that tell it (all of these), its base network's
    layers whose width is known, the layers it adds with the config's settings, and those of them
    whose width is the feature pyramid's; the epsilon its base network has where the config does
    not override it."""

    type: str
    marks: Tuple[str, ...]
    widths: Tuple[Tuple[str, int], ...] = ()
    added: Optional[str] = None
    pyramid: Optional[str] = None
    epsilon: float = 0.001


_SSD = "FeatureExtractor/"
_V1, _V2 = _SSD + "MobilenetV1/", _SSD + "MobilenetV2/"
_SHARED = "WeightSharedConvolutionalBoxPredictor/"
_MORE = r"FeatureExtractor/\w+/\w+_[12]_Conv2d_\d+_\dx\d"

_WIDTHS_V1 = tuple(
    (f"MobilenetV1/Conv2d_{number}_pointwise/weights", width)
    for number, width in enumerate((64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512), start=1)
)
_WIDTHS_V2 = (("MobilenetV2/expanded_conv/project/weights", 16),) + tuple(
    (f"MobilenetV2/expanded_conv_{number}/project/weights", width)
    for number, width in enumerate((24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96), start=1)
)
_WIDTHS_INCEPTION = (
    ("InceptionV2/Mixed_5c/Branch_0/Conv2d_0a_1x1/weights", 352),
    ("InceptionV2/Mixed_4a/Branch_0/Conv2d_1a_3x3/weights", 160),
)

# The first row that fits is taken.
KINDS = (
    (
        Kind(
            "ssd_mobilenet_v1_fpn",
            (_V1 + "fpn/",),
            _WIDTHS_V1,
            _V1 + "fpn/",
            _V1 + "fpn/projection_",
        ),
        Kind(
            "embedded_ssd_mobilenet_v1",
            (_V1 + r"Conv2d_13_pointwise_2_Conv2d_\d_2x2_s2_",),
            _WIDTHS_V1,
            _MORE,
        ),
        Kind("ssd_mobilenet_v1_ppn", (_V1 + "Conv2d_0/", _SHARED), _WIDTHS_V1),
        Kind("ssd_mobilenet_v1", (_V1 + "Conv2d_0/",), _WIDTHS_V1, _MORE),
        Kind(
            "ssd_mobilenet_v2_mnasfpn",
            (_SSD + "MnasFPN/",),
            _WIDTHS_V2,
            None,
            _SSD + r"MnasFPN/C\d+_Conv1x1/",
            0.01,
        ),
        Kind(
            "ssd_mobilenet_v2_fpn",
            (_V2 + "fpn/",),
            _WIDTHS_V2,
            _V2 + "fpn/",
            _V2 + "fpn/projection_",
        ),
        Kind("ssd_mobilenet_v2", (_V2 + "Conv/",), _WIDTHS_V2, _MORE),
        Kind(
            "ssd_mobilenet_v3_large",
            (_SSD + "MobilenetV3/expanded_conv_14/",),
            (("MobilenetV3/expanded_conv_11/project/weights", 112),),
            _MORE,
        ),
        Kind(
            "ssd_mobilenet_v3_small",
            (_SSD + "MobilenetV3/expanded_conv_10/",),
            (("MobilenetV3/expanded_conv_7/project/weights", 48),),
            _MORE,
        ),
        Kind("ssd_mobilenet_edgetpu", (_SSD + "MobilenetEdgeTPU/Conv/",), (), _MORE),
        Kind("ssd_mobiledet_cpu", (_SSD + "MobileDetCPU/Conv/",), (), _MORE, None, 0.01),
        Kind("ssd_mobiledet_dsp", (_SSD + "MobileDetDSP/Conv/",), (), _MORE, None, 0.01),
        Kind("ssd_mobiledet_edgetpu", (_SSD + "MobileDetEdgeTPU/Conv/",), (), _MORE, None, 0.01),
        Kind("ssd_mobiledet_gpu", (_SSD + "MobileDetGPU/Conv/",), (), _MORE, None, 0.01),
        Kind("ssd_inception_v2", (_SSD + "InceptionV2/Conv2d_1a_7x7/",), _WIDTHS_INCEPTION, _MORE),
        Kind("ssd_inception_v3", (_SSD + "InceptionV3/Conv2d_1a_3x3/",), (), _MORE),
    )
    + tuple(
        Kind(
            f"ssd_resnet{depth}_v1_fpn",
            (_SSD + rf"resnet_v1_{depth}/fpn/",),
            (),
            _SSD + rf"resnet_v1_{depth}/fpn/",
            _SSD + rf"resnet_v1_{depth}/fpn/projection_",
            1e-5,
        )
        for depth in (50, 101, 152)
    )
    + tuple(
        Kind(
            f"ssd_resnet{depth}_v1_ppn",
            (_SSD + f"resnet_v1_{depth}/conv1/", _SHARED),
            (),
            None,
            None,
            1e-5,
        )
        for depth in (50, 101, 152)
    )
    + (
        Kind("faster_rcnn_inception_v2", ("FirstStageFeatureExtractor/InceptionV2/",)),
        Kind(
            "faster_rcnn_inception_resnet_v2",
            ("FirstStageFeatureExtractor/InceptionResnetV2/Conv2d_1a_3x3/",),
        ),
        Kind(
            "faster_rcnn_nas",
            ("FirstStageFeatureExtractor/conv0/", "FirstStageFeatureExtractor/reduction_cell_"),
        ),
    )
    + tuple(
        Kind(f"faster_rcnn_resnet{depth}", (f"FirstStageFeatureExtractor/resnet_v1_{depth}/",))
        for depth in (50, 101, 152)
    )
)

# What a layer's width tells is exact to a few hundredths: the usual ones are tried first.
_MULTIPLIERS = (1.0, 0.75, 0.5, 0.25, 0.125, 0.35, 1.4, 1.3) + tuple(
    step / 100.0 for step in range(1, 301)
)
_DEPTHS = (16, 8, 1)
_FPN_DEPTH = 256
# The first layer that all extractors of several scales add has this width, multiplied.
_FIRST_ADDED = r"FeatureExtractor/\w+/\w+_2_Conv2d_\d+_\dx\d_s2_\d+/weights\Z"
_FIRST_ADDED_WIDTH = 512
_SQUEEZE = re.compile("squeeze", re.IGNORECASE)
_NUM_LAYERS = 6


def find_kind(evidence: Evidence) -> Kind:
    """The type of the feature extractor.

    Raises:
      Unrecognised: no row fits.
    """
    for kind in KINDS:
        if all(evidence.has(mark) for mark in kind.marks):
            return kind
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
    evidence: Evidence,
    kind: Kind,
    maps: int,
    levels: Optional[Tuple[int, int]],
    predictor: Optional[Layer],
) -> Tuple[Fields, bool]:
    """The feature_extractor message of an SSD, and whether it is known whether the base network's
    settings were the config's.

    `maps` is the number of feature maps, `levels` the first and last of a feature pyramid as the
    anchors have it; `predictor` a layer of the box predictor, for extractors that add none.

    Raises:
      Unrecognised: its layers are not as wide as any config makes them.
    """
    multiplier, least = _widths(evidence, kind)
    base = find_layer(evidence, re.escape(_first(kind).rpartition("/")[0]) + r"\Z")
    layer = find_layer(evidence, kind.added) if kind.added else predictor
    override = _override(kind, base, layer if kind.added else None)
    fields = [
        Field("type", kind.type),
        Field("depth_multiplier", multiplier),
        Field("min_depth", least),
        Field("conv_hyperparams", conv_hyperparams(layer or base)),
    ]
    if override or kind.type in NEED_OVERRIDE:
        fields.append(Field(OVERRIDE, True))
    elif override is None:
        fields.append(assumed(OVERRIDE, False))
    if kind.added and evidence.has(kind.added + r".*(_depthwise|smoothing_\d+)/depthwise_weights"):
        fields.append(Field("use_depthwise", True))
    if "mobile" in kind.type and evidence.nodes(r"FeatureExtractor/", "Pad"):
        fields.append(Field("use_explicit_padding", True))
    if kind.pyramid:
        fields += _fpn(evidence, kind, multiplier, least, levels)
    elif (
        maps != _NUM_LAYERS and "ppn" not in kind.type and kind.type != "embedded_ssd_mobilenet_v1"
    ):
        fields.append(Field("num_layers", maps))
    return fields, override is not None or kind.type in NEED_OVERRIDE


def _first(kind: Kind) -> str:
    row = next(row for row in BACKBONES if row.type == kind.type)
    return row.scopes[0] + row.first


def _widths(evidence: Evidence, kind: Kind) -> Tuple[float, int]:
    """depth_multiplier and min_depth that make the layers as wide as they are."""
    row = next(row for row in BACKBONES if row.type == kind.type)
    known = ((row.first, row.width),) + kind.widths
    found = [
        (evidence.shape(row.scopes[0] + name)[-1], width, row.rule)
        for name, width in known
        if row.scopes[0] + name in evidence.metas
    ]
    if not found:
        raise Unrecognised(f"the widths of a {kind.type} (there is no {row.scopes[0] + row.first})")
    if kind.added == _MORE:
        found += [
            (evidence.shape(name)[-1], _FIRST_ADDED_WIDTH, SCALED)
            for name in evidence.variables(_FIRST_ADDED)[:1]
        ]
    narrowest = min(
        evidence.shape(name)[-1]
        for name in evidence.variables(re.escape(row.scopes[0]) + r".*/(pointwise_)?weights\Z")
        if not _SQUEEZE.search(name)
    )
    for multiplier in _MULTIPLIERS:
        for least in _DEPTHS:
            if least <= max(narrowest, 1) and all(
                scaled_width(width, rule, multiplier, least) == have for have, width, rule in found
            ):
                return multiplier, least
    raise Unrecognised(
        f"the depth_multiplier of a {kind.type} whose layers are "
        f"{'/'.join(str(one[0]) for one in found)} wide"
    )


def _override(kind: Kind, base: Optional[Layer], added: Optional[Layer]) -> Optional[bool]:
    """Whether the base network has the config's settings instead of its own; None where both
    would look the same."""
    if base is None:
        return None
    own: Optional[str] = "RELU" if "resnet" in kind.type or "inception" in kind.type else "RELU_6"
    if any(name in kind.type for name in ("mobilenet_v3", "mobilenet_edgetpu", "mobiledet")):
        own = None  # more than one
    if (own is not None and base.activation not in (None, own)) or (
        base.epsilon is not None and abs(base.epsilon - kind.epsilon) > 1e-7
    ):
        return True
    if added is None:
        return None
    if own is not None and added.activation not in (None, base.activation):
        return False
    if (
        added.epsilon is not None
        and base.epsilon is not None
        and "resnet" not in kind.type
        and abs(added.epsilon - base.epsilon) > 1e-7
    ):
        return False
    return None


def _fpn(
    evidence: Evidence, kind: Kind, multiplier: float, least: int, levels: Optional[Tuple[int, int]]
) -> Fields:
    """The fpn message: levels as the anchors have them, width as its layers have it."""
    assert kind.pyramid is not None
    if levels is None:
        raise Unrecognised("the levels of a feature pyramid whose anchors are of another kind")
    names = evidence.variables(kind.pyramid + r".*weights\Z")
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
