"""Which meaning of a config a graph has, where revisions of the API differ (detectors/meanings.py).

Each question is asked of the few nodes that answer it.  A graph of training may lack them: it does
not preprocess, and it always drops activations.
"""

import re
from typing import Any, Callable, Dict, Iterator, Mapping, Optional

from graphfix.detectors import meanings
from graphfix.detectors.extractors.loader import Extractor
from graphfix.formats.graphdef.graph import source_name
from graphfix.formats.graphdef.node_scan import part
from graphfix.formats.tensors import TensorMeta
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised
from graphfix.graph_import.hyperparams import ACTIVATIONS, find_layer
from graphfix.graph_import.resizers import METHODS

# What an exported graph reads images from.
_INPUTS = ("image_tensor", "encoded_image_string_tensor", "tf_example")
_NORMALIZATION = re.compile(r"Preprocessor/(mul|sub)(_\d+)?\Z").match
_PADDING = ("Pad", "PadV2")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "SpaceToBatchND")

Metas = Mapping[str, TensorMeta]


def graph_meanings(
    nodes: Any, metas: Metas, extractor: Extractor, settings: Any
) -> Dict[str, bool]:
    """Whether a graph has the new meaning of each change that it tells anything of, by the change's
    code.  `nodes` are all nodes by name: those of a Graph, or a scan's; `settings` the config's
    conv_hyperparams.

    Raises:
      ValueError: a node cannot be parsed.
    """
    normalized_first = _normalized_before_padding(nodes)
    found = {
        meanings.PADDED_PIXELS: normalized_first,
        meanings.GREY: normalized_first,
        meanings.PYRAMID_PADDING: _padded_apart(nodes),
        meanings.PREDICTOR_DROPOUT: _drops_in_training_alone(nodes),
        meanings.BASE_SETTINGS: _has_own_settings(nodes, metas, extractor, settings),
        meanings.SUPPRESSION: suppressed_before_clipping(nodes),
    }
    return {code: new for code, new in found.items() if new is not None}


def _normalized_before_padding(nodes: Any) -> Optional[bool]:
    names = [name for name in nodes if name.startswith("Preprocessor/")]
    resizes = [name for name in names if nodes[name].op in METHODS]
    if not resizes or not any(map(_NORMALIZATION, names)):
        return None
    return any(map(_NORMALIZATION, _before(nodes, resizes[0])))


def _before(
    nodes: Any, name: str, inside: Callable[[str], Any] = lambda name: True
) -> Iterator[str]:
    """All that a node depends on, as far as it is `inside`."""
    pending, seen = [name], set()
    while pending:
        for text in nodes[pending.pop()].input:
            one = source_name(text)
            if one not in seen and one in nodes and inside(one):
                seen.add(one)
                pending.append(one)
                yield one


def _padded_apart(nodes: Any) -> Optional[bool]:
    """Whether what is padded for a pyramid's smoothing is read by that alone."""
    names = [name for name in nodes if "/top_down/" in name]
    pads = {name for name in names if nodes[name].op in _PADDING}
    if not pads:
        return None
    return not any(
        nodes[name].op not in _CONVOLUTIONS
        for name in names
        if any(source_name(text) in pads for text in nodes[name].input)
    )


def _drops_in_training_alone(nodes: Any) -> Optional[bool]:
    if not any(name in nodes for name in _INPUTS):
        return None
    drops = re.compile(r"WeightSharedConvolutionalBoxPredictor(_\d+)?/.*[dD]ropout").match
    return not any(map(drops, nodes))


def suppressed_before_clipping(nodes: Any) -> Optional[bool]:
    """Whether no suppression of an image's boxes reads them clipped; None of a graph without."""
    suppression = re.compile(r"(.*/)?MultiClassNonMaxSuppression/.*non_max_suppression").match
    for name in filter(suppression, nodes):
        node = nodes[name]
        if node.op.startswith("NonMaxSuppression") and node.input:
            scope = name[: name.index("MultiClassNonMaxSuppression/")]
            inside = _before(nodes, name, re.compile(re.escape(scope)).match)
            return not any("/ClipToWindow" in one for one in inside)
    return None


def _has_own_settings(
    nodes: Any, metas: Metas, extractor: Extractor, settings: Any
) -> Optional[bool]:
    """Whether the first layer of the base network has the network's own activation and epsilon,
    rather than the config's; None where it has neither's, or they are the same."""
    scope = extractor.first.name.rpartition("/")[0]
    inside: Callable = re.compile(
        rf"(clone_0/)?{re.escape(extractor.scopes[0])}(\w+/)*{re.escape(scope.rpartition('/')[2])}/"
    ).match
    evidence = GraphEvidence(part(nodes, inside), metas)
    try:
        layer = find_layer(evidence, re.escape(scope) + r"\Z")
    except Unrecognised:
        return None
    if layer is None or layer.epsilon is None:
        return None
    seen = layer.activation, round(layer.epsilon, 9)
    own = extractor.activation, round(extractor.epsilon, 9)
    name = settings.Activation.Name(settings.activation)
    configs = (
        name if name in ACTIVATIONS.values() else None,
        round(settings.batch_norm.epsilon, 9),
    )
    if own == configs or seen not in (own, configs):
        return None
    return seen == own
