"""The forecast of a config in words: how many variables are restored, and why the others are not.

A reason is expected (a new class head starts at random, as it must) or wrong (layers of the feature
extractor that the checkpoint does not have).
"""

import functools
import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from graphfix.detectors import families
from graphfix.detectors.extractors.loader import KERAS, find_extractor
from graphfix.detectors.layer_variables import Unknown
from graphfix.detectors.variables import idle_variables, model_variables
from graphfix.doctor import model_dir, restore
from graphfix.doctor.checks import Check, Evidence
from graphfix.doctor.setup import Setup
from graphfix.findings import ERROR, INFO, WARNING
from graphfix.formats import patterns
from graphfix.pipeline_config.edits import ConfigEdit
from graphfix.restore import trainers
from graphfix.restore.predict import (
    DETECTION,
    DROPPED,
    MISSING,
    NOT_ASKED,
    OTHER_TYPE,
    RESTORED,
    Fate,
    Forecast,
    Model,
    foretell,
    unfitness,
)

EXPECTED, WRONG, TO_KNOW = "expected", "wrong", ""
_WORDS = {
    DROPPED: "shape differs",
    MISSING: "missing",
    NOT_ASKED: "not asked for",
    OTHER_TYPE: "type differs",
}
_EXTRACTOR = re.compile(r"((First|Second)Stage)?FeatureExtractor/|\w+keras_feature_extractor(_1)?/")
# What becomes of quantization's ranges.
_RANGES = {
    trainers.MODEL_MAIN: "%s restores none, since it adds them afterwards",
    trainers.LEGACY: "%s asks for them by the same rules as for variables",
}
# Layers that a detector adds to a classifier's.
_ADDED = re.compile(r"_[12]_Conv2d_\d+_|/fpn/|_hyperfeature|bottom_up|/(projection|smoothing)_\d")


class Outlook(NamedTuple):
    """A forecast for each trainer, or why there is none; neither where there is no checkpoint and
    nothing is frozen."""

    forecasts: Tuple[Forecast, ...] = ()
    unknown: str = ""

    def to_data(self) -> dict:
        return {
            "trainers": [one.to_data() for one in self.forecasts],
            "unknown": self.unknown or None,
        }


class Reason(NamedTuple):
    """Why variables are not restored."""

    verdict: str
    scope: str
    judgement: str
    words: str


@functools.lru_cache(maxsize=1)
def look_ahead(setup: Setup) -> Outlook:
    """What every trainer that may train will do with every variable."""
    prefix = setup.train.fine_tune_checkpoint
    resumed = model_dir.latest(setup)
    if resumed:
        return Outlook(unknown=f"training resumes from {resumed.prefix}")
    if prefix and setup.checkpoint is None:
        return Outlook(unknown=f"{prefix} can't be opened")
    if prefix and restore.kind(setup) not in restore.TYPES:
        return Outlook(
            unknown=f"the trainers refuse fine_tune_checkpoint_type '{restore.kind(setup)}'"
        )
    try:
        model = _model(setup)
        metas = setup.metas(prefix) if prefix else None
        return Outlook(
            tuple(
                foretell(
                    _as_named(model, setup.options.revision, name),
                    setup.train,
                    metas,
                    kind=restore.kind(setup),
                    revision=setup.options.revision,
                    trainer=name,
                )
                for name in setup.options.trainers
            )
        )
    except Unknown as error:
        return Outlook(unknown=str(error))
    except patterns.BadPattern as error:
        return Outlook(unknown=f"a pattern of train_config is no regular expression: {error}")
    except patterns.Unjudged as error:
        return Outlook(unknown=f"a pattern of train_config is not judged: {error}")


@functools.lru_cache(maxsize=1)
def _model(setup: Setup) -> Model:
    """The config's model.

    Raises:
      Unknown: its variables cannot be told for certain.
    """
    kind = setup.body.feature_extractor.type
    variables = model_variables(setup.message, revision=setup.options.revision, config=setup.path)
    extractor = find_extractor(kind)
    assert extractor is not None  # or its variables were not known
    return Model(
        variables,
        setup.meta,
        kind,
        extractor.scopes,
        setup.meta == families.FASTER_RCNN and setup.body.HasField("context_config"),
        extractor.layers().converted(),
        idle_variables(setup.message, revision=setup.options.revision),
    )


