"""Variables that a model has but its frozen graph does not: layers that nothing reads.

An SSD with fewer feature maps than its network could have still builds the entire network, and the
exporter leaves out what no output depends on.  Which variables these are follows from the config
(variables.py).
"""

from typing import Iterable, Iterator, Tuple

import numpy as np

from graphfix.detectors import families
from graphfix.detectors.extractors.layers import Variable
from graphfix.detectors.extractors.loader import find_extractor
from graphfix.detectors.initializer import Initializer, draw
from graphfix.detectors.layer_variables import Unknown
from graphfix.detectors.quantization import is_quantization
from graphfix.detectors.variables import model_variables
from graphfix.findings import INFO, Finding
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorStore, TensorView, constant

# Variables have the same names in all later revisions that build a model at all.
_REVISION = "2019-07"
# Nothing depends on these values, but kernels of zeros would pass for a damaged checkpoint.
_NOISE = Initializer("truncated_normal", 0.0, 0.03)


def add_unread(
    message, store: TensorStore, subject: str
) -> Tuple[TensorStore, Tuple[Finding, ...]]:
    """The thawed variables, and those of unread layers with the values that training starts with.

    `message` is the TrainEvalPipelineConfig, `subject` the graph's name.  Nothing is added if the
    config's variables are not known for certain, or lack some that were thawed.
    """
    kind = getattr(message.model, message.model.WhichOneof("model")).feature_extractor.type
    extractor = find_extractor(kind)
    since = extractor.since if extractor is not None else _REVISION
    try:
        expected = model_variables(message, revision=max(since, _REVISION), config=subject)
    except Unknown:
        return store, ()
    shapes = dict(expected)
    own = {
        name: view.meta.shape
        for name, view in store.items()
        if name != families.GLOBAL_STEP and not is_quantization(name)
    }
    missing = [one for one in expected if one.name not in store]
    if not missing or any(shapes.get(name) != shape for name, shape in own.items()):
        return store, ()
    return TensorStore(list(store.values()) + list(_views(missing))), (
        Finding(
            "UNREAD_VARIABLES",
            INFO,
            subject,
            (
                f"has no values for {len(missing)} variables that the model has but "
                f"never reads (the first is {missing[0].name}); they start as in training, at "
                "random"
            ),
            "there is nothing to do",
        ),
    )


def _views(variables: Iterable[Variable]) -> Iterator[TensorView]:
    for one in variables:
        # LEAVES has neither depthwise kernels nor a NASNet's named variables.
        effect, initial = families.LEAVES.get(one.name.rpartition("/")[2], (families.KERNEL, 0.0))
        yield constant(
            one.name,
            dtypes.FLOAT32,
            np.full(one.shape, initial)
            if effect != families.KERNEL
            else draw(_NOISE, "graphfix/unread/" + one.name, one.shape),
        )
