"""What the same config and variables compute in one revision of the API and not in another.

Where names and shapes stay, nothing fails when a meaning changes.  CHANGES has what did, as far as
a config can mean it; docs/eras.md has the evidence, and what is handled elsewhere (the order of
anchors, for one).  Between `last_old` and `first_new` a revision may do either.
"""

from typing import Any, Callable, NamedTuple, Optional, Tuple

from graphfix.detectors.availability import OVERRIDE
from graphfix.detectors.extractors.facts import FPN
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.pipeline_config.edits import ConfigEdit

PADDED_PIXELS, PADDED_BOXES = "PADDED_PIXELS", "PADDED_BOXES"
PYRAMID_PADDING, PREDICTOR_DROPOUT = "PYRAMID_PADDING", "PREDICTOR_DROPOUT"
PADDED_PROPOSALS, BASE_SETTINGS = "PADDED_PROPOSALS", "BASE_SETTINGS"
GREY, SUPPRESSION = "GREY_IMAGES", "SUPPRESSION"

# What is subtracted from the images of ResNets.  Other SSDs' are brought from 0..255 to -1..1.
_MEANS = (123.68, 116.779, 103.939)
_PAD_VALUE = "per_channel_pad_value"
# Networks with settings of their own, around which a config's were until they got them.
_GOVERNED = ("ssd_mobilenet_v1", "embedded_ssd_mobilenet_v1")


class Change(NamedTuple):
    """A change of meaning: the code of its finding; the field that it is about, within the model's
    block; the last month known to have the old meaning, the first known to have the new one; both
    in words; what to do where they cannot be made the same.  A `slight` one is told of only where
    it is known to matter."""

    code: str
    field: str
    last_old: str
    first_new: str
    old: str
    new: str
    remedy: str
    concerns: Callable[[Any, str], bool]
    slight: bool = False

    def is_new(self, month: str) -> Optional[bool]:
        """Whether a month's API has the new meaning, None where that is not known."""
        if month >= self.first_new:
            return True
        return False if month <= self.last_old else None


def changes(body: Any, meta: str) -> Tuple[Change, ...]:
    """The changes that a model is concerned by; `body` is the config's `meta` block."""
    return tuple(change for change in CHANGES if change.concerns(body, meta))


def same_meaning(change: Change, body: Any, meta: str, *, new: bool) -> Optional[ConfigEdit]:
    """The edit by which a revision that has the new meaning (`new`), or the old one, computes what
    one with the other meaning would; None where there is none."""
    if change.code == BASE_SETTINGS and new:
        path: Tuple[str, ...] = ("model", meta, "feature_extractor", OVERRIDE)
        return ConfigEdit(path, "true", "the base network was trained with conv_hyperparams")
    if change.code == PADDED_PIXELS:
        resizer = body.image_resizer.WhichOneof("image_resizer_oneof")
        path = ("model", meta, "image_resizer", resizer, _PAD_VALUE)
        given = getattr(getattr(body.image_resizer, resizer), _PAD_VALUE, None)
        if given is None or len(given) not in (0, 3):
            return None
        value = _normalized if new else _denormalized
        padding = (
            value(number, channel, "resnet" in body.feature_extractor.type)
            for channel, number in enumerate(given or (0.0, 0.0, 0.0))
        )
        return ConfigEdit(
            path, f"[{', '.join(padding)}]", "the padding that the model was trained with"
        )
    return None


def _normalized(pixel: float, channel: int, means: bool) -> str:
    return f"{pixel - _MEANS[channel] if means else pixel * 2 / 255 - 1:.6g}"


def _denormalized(value: float, channel: int, means: bool) -> str:
    return f"{value + _MEANS[channel] if means else (value + 1) * 255 / 2:.6g}"


def _pads(body: Any) -> bool:
    kind = body.image_resizer.WhichOneof("image_resizer_oneof")
    return kind == "pad_to_multiple_resizer" or (
        kind == "keep_aspect_ratio_resizer"
        and body.image_resizer.keep_aspect_ratio_resizer.pad_to_max_dimension
    )


def _padded_ssd(body: Any, meta: str) -> bool:
    return meta == SSD and _pads(body)


