"""Checks of the numbers in layers' hyperparameters: of regularizers and initializers."""

from typing import Iterator

from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.choices import hyperparams
from graphfix.doctor.config_revision import is_keras
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR
from graphfix.pipeline_config.edits import ConfigEdit

_VARIANCE = "variance_scaling_initializer"


def _negative(setup: Setup) -> Iterator[Symptom]:
    if is_keras(setup):
        return
    for path, block in hyperparams(setup):
        name = block.regularizer.WhichOneof("regularizer_oneof")
        weight = getattr(block.regularizer, name).weight if name else 0
        if weight < 0:
            place = ("model", setup.meta, *path, "regularizer", name, "weight")
            yield Symptom(
                setup.where(*place),
                f"the regularizer's weight is {weight:g}",
                "write weight: 0.00004, or as the model's sample config has it",
                (ConfigEdit(place, "0.00004", "usual for most models"),),
            )


def _below_zero(setup: Setup) -> Iterator[Symptom]:
    for path, block in hyperparams(setup):
        if block.initializer.WhichOneof("initializer_oneof") != _VARIANCE:
            continue
        factor = getattr(block.initializer, _VARIANCE).factor
        # slim takes its root, Keras wants it to be positive.
        if factor < 0 or (factor == 0 and is_keras(setup)):
            place = ("model", setup.meta, *path, "initializer", _VARIANCE, "factor")
            yield Symptom(
                setup.where(*place),
                f"the {_VARIANCE}'s factor is {factor:g}",
                "write factor: 1.0, or as the model's sample config has it",
                (ConfigEdit(place, "1.0", "keeps the variance"),),
            )


CHECKS = (
    Check(
        "REGULARIZER_NEGATIVE",
        ERROR,
        'A negative weight is refused ("Setting a scale less than 0 on a regularizer").',
        "write a weight of at least 0",
        _negative,
    ),
    Check(
        "INITIALIZER_FACTOR",
        ERROR,
        'An initializer cannot scale by a factor below 0 ("math domain error"), nor Keras\'s by 0 '
        '("`scale` must be positive float.").',
        "write a factor above 0",
        _below_zero,
    ),
)