def variables(setup: Setup) -> Tuple[str, ...]:
    """The names of the model's variables; of the checkpoint's, where the model's are not known."""
    try:
        return tuple(variable.name for variable in _model(setup).variables)
    except (Unknown, AssertionError):
        return tuple(setup.metas(setup.train.fine_tune_checkpoint))


def _as_named(model: Model, revision: str, trainer: str) -> Model:
    """The model under the names that a trainer has for its variables."""
    extractor = find_extractor(model.extractor)
    if extractor is not None and extractor.naming == KERAS:
        second = trainers.renames_keras(revision, trainer)
        if second is None:
            raise Unknown(
                (
                    f"whether model_main of {revision} looks for Keras's variables under a second "
                    "name "
                    "was not measured"
                )
            )
        return model.second() if second else model
    return model


# Words


def lines(setup: Setup) -> List[str]:
    """What is restored and what trains, in a few lines."""
    outlook = look_ahead(setup)
    if outlook.unknown:
        return [f"No forecast: {outlook.unknown}."]
    out: List[str] = []
    if setup.train.fine_tune_checkpoint:
        for names, forecast in _together(
            outlook.forecasts,
            lambda one: [fate.verdict for fate in one.fates] + [one.stops, one.given],
        ):
            out += _restored(setup, names, forecast)
        if setup.message.HasField("graph_rewriter"):
            out.append(
                "The ranges of quantization are not among these: %s."
                % "; ".join(
                    _RANGES[name] % trainers.script(setup.options.revision, name)
                    for name in setup.options.trainers
                )
            )
    if (
        setup.train.freeze_variables
        or setup.train.update_trainable_variables
        or setup.train.bias_grad_multiplier
    ):
        for names, forecast in _together(
            outlook.forecasts, lambda one: [(fate.trains, fate.multiplier) for fate in one.fates]
        ):
            out += _trained(names, forecast)
    return out


def _together(forecasts: Sequence[Forecast], key) -> Iterator[Tuple[str, Forecast]]:
    """Forecasts that say the same as one, under the names of both trainers' scripts."""
    found: List[Tuple[List[str], Forecast]] = []
    for forecast in forecasts:
        for names, other in found:
            if key(other) == key(forecast):
                names.append(forecast.script)
                break
        else:
            found.append(([forecast.script], forecast))
    return ((" and ".join(names), forecast) for names, forecast in found)


def _restored(setup: Setup, names: str, forecast: Forecast) -> Iterator[str]:
    total, count = len(forecast.fates), forecast.count(RESTORED)
    yield "%s: %d of %d variables are restored%s" % (
        names,
        count,
        total,
        "; " + forecast.stops if forecast.stops else "" if count == total else ":",
    )
    if forecast.stops:
        return
    for reason, fates in reasons(setup, forecast).items():
        first = fates[0]
        yield "  %4d %-13s  %s  (%s%s%s)" % (
            len(fates),
            _WORDS[reason.verdict],
            reason.scope,
            reason.judgement + ": " if reason.judgement else "",
            reason.words,
            ""
            if first.found is None
            else f", as {first.variable.name} is {list(first.found)} there and "
            f"{list(first.variable.shape)} here",
        )
    if forecast.given:
        yield f"  of the {len(forecast.added)} variables of optimizer and moving averages, {forecast.given} are restored"


def reasons(setup: Setup, forecast: Forecast) -> Dict[Reason, List[Fate]]:
    """The variables that are not restored, by why; what is wrong first."""
    found: Dict[Reason, List[Fate]] = {}
    heads = {name: head for head in setup.heads("") for name in head.tensors}
    for fate in forecast.fates:
        if fate.verdict != RESTORED:
            found.setdefault(_reason(setup, forecast, fate, heads), []).append(fate)
    order = (WRONG, EXPECTED, TO_KNOW)
    return dict(sorted(found.items(), key=lambda pair: order.index(pair[0].judgement)))


