"""The variables that training adds to a model's own, recognised by their names."""

import dataclasses
from typing import Iterable, Optional, Sequence, Tuple

from graphfix.detectors import families
from graphfix.detectors.quantization import is_quantization
from graphfix.formats.tensors import TensorMeta


@dataclasses.dataclass(frozen=True)
class AuxiliaryVariables:
    """Names of what training adds: moving averages, the optimizer's and quantization's
    variables."""

    moving_averages: Tuple[str, ...]
    optimizer: Tuple[str, ...]
    quantization: Tuple[str, ...]


def find_auxiliary_variables(names: Iterable[str]) -> AuxiliaryVariables:
    """Sorts names by the model variable they belong to."""
    names = set(names)
    averages, optimizer, quantization = [], [], []
    for name in sorted(names):
        if name in families.OPTIMIZER_SCALARS:
            optimizer.append(name)
        elif _parent(name, (families.MOVING_AVERAGE,)) in names:
            averages.append(name)
        elif _parent(name, families.SLOT_SUFFIXES) in names:
            optimizer.append(name)
        elif is_quantization(name):
            quantization.append(name)
    return AuxiliaryVariables(tuple(averages), tuple(optimizer), tuple(quantization))


def _parent(name: str, suffixes: Sequence[str]) -> Optional[str]:
    for suffix in suffixes:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return None


def trainable(meta: TensorMeta) -> bool:
    """Whether an optimizer trains this model variable."""
    return (
        meta.dtype.is_floating
        and not is_quantization(meta.name)
        and meta.name.rsplit("/", 1)[-1] not in families.UNTRAINED_LEAVES
    )
