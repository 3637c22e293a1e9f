"""Holds what was written against the plan, by reading it back.  No TensorFlow.

Checked: names, types and shapes are the plan's; every tensor's bytes match their checksum, and a
copied tensor's checksum is its source's, so its bytes are the source's; gathered channels equal
their source; the output describes as the requested model.
"""

from typing import List, Optional, Sequence

import numpy as np

from graphfix.bundle import reader
from graphfix.config.pipeline import parse_config
from graphfix.errors import Problem, SourceError, VerificationError
from graphfix.model.describe import describe
from graphfix.source import read_file
from graphfix.surgery.edits import Edit, Gather
from graphfix.surgery.plan import SurgeryPlan
from graphfix.tensors import TensorStore

_REMEDY = "this is a fault of graphfix: nothing was published; please report it"


def verify_bundle(prefix: str, expected: TensorStore, source: Optional[TensorStore] = None,
                  edits: Sequence[Edit] = ()) -> TensorStore:
    """Reopens the checkpoint `prefix` and compares it with what should have been written.

    Raises:
      SourceError: a copied tensor is damaged in the source itself.
      VerificationError: the checkpoint is not what was meant.
    """
    try:
        written = reader.open_bundle(prefix)
    except SourceError as error:
        raise VerificationError.collected(error.problems) from None
    problems = []  # type: List[Problem]
    if list(written) != list(expected):
        odd = sorted(set(written) ^ set(expected))
        problems.append(Problem(prefix, "holds other tensors than planned: %s"
                                % ", ".join(odd[:5]), _REMEDY))
    for name in sorted(set(written) & set(expected)):
        problems += _compare(written[name], expected[name])
    for edit in edits:
        if isinstance(edit, Gather) and edit.to in written:
            problems += _check_gather(edit, written[edit.to].load(), source[edit.tensor].load())
    if problems:
        raise VerificationError.collected(problems)
    return written


def _compare(written, expected):
    name = expected.meta.name
    if written.meta != expected.meta:
        yield Problem(name, "was written as %s %s instead of %s %s" % (
            written.meta.dtype, list(written.meta.shape), expected.meta.dtype,
            list(expected.meta.shape)), _REMEDY)
        return
    try:
        reader.check(written)
    except SourceError:
        if expected.extent:
            # Whose fault is it?  If the source's bytes are wrong too, this says so and leaves.
            reader.check(expected)
        yield Problem(name, "was not written as it was read", _REMEDY)
        return
    if expected.extent and written.extent.crc32c != expected.extent.crc32c:
        yield Problem(name, "does not have its source's checksum", _REMEDY)


def _check_gather(edit: Gather, written: np.ndarray, source: np.ndarray):
    for channel, origin in enumerate(edit.index):
        if origin < 0:
            continue
        wanted = source[..., origin]
        if edit.affine and edit.affine[channel] != (1.0, 0.0):
            scale, shift = edit.affine[channel]
            wanted = (wanted.astype(np.float64) * scale + shift).astype(source.dtype)
        if written[..., channel].tobytes() != wanted.tobytes():
            yield Problem(edit.to, "channel %d is not channel %d of the source's %s"
                          % (channel, origin, edit.tensor), _REMEDY)
    if not np.isfinite(written).all() and np.isfinite(source).all():
        yield Problem(edit.to, "holds values that are not finite", _REMEDY)


def verify_description(directory: str, prefix: str, written: TensorStore, plan: SurgeryPlan
                       ) -> None:
    """Checks that the emitted config and checkpoint describe as the requested model.

    `written` is the checkpoint `prefix`, opened.

    Raises:
      VerificationError: they do not.
    """
    path = directory + "/pipeline.config"
    try:
        config = parse_config(read_file(path), path)
        metas = {name: view.meta for name, view in written.items()}
        model = describe(config.message, metas, config=path, checkpoint=prefix)
    except SourceError as error:
        raise VerificationError.collected(error.problems) from None
    if model.classes != len(plan.classes):
        raise VerificationError(path, "describes %d classes instead of %d"
                                % (model.classes, len(plan.classes)), _REMEDY)
