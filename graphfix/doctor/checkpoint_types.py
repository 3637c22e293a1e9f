"""The check of a checkpoint's types: the trainers stop at variables that are not float32."""

from typing import Iterator

from graphfix.detectors import families
from graphfix.doctor import model_dir
from graphfix.doctor.checkpoint import FIELD
from graphfix.doctor.checkpoint_fit import extractor_of
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.prediction import predict
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, count
from graphfix.formats.dtypes import FLOAT32


def _types(setup: Setup) -> Iterator[Symptom]:
    prefix = setup.train.fine_tune_checkpoint
    metas = setup.metas(prefix) if prefix else {}
    predicted = predict(setup)
    if predicted.unknown and setup.checkpoint is not None and not model_dir.latest(setup):
        # Which variables the model has is not known; the feature extractor's are.
        extractor = extractor_of(setup)
        names = [
            name
            for name, meta in metas.items()
            if extractor is not None
            and name.startswith(extractor.scopes)
            and meta.dtype.is_floating
            and meta.dtype != FLOAT32
            and not name.endswith(families.SLOT_SUFFIXES + (families.MOVING_AVERAGE,))
        ]
    else:
        names = list(
            dict.fromkeys(name for one in predicted.trainers for name in one.of_other_types)
        )
    if names:
        yield Symptom(
            setup.where(*FIELD),
            f"{prefix} has {count(len(names), 'variable that is', 'variables that are')} not "
            f"float32, such as {names[0]} ({metas[names[0]].dtype})",
        )


CHECKS = (
    Check(
        "CHECKPOINT_TYPES",
        ERROR,
        "The checkpoint has variables of other types than the model's, which are all float32: "
        'the trainer stops at them ("expected dtype float does not equal original dtype '
        'double").',
        "cast them to float32 (tf.cast) and save the checkpoint again",
        _types,
    ),
)
