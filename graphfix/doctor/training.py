"""Checks of the run: BatchNorm, quantization, steps, evaluation."""

from typing import Any, Iterator

from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.families import SSD
from graphfix.doctor.builders import cannot_be_quantized
from graphfix.doctor.checkpoint_fit import restores_statistics
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, WARNING
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.pipeline_config.paths import INPUT_READERS
from graphfix.restore import trainers

_SETTLED = 0.05  # the weight that the initial statistics may still have at the end
_BATCH = ("train_config", "batch_size")
_STEPS = ("train_config", "num_steps")


def _trains_batch_norm(setup: Setup) -> bool:
    """Whether the feature extractor's BatchNorm is trained: SSD's is, unless it is frozen."""
    return setup.meta == "ssd" and not setup.body.freeze_batchnorm


def _lag(setup: Setup) -> Iterator[Symptom]:
    steps = setup.train.num_steps
    if not _trains_batch_norm(setup) or not steps or restores_statistics(setup):
        return
    extractor = setup.body.feature_extractor
    given = extractor.conv_hyperparams.batch_norm
    known = find_extractor(extractor.type)
    # The base network's own code has a decay, which applies unless the config overrides it.
    base: Any = known.batch_norm_decay if known is not None else None
    own = base is not None and not extractor.override_base_feature_extractor_hyperparams
    decay: float = base if own else given.decay
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
    whose = (
        " (the base network's own: there is no override_base_feature_extractor_hyperparams)"
        if own
        else ""
    )
    yield Symptom(
        setup.where(*(path if own else edits[1].path)),
        f"BatchNorm's decay is {decay:g}{whose}: after {steps} steps its averages are still "
        f"{int(100 * decay**steps)} % their initial values",
        "write override_base_feature_extractor_hyperparams: true and decay: 0.97",
        edits if field else (),
    )


def _one_image(setup: Setup) -> Iterator[Symptom]:
    if _trains_batch_norm(setup) and setup.train.batch_size == 1:
        known = setup.options.schema.field("Ssd", "freeze_batchnorm")
        other = ", or write freeze_batchnorm: true in ssd" if known else ""
        yield Symptom(
            setup.where(*_BATCH),
            "batch_size is 1, but BatchNorm is trained: its mean and variance are those of a "
            "single image",
            f"use a larger batch{other}",
        )


def _no_end(setup: Setup) -> Iterator[Symptom]:
    if not setup.train.num_steps:
        yield Symptom(
            setup.where(*_STEPS),
            "num_steps is 0 or not set: training goes on until it is stopped",
            "write num_steps",
        )


def _late_quantization(setup: Setup) -> Iterator[Symptom]:
    if cannot_be_quantized(setup):
        return
    delay, steps = setup.message.graph_rewriter.quantization.delay, setup.train.num_steps
    if setup.message.HasField("graph_rewriter") and steps and delay >= steps:
        path = ("graph_rewriter", "quantization", "delay")
        literal = str(steps * 4 // 5)
        yield Symptom(
            setup.where(*path),
            f"quantization begins at step {delay}, but num_steps is {steps}: the ranges are "
            "never trained",
            f"write delay: {literal}",
            (ConfigEdit(path, literal, "the last fifth of the run"),),
        )


def _shuffled(setup: Setup) -> Iterator[Symptom]:
    config = setup.message.eval_config
    for name, reader in setup.readers():
        if (
            name != INPUT_READERS[1]
            or not reader.shuffle
            or not config.num_examples
            or not setup.message.HasField("eval_config")
        ):
            continue
        scan = setup.scan(name)
        if scan.complete and config.num_examples < scan.records:
            path = (name, "shuffle")
            yield Symptom(
                setup.where(*path),
                f"{name} is shuffled, and num_examples is {config.num_examples} of "
                f"{scan.records} records: every evaluation uses different images",
                "write shuffle: false",
                (ConfigEdit(path, "false", "the same images each time"),),
            )


def _no_averages(setup: Setup) -> Iterator[Symptom]:
    evaluation, path = setup.message.eval_config, ("eval_config", "use_moving_averages")
    if evaluation.use_moving_averages and not setup.train.optimizer.use_moving_average:
        yield Symptom(
            setup.where(*path),
            "evaluation uses moving averages, and the optimizer keeps none",
            "write use_moving_averages: false",
            (ConfigEdit(path, None, "there are none"),),
        )


def _padded_confidences(setup: Setup) -> Iterator[Symptom]:
    if setup.meta != SSD or trainers.MODEL_MAIN not in setup.options.trainers:
        return
    if not setup.body.use_confidences_as_targets or not setup.train.unpad_groundtruth_tensors:
        return
    path = ("train_config", "unpad_groundtruth_tensors")
    yield Symptom(
        setup.where("model", SSD, "use_confidences_as_targets"),
        "use_confidences_as_targets is set beside unpad_groundtruth_tensors, which is true by "
        "default",
        "write unpad_groundtruth_tensors: false in train_config",
        (ConfigEdit(path, "false", "confidences stay padded"),),
    )


CHECKS = (
    Check(
        "BATCHNORM_LAGS",
        WARNING,
        "BatchNorm's moving averages need more steps than the run has: training looks perfect, "
        "but evaluation, which uses the averages, detects nothing.",
        "lower BatchNorm's decay, or train longer",
        _lag,
    ),
    Check(
        "BATCHNORM_ONE_IMAGE",
        WARNING,
        "With one image per batch, BatchNorm's statistics change with every image.",
        "use a larger batch",
        _one_image,
    ),
    Check(
        "AVERAGES_NOT_KEPT",
        ERROR,
        "Evaluation restores moving averages, which training does not keep, so that it stops "
        '("ExponentialMovingAverage not found in checkpoint").',
        "write use_moving_averages: false in eval_config, or use_moving_average: true in the "
        "optimizer before training",
        _no_averages,
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
        "Each evaluation uses a different part of the evaluation set, so that the metrics of "
        "two steps can't be compared.",
        "write shuffle: false in eval_input_reader",
        _shuffled,
    ),
    Check(
        "CONFIDENCES_PADDED",
        ERROR,
        "model_main takes the padding off an image's boxes, and not off the confidences that are "
        'its targets: the first step stops ("Condition x == y did not hold element-wise:] [x '
        '(Loss/assert_equal_1/x:0) = ] [100] [y (Loss/assert_equal_1/y:0) = ] [3]").',
        "write unpad_groundtruth_tensors: false in train_config",
        _padded_confidences,
    ),
    Check("STEPS_ENDLESS", WARNING, "Training never ends.", "write num_steps", _no_end),
)
