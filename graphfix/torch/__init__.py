"""The same detector in PyTorch: exact, and trainable.

    detector = graphfix.torch.load("exported")        # a torch.nn.Module
    detections = detector.eval()(images)              # as torchvision's detectors give them
    losses = detector.train()(images, targets)
    graphfix.torch.save_tf1(detector, "back")         # a TensorFlow 1 checkpoint again

`graphfix export torch` writes what `load` reads: model.safetensors and config.json.  This package
alone imports torch (the extra [torch]), and of its modules not `names`, `layout`, `refusals` and
`files`, with which a detector is written.
"""

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from graphfix.errors import RequestError

if TYPE_CHECKING:
    from graphfix.torch.loading import load, save_tf1

__all__ = ["load", "save_tf1"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if importlib.util.find_spec("torch") is None:
        raise RequestError(
            f"graphfix.torch.{name}",
            f"needs PyTorch, which {sys.executable} does not have",
            "pip install '.[torch]' in the clone of graphfix, or pip install torch; CPython 3.9 or "
            "newer",
        )
    return getattr(importlib.import_module("graphfix.torch.loading"), name)
