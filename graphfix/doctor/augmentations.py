"""Checks of the settings of augmentations that the input pipeline refuses.

Some it refuses as it is built, others at the first image, and few at some image.  Measured by
giving each augmentation each of its numbers at bounds (tests/stock/config_mutations.py).
"""

from typing import Any, Callable, Iterator, NamedTuple, Tuple

from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.masks import predicts_masks
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR
from graphfix.pipeline_config.paths import INPUT_READERS


class Rule(NamedTuple):
    """What numbers fields may have: of some augmentations, or of all that have such a field."""

    fields: Tuple[str, ...]
    takes: Callable[[float], bool]
    wanted: str
    steps: Tuple[str, ...] = ()


_RULES = (
    Rule(("min_object_covered",), lambda value: value >= 0, "of at least 0"),
    Rule(("min_aspect_ratio", "max_aspect_ratio"), lambda value: value > 0, "above 0"),
    Rule(("min_area", "max_area"), lambda value: 0 < value <= 1, "above 0 and at most 1"),
    Rule(("aspect_ratio",), lambda value: value > 0, "above 0", ("random_crop_to_aspect_ratio",)),
    Rule(
        ("aspect_ratio",),
        lambda value: value >= 0,
        "above 0",
        ("ssd_random_crop_pad_fixed_aspect_ratio",),
    ),
    Rule(("new_height", "new_width"), lambda value: value > 0, "of at least 1"),
    Rule(("target_height", "target_width"), lambda value: value > 0, "of at least 1"),
    Rule(
        ("min_scale_ratio", "max_scale_ratio"),
        lambda value: value >= 0,
        "of at least 0",
        ("random_image_scale",),
    ),
    Rule(("size_to_image_ratio",), lambda value: 0 < value <= 1, "above 0 and at most 1"),
    Rule(
        ("probability",),
        lambda value: value != 0,
        "above 0",
        ("random_horizontal_flip", "random_vertical_flip", "random_rotation90"),
    ),
    Rule(("color_ordering",), lambda value: value in (0, 1), "of 0 or 1"),
    Rule(("min_target_pixels", "max_target_pixels"), lambda value: value > 0, "of at least 1"),
    Rule(("min_patch_size",), lambda value: value > 0, "of at least 1"),
    Rule(("output_size",), lambda value: value > 1, "that is an image's side"),
    Rule(("num_scales",), lambda value: value > 0, "of at least 1"),
    Rule(
        ("scale_min", "scale_max"),
        lambda value: value > 0,
        "above 0",
        ("random_square_crop_by_scale",),
    ),
    Rule(
        ("scale_min", "scale_max"),
        lambda value: value >= 0,
        "of at least 0",
        ("random_scale_crop_and_pad_to_square",),
    ),
    Rule(("gamma",), lambda value: value >= 0, "of at least 0"),
    Rule(("temperature",), lambda value: value != 0, "other than 0"),
)
_RATIOS = ("min_padded_size_ratio", "max_padded_size_ratio")
_PAIRS = {
    "random_pad_image": (
        ("min_image_height", "min_image_width"),
        ("max_image_height", "max_image_width"),
    )
}
_ALL = {"normalize_image": ("original_minval", "original_maxval", "target_minval", "target_maxval")}
_ORDERED = (
    ("min_jpeg_quality", "max_jpeg_quality"),
    ("min_target_pixels", "max_target_pixels"),
    ("min_patch_size", "max_patch_size"),
)
_CHANNELS = 3
# From here on a ResNet is known to take a gray image as it is.  It did not always: subtracting the
# means of three channels makes three of one.
_GRAY_RESNETS = "2019-03"
_SCORES = "convert_class_logits_to_softmax"
_JPEG, _POLICIES = "random_jpeg_quality", ("v0", "v1", "v2", "v3", "test")
# What is not given the masks (core/preprocessor.py, get_default_func_arg_map), and what was not up
# to the last revision known.
_WITHOUT_MASKS = (
    "random_crop_pad_image",
    "ssd_random_crop_pad",
    "random_self_concat_image",
    "autoaugment_image",
)
_PADS, _PADS_LEAVE_MASKS = ("random_pad_image", "random_absolute_pad_image"), "2019-07"
_PIXELS = "scale_boxes_to_pixel_coordinates"


def _refused(setup: Setup) -> Iterator[Symptom]:
    for step in setup.train.data_augmentation_options:
        for kind, options in step.ListFields():
            where = setup.where("train_config", "data_augmentation_options", kind.name)
            for what, remedy in _faults(setup, kind.name, options):
                yield Symptom(where, what, remedy)


