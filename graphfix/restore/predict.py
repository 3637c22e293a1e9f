"""What the stock trainers will do with every variable of a model: restore it or not, train it or
not.

As read in the stock code of each period (graphfix.restore.trainers) and proven against that of
three revisions (tests/stock/test_forecast.py).  A trainer asks the model for a map of the variables
it wants, by the names they have in the checkpoint, and takes those that are there and of the same
shape:

* `fine_tune_checkpoint_type`, or where it is not set `from_detection_checkpoint`, says what the
  checkpoint is taken for.
* For a detector's, the map has every variable with load_all_detection_checkpoint_vars, and those
  of the feature extractor without.
* For a classifier's, it has those of the feature extractor, whatever load_all says, under their
  names without its scope.  The NASNets' classifiers hold moving averages alone, and Inception
  ResNet v2's second stage is its third block of repeated layers (`Repeat_2`).  Of two variables
  that would have one name (block 4 of a ResNet is in both stages) the later one takes it.

Training leaves alone what `freeze_variables` names: the legacy trainer holds each pattern against
the beginning of a variable's name, model_main looks for it anywhere in `NAME:0`, and it alone
reads `update_trainable_variables`.  The legacy trainer alone multiplies gradients of biases by
`bias_grad_multiplier`.  BatchNorm's statistics have no gradients: freezing does not stop them.  Nor
has a variable on which neither an output nor a regularizer depends, such as the biases of layers
beyond the last feature map.

Beside the model's, training makes variables of its own: the optimizer's slots and moving averages
of what trains.  The legacy trainer of 2019-04 and later makes its map after them, and so asks for
them by the same rules; model_main makes them afterwards.
"""

import dataclasses
import re
from typing import Callable, Dict, FrozenSet, Iterator, Mapping, NamedTuple, Optional, Tuple

from graphfix.detectors import families
from graphfix.detectors.layers import Variable
from graphfix.formats import patterns
from graphfix.formats.dtypes import FLOAT32
from graphfix.formats.tensors import TensorMeta
from graphfix.restore import trainers
from graphfix.restore.training_state import OPTIMIZERS

RESTORED, DROPPED, MISSING, NOT_ASKED = "restored", "shape_differs", "missing", "not_asked_for"
OTHER_TYPE = "type_differs"
VERDICTS = (RESTORED, DROPPED, MISSING, NOT_ASKED, OTHER_TYPE)
DETECTION, CLASSIFICATION = "detection", "classification"

# Extractors whose classifiers hold moving averages alone.
_AVERAGED = ("faster_rcnn_nas", "faster_rcnn_pnas", "ssd_pnasnet")
_REPEATS = "faster_rcnn_inception_resnet_v2"
_BIASES = ".*/biases"
# From then on the legacy trainer's batches are batch_size over replicas_to_aggregate, if it
# synchronizes replicas: measured from 2019-04 on, in the code of 2018-07, not in that of early
# 2018.
_DIVIDES = "2018-07"
# From this month on it was measured what becomes of what training adds.
_MEASURED = "2019-04"


