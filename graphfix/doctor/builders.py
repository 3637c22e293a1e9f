"""Checks of what the API's builders refuse: blocks without a choice, and settings out of bounds or
at odds.

What depends on the feature extractor and its feature maps is in architecture.py.
"""

from typing import Any, Callable, Iterator, NamedTuple, Tuple

from graphfix.detectors.families import FASTER_RCNN, PREDICTOR_FIELD, SSD
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.config_revision import is_keras
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR
from graphfix.pipeline_config.edits import ConfigEdit

Path = Tuple[str, ...]

# The blocks of a model in which the API needs one of several: meta-architecture, path, and the one
# that most configs have.  Hyperparameters, anchors, resizer and optimizer are looked at elsewhere.
_CHOICES: Tuple[Tuple[str, Path, str], ...] = (
    (
        SSD,
        ("box_coder",),
        "faster_rcnn_box_coder { y_scale: 10 x_scale: 10 height_scale: 5 width_scale: 5 }",
    ),
    (
        SSD,
        ("matcher",),
        "argmax_matcher { matched_threshold: 0.5 unmatched_threshold: 0.5 "
        "force_match_for_each_row: true }",
    ),
    (SSD, ("similarity_calculator",), "iou_similarity {}"),
    (SSD, ("box_predictor",), "the model's own box predictor"),
    (SSD, ("loss", "classification_loss"), "weighted_sigmoid {}"),
    (SSD, ("loss", "localization_loss"), "weighted_smooth_l1 {}"),
    (FASTER_RCNN, ("second_stage_box_predictor",), "the model's own box predictor"),
)
# Measured: 2019-07 needs an initializer (and, for Keras, a regularizer), 2021-06 does not.  Taken
# to have changed together with the builder's code for this field.
_OPTIONAL_SINCE = "keras_initializer_by_name"
_HYPERPARAMS = ("conv_hyperparams", "fc_hyperparams")


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


