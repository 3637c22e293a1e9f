"""Checks of numbers of which no layer can be made.

The builders take them, and the graph stops as it is made, or at the first step.  Measured by making
each part of a model with each number, in the API of 2019-04, 2019-07 and 2021.
"""

from typing import Any, Callable, Iterator, NamedTuple, Tuple

from graphfix.detectors.box_coders import KEYPOINT, SQUARE
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.detectors.layer_variables import Unknown
from graphfix.doctor.builders import SUPPRESSIONS, Path, block_of, value_at
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.config_revision import is_keras
from graphfix.doctor.masks import predicts_masks
from graphfix.doctor.prediction import describe_variables
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR

_PREDICTORS = {SSD: "box_predictor", FASTER_RCNN: "second_stage_box_predictor"}
_MASK_RCNN, _RFCN = "mask_rcnn_box_predictor", "rfcn_box_predictor"
_CONVOLUTIONAL = "convolutional_box_predictor"
_SHARED = "weight_shared_convolutional_box_predictor"
# Whose code in slim looks at the multiplier.
_MULTIPLIED = ("MobilenetV1", "MobilenetV2", "MobilenetV3", "InceptionV2", "InceptionV3")

# Of how many numbers the code of a box is, where not of four.
_CODES = {SQUARE: 3}


class Rule(NamedTuple):
    """What a number may be, where `only` says that a layer is made of it: from `least` to `most`,
    or above `least`.  `only` is given the setup and the number's block."""

    meta: str
    path: Path
    least: float
    most: float = float("inf")
    open: bool = False
    only: Callable[[Setup, Any], bool] = lambda setup, block: True

    def takes(self, value: float) -> bool:
        return value <= self.most and (value > self.least if self.open else value >= self.least)


def _crops(setup: Setup, body: Any) -> bool:
    return body.number_of_stages > 1 and setup.predictor[0] == _MASK_RCNN


def _multiplies(setup: Setup, block: Any) -> bool:
    known = find_extractor(block.type)
    described = known is not None and known.is_described and not is_keras(setup)
    return bool(known and described and known.network in _MULTIPLIED)


def _of_predictor(meta: str, kind: str, field: str, least: float, *more: Any, **words: Any) -> Rule:
    return Rule(meta, (_PREDICTORS[meta], kind, field), least, *more, **words)


_RULES = (
    Rule(SSD, ("feature_extractor", "depth_multiplier"), 0, open=True, only=_multiplies),
    *(
        _of_predictor(
            meta,
            kind,
            "dropout_keep_probability",
            0,
            1,
            open=True,
            only=lambda setup, block: block.use_dropout,
        )
        for meta, kind in ((SSD, _CONVOLUTIONAL), (SSD, _SHARED), (FASTER_RCNN, _MASK_RCNN))
    ),
    _of_predictor(SSD, _CONVOLUTIONAL, "kernel_size", 1),
    _of_predictor(SSD, _SHARED, "kernel_size", 1),
    _of_predictor(
        SSD, _SHARED, "depth", 1, only=lambda setup, block: block.num_layers_before_predictor > 0
    ),
    *(
        _of_predictor(
            FASTER_RCNN, _MASK_RCNN, side, 1, only=lambda setup, block: predicts_masks(setup)
        )
        for side in ("mask_height", "mask_width")
    ),
    _of_predictor(
        FASTER_RCNN,
        _MASK_RCNN,
        "mask_prediction_conv_depth",
        0,
        only=lambda setup, block: (
            predicts_masks(setup) and block.mask_prediction_num_conv_layers > 1
        ),
    ),
    *(
        _of_predictor(FASTER_RCNN, _RFCN, field, 1)
        for field in (
            "num_spatial_bins_height",
            "num_spatial_bins_width",
            "crop_height",
            "crop_width",
            "depth",
        )
    ),
    Rule(FASTER_RCNN, ("first_stage_box_predictor_kernel_size",), 1),
    Rule(FASTER_RCNN, ("first_stage_box_predictor_depth",), 1),
    Rule(FASTER_RCNN, ("first_stage_atrous_rate",), 1),
    Rule(SSD, ("num_classes",), 1),
    *(
        Rule(FASTER_RCNN, (field,), 1, only=lambda setup, block: block.number_of_stages > 1)
        for field in ("num_classes", "second_stage_batch_size")
    ),
    Rule(FASTER_RCNN, ("initial_crop_size",), 1, only=_crops),
    Rule(FASTER_RCNN, ("maxpool_kernel_size",), 1, only=_crops),
    Rule(FASTER_RCNN, ("maxpool_stride",), 1, only=_crops),
    Rule(SSD, ("loss", "hard_example_miner", "iou_threshold"), 0, 1),
    *(
        rule
        for meta, path in SUPPRESSIONS
        for rule in (
            Rule(
                meta,
                (*path, "max_detections_per_class"),
                0,
                only=lambda setup, block: not block.use_class_agnostic_nms,
            ),
            Rule(
                meta,
                (*path, "max_classes_per_detection"),
                float("-inf"),
                1,
                only=lambda setup, block: block.use_class_agnostic_nms,
            ),
        )
    ),
)