def _reason(setup: Setup, forecast: Forecast, fate: Fate, heads: dict) -> Reason:
    name, shape = fate.variable
    scope = _scope(name)
    if fate.verdict == NOT_ASKED:
        return Reason(NOT_ASKED, scope, TO_KNOW, _not_asked(setup, forecast, name))
    if fate.verdict == MISSING:
        if restore.kind(setup) != DETECTION and _ADDED.search(name):
            return Reason(MISSING, scope, EXPECTED, "a classifier has no such layers")
        return Reason(MISSING, scope, WRONG, "the checkpoint has no such layers")
    if fate.verdict == OTHER_TYPE:
        return Reason(OTHER_TYPE, scope, WRONG, "restoring stops there")
    head = heads.get(name)
    if head is not None and fate.found[:-1] == shape[:-1]:
        if (
            head.class_axis
            and fate.found[-1] % (head.layout.channels // head.layout.size(head.class_axis)) == 0
        ):
            return Reason(DROPPED, scope, EXPECTED, "a new class head")
        return Reason(DROPPED, scope, WRONG, "a head for other anchors")
    predictor = setup.predictor[1]
    if (
        name.startswith("SecondStageBoxPredictor/Conv")
        and predictor.mask_prediction_conv_depth == 0
    ):
        return Reason(
            DROPPED,
            scope,
            EXPECTED,
            "its width follows from the number of classes, since mask_prediction_conv_depth is 0",
        )
    return Reason(DROPPED, scope, WRONG, "of another variant")


def _not_asked(setup: Setup, forecast: Forecast, name: str) -> str:
    what = dict(trainers.restored(setup.options.revision, forecast.trainer))[forecast.trainer]
    if what == trainers.NOTHING:
        return "this trainer ignores fine_tune_checkpoint"
    if _EXTRACTOR.match(name):
        return "another layer takes its name in a classifier"
    if restore.kind(setup) != DETECTION:
        return "a classifier has none"
    if what == trainers.BACKBONE:
        return "this trainer restores the feature extractor alone"
    return "load_all_detection_checkpoint_vars is not set"


def _scope(name: str) -> str:
    """The scope that a variable is told under: those of feature extractors in two parts, others
    without their numbers."""
    parts = name.split("/")[:-1]
    if "keras_feature_extractor" in name:
        return parts[0]
    if not _EXTRACTOR.match(name):
        parts = [re.sub(r"_\d+\Z", "_*", part) for part in parts]
    return "/".join(parts[:2]) or name


def _trained(names: str, forecast: Forecast) -> Iterator[str]:
    fates = [
        fate
        for fate in forecast.fates
        if not fate.variable.name.endswith(("moving_mean", "moving_variance"))
    ]
    frozen = [fate for fate in fates if not fate.trains]
    yield f"{names}: {len(fates) - len(frozen)} of {len(fates)} variables train{'; these do not:' if frozen else ''}"
    for scope, count in _counted(frozen):
        yield f"  {count:4d} in {scope}"
    scaled = [fate for fate in fates if fate.multiplier != 1]
    if scaled:
        yield f"  bias_grad_multiplier {scaled[0].multiplier:g} applies to {len(scaled)} of them"


def _counted(fates: Sequence[Fate]) -> List[Tuple[str, int]]:
    counts: Dict[str, int] = {}
    for fate in fates:
        scope = _scope(fate.variable.name)
        counts[scope] = counts.get(scope, 0) + 1
    return list(counts.items())


# Checks


def _unknown(setup: Setup) -> Iterator[Evidence]:
    if (
        setup.train.fine_tune_checkpoint
        and setup.checkpoint is not None
        and look_ahead(setup).unknown
    ):
        yield Evidence(setup.where("model"), f"no forecast: {look_ahead(setup).unknown}")


def _renamed(setup: Setup, every: bool) -> Iterator[Evidence]:
    prefix, revision = setup.train.fine_tune_checkpoint, setup.options.revision
    if restore.kind(setup) != DETECTION:
        return  # a classifier's names are without the part that is another
    names = setup.metas(prefix) if prefix else {}
    lost = [
        name
        for name in names
        if families.second_name(name) != name and families.second_name(name) not in names
    ]
    renaming = [name for name in setup.options.trainers if trainers.renames_keras(revision, name)]
    if lost and renaming and (len(renaming) == len(setup.options.trainers)) == every:
        yield Evidence(
            setup.where(*restore.FIELD),
            (
                f"model_main of {revision} asks for {families.second_name(lost[0])}, and the "
                "checkpoint "
                f"has {lost[0]}: {len(lost)} variables are lost so"
            ),
        )


def _layers(setup: Setup) -> Iterator[Evidence]:
    for forecast in look_ahead(setup).forecasts:
        own = [fate for fate in forecast.fates if _EXTRACTOR.match(fate.variable.name)]
        lost = [
            fate
            for reason, fates in reasons(setup, forecast).items()
            for fate in fates
            if reason.judgement == WRONG and _EXTRACTOR.match(fate.variable.name)
        ]
        # Where it is most of them, the checkpoint is of another model, which other checks say.
        if 0 < len(lost) < sum(fate.verdict == RESTORED for fate in own):
            name, shape = lost[0].variable
            yield Evidence(
                setup.where("model", setup.meta, "feature_extractor"),
                "%d of the feature "
                "extractor's %d variables start at random; the first, %s, is %s"
                % (
                    len(lost),
                    len(own),
                    name,
                    "not in the checkpoint"
                    if lost[0].found is None
                    else f"{list(lost[0].found)} there and {list(shape)} here",
                ),
            )
            return


def _unfit(setup: Setup, every: bool) -> Iterator[Evidence]:
    try:
        model: Optional[Model] = _model(setup) if setup.meta else None
    except Unknown:
        model = None
    revision = setup.options.revision
    found = {
        name: unfit
        for name, unfit in (
            (name, unfitness(model, setup.train, name, revision)) for name in setup.options.trainers
        )
        if unfit
    }
    if found and (len(found) == len(setup.options.trainers)) == every:
        # All of one trainer: the other is fit for everything that is known.
        ((name, unfit),) = found.items()
        path = ("train_config", unfit.field)
        yield Evidence(
            setup.where(*(path if unfit.field else ("model",))),
            f"{trainers.script(revision, name)}: {unfit.why}",
            *(
                (
                    _REMEDIES[unfit.field] % {"replicas": setup.train.replicas_to_aggregate},
                    (ConfigEdit(path, None, "it stops the legacy trainer"),),
                )
                if unfit.field
                else ()
            ),
        )


_REMEDIES = {
    "bias_grad_multiplier": "remove bias_grad_multiplier",
    "sync_replicas": "remove sync_replicas, or write batch_size: %(replicas)d or more",
}


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
        "The trainer builds the model twice in one graph, so that Keras gives the one that is "
        "trained second names (NAME_1), which the checkpoint has not: those variables start from "
        "random values, without a message.",
        "graphfix convert writes both names; or train with --trainer legacy",
        functools.partial(_renamed, every=True),
    ),
    Check(
        "KERAS_ONE_RENAMES",
        WARNING,
        "One of the trainers looks for Keras's variables under second names, which the "
        "checkpoint has not.",
        "graphfix convert writes both names; or train with legacy/train.py, and say so with "
        "--trainer legacy",
        functools.partial(_renamed, every=False),
    ),
    Check(
        "LAYERS_NOT_RESTORED",
        WARNING,
        "Some layers of the feature extractor are missing in the checkpoint, or have other shapes "
        "there: it is of another variant.",
        "set the feature extractor's options to what the checkpoint was trained with",
        _layers,
    ),
    Check(
        "NO_FORECAST",
        INFO,
        "What will be restored cannot be told variable by variable: the model has something "
        "whose layers graphfix does not know for certain.",
        "have the trainer say it: graphfix verify --stock",
        _unknown,
    ),
)
