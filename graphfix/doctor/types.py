"""The check of a checkpoint's types: the trainers stop at what is not float32, whatever its value."""

from typing import Iterator

from graphfix.detectors import families
from graphfix.doctor import model_dir, restore
from graphfix.doctor.checks import Check, Evidence
from graphfix.doctor.restore_prediction import look_ahead
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR
from graphfix.formats.dtypes import FLOAT32


def _types(setup: Setup) -> Iterator[Evidence]:
    prefix = setup.train.fine_tune_checkpoint
    metas = setup.metas(prefix) if prefix else {}
    outlook = look_ahead(setup)
    if outlook.unknown and setup.checkpoint is not None and not model_dir.latest(setup):
        # Which variables the model has is not known; the feature extractor's are.
        scopes = restore.scopes(setup)
        names = [
            name
            for name, meta in metas.items()
            if name.startswith(scopes)
            and meta.dtype.is_floating
            and meta.dtype != FLOAT32
            and not name.endswith(families.SLOT_SUFFIXES + (families.MOVING_AVERAGE,))
        ]
    else:
        names = list(
            dict.fromkeys(
                name for forecast in outlook.forecasts for name in forecast.of_other_types
            )
        )
    if names:
        yield Evidence(
            setup.where(*restore.FIELD),
            (
                f"{prefix} has {len(names)} variables that are not float32, such "
                f"as {names[0]} ({metas[names[0]].dtype})"
            ),
        )


CHECKS = (
    Check(
        "CHECKPOINT_TYPES",
        ERROR,
        "The checkpoint has variables of another type than the model's, which are all float32: the "
        'trainer stops at them ("expected dtype float does not equal original dtype double").',
        "save the checkpoint again with them cast to float32 (tf.cast)",
        _types,
    ),
)
