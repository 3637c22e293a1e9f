"""Checks of settings that the API's builders refuse: out of bounds, or at odds.

What depends on the feature extractor and its feature maps is in architecture.py, and blocks
without a choice are in choices.py.
"""

from typing import Any, Callable, Iterator, NamedTuple, Tuple

from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import FASTER_RCNN, SSD
from graphfix.detectors.feature_maps import map_count
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.config_revision import is_keras
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR
from graphfix.pipeline_config.edits import ConfigEdit

Path = Tuple[str, ...]


class Bounds(NamedTuple):
    """A setting that the API's builder takes within bounds only, where its block is there."""

    meta: str
    path: Path
    least: float
    most: float = float("inf")
    open: bool = False  # whether `least` is out of bounds itself

    def takes(self, value: float) -> bool:
        above = value > self.least if self.open else value >= self.least
        return above and value <= self.most

    @property
    def is_fraction(self) -> bool:
        return self.least == 0 and self.most == 1


# What is a percentage where a fraction is wanted: below it may be a fraction of another base.
LEAST_PERCENT = 10
_NMS = "batch_non_max_suppression"
_SECOND = "second_stage_post_processing"
# A kernel of one: 2019-07 takes it, as a copy published in 2019-10 does; one of 2020-04-05 refuses
# it, as all later ones do.  Copies of the months between could not be had.
_DEPTHWISE_SINCE = "2020-04"
# Whose first layers the quantization rewrites in another way for training than for evaluation.
_UPDATED_LATE = ("MobilenetV3", "MobileDetCPU")
# Of Faster R-CNN: the rewriting stops at a ResNet's dilated layers.  Evaluation stops at ranges of
# Inception's second stage, which training does not make; 2021-06 is the first known to make them,
# but not those of the third stage, whose masks it crops features for anew.
_NOT_QUANTIZED = {"resnet_v1": "9999-12", "InceptionV2": "2021-06"}
_THIRD = 3
# The first revision known to multiply logits by a scale; that of 2019-07 divides them.
_SCALE_SINCE = "2021-06"
# Losses that no miner can choose among.
_NOT_MINED = {
    "weighted_sigmoid_focal": "which weighs all examples",
    "weighted_dice_classification_loss": "which is not one number for each anchor",
    "weighted_iou": "which does not tell images apart",
}
SUPPRESSIONS = ((SSD, ("post_processing", _NMS)), (FASTER_RCNN, (_SECOND, _NMS)))
BOUNDS: Tuple[Bounds, ...] = (
    Bounds(SSD, ("post_processing", _NMS, "iou_threshold"), 0, 1),
    Bounds(SSD, ("post_processing", _NMS, "soft_nms_sigma"), 0),
    Bounds(FASTER_RCNN, (_SECOND, _NMS, "iou_threshold"), 0, 1),
    Bounds(FASTER_RCNN, (_SECOND, _NMS, "soft_nms_sigma"), 0),
    Bounds(FASTER_RCNN, ("first_stage_nms_iou_threshold",), 0, 1),
    Bounds(FASTER_RCNN, ("first_stage_positive_balance_fraction",), 0, 1),
    Bounds(FASTER_RCNN, ("second_stage_balance_fraction",), 0, 1),
    Bounds(FASTER_RCNN, ("number_of_stages",), 1, 3),
    Bounds(SSD, ("loss", "random_example_sampler", "positive_sample_fraction"), 0, 1, open=True),
    *(
        Bounds(SSD, ("box_coder", coder, scale), 0, open=True)
        for coder, scales in (
            ("faster_rcnn_box_coder", ("y_scale", "x_scale", "height_scale", "width_scale")),
            ("keypoint_box_coder", ("y_scale", "x_scale", "height_scale", "width_scale")),
            ("square_box_coder", ("y_scale", "x_scale", "length_scale")),
        )
        for scale in scales
    ),
)


def block_of(body: Any, path: Path) -> Any:
    """The block that has a path's last field, None where it is not there."""
    for step in path[:-1]:
        if not body.HasField(step):
            return None
        body = getattr(body, step)
    return body


def value_at(body: Any, path: Path) -> Any:
    """The value at a path, None where one of its blocks is not there."""
    block = block_of(body, path)
    return None if block is None else getattr(block, path[-1])


