"""Whether a graph beside a checkpoint has the weights that a plan takes from the checkpoint.

A graph that was exported earlier or later has others; one exported from the moving averages has
them where the checkpoint has the trained values.  Rewritten, it would be another model than the
converted checkpoint.  A checkpoint's index has the checksums of its tensors, so constants are
compared without reading the checkpoint's data.
"""

from typing import Any, Iterable, List, Tuple

import numpy as np

from graphfix.detectors.families import MOVING_AVERAGE
from graphfix.errors import SourceError
from graphfix.formats.graphdef import constants
from graphfix.formats.tensors import TensorStore, TensorView
from graphfix.planning.edits import Edit

_EXPORT = "export the converted checkpoint with the stock exporter"


def check_weights(
    graph_def: Any, store: TensorStore, edits: Iterable[Edit], *, subject: str
) -> None:
    """Holds a graph's constants against the tensors that edits take in their place.

    Raises:
      SourceError: naming `subject`, where some differ: how many, and by how much.
    """
    taken = {edit.output_name: edit.tensor for edit in edits if edit.reads}
    pairs = [
        (node, store[taken[node.name]])
        for node in graph_def.node
        if node.op == "Const" and node.name in taken
    ]
    differing = [pair for pair in pairs if not constants.is_tensor(*pair)]
    if not differing:
        return
    count = f"{len(differing)} of its {len(pairs)} weights"
    others = [_other(view.meta.name) for _, view in differing]
    if all(
        name in store and constants.is_tensor(node, store[name])
        for (node, _), name in zip(differing, others)
    ):
        averaged = others[0].endswith(MOVING_AVERAGE)
        raise SourceError(
            subject,
            "is not rewritten: %s are the checkpoint's %s, and the output takes the %s"
            % ((count,) + ("moving averages", "trained values")[:: 1 if averaged else -1]),
            f"pass --weights {'ema' if averaged else 'raw'}, or {_EXPORT}",
        )
    raise SourceError(
        subject,
        f"is not rewritten: it is not of the checkpoint beside it: {count} "
        f"differ{_distance(differing)}",
        _EXPORT,
    )


def _other(name: str) -> str:
    """The moving average of a trained value, and the other way round."""
    return name[: -len(MOVING_AVERAGE)] if name.endswith(MOVING_AVERAGE) else name + MOVING_AVERAGE


def _distance(pairs: List[Tuple[Any, TensorView]]) -> str:
    """By how much constants differ from tensors at most, in words, where that is a number."""
    most = 0.0
    for node, view in pairs:
        try:
            value = constants.value_of(node)
        except ValueError:
            continue
        if (
            value.shape == view.meta.shape
            and value.dtype.kind == "f"
            and value.size
            and view.meta.dtype.is_floating
            and view.meta.dtype.numpy
        ):
            with np.errstate(invalid="ignore", over="ignore"):
                most = max(
                    most,
                    float(
                        np.nanmax(
                            np.append(
                                np.abs(value.astype(float) - view.load().astype(float)).reshape(-1),
                                0.0,
                            )
                        )
                    ),
                )
    return f", by up to {most:.3g}" if most else ""
