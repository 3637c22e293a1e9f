"""Checks of how the config trains: batches, learning rate, BatchNorm, steps, evaluation."""

import re
from typing import Iterator, Optional

from graphfix.detectors.extractors.loader import FPN, SLIM, find_extractor
from graphfix.doctor import restore
from graphfix.doctor.checks import Check, Evidence
from graphfix.doctor.setup import READERS, Setup
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.pipeline_config.edits import ConfigEdit

_SETTLED = 0.05  # the weight that the initial statistics may still have in the end
# Rates beyond which training of a detector has hardly ever stayed finite.
_HIGHEST = {"momentum_optimizer": 0.5, "rms_prop_optimizer": 0.05, "adam_optimizer": 0.02}
# The topmost level of a base network, whose map an FPN doubles and adds to the next; its stride.
_TOP_LEVEL = 5
_STRIDE = 2**_TOP_LEVEL
_BATCH = ("train_config", "batch_size")
_STEPS = ("train_config", "num_steps")


def _one_shape(setup: Setup) -> bool:
    """Whether training images all have one size after resizing, and no augmentation others."""
    if any(
        re.search("crop|pad|resize|scale|rotation", step.WhichOneof("preprocessing_step") or "")
        for step in setup.train.data_augmentation_options
    ):
        return False
    scans = [setup.scan(name) for name, _ in setup.readers() if name == READERS[0]]
    return bool(scans) and scans[0].complete and len(scans[0].shapes) == 1


def _ragged_batch(setup: Setup) -> Iterator[Evidence]:
    resizer = setup.body.image_resizer
    keep = resizer.keep_aspect_ratio_resizer
    if (
        resizer.WhichOneof("image_resizer_oneof") != "keep_aspect_ratio_resizer"
        or setup.train.batch_size <= 1
        or keep.pad_to_max_dimension
        or _one_shape(setup)
    ):
        return
    path = (
        "model",
        setup.meta,
        "image_resizer",
        "keep_aspect_ratio_resizer",
        "pad_to_max_dimension",
    )
    known = setup.options.schema.field("KeepAspectRatioResizer", path[-1])
    yield Evidence(
        setup.where(*_BATCH),
        (
            f"batch_size is {setup.train.batch_size}, and keep_aspect_ratio_resizer gives "
            "images of different sizes"
        ),
        "write %s"
        % (
            "pad_to_max_dimension: true in the resizer, or batch_size: 1"
            if known
            else "batch_size: 1"
        ),
        (ConfigEdit(path, "true", "all images of a batch have one size"),)
        if known
        else (ConfigEdit(_BATCH, "1", "images of different sizes"),),
    )


def _no_batch(setup: Setup) -> Iterator[Evidence]:
    if setup.train.batch_size < 1:
        yield Evidence(setup.where(*_BATCH), f"batch_size is {setup.train.batch_size}")


def _dimensions(setup: Setup) -> Iterator[Evidence]:
    resizer = setup.body.image_resizer
    chosen = resizer.WhichOneof("image_resizer_oneof")
    path = ("model", setup.meta, "image_resizer")
    if chosen is None:
        yield Evidence(setup.where(*path), "there is no image_resizer")
    keep = resizer.keep_aspect_ratio_resizer
    if chosen == "keep_aspect_ratio_resizer" and keep.min_dimension > keep.max_dimension:
        path += (chosen,)
        yield Evidence(
            setup.where(*path),
            f"min_dimension is {keep.min_dimension} and max_dimension {keep.max_dimension}",
            f"write min_dimension: {keep.max_dimension} and max_dimension: {keep.min_dimension}",
            (
                ConfigEdit(path + ("min_dimension",), str(keep.max_dimension), "the smaller"),
                ConfigEdit(path + ("max_dimension",), str(keep.min_dimension), "the larger"),
            ),
        )
    fixed = resizer.fixed_shape_resizer
    if chosen == "fixed_shape_resizer" and min(fixed.height, fixed.width) < 1:
        yield Evidence(
            setup.where(*(path + (chosen,))),
            f"the images' size is {fixed.height} x {fixed.width}",
            "write height and width",
        )


