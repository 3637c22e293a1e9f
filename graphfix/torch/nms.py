"""torchvision's operator of non-maximum suppression, where it is installed and rounds as PyTorch.

It knows one list of boxes and one threshold.  What else suppression has (classes, limits, ties) is
graphfix.torch.suppression's.
"""

import functools
import warnings
from typing import Callable, Optional

import torch
from torch import Tensor

from graphfix.torch.boxes import overlaps

# Indices that are kept of boxes [N, 4], scores [N] and the greatest overlap.
Operator = Callable[[Tensor, Tensor, float], Tensor]

_PAIRS = 64


def operator_for(boxes: Tensor) -> Optional[Operator]:
    """torchvision's operator, if it gives for `boxes` what plain PyTorch does, bit for bit.

    Not while a program is traced: it would ask for torchvision wherever it runs.  And not on a GPU,
    whose kernels round otherwise.
    """
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if traced or boxes.device.type != "cpu" or boxes.dtype != torch.float32:
        return None
    return _installed()


@functools.lru_cache(maxsize=None)
def _installed() -> Optional[Operator]:
    """torchvision is looked for when something is to be suppressed, for importing it takes a
    second; where it is installed and does not work, a warning says so, once."""
    try:
        from torchvision import ops

        return ops.nms if _rounds_alike(ops.nms) else None
    except Exception as error:  # whatever a build says that was made for another PyTorch
        if isinstance(error, ModuleNotFoundError) and error.name == "torchvision":
            return None
        warnings.warn(
            f"torchvision is installed and does not work ({type(error).__name__}: {error}): boxes "
            "are suppressed without it, which changes no result; install the torchvision that "
            f"belongs to torch {torch.__version__}, or none",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def _rounds_alike(nms: Operator) -> bool:
    """Whether it compares what boxes.overlaps gives, to the last bit: some compilers make one
    rounding of a product and a sum, as for ARM."""
    # Whatever is the default elsewhere.
    random = torch.Generator("cpu").manual_seed(0)
    shape, kind = (2, 2 * _PAIRS, 2), torch.float32
    low, sides = torch.rand(shape, generator=random, dtype=kind, device="cpu")
    for pair in torch.cat([low * 0.5, low * 0.5 + sides], dim=1).reshape(_PAIRS, 2, 4):
        overlap = overlaps(pair[:1], pair[1:])[0, 0]
        below = torch.nextafter(overlap, torch.zeros_like(overlap))
        if len(kept_of(nms, pair, float(overlap))) != 2:
            return False
        if overlap > 0 and len(kept_of(nms, pair, float(below))) != 1:
            return False
    return True


def kept_of(nms: Operator, ranked: Tensor, overlap: float) -> Tensor:
    """The places that are kept of boxes [N, 4], the best first.

    The scores are ranks, for an order of equal scores is not promised.  The operator compares in
    float64, PyTorch in the boxes' type: so the threshold is rounded to it.
    """
    ranks = torch.arange(len(ranked), 0, -1, dtype=ranked.dtype, device=ranked.device)
    return nms(ranked, ranks, float(ranked.new_tensor(overlap)))