def _grey(body: Any, meta: str) -> bool:
    kind = body.image_resizer.WhichOneof("image_resizer_oneof")
    return (
        meta == SSD
        and "resnet" in body.feature_extractor.type
        and kind is not None
        and getattr(getattr(body.image_resizer, kind), "convert_to_grayscale", False)
    )


def _padded_two_stages(body: Any, meta: str) -> bool:
    return meta == FASTER_RCNN and _pads(body)


def _padded_pyramid(body: Any, meta: str) -> bool:
    extractor = find_extractor(body.feature_extractor.type)
    return (
        meta == SSD
        and extractor is not None
        and extractor.feature_maps == FPN
        and body.feature_extractor.use_explicit_padding
    )


def _shared_dropout(body: Any, meta: str) -> bool:
    return meta == SSD and body.box_predictor.weight_shared_convolutional_box_predictor.use_dropout


def _other_settings(body: Any, meta: str) -> bool:
    """Whether conv_hyperparams are not the base network's own anyway."""
    settings = body.feature_extractor
    if settings.type not in _GOVERNED or getattr(settings, OVERRIDE):
        return False
    extractor, given = find_extractor(settings.type), settings.conv_hyperparams
    assert extractor is not None
    return given.HasField("batch_norm") and (
        given.Activation.Name(given.activation) != extractor.activation
        or abs(given.batch_norm.epsilon - extractor.epsilon) > 1e-9
    )


CHANGES = (
    Change(
        PADDED_PIXELS,
        "image_resizer",
        "2019-10",
        "2021-06",
        "an image is padded with 0 first and normalized then, so that its padding is -1 (of a "
        "ResNet, what is left of 0 without the channels' means)",
        "an image is normalized first and padded with 0 then",
        "train on before use; or take a fixed_shape_resizer",
        _padded_ssd,
    ),
    Change(
        GREY,
        "image_resizer",
        "2019-10",
        "2021-06",
        "an image is made grey as it is, and nothing is subtracted",
        "the channels' means are subtracted before an image is made grey: it is darker by 117",
        "train on before use",
        _grey,
    ),
    Change(
        PADDED_BOXES,
        "image_resizer",
        "2019-10",
        "2019-11",
        "boxes are learnt as parts of the image without its padding, though anchors are placed in "
        "all of it",
        "boxes are learnt as parts of the padded image",
        "train on before use; or take a fixed_shape_resizer",
        _padded_ssd,
    ),
    Change(
        PYRAMID_PADDING,
        "feature_extractor.use_explicit_padding",
        "2019-07",
        "2021-06",
        "a level of the pyramid is padded before it is passed on to the next one, which shifts it",
        "only what a level's own convolution reads is padded",
        "train on before use",
        _padded_pyramid,
    ),
    Change(
        PREDICTOR_DROPOUT,
        "box_predictor.weight_shared_convolutional_box_predictor.use_dropout",
        "2019-04",
        "2019-07",
        "the box predictor drops activations in evaluation and exported graphs, too: the same "
        "image gives other scores every time",
        "the box predictor drops activations in training alone",
        "set use_dropout to false, or take a later revision",
        _shared_dropout,
    ),
    Change(
        PADDED_PROPOSALS,
        "image_resizer",
        "2019-07",
        "2021-06",
        "proposals are clipped to the padded image",
        "proposals are clipped to the image without its padding",
        "there is little to do: other proposals matter at the image's edge alone",
        _padded_two_stages,
    ),
    Change(
        BASE_SETTINGS,
        "feature_extractor.conv_hyperparams",
        "2018-01",
        "2018-04",
        "activation and batch_norm are those of the base network, too",
        "activation and batch_norm are those of the added layers; the base network has its own",
        "train on before use",
        _other_settings,
    ),
    Change(
        SUPPRESSION,
        "post_processing",
        "2018-05",
        "2018-07",
        "boxes are clipped to the image, and suppressed then",
        "boxes are suppressed, and clipped to the image then",
        "there is nothing to do: what is found is the same, but for boxes that reach out of the "
        "image, of which others may be left",
        lambda body, meta: True,
        slight=True,
    ),
)