def _faults(setup: Setup, step: str, options: Any) -> Iterator[Tuple[str, str]]:
    """(what is wrong, the remedy) of an augmentation's settings."""
    for pair in _PAIRS.get(step, ()):
        if options.HasField(pair[0]) != options.HasField(pair[1]):
            yield f"{step} has only one of {' and '.join(pair)}", ""
    lacking = [name for name in _ALL.get(step, ()) if not options.HasField(name)]
    if lacking:
        yield f"{step} lacks {', '.join(lacking)}", "write all four"
    reader = getattr(setup.message, INPUT_READERS[0])
    if step == _SCORES and not reader.load_multiclass_scores:
        yield (
            f"{step} needs class scores, and {INPUT_READERS[0]} loads none",
            f"write load_multiclass_scores: true in {INPUT_READERS[0]}, or remove it",
        )
    if step == "subtract_channel_mean" and len(options.means) != _CHANNELS:
        yield f"{step} has {len(options.means)} means, and an image three channels", "write three"
    if step == "autoaugment_image" and options.policy_name not in _POLICIES:
        yield f"{step} has no policy {options.policy_name!r}", "write policy_name: 'v0'"
    for least, most in _ORDERED:
        low, high = getattr(options, least, 0), getattr(options, most, 1)
        if low >= high:
            yield f"{step} has a {least} of {low}, and a {most} of {high}", "raise the latter"
    for block in (options, *getattr(options, "operations", ())):
        for name in _RATIOS:
            ratio = getattr(block, name, ())
            if len(ratio) not in (0, 2):
                yield f"{name} has {len(ratio)} numbers, and takes two", "write two numbers"
        for rule in _RULES:
            for name in rule.fields if not rule.steps or step in rule.steps else ():
                value = getattr(block, name, None)
                if isinstance(value, (int, float)) and not rule.takes(value):
                    yield (f"{step} has a {name} of {value:g}", f"write a {name} {rule.wanted}")


def _channels_lost(setup: Setup) -> Iterator[Symptom]:
    for step in setup.train.data_augmentation_options:
        if step.WhichOneof("preprocessing_step") == _JPEG:
            yield Symptom(setup.where("train_config", "data_augmentation_options", _JPEG), "")


def _masks_left(setup: Setup) -> Iterator[Symptom]:
    if (
        not predicts_masks(setup)
        or not getattr(setup.message, INPUT_READERS[0]).load_instance_masks
    ):
        return
    left = _WITHOUT_MASKS + (_PADS if setup.options.revision <= _PADS_LEAVE_MASKS else ())
    for step in setup.train.data_augmentation_options:
        kind = step.WhichOneof("preprocessing_step")
        if kind in left:
            yield Symptom(
                setup.where("train_config", "data_augmentation_options", kind),
                f"{kind} changes images and boxes, but not masks",
            )


def _gray_in_training(setup: Setup) -> Iterator[Symptom]:
    resizer = setup.body.image_resizer
    kind = resizer.WhichOneof("image_resizer_oneof")
    if kind and getattr(getattr(resizer, kind), "convert_to_grayscale", False):
        return
    if "resnet" in setup.body.feature_extractor.type and setup.options.revision < _GRAY_RESNETS:
        return
    for step in setup.train.data_augmentation_options:
        if step.HasField("rgb_to_gray"):
            yield Symptom(
                setup.where("train_config", "data_augmentation_options", "rgb_to_gray"),
                "rgb_to_gray leaves one channel, and evaluation and export have three",
            )
            return


def _in_pixels(setup: Setup) -> Iterator[Symptom]:
    if not any(step.HasField(_PIXELS) for step in setup.train.data_augmentation_options):
        return
    yield Symptom(
        setup.where("train_config", "data_augmentation_options", _PIXELS),
        f"{_PIXELS} gives boxes of up to hundreds",
    )


CHECKS = (
    Check(
        "AUGMENTATION_REFUSED",
        ERROR,
        'The input pipeline refuses an augmentation\'s settings ("either both set or both unset", '
        '"min_padded_size_ratio should have 2 elements if set", "Area range must be non-negative", '
        '"Aspect ratio range must be non-negative", "color_ordering must be in {0, 1}").',
        "set both, or neither",
        _refused,
    ),
    Check(
        "CHANNELS_UNKNOWN",
        ERROR,
        f"After {_JPEG} TensorFlow does not know how many channels an image has, and no layer can "
        'be made for it ("The channel dimension of the inputs should be defined").',
        "remove it",
        _channels_lost,
    ),
    Check(
        "MASKS_NOT_AUGMENTED",
        ERROR,
        "Masks are left where they were when an augmentation moves or drops what is in the image: "
        'training stops at another number or size of them ("Condition x == y did not hold '
        'element-wise:] [x (Loss/BoxClassifierLoss/assert_equal_1/x:0) = ] [800 1166]"), or '
        "learns masks of other places in silence.",
        "take an augmentation that is given the masks, such as random_crop_image",
        _masks_left,
    ),
    Check(
        "CHANNELS_DIFFER",
        ERROR,
        "A detector that is trained with one channel has a first kernel of one, and is neither "
        'evaluated nor exported with three ("Assign requires shapes of both tensors to match").',
        "write random_rgb_to_gray { probability: 1 }, which repeats the channel, or "
        "convert_to_grayscale: true in image_resizer, which all of them use",
        _gray_in_training,
    ),
    Check(
        "BOXES_SCALED",
        ERROR,
        "Boxes are fractions of the image: at boxes in pixels Faster R-CNN stops at its first step "
        '("maximum box coordinate value is larger than 1.100000"), and an SSD learns nothing, in '
        "silence.",
        "remove the augmentation",
        _in_pixels,
    ),
)