class Fate(NamedTuple):
    """What becomes of a variable: whether it is restored, under which name of the checkpoint it is
    looked for and what shape that has there, whether it trains, and by what its gradient is
    multiplied first."""

    variable: Variable
    verdict: str
    source: Optional[str]
    found: Optional[Tuple[int, ...]]
    trains: bool
    multiplier: float

    def to_data(self) -> dict:
        return {
            "name": self.variable.name,
            "shape": list(self.variable.shape),
            "verdict": self.verdict,
            "checkpoint_name": self.source,
            "checkpoint_shape": None if self.found is None else list(self.found),
            "trains": self.trains,
            "gradient_multiplier": self.multiplier,
        }


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What one trainer does with every variable of the model and, where that was measured, of those
    that it makes itself (`added`); `stops`: why it does not get as far as that."""

    trainer: str
    script: str
    fates: Tuple[Fate, ...]
    added: Optional[Tuple[Fate, ...]] = None
    stops: str = ""

    def count(self, verdict: str) -> int:
        return sum(fate.verdict == verdict for fate in self.fates)

    @property
    def of_other_types(self) -> Tuple[str, ...]:
        """The checkpoint's names of what is asked for, and has another type there than in the
        model, whose variables are all float32: restoring stops at it, whatever its value."""
        return tuple(
            fate.source
            for fate in self.fates + (self.added or ())
            if fate.verdict == OTHER_TYPE and fate.source
        )

    @property
    def given(self) -> int:
        """How many of its own variables the trainer restores."""
        return sum(fate.verdict == RESTORED for fate in self.added or ())

    def to_data(self) -> dict:
        return {
            "trainer": self.trainer,
            "script": self.script,
            "stops": self.stops or None,
            "counts": {verdict: self.count(verdict) for verdict in VERDICTS},
            "variables": [fate.to_data() for fate in self.fates],
            "added_by_training": None
            if self.added is None
            else [fate.to_data() for fate in self.added],
        }


class Model(NamedTuple):
    """A model's variables, in the order of their creation, its meta-architecture, the type of its
    feature extractor, the scopes of that, whether it attends to the features of other images, and,
    where the API has a list of them, {variable: its name in a classifier}; and the names of what
    gets no gradients, since neither an output nor a regularizer depends on it."""

    variables: Tuple[Variable, ...]
    meta: str
    extractor: str
    scopes: Tuple[str, ...]
    attends: bool = False
    converted: Mapping[str, str] = {}
    idle: FrozenSet[str] = frozenset()

    def second(self) -> "Model":
        """The second of two models in one graph."""
        return self._replace(
            variables=tuple(
                one._replace(name=families.second_name(one.name)) for one in self.variables
            ),
            scopes=tuple(families.second_name(scope) for scope in self.scopes),
            idle=frozenset(families.second_name(name) for name in self.idle),
        )


def foretell(
    model: Model,
    train,
    metas: Optional[Mapping[str, TensorMeta]],
    *,
    kind: str,
    revision: str,
    trainer: str,
) -> Forecast:
    """The forecast of one trainer of a month.

    `train` is the train_config, `metas` the tensors of its checkpoint (None where there is none),
    `kind` what the checkpoint is taken for.

    Raises:
      BadPattern, Unjudged: a pattern of train_config is none to the trainer, or is not judged.
    """
    what = (
        dict(trainers.restored(revision, trainer))[trainer]
        if metas is not None
        else trainers.NOTHING
    )
    trains = _training(train, trainer, model.idle)
    added = tuple(_added(model, train, trains)) if revision >= _MEASURED else None
    asked: Dict[str, str] = {}
    if what != trainers.NOTHING:
        every = what == trainers.EVERYTHING and train.load_all_detection_checkpoint_vars
        asked = wanted(
            model._replace(variables=model.variables + (added or ()))
            if trainer == trainers.LEGACY
            else model,
            kind,
            every,
        )
    multiplier = train.bias_grad_multiplier if trainer == trainers.LEGACY else 0.0

    def fate(variable: Variable, own: bool) -> Fate:
        source = asked.get(variable.name)
        meta = metas.get(source) if metas is not None and source is not None else None
        return Fate(
            variable,
            _verdict(variable, source, meta),
            source,
            None if meta is None else tuple(meta.shape),
            own,
            multiplier if own and multiplier and re.match(_BIASES, variable.name) else 1.0,
        )

    forecast = Forecast(
        trainer,
        trainers.script(revision, trainer) or "",
        tuple(fate(variable, trains(variable.name)) for variable in model.variables),
        None if added is None else tuple(fate(variable, False) for variable in added),
    )
    return dataclasses.replace(
        forecast, stops=_stops(forecast, model, train, bool(asked), revision)
    )


def _added(model: Model, train, trains: Callable[[str], bool]) -> Iterator[Variable]:
    """The variables that training makes: what the optimizer keeps of what trains."""
    optimizer = train.optimizer
    row = OPTIMIZERS.get(optimizer.WhichOneof("optimizer"))
    if row is None:
        return
    suffixes = [suffix for suffix, _ in row.slots]
    if optimizer.use_moving_average:
        suffixes.append(families.MOVING_AVERAGE)
    for variable in model.variables:
        if trains(variable.name):
            yield from (variable._replace(name=variable.name + suffix) for suffix in suffixes)
    yield from (Variable(name, ()) for name, _ in row.scalars)


def wanted(model: Model, kind: str, every: bool) -> Dict[str, str]:
    """{variable: its name in the checkpoint} of what the model asks for."""
    names = [variable.name for variable in model.variables]
    if kind == DETECTION:
        return {name: name for name in names if every or name.startswith(model.scopes)}
    if model.converted:
        return {name: model.converted[name] for name in names if name in model.converted}
    taken: Dict[str, str] = {}
    for name in names:
        for scope in model.scopes:
            if name.startswith(scope):
                taken[_classifier_name(name, scope, model.extractor)] = name
    return {name: source for source, name in taken.items()}


def _classifier_name(name: str, scope: str, extractor: str) -> str:
    if extractor == _REPEATS and scope.startswith("Second"):
        name = name.replace(scope + "InceptionResnetV2/Repeat", "InceptionResnetV2/Repeat_2")
    name = name.replace(scope, "")
    return name + families.MOVING_AVERAGE if extractor in _AVERAGED else name


def _verdict(variable: Variable, source: Optional[str], meta: Optional[TensorMeta]) -> str:
    if source is None:
        return NOT_ASKED
    if meta is None:
        return MISSING
    if tuple(meta.shape) != variable.shape:
        return DROPPED
    return RESTORED if meta.dtype == FLOAT32 else OTHER_TYPE


def _training(train, trainer: str, idle: FrozenSet[str]) -> Callable[[str], bool]:
    """Whether a trainer trains the variable of a name."""
    frozen = patterns.Patterns(
        pattern for pattern in train.freeze_variables if pattern or trainer == trainers.MODEL_MAIN
    )
    included = patterns.Patterns(
        train.update_trainable_variables if trainer == trainers.MODEL_MAIN else ()
    )

    def trains(name: str) -> bool:
        if name.endswith(families.UNTRAINED_LEAVES) or name in idle:
            return False
        if trainer == trainers.LEGACY:
            return not frozen.match(name)
        return (not included.nodes or included.search(name + ":0")) and not frozen.search(
            name + ":0"
        )

    return trains


def _stops(forecast: Forecast, model: Model, train, asks: bool, revision: str) -> str:
    """Why the trainer stops at what it restores, or trains; nothing where it does not."""
    unfit = unfitness(model, train, forecast.trainer, revision)
    if unfit:
        return unfit.why
    if forecast.of_other_types:
        return (
            f"it stops at {forecast.of_other_types[0]}, which is not float32 in the checkpoint "
            '("expected dtype float does '
            'not equal original dtype")'
        )
    if forecast.trainer == trainers.LEGACY and asks:
        if revision < "2017-10" and forecast.count(MISSING):
            return "it stops at the first variable that is missing"
        if revision < "2018-02" and forecast.count(DROPPED):
            return "it stops at the first variable of another shape"
        if not forecast.count(RESTORED) and not forecast.given:
            return 'it stops, since there is nothing to restore ("No variables to save")'
    if not any(fate.trains for fate in forecast.fates):
        return "it stops, since nothing is left to train"
    return ""


class Unfit(NamedTuple):
    """Why a trainer stops; the field of train_config that it stops at, if it is not the model."""

    why: str
    field: str = ""


def unfitness(model: Optional[Model], train, trainer: str, revision: str) -> Optional[Unfit]:
    """Why a trainer stops at this model, whatever it starts from; None where it does not.

    `model`: None where it is not known, which leaves what train_config alone says.
    """
    if trainer != trainers.LEGACY:
        return None
    if model and model.attends:
        return Unfit("it stops, since it gives the model no features of other images to attend to")
    if (
        _DIVIDES <= revision
        and train.sync_replicas
        and train.batch_size < train.replicas_to_aggregate
    ):
        return Unfit(
            (
                f"it stops, since it shares a batch among replicas, and {train.batch_size} images "
                "are too few "
                f"for {train.replicas_to_aggregate}"
            ),
            "sync_replicas",
        )
    if (
        model
        and train.bias_grad_multiplier
        and not any(re.match(_BIASES, variable.name) for variable in model.variables)
    ):
        return Unfit(
            'it stops at bias_grad_multiplier, since no variable is called "biases"',
            "bias_grad_multiplier",
        )
    return None
