"""One pass over a checkpoint's values: damage, NaN and infinity, kernels of zeros."""

from typing import List, Mapping, NamedTuple, Optional

import numpy as np

from graphfix.detectors import families
from graphfix.errors import SourceError
from graphfix.formats.tensors import TensorView


class Values(NamedTuple):
    """The first damage, and the names of tensors with NaN or infinity, and of kernels of zeros."""

    damage: Optional[SourceError]
    not_finite: List[str]
    zeros: List[str]


def look_at_values(store: Mapping[str, TensorView]) -> Values:
    """Reads every tensor of numbers, one at a time."""
    damage = None
    not_finite: list = []
    zeros: list = []
    for name, view in store.items():
        if view.meta.dtype.numpy is None or not view.meta.size:
            continue
        try:
            value = view.load()
        except SourceError as error:
            damage = damage or error
            continue
        if not view.meta.dtype.is_floating:
            continue
        # A finite sum has finite terms; where it is not, it may have overflowed.
        if not np.isfinite(np.sum(value, dtype=float)) and not np.isfinite(value).all():
            not_finite.append(name)
        if value.ndim == 4 and not name.endswith(families.SLOT_SUFFIXES) and not value.any():
            zeros.append(name)
    return Values(damage, not_finite, zeros)