_NMS = "batch_non_max_suppression"
_COMBINED = "second_stage_post_processing"
BOUNDS: Tuple[Bounds, ...] = (
    Bounds(SSD, ("post_processing", _NMS, "iou_threshold"), 0, 1),
    Bounds(SSD, ("post_processing", _NMS, "soft_nms_sigma"), 0),
    Bounds(FASTER_RCNN, (_COMBINED, _NMS, "iou_threshold"), 0, 1),
    Bounds(FASTER_RCNN, (_COMBINED, _NMS, "soft_nms_sigma"), 0),
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


def _read(body: Any, path: Path) -> Any:
    """The value at a path, None where one of its blocks is not there."""
    for step in path[:-1]:
        if not body.HasField(step):
            return None
        body = getattr(body, step)
    return getattr(body, path[-1])


def _blocks(setup: Setup) -> Iterator[Tuple[Path, Any]]:
    """The hyperparameters that the builders read, as (path below the model's, message)."""
    name, predictor = setup.predictor
    if setup.meta == SSD:
        yield ("feature_extractor", _HYPERPARAMS[0]), setup.body.feature_extractor.conv_hyperparams
    elif setup.meta == FASTER_RCNN:
        one = "first_stage_box_predictor_conv_hyperparams"
        yield (one,), getattr(setup.body, one)
    if name is None:
        return
    field = PREDICTOR_FIELD[setup.meta]
    if name == "mask_rcnn_box_predictor":
        yield (field, name, _HYPERPARAMS[1]), predictor.fc_hyperparams
        if predictor.HasField(_HYPERPARAMS[0]) or predictor.predict_instance_masks:
            yield (field, name, _HYPERPARAMS[0]), predictor.conv_hyperparams
    else:
        yield (field, name, _HYPERPARAMS[0]), predictor.conv_hyperparams


def _empty(setup: Setup) -> Iterator[Symptom]:
    for meta, path, usual in _CHOICES:
        if meta != setup.meta:
            continue
        message = _read(setup.body, path)
        # A block that is missing is an empty one to the builder.
        if message is None or not message.ListFields():
            yield Symptom(
                setup.where("model", meta, *path),
                f"{path[-1]} is {'empty' if _is_there(setup, path) else 'not there'}",
                f"write {path[-1]} {{ {usual} }}" if "{" in usual else f"write {usual}",
            )
    blocks = list(_blocks(setup))
    needed: Tuple[str, ...] = ()
    if blocks and not setup.options.schema.field("Initializer", _OPTIONAL_SINCE):
        needed = ("initializer", "regularizer") if is_keras(setup) else ("initializer",)
    for path, message in blocks:
        for one in needed:
            if not getattr(message, one).WhichOneof(one + "_oneof"):
                usual = {
                    "initializer": "truncated_normal_initializer { stddev: 0.03 }",
                    "regularizer": "l2_regularizer { weight: 0.00004 }",
                }[one]
                yield Symptom(
                    setup.where("model", setup.meta, *path, one),
                    f"{'.'.join(path)} has no {one}",
                    f"write {one} {{ {usual} }}, or as the model's sample config has it",
                )
    for number, step in enumerate(setup.train.data_augmentation_options):
        if not step.ListFields():
            yield Symptom(
                setup.where("train_config", "data_augmentation_options"),
                f"block {number + 1} of data_augmentation_options is empty",
                "remove it",
            )


def _is_there(setup: Setup, path: Path) -> bool:
    return bool(setup.document.find(("model", setup.meta) + path))


def _out_of_bounds(setup: Setup) -> Iterator[Symptom]:
    for row in BOUNDS:
        value = _read(setup.body, row.path) if row.meta == setup.meta else None
        if value is None or row.takes(value):
            continue
        wanted = f"above {row.least:g}" if row.open else f"of at least {row.least:g}"
        wanted += f" and at most {row.most:g}" if row.most < float("inf") else ""
        yield Symptom(
            setup.where("model", row.meta, *row.path),
            f"{row.path[-1]} is {value:g}",
            f"write a {row.path[-1]} {wanted}",
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
    edit that mends it: the literal, None to remove the field."""

    meta: str
    block: Path
    field: str
    wrong: Callable[[Any], str]
    cure: Callable[[Any], Any]


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


def _focal_miner(loss: Any) -> str:
    focal = loss.classification_loss.WhichOneof("classification_loss") == "weighted_sigmoid_focal"
    if focal and loss.HasField("hard_example_miner"):
        return "is set beside weighted_sigmoid_focal, which weighs all examples"
    return ""


def _more_samples(body: Any) -> str:
    size, proposals = body.second_stage_batch_size, body.first_stage_max_proposals
    return (
        f"is {size}, more than first_stage_max_proposals, {proposals}" if size > proposals else ""
    )


def _backgrounds(body: Any) -> str:
    both = body.add_background_class and body.explicit_background_class
    return "is set beside add_background_class (which is true by default)" if both else ""


def _lower(block: Any) -> str:
    return f"{block.matched_threshold:g}"


_SUPPRESSIONS = ((SSD, ("post_processing", _NMS)), (FASTER_RCNN, (_COMBINED, _NMS)))
CONTRADICTIONS: Tuple[Contradiction, ...] = (
    *(
        Contradiction(
            meta,
            path,
            "max_detections_per_class",
            _more_a_class,
            lambda nms: str(nms.max_total_detections),
        )
        for meta, path in _SUPPRESSIONS
    ),
    *(
        Contradiction(meta, path, "use_combined_nms", _both_kinds, lambda nms: None)
        for meta, path in _SUPPRESSIONS
    ),
    Contradiction(SSD, ("matcher", "argmax_matcher"), "unmatched_threshold", _thresholds, _lower),
    Contradiction(SSD, ("loss",), "hard_example_miner", _focal_miner, lambda loss: None),
    Contradiction(SSD, (), "explicit_background_class", _backgrounds, lambda body: None),
    Contradiction(
        FASTER_RCNN,
        (),
        "second_stage_batch_size",
        _more_samples,
        lambda body: str(body.first_stage_max_proposals),
    ),
)


def _contradictions(setup: Setup) -> Iterator[Symptom]:
    for row in CONTRADICTIONS:
        if row.meta != setup.meta:
            continue
        block = _read(setup.body, row.block) if row.block else setup.body
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


_STEPS_OF_TWO = {
    "random_pad_image": (
        ("min_image_height", "min_image_width"),
        ("max_image_height", "max_image_width"),
    )
}
_RATIOS = ("min_padded_size_ratio", "max_padded_size_ratio")


def _augmentation(setup: Setup) -> Iterator[Symptom]:
    for step in setup.train.data_augmentation_options:
        for kind, options in step.ListFields():
            where = setup.where("train_config", "data_augmentation_options", kind.name)
            for pair in _STEPS_OF_TWO.get(kind.name, ()):
                if options.HasField(pair[0]) != options.HasField(pair[1]):
                    yield Symptom(where, f"{kind.name} has only one of {' and '.join(pair)}")
            for block in (options, *getattr(options, "operations", ())):
                for name in _RATIOS:
                    ratio = getattr(block, name, ())
                    if len(ratio) not in (0, 2):
                        yield Symptom(where, f"{name} has {len(ratio)} numbers, and takes two")


CHECKS = (
    Check(
        "CHOICE_MISSING",
        ERROR,
        'The builder needs one of several, and the block has none ("Empty matcher.", "Empty box '
        'coder.", "Empty loss config.", "Unknown region similarity calculator.", "Unknown box '
        'predictor: None", "Unknown initializer function: None").',
        "copy the block from the model's sample config",
        _empty,
    ),
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
        'The builder refuses two settings together ("max_detections_per_class should be no greater '
        'than max_total_detections.", "unmatched_threshold needs to be smaller or equal", '
        '"HardExampleMiner should not be used with sigmoid focal loss", "second_stage_batch_size '
        'should be no greater than first_stage_max_proposals.").',
        "change one of them",
        _contradictions,
    ),
    Check(
        "AUGMENTATION_REFUSED",
        ERROR,
        'The input pipeline refuses an augmentation\'s settings ("either both set or both unset", '
        '"min_padded_size_ratio should have 2 elements if set").',
        "set both, or neither",
        _augmentation,
    ),
)
