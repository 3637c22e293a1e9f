"""What a trainer will do with every variable of a model: restore it or not, train it or not.

A trainer restores what it asks for (graphfix.restore.requested) and the checkpoint has in the same
shape.  Read in the stock code of each period (graphfix.restore.trainers) and checked against that
of three revisions (tests/stock/test_restore_prediction.py).

Training leaves alone what `freeze_variables` names: the legacy trainer matches each pattern against
the beginning of a variable's name, model_main searches for it in `NAME:0`, and only model_main
reads `update_trainable_variables`.  Only the legacy trainer multiplies gradients of biases by
`bias_grad_multiplier`.  BatchNorm's statistics have no gradients: freezing does not stop them.  Nor
has a variable on which neither an output nor a regularizer depends, such as the biases of layers
beyond the last feature map.

Training makes variables of its own: the optimizer's slots, and moving averages of what trains.  The
legacy trainer of 2019-04 and later makes its map after them, and so asks for them by the same
rules; model_main makes them afterwards.
"""

import dataclasses
import re
from typing import Callable, Dict, FrozenSet, Iterator, Mapping, NamedTuple, Optional, Tuple

from graphfix.detectors import families
from graphfix.detectors.extractors.layers import Variable
from graphfix.findings import count
from graphfix.formats import patterns
from graphfix.formats.dtypes import FLOAT32
from graphfix.formats.tensors import TensorMeta
from graphfix.restore import trainers
from graphfix.restore.requested import ModelVariables, requested
from graphfix.restore.training_state import OPTIMIZERS

RESTORED, SHAPE_DIFFERS, MISSING = "restored", "shape_differs", "missing"
NOT_ASKED, TYPE_DIFFERS = "not_asked_for", "type_differs"
VERDICTS = (RESTORED, SHAPE_DIFFERS, MISSING, NOT_ASKED, TYPE_DIFFERS)

_BIASES = ".*/biases"
# From then on the legacy trainer's batches are batch_size over replicas_to_aggregate, if it
# synchronizes replicas: so measured from 2019-04 on, and in the code of 2018-07, but not in that of
# early 2018.
_DIVIDES = "2018-07"
# From this month on it was measured what happens to the variables that training adds.
_MEASURED = "2019-04"


class VariablePrediction(NamedTuple):
    """What happens to a variable.

    `verdict` is one of VERDICTS; `source` the name it is looked for by in the checkpoint, None
    where it is not looked for, and `found` its shape there; `trains` whether it is trained, and
    `multiplier` what its gradient is multiplied by first.
    """

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
class RestorePrediction:
    """What one trainer does with every variable of the model and, where that was measured, with
    those that it makes itself (`added`); `stops`: why it stops before it trains, "" where it does
    not."""

    trainer: str
    script: str
    variables: Tuple[VariablePrediction, ...]
    added: Optional[Tuple[VariablePrediction, ...]] = None
    stops: str = ""

    def count(self, verdict: str) -> int:
        """How many of the model's variables have a verdict."""
        return sum(one.verdict == verdict for one in self.variables)

    @property
    def of_other_types(self) -> Tuple[str, ...]:
        """The checkpoint's names of the variables asked for that are not float32 there, as all of
        the model's are: restoring stops at them, whatever their values."""
        return tuple(
            one.source
            for one in self.variables + (self.added or ())
            if one.verdict == TYPE_DIFFERS and one.source
        )

    @property
    def added_restored(self) -> int:
        """How many of its own variables the trainer restores."""
        return sum(one.verdict == RESTORED for one in self.added or ())

    def to_data(self) -> dict:
        return {
            "trainer": self.trainer,
            "script": self.script,
            "stops": self.stops or None,
            "counts": {verdict: self.count(verdict) for verdict in VERDICTS},
            "variables": [one.to_data() for one in self.variables],
            "added_by_training": None
            if self.added is None
            else [one.to_data() for one in self.added],
        }


