"""Checks of what a trainer can't do with this model, and of variables that it loses.

TRAINERS are about the trainers themselves, CHECKS about what they restore.
"""

import functools
from typing import Iterator, Optional

from graphfix.detectors import families
from graphfix.detectors.layer_variables import Unknown
from graphfix.doctor import checkpoint_fit
from graphfix.doctor.checkpoint import FIELD
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.prediction import describe_variables, predict
from graphfix.doctor.prediction_text import WRONG, reasons
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, INFO, WARNING, count
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.restore import trainers
from graphfix.restore.predict import RESTORED, incompatibility
from graphfix.restore.requested import DETECTION, ModelVariables, is_extractor_variable

_REMEDIES = {
    "bias_grad_multiplier": "remove bias_grad_multiplier",
    "sync_replicas": "remove sync_replicas, or write batch_size: %(replicas)d or more",
}


def _unknown(setup: Setup) -> Iterator[Symptom]:
    if setup.train.fine_tune_checkpoint and setup.checkpoint is not None:
        unknown = predict(setup).unknown
        if unknown:
            yield Symptom(setup.where("model"), f"no prediction: {unknown}")


def _renamed(setup: Setup, every: bool) -> Iterator[Symptom]:
    prefix, revision = setup.train.fine_tune_checkpoint, setup.options.revision
    if checkpoint_fit.kind(setup) != DETECTION:
        return  # a classifier's names lack the part that is renamed
    names = setup.metas(prefix) if prefix else {}
    lost = [
        name
        for name in names
        if families.second_name(name) != name and families.second_name(name) not in names
    ]
    renaming = [name for name in setup.options.trainers if trainers.renames_keras(revision, name)]
    if lost and renaming and (len(renaming) == len(setup.options.trainers)) == every:
        yield Symptom(
            setup.where(*FIELD),
            f"model_main of {revision} asks for {families.second_name(lost[0])}, but the "
            f"checkpoint has {lost[0]}: {count(len(lost), 'variable is', 'variables are')} lost",
        )


def _layers(setup: Setup) -> Iterator[Symptom]:
    for prediction in predict(setup).trainers:
        own = [row for row in prediction.variables if is_extractor_variable(row.variable.name)]
        lost = [
            row
            for reason, rows in reasons(setup, prediction).items()
            for row in rows
            if reason.judgement == WRONG and is_extractor_variable(row.variable.name)
        ]
        # Where it is most of them, the checkpoint is of another model, which other checks report.
        if 0 < len(lost) < sum(row.verdict == RESTORED for row in own):
            name, shape = lost[0].variable
            found = (
                "not in the checkpoint"
                if lost[0].found is None
                else f"{list(lost[0].found)} there and {list(shape)} here"
            )
            yield Symptom(
                setup.where("model", setup.meta, "feature_extractor"),
                f"{len(lost)} of the feature extractor's {len(own)} variables start at random; "
                f"the first, {name}, is {found}",
            )
            return


def _unfit(setup: Setup, every: bool) -> Iterator[Symptom]:
    try:
        model: Optional[ModelVariables] = describe_variables(setup) if setup.meta else None
    except Unknown:
        model = None
    revision = setup.options.revision
    causes = {
        name: incompatibility(model, setup.train, name, revision) for name in setup.options.trainers
    }
    found = {name: cause for name, cause in causes.items() if cause}
    if found and (len(found) == len(setup.options.trainers)) == every:
        # All of one trainer: the other can train everything that is known.
        ((name, cause),) = found.items()
        path = ("train_config", cause.field)
        remedy = _REMEDIES.get(cause.field, "")
        yield Symptom(
            setup.where(*(path if cause.field else ("model",))),
            f"{trainers.script(revision, name)}: {cause.why}",
            remedy and remedy % {"replicas": setup.train.replicas_to_aggregate},
            (ConfigEdit(path, None, "it stops the legacy trainer"),) if cause.field else (),
        )


TRAINERS = (
    Check(
        "TRAINER_UNFIT",
        ERROR,
        "The trainer can't train this model with this train_config, whatever it starts from "
        '("gradient_multipliers is empty", "missing 2 required positional arguments", '
        '"not enough values to unpack (expected 7, got 0)").',
        "train with model_main",
        functools.partial(_unfit, every=True),
    ),
    Check(
        "ONE_TRAINER_UNFIT",
        WARNING,
        "One of the trainers can't train this model with this train_config.",
        "train with the other one",
        functools.partial(_unfit, every=False),
    ),
)

CHECKS = (
    Check(
        "KERAS_RENAMED",
        ERROR,
        "The trainer builds the model twice in one graph, so that Keras renames the variables "
        "of the one that is trained (NAME_1). The checkpoint lacks those names: the variables "
        "start from random values, without a message.",
        "graphfix convert writes both names; or train with --trainer legacy",
        functools.partial(_renamed, every=True),
    ),
    Check(
        "KERAS_ONE_RENAMES",
        WARNING,
        "One of the trainers looks for Keras variables under second names, which the checkpoint "
        "lacks.",
        "convert with graphfix, which writes both names; or train with legacy/train.py and pass "
        "--trainer legacy",
        functools.partial(_renamed, every=False),
    ),
    Check(
        "LAYERS_NOT_RESTORED",
        WARNING,
        "Some layers of the feature extractor are missing in the checkpoint or have other "
        "shapes there: it is of another variant.",
        "set the feature extractor's options to those the checkpoint was trained with",
        _layers,
    ),
    Check(
        "NO_FORECAST",
        INFO,
        "What will be restored can't be predicted variable by variable.",
        "see what the trainer itself restores: graphfix verify --stock",
        _unknown,
    ),
)
