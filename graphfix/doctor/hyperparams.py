"""Checks of regularizers' weights."""

from typing import Iterator

from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.choices import hyperparams
from graphfix.doctor.config_revision import is_keras
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR
from graphfix.pipeline_config.edits import ConfigEdit


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


CHECKS = (
    Check(
        "REGULARIZER_NEGATIVE",
        ERROR,
        'A negative weight is refused ("Setting a scale less than 0 on a regularizer").',
        "write a weight of at least 0",
        _negative,
    ),
)