def _fpn_size(setup: Setup) -> Iterator[Evidence]:
    resizer = setup.body.image_resizer
    if setup.meta != "ssd" or resizer.WhichOneof("image_resizer_oneof") != "fixed_shape_resizer":
        return
    extractor = setup.body.feature_extractor
    known = find_extractor(extractor.type)
    if known is None or known.feature_maps != FPN or known.naming != SLIM:
        return
    if extractor.use_explicit_padding:
        return  # then the larger map is cut to the smaller one's size
    fixed, multiple = resizer.fixed_shape_resizer, max(extractor.pad_to_multiple, 1)
    for side in (fixed.height, fixed.width):
        padded = -(-side // multiple) * multiple
        maps = [
            -(-padded // 2**level)
            for level in range(
                extractor.fpn.min_level, min(extractor.fpn.max_level, _TOP_LEVEL) + 1
            )
        ]
        odd = [pair for pair in zip(maps, maps[1:]) if pair[0] != 2 * pair[1]]
        if odd:
            path = ("model", "ssd", "feature_extractor", "pad_to_multiple")
            yield Evidence(
                setup.where("model", "ssd", "image_resizer", "fixed_shape_resizer"),
                (
                    f"an FPN on images of {fixed.height} x {fixed.width}: a feature map of "
                    f"{2 * odd[0][1]} cells can't be added "
                    f"to one of {odd[0][0]}"
                ),
                (
                    f"write pad_to_multiple: {_STRIDE} in the feature extractor, or take sizes "
                    "that "
                    "are multiples of it"
                ),
                (ConfigEdit(path, str(_STRIDE), "every map is twice the next"),),
            )
            return


# The learning rate


def _rate(setup: Setup):
    """(path of the schedule, its name, its message), None where there is none."""
    name, optimizer = setup.optimizer
    if not name:
        return None
    kind = optimizer.learning_rate.WhichOneof("learning_rate")
    if kind is None:
        return None
    return (
        ("train_config", "optimizer", name, "learning_rate", kind),
        kind,
        getattr(optimizer.learning_rate, kind),
    )


def _no_rate(setup: Setup) -> Iterator[Evidence]:
    name, optimizer = setup.optimizer
    if name and _rate(setup) is None:
        yield Evidence(
            setup.where("train_config", "optimizer", name), (f"{name} has no learning rate")
        )


def _refused_schedule(setup: Setup) -> Iterator[Evidence]:
    path, kind, rate = _rate(setup) or ((), "", None)
    if kind == "manual_step_learning_rate":
        steps = [one.step for one in rate.schedule]
        if not steps:
            yield Evidence(
                setup.where(*path),
                "the schedule is empty",
                "write schedule { step: ... learning_rate: ... }, or a constant_learning_rate",
            )
        wrong = [(before, after) for before, after in zip(steps, steps[1:]) if after <= before]
        if wrong:
            yield Evidence(
                setup.where(*(path + ("schedule", "step"))),
                "step %d comes after step %d" % wrong[0][::-1],
                "write the steps in rising order",
            )
    if kind != "cosine_decay_learning_rate":
        return
    if rate.total_steps < rate.warmup_steps:
        total = max(setup.train.num_steps, rate.warmup_steps + 1)
        yield Evidence(
            setup.where(*(path + ("total_steps",))),
            (
                f"total_steps is {rate.total_steps}, and "
                f"warmup_steps {rate.warmup_steps}: the schedule ends before it "
                "starts"
            ),
            f"write total_steps: {total}",
            (ConfigEdit(path + ("total_steps",), str(total), "as long as the run"),),
        )
    elif rate.warmup_steps > 0 and rate.warmup_learning_rate > rate.learning_rate_base:
        literal = f"{rate.learning_rate_base / 3:g}"
        yield Evidence(
            setup.where(*(path + ("warmup_learning_rate",))),
            (
                "warmup_learning_rate is "
                f"{rate.warmup_learning_rate:g}, more than learning_rate_base "
                f"{rate.learning_rate_base:g}"
            ),
            f"write warmup_learning_rate: {literal}",
            (ConfigEdit(path + ("warmup_learning_rate",), literal, "less than the base"),),
        )


def _short_schedule(setup: Setup) -> Iterator[Evidence]:
    path, kind, rate = _rate(setup) or ((), "", None)
    steps = setup.train.num_steps
    if kind == "cosine_decay_learning_rate" and rate.warmup_steps <= rate.total_steps < steps:
        yield Evidence(
            setup.where(*(path + ("total_steps",))),
            (
                "the learning rate is 0 from step "
                f"{rate.total_steps} on, and num_steps is {steps}: "
                f"{100 * (steps - rate.total_steps) // steps} % of the run learn nothing"
            ),
            f"write total_steps: {steps}",
            (ConfigEdit(path + ("total_steps",), str(steps), "as long as the run"),),
        )


def _warming(setup: Setup) -> Iterator[Evidence]:
    path, kind, rate = _rate(setup) or ((), "", None)
    steps = setup.train.num_steps
    field = {
        "cosine_decay_learning_rate": "warmup_steps",
        "exponential_decay_learning_rate": "burnin_steps",
    }.get(kind, "")
    if (
        field
        and steps
        and getattr(rate, field) >= steps
        and getattr(rate, "total_steps", steps) >= getattr(rate, field)
    ):
        literal = str(max(1, steps // 10))
        yield Evidence(
            setup.where(*(path + (field,))),
            (
                f"{field} is {getattr(rate, field)}, and num_steps {steps}: the run ends "
                "before the learning rate gets to its "
                "base"
            ),
            f"write {field}: {literal}",
            (ConfigEdit(path + (field,), literal, "a tenth of the run"),),
        )


def _never_decays(setup: Setup) -> Iterator[Evidence]:
    path, kind, rate = _rate(setup) or ((), "", None)
    steps = setup.train.num_steps
    if not steps:
        return
    if kind == "exponential_decay_learning_rate" and rate.decay_steps >= steps and rate.staircase:
        yield Evidence(
            setup.where(*(path + ("decay_steps",))),
            (
                f"decay_steps is {rate.decay_steps}, and num_steps "
                f"{steps}: the learning rate stays what it is"
            ),
        )
    if kind == "manual_step_learning_rate" and rate.schedule and rate.schedule[0].step >= steps:
        yield Evidence(
            setup.where(*(path + ("schedule", "step"))),
            (
                f"the first step is at {rate.schedule[0].step}, and "
                f"num_steps is {steps}: the learning rate stays what it is"
            ),
        )
    if kind == "cosine_decay_learning_rate" and rate.total_steps > 2 * steps:
        yield Evidence(
            setup.where(*(path + ("total_steps",))),
            (
                f"total_steps is {rate.total_steps}, and num_steps "
                f"{steps}: the run ends while the learning rate is still "
                "high"
            ),
        )


def _base_rate(setup: Setup) -> Optional[float]:
    _, kind, rate = _rate(setup) or ((), "", None)
    return getattr(
        rate,
        {
            "constant_learning_rate": "learning_rate",
            "cosine_decay_learning_rate": "learning_rate_base",
        }.get(kind, "initial_learning_rate"),
        None,
    )


def _high_rate(setup: Setup) -> Iterator[Evidence]:
    name, rate = setup.optimizer[0], _base_rate(setup)
    if rate is not None and rate > _HIGHEST.get(name, float("inf")):
        yield Evidence(
            setup.where(*_rate(setup)[0]),
            (
                f"the learning rate is {rate:g}, and with {name} hardly "
                f"any detector stays finite beyond {_HIGHEST[name]:g}"
            ),
        )


def _no_learning(setup: Setup) -> Iterator[Evidence]:
    _, kind, rate = _rate(setup) or ((), "", None)
    rises = kind == "manual_step_learning_rate" and any(one.learning_rate for one in rate.schedule)
    if _base_rate(setup) == 0 and not rises:
        yield Evidence(setup.where(*_rate(setup)[0]), "the learning rate is 0")


# BatchNorm


def _trains_batch_norm(setup: Setup) -> bool:
    """Whether the feature extractor's BatchNorm is trained: SSD's is, unless it is frozen."""
    return setup.meta == "ssd" and not setup.body.freeze_batchnorm


def _lag(setup: Setup) -> Iterator[Evidence]:
    steps = setup.train.num_steps
    if not _trains_batch_norm(setup) or not steps or restore.restores_statistics(setup):
        return
    extractor = setup.body.feature_extractor
    given = extractor.conv_hyperparams.batch_norm
    known = find_extractor(extractor.type)
    # The base network's own code has a decay, which holds unless the config overrides it.
    base = known.batch_norm_decay if known is not None else None
    own = base is not None and not extractor.override_base_feature_extractor_hyperparams
    decay = base if own else given.decay
    if not 0 < decay < 1 or decay**steps <= _SETTLED:
        return
    path = ("model", "ssd", "feature_extractor")
    edits = (
        ConfigEdit(
            path + ("override_base_feature_extractor_hyperparams",),
            "true",
            "or the base network keeps its own decay",
        ),
        ConfigEdit(
            path + ("conv_hyperparams", "batch_norm", "decay"),
            "0.97",
            "settles within a few hundred steps",
        ),
    )
    field = setup.options.schema.field("SsdFeatureExtractor", edits[0].path[-1])
    yield Evidence(
        setup.where(*(path if own else edits[1].path)),
        "BatchNorm's decay is %g%s, and after %d steps its averages are still %d %% "
        "what they began with"
        % (
            decay,
            " (the base network's own: there is no override_base_feature_extractor_hyperparams)"
            if own
            else "",
            steps,
            100 * decay**steps,
        ),
        "write override_base_feature_extractor_hyperparams: true and decay: 0.97",
        edits if field else (),
    )


def _one_image(setup: Setup) -> Iterator[Evidence]:
    if _trains_batch_norm(setup) and setup.train.batch_size == 1:
        known = setup.options.schema.field("Ssd", "freeze_batchnorm")
        yield Evidence(
            setup.where(*_BATCH),
            "batch_size is 1, and BatchNorm is trained: its mean "
            "and variance are those of a single image",
            "take a larger batch%s" % (", or write freeze_batchnorm: true in ssd" if known else ""),
        )


# Steps, quantization, evaluation


def _no_end(setup: Setup) -> Iterator[Evidence]:
    if not setup.train.num_steps:
        yield Evidence(
            setup.where(*_STEPS),
            "num_steps is 0 or not given: training goes on until it is stopped",
            "write num_steps",
        )


def _late_quantization(setup: Setup) -> Iterator[Evidence]:
    delay, steps = setup.message.graph_rewriter.quantization.delay, setup.train.num_steps
    if setup.message.HasField("graph_rewriter") and steps and delay >= steps:
        path = ("graph_rewriter", "quantization", "delay")
        literal = str(steps * 4 // 5)
        yield Evidence(
            setup.where(*path),
            (
                f"quantization begins at step {delay}, and num_steps is {steps}: "
                "the ranges are never trained"
            ),
            f"write delay: {literal}",
            (ConfigEdit(path, literal, "the last fifth of the run"),),
        )


def _shuffled(setup: Setup) -> Iterator[Evidence]:
    config = setup.message.eval_config
    for name, reader in setup.readers():
        if (
            name != READERS[1]
            or not reader.shuffle
            or not config.num_examples
            or not setup.message.HasField("eval_config")
        ):
            continue
        scan = setup.scan(name)
        if scan.complete and config.num_examples < scan.records:
            path = (name, "shuffle")
            yield Evidence(
                setup.where(*path),
                (
                    f"{name} is shuffled, and num_examples is {config.num_examples} of "
                    f"{scan.records} "
                    "records: every evaluation looks at other images"
                ),
                "write shuffle: false",
                (ConfigEdit(path, "false", "the same images each time"),),
            )


CHECKS = (
    Check(
        "BATCH_SIZE",
        ERROR,
        "There is no batch of less than one image.",
        "write batch_size: 1 or more",
        _no_batch,
    ),
    Check(
        "BATCH_RAGGED",
        ERROR,
        "Images of different sizes can't be one batch (\"Cannot batch tensors with different "
        'shapes").',
        "pad images to one size, or take batches of one",
        _ragged_batch,
    ),
    Check(
        "IMAGE_RESIZER",
        ERROR,
        "The images' size after resizing makes no sense.",
        "take the model's own image_resizer",
        _dimensions,
    ),
    Check(
        "FPN_IMAGE_SIZE",
        ERROR,
        "An FPN doubles small maps and adds them to larger ones, which only works where every "
        'map is twice the next ("Dimensions must be equal", "Incompatible shapes").',
        f"take image sizes that are multiples of {_STRIDE}",
        _fpn_size,
    ),
    Check(
        "RATE_MISSING",
        ERROR,
        'The optimizer has no learning rate ("Learning_rate None not supported").',
        "write learning_rate { ... }",
        _no_rate,
    ),
    Check(
        "SCHEDULE_REFUSED",
        ERROR,
        "The API refuses the learning rate's schedule (\"total_steps must be larger or equal to "
        'warmup_steps", "strictly increasing", "Empty learning rate schedule").',
        "correct the schedule",
        _refused_schedule,
    ),
    Check(
        "RATE_ZERO",
        ERROR,
        "With a learning rate of 0 nothing is learned.",
        "write a learning rate",
        _no_learning,
    ),
    Check(
        "SCHEDULE_SHORT",
        WARNING,
        "The learning rate is down at 0 long before the run ends.",
        "make total_steps what num_steps is",
        _short_schedule,
    ),
    Check(
        "SCHEDULE_WARMS_UP",
        WARNING,
        "The run ends while its learning rate is still warming up.",
        "warm up for a smaller part of the run",
        _warming,
    ),
    Check(
        "RATE_HIGH",
        WARNING,
        'The learning rate is so high that the loss will likely become NaN ("LossTensor is inf '
        'or nan", "NaN loss during training").',
        "divide it by 10",
        _high_rate,
    ),
    Check(
        "BATCHNORM_LAGS",
        WARNING,
        "BatchNorm's moving averages need more steps than the run has: training looks perfect, "
        "and evaluation, which uses the averages, finds nothing.",
        "lower BatchNorm's decay, or train longer",
        _lag,
    ),
    Check(
        "BATCHNORM_ONE_IMAGE",
        WARNING,
        "With one image a batch, BatchNorm's statistics jump with every image.",
        "take a larger batch",
        _one_image,
    ),
    Check(
        "QUANTIZATION_LATE",
        WARNING,
        "The run ends before quantization begins.",
        "lower delay, or train longer",
        _late_quantization,
    ),
    Check(
        "EVAL_SHUFFLED",
        WARNING,
        "A part of the evaluation set is evaluated, each time another, so that metrics of two "
        "steps can't be compared.",
        "write shuffle: false in eval_input_reader",
        _shuffled,
    ),
    Check("STEPS_ENDLESS", WARNING, "Training has no end.", "write num_steps", _no_end),
    Check(
        "RATE_STAYS",
        INFO,
        "The run ends before its learning rate goes down.",
        "there is nothing to do, unless the run was to be longer",
        _never_decays,
    ),
)