def _out_of_bounds(setup: Setup) -> Iterator[Symptom]:
    for row in BOUNDS:
        value = value_at(setup.body, row.path) if row.meta == setup.meta else None
        if value is None or row.takes(value):
            continue
        name = row.path[-1]
        wanted = f"above {row.least:g}" if row.open else f"of at least {row.least:g}"
        wanted += f" and at most {row.most:g}" if row.most < float("inf") else ""
        edits: Tuple[ConfigEdit, ...] = ()
        remedy = f"write {name}: a number {wanted}"
        if row.is_fraction and LEAST_PERCENT <= value <= 100:
            literal = f"{value / 100:g}"
            remedy = f"write {name}: {literal}: it is a fraction, not a percentage"
            edits = (ConfigEdit(("model", row.meta, *row.path), literal, "a fraction"),)
        yield Symptom(
            setup.where("model", row.meta, *row.path), f"{name} is {value:g}", remedy, edits
        )
    if setup.message.HasField("graph_rewriter"):
        for name in ("weight_bits", "activation_bits"):
            bits = getattr(setup.message.graph_rewriter.quantization, name)
            if bits != 8:
                path = ("graph_rewriter", "quantization", name)
                edits = (ConfigEdit(path, "8", "the only number of bits"),)
                yield Symptom(setup.where(*path), f"{name} is {bits}", f"write {name}: 8", edits)


class Contradiction(NamedTuple):
    """Settings of a block that the API refuses together: meta-architecture, the block's path, the
    field to blame, what is wrong with it ("" where nothing is) as a function of the block, and the
    edit that mends it: the literal, None to remove the field.  `only` says of which setups."""

    meta: str
    block: Path
    field: str
    wrong: Callable[[Any], str]
    cure: Callable[[Any], Any]
    only: Callable[[Setup], bool] = lambda setup: True


def _more_a_class(nms: Any) -> str:
    per, total = nms.max_detections_per_class, nms.max_total_detections
    return f"is {per}, more than max_total_detections, {total}" if per > total else ""


def _both_kinds(nms: Any) -> str:
    both = nms.use_combined_nms and nms.use_class_agnostic_nms
    return "is set beside use_class_agnostic_nms" if both else ""


def _thresholds(matcher: Any) -> str:
    high, low = matcher.matched_threshold, matcher.unmatched_threshold
    if matcher.ignore_thresholds:
        return ""
    if low > high:
        return f"is {low:g}, above matched_threshold, {high:g}"
    if low == high and not matcher.negatives_lower_than_unmatched:
        return f"is matched_threshold, {high:g}, but negatives are to lie between the two"
    return ""


def _with_miner(loss: Any) -> str:
    if not loss.HasField("hard_example_miner"):
        return ""
    for kind in ("classification_loss", "localization_loss"):
        name = getattr(loss, kind).WhichOneof(kind)
        if name in _NOT_MINED:
            return f"is set beside {name}, {_NOT_MINED[name]}"
    return ""


def _more_samples(body: Any) -> str:
    size, proposals = body.second_stage_batch_size, body.first_stage_max_proposals
    return (
        f"is {size}, more than first_stage_max_proposals, {proposals}" if size > proposals else ""
    )


def _backgrounds(body: Any) -> str:
    both = body.add_background_class and body.explicit_background_class
    return "is set beside add_background_class (which is true by default)" if both else ""


def _no_masks(body: Any) -> str:
    predictor = body.second_stage_box_predictor
    masks = predictor.mask_rcnn_box_predictor.predict_instance_masks
    return "" if body.number_of_stages != 3 or masks else "is 3, but no third stage predicts masks"


def _depths(predictor: Any) -> str:
    least, most = predictor.min_depth, predictor.max_depth
    return f"is {least}, more than max_depth, {most}" if least > most else ""


def _depthwise(predictor: Any) -> str:
    single = predictor.use_depthwise and predictor.kernel_size == 1
    return "is 1, but use_depthwise needs a larger kernel" if single else ""


def _weighted(loss: Any) -> str:
    return "names functions that no revision has" if loss.expected_loss_weights else ""


def _in_place(body: Any) -> str:
    both = "is set beside quantization, of whose ranges evaluation then misses some"
    return both if body.inplace_batchnorm_update else ""


def _is_quantized_late(setup: Setup) -> bool:
    known = find_extractor(setup.body.feature_extractor.type)
    late = known is not None and known.is_described and known.network in _UPDATED_LATE
    return late and setup.message.HasField("graph_rewriter")


def _lower(block: Any) -> str:
    return f"{block.matched_threshold:g}"


