"""What the layers that the API builds around a feature extractor call their variables.

Keras gives the same layers other names, and a normalization a scope of its own.
"""

from typing import Iterator, List, NamedTuple, Optional, Tuple

from graphfix.detectors import families
from graphfix.detectors.extractors import facts, loader
from graphfix.detectors.extractors.layers import Norm, Variable, beside_kernel
from graphfix.detectors.extractors.widths import Widths

# Fields of conv_hyperparams that are for TensorFlow 2's models; slim's builder refuses them.
KERAS_ONLY = ("sync_batch_norm", "force_use_bias")


class Unknown(Exception):
    """Why the variables of a config's model are not known for certain."""


class Names(NamedTuple):
    """What the layers' variables are called."""

    kernel: str
    bias: str

    def layer(
        self,
        scope: str,
        kernel: Tuple[int, ...],
        beside: Tuple[str, ...] = ("biases",),
        *,
        norm: str = "",
        depthwise: bool = False,
    ) -> Iterator[Variable]:
        """A kernel and what is beside it, of as many channels as it gives; its normalization has
        the scope `norm`, or one within the layer's."""
        yield Variable(f"{scope}/{'depthwise_' * depthwise}{self.kernel}", kernel)
        for leaf in beside:
            yield Variable(
                beside_kernel(scope, leaf, self.bias, norm),
                (kernel[-2] if depthwise else kernel[-1],),
            )

    def kernels(
        self, scope: str, size: int, width: int, out: int, separable: bool
    ) -> List[Variable]:
        if not separable:
            return [Variable(scope + "/" + self.kernel, (size, size, width, out))]
        return [
            Variable(scope + "/depthwise_" + self.kernel, (size, size, width, 1)),
            Variable(scope + "/pointwise_" + self.kernel, (1, 1, width, out)),
        ]


SLIM, KERAS = Names(*families.SLIM), Names(*families.KERAS)


def names_of(body) -> Names:
    """What the variables of the model of an Ssd or FasterRcnn message are called."""
    extractor = loader.find_extractor(body.feature_extractor.type)
    return KERAS if extractor is not None and extractor.naming == facts.KERAS else SLIM


def read_norm(hyperparams, where: str) -> Norm:
    """How a conv_hyperparams block normalizes; `where` it is, for what is refused."""
    for field, _ in hyperparams.ListFields():
        if field.name in KERAS_ONLY:
            raise Unknown(f"{where} sets {field.name}, with which the API cannot build a model")
        if field.name == "group_norm":
            raise Unknown(f"{where} sets group_norm, whose variables are not recorded")
    given = hyperparams.batch_norm
    return Norm(hyperparams.HasField("batch_norm"), given.scale, given.center)


class Options(NamedTuple):
    """What a config says of its feature extractor, in the order of RecordedLayers.variables."""

    widths: Widths
    norm: Norm
    override: bool
    depthwise: bool
    maps: int
    levels: Optional[Tuple[int, int]] = None
