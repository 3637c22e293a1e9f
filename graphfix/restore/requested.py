"""Which variables a trainer asks the checkpoint for, and by which names.

A trainer asks the model for a map from names in the checkpoint to variables:

* `fine_tune_checkpoint_type`, or where it is not set `from_detection_checkpoint`, decides whether
  the checkpoint is read as a detector's or as a classifier's.
* Of a detector's checkpoint, the map has every variable with load_all_detection_checkpoint_vars,
  and those of the feature extractor without, under their own names.
* Of a classifier's, it has those of the feature extractor, whatever load_all is, under their names
  without its scope.  The NASNets' classifiers hold only moving averages, and Inception ResNet v2's
  second stage is its third block of repeated layers (`Repeat_2`).  Where two variables would get
  one name (block 4 of a ResNet is in both stages) the later one gets it.

model_main makes its map before quantization adds its variables, and so never asks for those.

Read in the stock code of each period (graphfix.restore.trainers) and checked against that of three
revisions (tests/stock/test_restore_prediction.py).
"""

import functools
from typing import Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, Tuple

from graphfix.detectors import families
from graphfix.detectors.extractors.layers import Variable
from graphfix.detectors.extractors.loader import described_extractors, find_extractor
from graphfix.detectors.quantization import is_quantization
from graphfix.restore import trainers

DETECTION, CLASSIFICATION = "detection", "classification"


@functools.lru_cache(maxsize=None)
def _every_scope() -> Tuple[str, ...]:
    """The scopes of all feature extractors, Keras's second names included."""
    scopes = {scope for extractor in described_extractors() for scope in extractor.scopes}
    return tuple(sorted(scopes | {families.second_name(scope) for scope in scopes}))


class ModelVariables(NamedTuple):
    """A model's variables, in the order of their creation, and what decides about restoring them.

    `meta` is the meta-architecture, `extractor` the feature extractor's type and `scopes` its
    scopes; `attends` whether the model attends to features of other images; `converted` {variable:
    its name in a classifier}, where the API has a list of them; `idle` the names of variables that
    get no gradients, since neither an output nor a regularizer depends on them.
    """

    variables: Tuple[Variable, ...]
    meta: str
    extractor: str
    scopes: Tuple[str, ...]
    attends: bool = False
    converted: Mapping[str, str] = {}
    idle: FrozenSet[str] = frozenset()

    def second(self) -> "ModelVariables":
        """The same model, built as the second one in a graph."""
        return self._replace(
            variables=tuple(
                one._replace(name=families.second_name(one.name)) for one in self.variables
            ),
            scopes=tuple(families.second_name(scope) for scope in self.scopes),
            idle=frozenset(families.second_name(name) for name in self.idle),
        )


def is_extractor_variable(name: str) -> bool:
    """Whether a detector's variable is of its feature extractor, whichever that is."""
    return name.startswith(_every_scope())


def requested(model: ModelVariables, kind: str, what: str, trainer: str) -> Dict[str, str]:
    """{variable: its name in the checkpoint} of what a trainer asks for.

    `kind` is DETECTION or CLASSIFICATION: what the checkpoint is read as.  `what` is how much of a
    detector's checkpoint the trainer restores with this config: EVERYTHING, BACKBONE or NOTHING of
    `trainers`.
    """
    names = [variable.name for variable in model.variables]
    if what == trainers.NOTHING:
        return {}
    if kind == DETECTION:
        return {name: name for name in _of_detector(names, model.scopes, what, trainer)}
    if model.converted:
        return {name: model.converted[name] for name in names if name in model.converted}
    taken: Dict[str, str] = {}
    for name in names:
        for scope in model.scopes:
            if name.startswith(scope):
                taken[_classifier_name(name, scope, model.extractor)] = name
    return {name: source for source, name in taken.items()}


def count_restored(names: Iterable[str], what: str, trainer: str) -> int:
    """How many of a detector's variables a trainer restores from a checkpoint that has them all,
    in their shapes; `what` as in `requested`.  The model itself need not be known."""
    return len(_of_detector(names, _every_scope(), what, trainer))


def _of_detector(
    names: Iterable[str], scopes: Tuple[str, ...], what: str, trainer: str
) -> List[str]:
    """Those of a detector's variables that a trainer asks a detector's checkpoint for."""
    if what == trainers.NOTHING:
        return []
    return [
        name
        for name in names
        if (what == trainers.EVERYTHING or name.startswith(scopes))
        and (trainer != trainers.MODEL_MAIN or not is_quantization(name))
    ]


def _classifier_name(name: str, scope: str, extractor: str) -> str:
    known = find_extractor(extractor)
    own, other = (known.classifier_name if known is not None else None) or (scope, "")
    name = other + name[len(own) :] if name.startswith(own) else name[len(scope) :]
    averaged = known is not None and known.classifier_averages
    return name + families.MOVING_AVERAGE if averaged else name
