"""What the config reads fine_tune_checkpoint as, and how the checkpoint fits the config's model.

Checks and the prediction share these answers.
"""

from typing import Dict, List, NamedTuple, Optional, Set, Tuple, Union

from graphfix.detectors.extractors.loader import Extractor, find_extractor
from graphfix.detectors.model_spec import HeadSpec
from graphfix.doctor.setup import Setup
from graphfix.formats.tensors import TensorMeta
from graphfix.restore import trainers
from graphfix.restore.requested import CLASSIFICATION, DETECTION

KINDS = (DETECTION, CLASSIFICATION)


def kind(setup: Setup) -> str:
    """What the trainer reads the checkpoint as: one of KINDS, or a word that it refuses."""
    train = setup.train
    known = setup.options.schema.field("TrainConfig", "fine_tune_checkpoint_type")
    if known and train.fine_tune_checkpoint_type:
        return train.fine_tune_checkpoint_type
    return DETECTION if train.from_detection_checkpoint else CLASSIFICATION


def extractor_of(setup: Setup) -> Optional[Extractor]:
    """The config's feature extractor, None for one whose variables graphfix does not know."""
    if not setup.meta or not hasattr(setup.body, "feature_extractor"):
        return None
    found = find_extractor(setup.body.feature_extractor.type)
    return found if found is not None and found.is_described else None


def is_of_model(setup: Setup) -> bool:
    """Whether the checkpoint has the config's feature extractor, so that heads can be compared."""
    extractor = extractor_of(setup)
    names = setup.metas(setup.train.fine_tune_checkpoint)
    return extractor is not None and extractor.first.name in names


def is_classifier(setup: Setup) -> bool:
    """Whether the checkpoint's variables have a classifier's names for the config's extractor."""
    names = setup.metas(setup.train.fine_tune_checkpoint)
    extractor = extractor_of(setup)
    return (
        bool(names)
        and extractor is not None
        and not any(name.startswith(extractor.scopes) for name in names)
        and any(name.startswith(extractor.network + "/") for name in names)
    )


def restores(setup: Setup) -> str:
    """The most that all trainers in question restore with this config, those aside that restore
    nothing: trainers.EVERYTHING, BACKBONE or NOTHING."""
    if not setup.train.fine_tune_checkpoint:
        return trainers.NOTHING
    found = {
        what
        for name in setup.options.trainers
        for _, what in trainers.restored(setup.options.revision, name)
    } - {trainers.NOTHING}
    if not found:
        return trainers.NOTHING
    every = setup.train.load_all_detection_checkpoint_vars and kind(setup) == DETECTION
    return trainers.EVERYTHING if every and found == {trainers.EVERYTHING} else trainers.BACKBONE


def restores_statistics(setup: Setup) -> bool:
    """Whether the feature extractor's BatchNorm starts from a checkpoint's averages."""
    if restores(setup) == trainers.NOTHING:
        return False
    return (is_of_model(setup) and kind(setup) == DETECTION) or (
        is_classifier(setup) and kind(setup) == CLASSIFICATION
    )


class Fit(NamedTuple):
    """How heads fit a checkpoint.

    `fitting` heads have its shapes; `other_classes` differ only in the number of classes, which is
    one of `counts` in the checkpoint; `broken` are missing or have other shapes: (head, how).
    """

    fitting: Tuple[HeadSpec, ...]
    other_classes: Tuple[HeadSpec, ...]
    counts: Tuple[int, ...]
    broken: Tuple[Tuple[HeadSpec, str], ...]


def fit(setup: Setup, prefix: str) -> Fit:
    """Compares the config's heads with a checkpoint's tensors."""
    metas = setup.metas(prefix)
    fitting: List[HeadSpec] = []
    others: List[HeadSpec] = []
    counts: Set[int] = set()
    broken: List[Tuple[HeadSpec, str]] = []
    for head in setup.heads(prefix):
        found: Dict[str, Union[str, int]] = {
            name: _fits(head, metas.get(name)) for name in head.tensors
        }
        classes = {one for one in found.values() if isinstance(one, int)}
        if all(one == "" for one in found.values()):
            fitting.append(head)
        elif len(classes) == 1 and all(isinstance(one, int) for one in found.values()):
            others.append(head)
            counts |= classes
        else:
            name = next(
                (name for name, one in found.items() if isinstance(one, str) and one),
                head.tensors[0],
            )
            broken.append((head, f"{name} {found[name]}"))
    return Fit(tuple(fitting), tuple(others), tuple(sorted(counts)), tuple(broken))


def _fits(head: HeadSpec, meta: Optional[TensorMeta]) -> Union[str, int]:
    """How a tensor differs: "" where it fits, its number of classes where only that differs."""
    if meta is None:
        return "is not in it"
    if meta.shape and meta.shape[-1] == head.layout.channels:
        return ""
    axis = head.class_axis
    if axis is not None and meta.shape:
        per_class = head.layout.channels // head.layout.size(axis)
        if meta.shape[-1] % per_class == 0 and meta.shape[-1] > per_class:
            return meta.shape[-1] // per_class - (1 if head.background else 0)
    return (
        f"has {meta.shape[-1] if meta.shape else 0} channels, but the config needs "
        f"{head.layout.channels} ({head.axes})"
    )
