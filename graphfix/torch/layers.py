"""Convolution, pooling and normalization as TensorFlow 1 computes them.

SAME padding puts what is odd below and at the right, and depends on the size of the input; average
pooling leaves the padding out of its count.
"""

from typing import Any, Iterator, List, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphfix.errors import RequestError
from graphfix.torch.layout import NONE, RELU, RELU_6, LayerSpec, Normalization
from graphfix.torch.names import torch_shape

SAME, EXPLICIT = "SAME", "EXPLICIT"
# `activation` of a call that leaves a layer's own as it is.
OWN = "OWN"

_ACTIVATIONS = {NONE: lambda x: x, RELU: functional.relu, RELU_6: functional.relu6}


def same_padding(size: int, window: int, stride: int) -> Tuple[int, int]:
    """How many cells are added before and behind `size` cells."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def padded(x: Tensor, window: int, stride: int, padding: str, value: float = 0.0) -> Tensor:
    """An image with its padding: SAME, or EXPLICIT, which does not depend on the image's size."""
    if padding == EXPLICIT:
        total = window - 1
        rows = columns = (total // 2, total - total // 2)
    else:
        rows, columns = (same_padding(x.shape[axis], window, stride) for axis in (2, 3))
    if any(rows + columns):
        x = functional.pad(x, (*columns, *rows), value=value)
    return x


def max_pool(x: Tensor, window: int, stride: int) -> Tensor:
    return functional.max_pool2d(
        padded(x, window, stride, SAME, value=float("-inf")), window, stride
    )


def average_pool(x: Tensor, window: int) -> Tensor:
    """Of an odd window and a stride of 1."""
    return functional.avg_pool2d(x, window, 1, window // 2, count_include_pad=False)


def subsampled(x: Tensor, stride: int) -> Tensor:
    return x[:, :, ::stride, ::stride] if stride > 1 else x


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm with or without scale and offset, as the config has it.

    Where the config does not train it, it uses its moving statistics in training, too.
    """

    def __init__(self, width: int, settings: Normalization, scale: bool, center: bool):
        super().__init__(width, eps=settings.epsilon, momentum=1 - settings.decay)
        self.trains = settings.trains
        self.register_buffer("num_batches_tracked", None)
        if not scale:
            self.register_parameter("weight", None)
        if not center:
            self.register_parameter("bias", None)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        for parameter, value in ((self.weight, 1.0), (self.bias, 0.0)):
            if parameter is not None:
                nn.init.constant_(parameter, value)

    def reset_running_stats(self) -> None:
        self.running_mean.zero_()
        self.running_var.fill_(1)

    def _load_from_state_dict(self, *arguments: Any) -> None:
        # torch's own would add the number of batches, which TensorFlow does not count.
        nn.Module._load_from_state_dict(self, *arguments)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            raise RequestError(
                "images",
                "are one, and a feature map of this detector has one location: BatchNorm has no "
                "variance to normalize by",
                "train with two images or more in a batch",
            )
        return super().forward(x)

    def train(self, mode: bool = True) -> "BatchNorm":
        return super().train(mode and self.trains)


class Scope(nn.Module):
    """A variable scope: layers and other scopes by name; `scope["a/b"]` is what it has at a/b."""

    def __getitem__(self, path: str) -> Any:
        found: Any = self
        for part in path.split("/"):
            if part not in found._modules:
                raise KeyError(path)
            found = found._modules[part]
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def matching(self, prefix: str) -> List[str]:
        """The names that begin so, in the order in which the model has them."""
        return [name for name in self if name.startswith(prefix)]


class Layer(nn.Module):
    """A convolution, depthwise or not, or a separable one, with what follows it."""

    def __init__(self, spec: LayerSpec):
        super().__init__()
        self.scope, self.activation = spec.scope, spec.activation
        width = 0
        for leaf in ("weights", "depthwise_weights", "pointwise_weights"):
            shape = spec.kernel(leaf)
            name = leaf.replace("weights", "weight")
            if shape is None:
                self.register_parameter(name, None)
            else:
                made = nn.Parameter(torch.zeros(torch_shape(leaf, shape)))
                self.register_parameter(name, made)
                width = made.shape[0]
        self.bias = nn.Parameter(torch.zeros(width)) if spec.has_bias else None
        if spec.normalization is not None:
            self.BatchNorm = _norms(spec, width)

    @property
    def window(self) -> int:
        """The side of its kernel, that of its depthwise kernel where it has two."""
        kernel = self.weight if self.depthwise_weight is None else self.depthwise_weight
        return kernel.shape[2]

    def convolved(self, x: Tensor, stride: int = 1, padding: str = SAME, rate: int = 1) -> Tensor:
        """What it computes before bias, normalization and activation."""
        x = padded(x, (self.window - 1) * rate + 1, stride, padding)
        if self.depthwise_weight is not None:
            x = functional.conv2d(x, self.depthwise_weight, None, stride, groups=x.shape[1])
            stride = 1
        kernel = self.weight if self.pointwise_weight is None else self.pointwise_weight
        return x if kernel is None else functional.conv2d(x, kernel, None, stride, 0, rate)

    def forward(
        self,
        x: Tensor,
        stride: int = 1,
        padding: str = SAME,
        activation: str = OWN,
        feature: Optional[int] = None,
        rate: int = 1,
    ) -> Tensor:
        """`feature` is the feature map's number where each has a normalization of its own."""
        x = self.convolved(x, stride, padding, rate)
        if self.bias is not None:
            x = x + self.bias[:, None, None]
        if hasattr(self, "BatchNorm"):
            shared = isinstance(self.BatchNorm, BatchNorm)
            x = (self.BatchNorm if shared else self.BatchNorm[f"feature_{feature}"])(x)
        return _ACTIVATIONS[self.activation if activation == OWN else activation](x)


class Dense(nn.Linear):
    """A fully connected layer."""

    def __init__(self, spec: LayerSpec):
        super().__init__(*(spec.kernel("weights") or ()), bias=spec.has_bias)


def _norms(spec: LayerSpec, width: int) -> nn.Module:
    assert spec.normalization is not None
    made = {
        name: BatchNorm(width, spec.normalization, "gamma" in leaves, "beta" in leaves)
        for name, leaves in spec.norms.items()
    }
    if list(made) == [""]:
        return made[""]
    scope = Scope()
    for name, module in made.items():
        scope.add_module(name, module)
    return scope
