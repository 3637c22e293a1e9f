"""Settings of convolutions that show in a frozen graph: activation and batch normalization.

Regularizer, initializer, and the decay of the moving statistics act in training alone.
"""

import re
from typing import NamedTuple, Optional

from graphfix.graph_import.config_text import Enum, Field, Fields, assumed
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised

ACTIVATIONS = {"Relu": "RELU", "Relu6": "RELU_6"}
_DECAY = 0.997
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
# From a kernel to its convolution, quantized or not, and from there to the activation.
_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_BETWEEN = _NORMS + (
    "Identity",
    "Mul",
    "FakeQuantWithMinMaxVars",
    "BatchToSpaceND",
    "BiasAdd",
    "Add",
    "AddV2",
    "Sub",
)


class Layer(NamedTuple):
    """A layer's activation (None: none seen); epsilon of its normalization (None: it has none),
    and whether that scales and shifts."""

    activation: Optional[str]
    epsilon: Optional[float]
    scale: bool
    center: bool


def find_layer(evidence: GraphEvidence, pattern: str) -> Optional[Layer]:
    """The settings of the layers whose scope matches, None if there is no such layer.

    Their settings are one block of the config: of layers that have an activation or a
    normalization, the first of each is taken.
    """
    scopes = []
    for name in evidence.variables(pattern + r"|" + _inside(pattern)):
        scope = re.sub(r"(/BatchNorm(/feature_\d+)?)?/[^/]+\Z", "", name)
        if scope not in scopes and "_quant" not in scope:
            scopes.append(scope)
    if not scopes:
        return None
    activation = epsilon = norm = None
    for scope in scopes:
        if activation is None:
            activation = _activation(evidence, scope)
        if epsilon is None:
            norms = evidence.variables(
                re.escape(scope) + r"/BatchNorm/(feature_\d+/)?"
                r"moving_variance\Z"
            )
            if norms:
                norm = norms[0].rpartition("/")[0]
                epsilon = _epsilon(evidence, norms[0])
    return Layer(
        activation,
        epsilon,
        norm is not None and norm + "/gamma" in evidence.metas,
        norm is not None and norm + "/beta" in evidence.metas,
    )


def _inside(pattern: str) -> str:
    """The same pattern for what is inside of a scope that must match to its end."""
    return pattern[: -len(r"\Z")] + "/" if pattern.endswith(r"\Z") else pattern


def _activation(evidence: GraphEvidence, scope: str) -> Optional[str]:
    """The first activation that a layer's kernel comes to before another convolution."""
    for kernel in reversed(evidence.variables(re.escape(scope) + r"/\w*(weights|kernel)\Z")):
        pending, seen = [(kernel, 0)], set()
        while pending:
            name, convolutions = pending.pop(0)
            if name in seen:
                continue
            seen.add(name)
            for reader, _ in evidence.consumers.get(name, ()):
                if reader.op in ACTIVATIONS:
                    return ACTIVATIONS[reader.op]
                if reader.op in _BETWEEN:
                    pending.append((reader.name, convolutions))
                elif reader.op in _CONVOLUTIONS and not convolutions:
                    pending.append((reader.name, 1))
    return None


def _epsilon(evidence: GraphEvidence, variance: str) -> float:
    """What is added to a variance: an attribute of the fused operation, or an addition."""
    # In training a fused operation reads the layer's offset, and not its variance.
    beta = variance.rpartition("/")[0] + "/beta"
    for node, _ in evidence.readers(beta, *_NORMS) if evidence.trains else ():
        return float(node.attr["epsilon"].f)
    for node, position in evidence.readers(variance, *(_NORMS + ("Add", "AddV2"))):
        if node.op in _NORMS:
            return float(node.attr["epsilon"].f)
        value = evidence.maybe(evidence.source(node, 1 - position))
        if value is not None and value.size == 1:
            return float(value.reshape(()))
    raise Unrecognised(f"what the variance {variance} is used for")


def conv_hyperparams(layer: Optional[Layer], *, operation: Optional[str] = None) -> Fields:
    """A Hyperparams message with what a layer shows, and what is assumed."""
    fields = [] if operation is None else [Field("op", Enum(operation))]
    fields += [
        assumed("regularizer", [Field("l2_regularizer", [Field("weight", 0.00004)])]),
        assumed(
            "initializer",
            [Field("truncated_normal_initializer", [Field("mean", 0.0), Field("stddev", 0.03)])],
        ),
    ]
    if layer is None:
        return fields
    if layer.activation is not None:
        fields.append(Field("activation", Enum(layer.activation)))
    if layer.epsilon is not None:
        fields.append(
            Field(
                "batch_norm",
                [
                    assumed("decay", _DECAY),
                    Field("center", layer.center),
                    Field("scale", layer.scale),
                    Field("epsilon", layer.epsilon),
                    Field("train", True),
                ],
            )
        )
    return fields