CONTRADICTIONS: Tuple[Contradiction, ...] = (
    *(
        Contradiction(
            meta,
            path,
            "max_detections_per_class",
            _more_a_class,
            lambda nms: str(nms.max_total_detections),
        )
        for meta, path in SUPPRESSIONS
    ),
    *(
        Contradiction(meta, path, "use_combined_nms", _both_kinds, lambda nms: None)
        for meta, path in SUPPRESSIONS
    ),
    Contradiction(SSD, ("matcher", "argmax_matcher"), "unmatched_threshold", _thresholds, _lower),
    Contradiction(SSD, ("loss",), "hard_example_miner", _with_miner, lambda loss: None),
    Contradiction(SSD, ("loss",), "expected_loss_weights", _weighted, lambda loss: None),
    Contradiction(
        SSD, (), "inplace_batchnorm_update", _in_place, lambda body: None, _is_quantized_late
    ),
    Contradiction(SSD, (), "explicit_background_class", _backgrounds, lambda body: None),
    Contradiction(
        FASTER_RCNN,
        (),
        "second_stage_batch_size",
        _more_samples,
        lambda body: str(body.first_stage_max_proposals),
    ),
    Contradiction(FASTER_RCNN, (), "number_of_stages", _no_masks, lambda body: "2"),
    Contradiction(
        SSD,
        ("box_predictor", "convolutional_box_predictor"),
        "min_depth",
        _depths,
        lambda predictor: str(predictor.max_depth),
        is_keras,
    ),
    *(
        Contradiction(
            SSD,
            ("box_predictor", name),
            "kernel_size",
            _depthwise,
            lambda predictor: "3",
            lambda setup: setup.options.revision >= _DEPTHWISE_SINCE,
        )
        for name in ("convolutional_box_predictor", "weight_shared_convolutional_box_predictor")
    ),
)


def _contradictions(setup: Setup) -> Iterator[Symptom]:
    for row in CONTRADICTIONS:
        if row.meta != setup.meta or not row.only(setup):
            continue
        block = value_at(setup.body, row.block) if row.block else setup.body
        wrong = row.wrong(block) if block is not None else ""
        if not wrong:
            continue
        literal = row.cure(block)
        path = ("model", row.meta) + row.block + (row.field,)
        fixed = block.__class__()
        fixed.CopyFrom(block)
        if literal is None:
            fixed.ClearField(row.field)
        else:
            kind = type(getattr(block, row.field))
            setattr(fixed, row.field, kind(float(literal)))
        cures = not row.wrong(fixed)
        yield Symptom(
            setup.where(*path),
            f"{row.field} {wrong}",
            (f"write {row.field}: {literal}" if literal else f"remove {row.field}")
            if cures
            else "set one of the two only",
            (ConfigEdit(path, literal, "what the API accepts"),) if cures else (),
        )


def cannot_be_quantized(setup: Setup) -> bool:
    """Whether the config asks for a quantization at which training or evaluation stops."""
    if not setup.meta or not setup.message.HasField("graph_rewriter"):
        return False
    if setup.meta == SSD:
        # Logits of one map are not concatenated, so that evaluation gives their scale a range.
        return setup.options.revision >= _SCALE_SINCE and map_count(setup.body, SSD) == 1
    known = find_extractor(setup.body.feature_extractor.type)
    if known is None or not known.is_described:
        return False
    return any(
        known.network.startswith(network)
        and (setup.options.revision < since or setup.body.number_of_stages >= _THIRD)
        for network, since in _NOT_QUANTIZED.items()
    )


def _at_odds(setup: Setup) -> Iterator[Symptom]:
    yield from _contradictions(setup)
    if cannot_be_quantized(setup):
        yield Symptom(
            setup.where("graph_rewriter"),
            "quantization of an SSD of one feature map"
            if setup.meta == SSD
            else f"quantization of a Faster R-CNN with {setup.body.feature_extractor.type}",
            "remove graph_rewriter",
            (ConfigEdit(("graph_rewriter",), None, "the API cannot quantize it"),),
        )


CHECKS = (
    Check(
        "VALUE_OUT_OF_BOUNDS",
        ERROR,
        'The builder refuses this number ("iou_threshold not in [0, 1.0].", "Number of stages '
        'should be a value in {1, 2, 3}.", "Only 8bit quantization is supported").',
        "write a number within the bounds",
        _out_of_bounds,
    ),
    Check(
        "SETTINGS_AT_ODDS",
        ERROR,
        "The API refuses two settings together as it builds or evaluates the model "
        '("max_detections_per_class should be no greater than max_total_detections.", '
        '"unmatched_threshold needs to be smaller or equal", "HardExampleMiner should not be used '
        'with sigmoid focal loss", "do not have compatible shapes", "second_stage_batch_size '
        'should be no greater than first_stage_max_proposals.", "min_depth should be less than or '
        'equal to max_depth", '
        '"Should not use 1x1 kernel when using depthwise conv", "KeyError: '
        '\'mask_predictions\'", "Key ../conv_quant/max not found in checkpoint", "Cannot update '
        'edge, incompatible shapes").',
        "change one of them",
        _at_odds,
    ),
)