def _impossible(setup: Setup) -> Iterator[Symptom]:
    found = list(_beyond_bounds(setup))
    yield from found or _without_channels(setup)


def _without_channels(setup: Setup) -> Iterator[Symptom]:
    """A multiplied depth below 1, which min_depth does not raise."""
    try:
        variables = describe_variables(setup).variables
    except (Unknown, AssertionError):
        return
    for name, shape in variables:
        if min(shape, default=1) < 1:
            yield _symptom(
                setup,
                ("feature_extractor", "min_depth"),
                f"is {setup.body.feature_extractor.min_depth}, and depth_multiplier leaves {name} "
                f"the shape {list(shape)}",
                "16, the default",
            )
            return


def _beyond_bounds(setup: Setup) -> Iterator[Symptom]:
    for rule in _RULES:
        block = block_of(setup.body, rule.path) if rule.meta == setup.meta else None
        if block is None or not setup.options.schema.field(block.DESCRIPTOR.name, rule.path[-1]):
            continue
        value = getattr(block, rule.path[-1])
        if not rule.takes(value) and rule.only(setup, block):
            bounds = [f"above {rule.least:g}" if rule.open else f"of at least {rule.least:g}"]
            bounds = [] if rule.least == float("-inf") else bounds
            bounds += [f"of at most {rule.most:g}"] if rule.most < float("inf") else []
            yield _symptom(setup, rule.path, f"is {value:g}", f"a number {' and '.join(bounds)}")
    body = setup.body
    if setup.meta == SSD and body.feature_extractor.pad_to_multiple == 0:
        yield _symptom(setup, ("feature_extractor", "pad_to_multiple"), "is 0", "1, the default")
    if setup.meta == FASTER_RCNN:
        if _crops(setup, body) and body.maxpool_kernel_size > max(body.initial_crop_size, 0) > 0:
            what = f"is {body.maxpool_kernel_size}, and initial_crop_size {body.initial_crop_size}"
            yield _symptom(setup, ("maxpool_kernel_size",), what, "a smaller number")
        if setup.predictor[0] == _RFCN:
            yield from _uneven_crops(setup)
    yield from _codes(setup)
    for meta, path in SUPPRESSIONS:
        found = value_at(body, path) if meta == setup.meta else None
        if found is not None and found.use_static_shapes and found.soft_nms_sigma > 0:
            yield _symptom(setup, (*path, "soft_nms_sigma"), "is set beside use_static_shapes", "0")


def _codes(setup: Setup) -> Iterator[Symptom]:
    name, predictor = setup.predictor
    if setup.meta not in _PREDICTORS or not hasattr(predictor, "box_code_size"):
        return
    coder = setup.body.box_coder if setup.meta == SSD else None
    kind = (coder.WhichOneof("box_coder_oneof") if coder is not None else None) or ""
    size = _CODES.get(kind, 4)
    if coder is not None and kind == KEYPOINT:
        size = 4 + 2 * coder.keypoint_box_coder.num_keypoints
    if predictor.box_code_size != size:
        path = (_PREDICTORS[setup.meta], name, "box_code_size")
        yield _symptom(setup, path, f"is {predictor.box_code_size}", f"{size}, as boxes are coded")


def _uneven_crops(setup: Setup) -> Iterator[Symptom]:
    predictor = setup.predictor[1]
    for side in ("height", "width"):
        crop, bins = (
            getattr(predictor, f"crop_{side}"),
            getattr(predictor, f"num_spatial_bins_{side}"),
        )
        if crop > 0 and bins > 0 and crop % bins:
            yield _symptom(
                setup,
                (_PREDICTORS[FASTER_RCNN], _RFCN, f"crop_{side}"),
                f"is {crop}, which {bins} bins do not divide",
                f"a multiple of {bins}",
            )


def _symptom(setup: Setup, path: Tuple[str, ...], what: str, wanted: str) -> Symptom:
    where = setup.where("model", setup.meta, *path)
    return Symptom(where, f"{path[-1]} {what}", f"write {path[-1]}: {wanted}")


CHECKS = (
    Check(
        "LAYER_IMPOSSIBLE",
        ERROR,
        'No layer can be made with this number ("crop dimensions must be positive", "must be >= '
        '0", "rate must be a scalar tensor or a float in the range [0, 1)", "is not greater than '
        'zero"), or TensorFlow divides by zero and crashes.',
        "write a number of which a layer can be made",
        _impossible,
    ),
)
