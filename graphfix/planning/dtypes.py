"""Variables in types that no trainer restores: the stock API builds all of a model's in float32,
and both trainers stop at another type ("expected dtype float does not equal original dtype").
"""

from typing import Mapping, Sequence, Tuple

from graphfix.detectors import quantization
from graphfix.detectors.describe import ModelSpec
from graphfix.detectors.families import GLOBAL_STEP
from graphfix.detectors.membership import strangers
from graphfix.errors import SourceError
from graphfix.findings import INFO, Finding
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorMeta

_MOST_NAMES = 5


def check_types(
    model: ModelSpec, metas: Mapping[str, TensorMeta], *, subject: str
) -> Tuple[Finding, ...]:
    """Whether the trainers can restore these tensors, each under the name that it goes out by; a
    finding where some are not the model's.

    They are not cast: that float64 holds float32's values only somebody who knows can say.

    Raises:
      SourceError: naming `subject` and the tensors.
    """
    others = strangers(model, metas)
    odd = [
        name
        for name, meta in metas.items()
        if meta.dtype != dtypes.FLOAT32
        and name not in (GLOBAL_STEP, quantization.STEP)
        and name not in others
    ]
    if odd:
        raise SourceError(
            subject,
            "has variables of other types than float32, at which both trainers stop: "
            + _some([f"{name} ({metas[name].dtype})" for name in odd]),
            "save it again with these cast to float32 (tf.cast)",
        )
    if not others:
        return ()
    return (
        Finding(
            "NOT_OF_THE_MODEL",
            INFO,
            subject,
            "has tensors that the model does not have, which no trainer restores: " + _some(others),
            "there is nothing to do",
        ),
    )


def _some(words: Sequence[str]) -> str:
    more = len(words) - _MOST_NAMES
    return ", ".join(words[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
