"""How large the maps of a network are, and kernels for those of a single row or column.

OpenCV 4.14 and 5.0 compute a depthwise convolution with a kernel of 3 x 3 and padding wrong where
its input has one row or one column: values of memory beyond it come in.  Of such a kernel the
middle row or column is all that meets the map, and OpenCV computes that right.
"""

from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

Size = Tuple[int, int]
_DEPTHWISE = "DepthwiseConv2dNative"


class MapSizes:
    """(height, width) of what nodes give, as far as it is known from the image's size."""

    def __init__(self, image: str, size: Optional[Size]):
        self._sizes: Dict[str, Size] = {image: size} if size else {}

    def add(self, node: Any, inputs: Sequence[str], kernel: Optional[Size]) -> None:
        """Notes the size of a node's output; `kernel` is that of a convolution's weights."""
        size = self._input(inputs)
        if size is None or node.op in ("MatMul", "Mean", "Pad"):
            return
        if "ksize" in node.attr:
            kernel = tuple(node.attr["ksize"].list.i)[1:3]
        if "strides" in node.attr:
            if kernel is None:
                return
            strides = tuple(node.attr["strides"].list.i)[1:3] or (1, 1)
            same = node.attr["padding"].s == b"SAME"
            rates = tuple(node.attr["dilations"].list.i)[1:3] or (1, 1)
            lost = [0 if same else (side - 1) * rate for side, rate in zip(kernel, rates)]
            height, width = (
                -(-(side - less) // stride) for side, less, stride in zip(size, lost, strides)
            )
            size = height, width
        self._sizes[node.name] = size

    def trimmed(
        self, node: Any, inputs: Sequence[str], weights: Optional[np.ndarray]
    ) -> Optional[np.ndarray]:
        """The kernel that computes the same on a map of a single row or column; None where that is
        the kernel itself."""
        size = self._input(inputs)
        if node.op != _DEPTHWISE or size is None or weights is None or 1 not in size:
            return None
        if node.attr["padding"].s != b"SAME":
            return None
        for axis in (0, 1):
            if size[axis] == 1:
                middle = (weights.shape[axis] - 1) // 2
                weights = weights.take([middle], axis=axis)
        return np.ascontiguousarray(weights)

    def _input(self, inputs: Sequence[str]) -> Optional[Size]:
        return next((self._sizes[one] for one in inputs if one in self._sizes), None)