def predict_restore(
    model: ModelVariables,
    train,
    metas: Optional[Mapping[str, TensorMeta]],
    *,
    kind: str,
    revision: str,
    trainer: str,
) -> RestorePrediction:
    """What a trainer of a revision (YYYY-MM) will do.

    `train` is the train_config, `metas` the tensors of its checkpoint (None where there is none),
    `kind` what the checkpoint is read as (`requested`).

    Raises:
      BadPattern, Unjudged: the trainer refuses a pattern of train_config, or it is not judged.
    """
    most = dict(trainers.restored(revision, trainer))[trainer]
    what = trainers.NOTHING if metas is None else most
    if what == trainers.EVERYTHING and not train.load_all_detection_checkpoint_vars:
        what = trainers.BACKBONE
    trains = _training(train, trainer, model.idle)
    added = tuple(_added(model, train, trains)) if revision >= _MEASURED else None
    asked: Dict[str, str] = requested(
        model._replace(variables=model.variables + (added or ()))
        if trainer == trainers.LEGACY
        else model,
        kind,
        what,
        trainer,
    )
    multiplier = train.bias_grad_multiplier if trainer == trainers.LEGACY else 0.0

    def predicted(variable: Variable, own: bool) -> VariablePrediction:
        source = asked.get(variable.name)
        meta = metas.get(source) if metas is not None and source is not None else None
        return VariablePrediction(
            variable,
            _verdict(variable, source, meta),
            source,
            None if meta is None else tuple(meta.shape),
            own,
            multiplier if own and multiplier and re.match(_BIASES, variable.name) else 1.0,
        )

    prediction = RestorePrediction(
        trainer,
        trainers.script(revision, trainer) or "",
        tuple(predicted(variable, trains(variable.name)) for variable in model.variables),
        None if added is None else tuple(predicted(variable, False) for variable in added),
    )
    return dataclasses.replace(
        prediction, stops=_stops(prediction, model, train, bool(asked), revision)
    )


def _added(model: ModelVariables, train, trains: Callable[[str], bool]) -> Iterator[Variable]:
    """The variables that training makes: what the optimizer keeps for what trains."""
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


def _verdict(variable: Variable, source: Optional[str], meta: Optional[TensorMeta]) -> str:
    if source is None:
        return NOT_ASKED
    if meta is None:
        return MISSING
    if tuple(meta.shape) != variable.shape:
        return SHAPE_DIFFERS
    return RESTORED if meta.dtype == FLOAT32 else TYPE_DIFFERS


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


def trains_nothing(model: ModelVariables, train, trainer: str) -> bool:
    """Whether train_config's patterns leave a trainer none of a model's variables."""
    trains = _training(train, trainer, model.idle)
    return not any(trains(variable.name) for variable in model.variables)


def _stops(
    prediction: RestorePrediction, model: ModelVariables, train, asks: bool, revision: str
) -> str:
    """Why the trainer stops at what it restores, or trains; "" where it does not."""
    found = incompatibility(model, train, prediction.trainer, revision)
    if found:
        return found.why
    if prediction.of_other_types:
        return (
            f"it stops at {prediction.of_other_types[0]}, which is not float32 in the checkpoint "
            '("expected dtype float does not equal original dtype")'
        )
    if prediction.trainer == trainers.LEGACY and asks:
        if revision < "2017-10" and prediction.count(MISSING):
            return "it stops at the first missing variable"
        if revision < "2018-02" and prediction.count(SHAPE_DIFFERS):
            return "it stops at the first variable of another shape"
        if not prediction.count(RESTORED) and not prediction.added_restored:
            return 'it stops, since there is nothing to restore ("No variables to save")'
    if trains_nothing(model, train, prediction.trainer):
        return "it stops, since nothing is left to train"
    return ""


class Incompatibility(NamedTuple):
    """Why a trainer stops; `field` of train_config is the cause, "" where the model is."""

    why: str
    field: str = ""


def incompatibility(
    model: Optional[ModelVariables], train, trainer: str, revision: str
) -> Optional[Incompatibility]:
    """Why a trainer can't train this model, whatever it starts from; None where it can.

    `model`: None where it is not known; then only train_config is judged.
    """
    if trainer != trainers.LEGACY:
        return None
    if model and model.attends:
        return Incompatibility(
            "it stops, since it gives the model no features of other images to attend to"
        )
    if (
        _DIVIDES <= revision
        and train.sync_replicas
        and train.batch_size < train.replicas_to_aggregate
    ):
        return Incompatibility(
            "it stops, since it divides a batch among replicas, and "
            f"{count(train.batch_size, 'image is', 'images are')} too few for "
            f"{train.replicas_to_aggregate}",
            "sync_replicas",
        )
    if (
        model
        and train.bias_grad_multiplier
        and not any(re.match(_BIASES, variable.name) for variable in model.variables)
    ):
        return Incompatibility(
            'it stops at bias_grad_multiplier, since no variable is called "biases"',
            "bias_grad_multiplier",
        )
    return None
