"""What each trainer will do with every variable of the config's model, if that is known."""

import functools
from typing import NamedTuple, Tuple

from graphfix.detectors import families
from graphfix.detectors.extractors.facts import KERAS
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.layer_variables import Unknown
from graphfix.detectors.variables import idle_variables, model_variables
from graphfix.doctor import checkpoint_fit, model_dir
from graphfix.doctor.setup import Setup
from graphfix.formats import patterns
from graphfix.restore import trainers
from graphfix.restore.predict import RestorePrediction, predict_restore
from graphfix.restore.requested import ModelVariables


class TrainerPredictions(NamedTuple):
    """A prediction for each trainer, or why there is none."""

    trainers: Tuple[RestorePrediction, ...] = ()
    unknown: str = ""

    def to_data(self) -> dict:
        return {
            "trainers": [one.to_data() for one in self.trainers],
            "unknown": self.unknown or None,
        }


@functools.lru_cache(maxsize=1)
def predict(setup: Setup) -> TrainerPredictions:
    """What every trainer that may train will do with every variable."""
    prefix = setup.train.fine_tune_checkpoint
    resumed = model_dir.latest(setup)
    if resumed:
        return TrainerPredictions(unknown=f"training resumes from {resumed.prefix}")
    if prefix and setup.checkpoint is None:
        return TrainerPredictions(unknown=f"{prefix} can't be opened")
    kind = checkpoint_fit.kind(setup)
    if prefix and kind not in checkpoint_fit.KINDS:
        return TrainerPredictions(unknown=f"the trainers refuse fine_tune_checkpoint_type '{kind}'")
    try:
        model = describe_variables(setup)
        metas = setup.metas(prefix) if prefix else None
        return TrainerPredictions(
            tuple(
                predict_restore(
                    _as_named(model, setup.options.revision, name),
                    setup.train,
                    metas,
                    kind=kind,
                    revision=setup.options.revision,
                    trainer=name,
                )
                for name in setup.options.trainers
            )
        )
    except Unknown as error:
        return TrainerPredictions(unknown=str(error))
    except patterns.BadPattern as error:
        return TrainerPredictions(
            unknown=f"a pattern in train_config is not a valid regular expression: {error}"
        )
    except patterns.Unjudged as error:
        return TrainerPredictions(
            unknown=f"a pattern in train_config is too costly to evaluate: {error}"
        )


@functools.lru_cache(maxsize=1)
def describe_variables(setup: Setup) -> ModelVariables:
    """The variables of the config's model.

    Raises:
      Unknown: graphfix does not know them for certain.
    """
    kind = setup.body.feature_extractor.type
    variables = model_variables(setup.message, revision=setup.options.revision, config=setup.path)
    extractor = find_extractor(kind)
    assert extractor is not None  # or its variables were not known
    return ModelVariables(
        variables,
        setup.meta,
        kind,
        extractor.scopes,
        setup.meta == families.FASTER_RCNN and setup.body.HasField("context_config"),
        extractor.layers().converted(),
        idle_variables(setup.message, revision=setup.options.revision),
    )


def variable_names(setup: Setup) -> Tuple[str, ...]:
    """The names of the model's variables; of the checkpoint's, where the model's are not known."""
    try:
        return tuple(variable.name for variable in describe_variables(setup).variables)
    except (Unknown, AssertionError):
        return tuple(setup.metas(setup.train.fine_tune_checkpoint))


def _as_named(model: ModelVariables, revision: str, trainer: str) -> ModelVariables:
    """The model with the names that its variables have in a trainer's graph."""
    extractor = find_extractor(model.extractor)
    if extractor is not None and extractor.naming == KERAS:
        second = trainers.renames_keras(revision, trainer)
        if second is None:
            raise Unknown(
                f"whether model_main of {revision} looks for Keras variables under a second name "
                "was not measured"
            )
        return model.second() if second else model
    return model
