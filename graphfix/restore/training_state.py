"""The complete training checkpoint a stock trainer resumes from when it finds it in its model_dir.

A checkpoint there takes precedence over `fine_tune_checkpoint`, whatever the trainer does with the
latter, but is restored strictly: every variable of the training graph must be in it.  So besides
the model's variables and global_step it has what the config's optimizer keeps: its slots at the
values TensorFlow 1.15 initialises them to (RMSProp's mean square 1, all others 0), Adam's powers
of beta, and the moving averages.
"""

from typing import NamedTuple, Tuple

import numpy as np

from graphfix.detectors import families
from graphfix.detectors.auxiliary_variables import trainable
from graphfix.errors import SourceError
from graphfix.formats import dtypes
from graphfix.formats.tensors import TensorMeta, TensorStore, TensorView


class OptimizerRow(NamedTuple):
    """An optimizer's slots, as suffix and initial value, and its scalars."""

    slots: Tuple[Tuple[str, float], ...]
    scalars: Tuple[Tuple[str, float], ...] = ()


OPTIMIZERS = {
    "rms_prop_optimizer": OptimizerRow((("/RMSProp", 1.0), ("/RMSProp_1", 0.0))),
    "momentum_optimizer": OptimizerRow((("/Momentum", 0.0),)),
    "adam_optimizer": OptimizerRow(
        (("/Adam", 0.0), ("/Adam_1", 0.0)), (("beta1_power", 0.9), ("beta2_power", 0.999))
    ),
}


def complete(store: TensorStore, message, subject: str) -> TensorStore:
    """The converted tensors with everything the config's optimizer keeps.

    Raises:
      SourceError: naming `subject`, the config, for an optimizer graphfix does not know.
    """
    optimizer = message.train_config.optimizer
    kind = optimizer.WhichOneof("optimizer")
    if kind not in OPTIMIZERS:
        raise SourceError(
            subject,
            f"has the optimizer {kind or '(none)'}, whose state graphfix does not know",
            "use one of " + ", ".join(sorted(OPTIMIZERS)),
        )
    row = OPTIMIZERS[kind]
    views = {
        name: view for name, view in store.items() if not name.endswith(families.MOVING_AVERAGE)
    }
    for name, view in list(views.items()):
        if not trainable(view.meta):
            continue
        for suffix, value in row.slots:
            views[name + suffix] = _full(name + suffix, view.meta.shape, value)
        if optimizer.use_moving_average:
            copy = name + families.MOVING_AVERAGE
            views[copy] = TensorView(
                TensorMeta(copy, view.meta.dtype, view.meta.shape), view.load, view.extent
            )
    for name, value in row.scalars:
        views[name] = _full(name, (), value)
    return TensorStore(views.values())


def _full(name: str, shape, value: float) -> TensorView:
    meta = TensorMeta(name, dtypes.FLOAT32, shape)
    return TensorView(meta, lambda: np.full(shape, value, np.float32))
