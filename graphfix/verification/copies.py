"""What only the run that writes a checkpoint can ask: whether every tensor's bytes are its
source's, or what the plan makes of them.
"""

from typing import Any, Iterator, Mapping, Optional, Sequence

import numpy as np

from graphfix.errors import Problem, VerificationError
from graphfix.formats.checkpoint import stored_bytes
from graphfix.formats.tensors import TensorStore, TensorView
from graphfix.modeldir.measuring import Measured, Tensor
from graphfix.planning.edits import Edit, Gather

FAULT = "this is a fault of graphfix: nothing was published; please report it"


def check_copies(
    prefix: str,
    expected: TensorStore,
    measured: Measured,
    *,
    source: Optional[TensorStore] = None,
    edits: Sequence[Edit] = (),
) -> None:
    """Compares a checkpoint that was just written (`prefix`, in the directory that is `measured`)
    with what should have been written, and that with the source.

    Raises:
      SourceError: a copied tensor is damaged in the source itself.
      VerificationError: the checkpoint is not what was meant.
    """
    written: Mapping[str, TensorView] = measured.stores.get(prefix) or {}
    rows = measured.checkpoints.get(prefix, {})
    problems = list(measured.problems)
    for name in sorted(set(rows) ^ set(expected)):
        if name in expected and expected[name].extent:
            # Whose fault is it?  If the source's bytes are wrong too, this says so and leaves.
            stored_bytes.check(expected[name])
        problems.append(
            Problem(prefix, f"was written with other tensors than planned: {name}", FAULT)
        )
    for name in sorted(set(rows) & set(expected)):
        problems += _compare(rows[name], expected[name], written[name])
    for edit in edits:
        if source is not None and isinstance(edit, Gather) and edit.to in rows:
            problems += _check_gather(edit, written[edit.to].load(), source[edit.tensor].load())
    if problems:
        raise VerificationError.collected(
            Problem(one.subject, one.message, FAULT) for one in problems
        )


def _compare(row: Tensor, expected: Any, written: Any) -> Iterator[Problem]:
    name = expected.meta.name
    if (row.dtype, row.shape) != (expected.meta.dtype.name, expected.meta.shape):
        yield Problem(
            name,
            f"was written as {row.dtype} {list(row.shape)} instead of {expected.meta.dtype} "
            f"{list(expected.meta.shape)}",
            FAULT,
        )
    elif expected.extent and written.extent.crc32c != expected.extent.crc32c:
        yield Problem(name, "does not have its source's checksum", FAULT)


def _check_gather(edit: Gather, written: np.ndarray, source: np.ndarray) -> Iterator[Problem]:
    for channel, origin in enumerate(edit.index):
        if origin < 0:
            continue
        wanted = source[..., origin]
        if edit.affine and edit.affine[channel] != (1.0, 0.0):
            scale, shift = edit.affine[channel]
            wanted = (wanted.astype(np.float64) * scale + shift).astype(source.dtype)
        if written[..., channel].tobytes() != wanted.tobytes():
            yield Problem(
                edit.to,
                f"channel {channel} is not channel {origin} of the source's {edit.tensor}",
                FAULT,
            )
    if not np.isfinite(written).all() and np.isfinite(source).all():
        yield Problem(edit.to, "holds values that are not finite", FAULT)
