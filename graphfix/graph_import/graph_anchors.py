"""The anchors that a graph lays, and how its extra layers pad: what its weights were trained for.

They are read from the nodes of the anchor generator alone, which a graph of training has too.  In
one of several clones all names begin with `clone_0/`.
"""

import re
from typing import Any, List, Optional, Tuple

from graphfix.detectors.anchor_generators import AnchorSpec, MapAnchors, Pair, shaped
from graphfix.formats.graphdef.graph import Graph, source_name
from graphfix.formats.graphdef.node_scan import part
from graphfix.graph_import.anchors import Map, find_generator, generator_maps
from graphfix.graph_import.evidence import GraphEvidence, Unrecognised

_CLONE = "clone_0/"
_GENERATOR = re.compile(r"(clone_0/)?\w*GridAnchorGenerator/").match
# The convolutions by which an SSD makes smaller feature maps, and how they may be padded by hand.
_SMALLER = re.compile(
    r"(clone_0/)?FeatureExtractor/\w+/(\w+_2_Conv2d_\d+_\dx\d_s2_\d+(_depthwise)?)/"
    r"(Conv2D|depthwise|convolution)\Z"
).match
_PADDING = ("Pad", "PadV2", "MirrorPad")
_JOINING = ("ConcatV2", "Concat")


def graph_anchors(nodes: Any, image: Optional[Pair]) -> Optional[AnchorSpec]:
    """The anchors that a graph lays in images of a size, None where it has no generator of them.
    `nodes` are all nodes by name: those of a Graph, or a scan's.

    Raises:
      Unrecognised: the generator is not as the API builds it.
    """
    names = [name for name in nodes if _GENERATOR(name)]
    if not names:
        return None
    chosen = set(names)
    evidence = GraphEvidence(_without_clone(part(nodes, chosen.__contains__)), {})
    scope, name = find_generator(evidence)
    return AnchorSpec(
        name, tuple(_placed(one, name, image) for one in generator_maps(evidence, scope))
    )


def _without_clone(graph: Graph) -> Graph:
    if not any(name.startswith(_CLONE) for name in graph.nodes):
        return graph
    for node in graph.graph_def.node:
        node.name = _bare(node.name)
        node.input[:] = [_bare(text) for text in node.input]
    return Graph(graph.graph_def)


def _bare(name: str) -> str:
    return name[len(_CLONE) :] if name.startswith(_CLONE) else name


def _placed(one: Map, generator: str, image: Optional[Pair]) -> MapAnchors:
    base, stride, offset = one.base, one.stride, one.offset
    if generator == "ssd_anchor_generator":
        if one.whole and image is not None:
            base = (base[0] * min(image) / image[0], base[1] * min(image) / image[1])
        # Left to the map's size, centres are in the middle of its cells.
        if stride is None or offset is None or image is None or _in_cells(one):
            stride = offset = None
        else:
            stride = (stride[0] * image[0], stride[1] * image[1])
            offset = (offset[0] * image[0], offset[1] * image[1])
    sizes = tuple(shaped(scale, ratio, base) for scale, ratio in zip(one.scales, one.ratios))
    return MapAnchors(sizes, stride, offset)


def _in_cells(one: Map) -> bool:
    assert one.stride is not None and one.offset is not None
    return one.cells is None or all(
        abs(stride * cells - 1) < 1e-5 and abs(offset - stride / 2) < 1e-5
        for stride, offset, cells in zip(one.stride, one.offset, one.cells)
    )


def padded_layers(nodes: Any) -> Tuple[List[str], List[str]]:
    """The layers that make smaller feature maps of what the graph pads before: those with a Pad,
    as `use_explicit_padding` has, and those that are padded by joining zeros to their input."""
    names = [name for name in nodes if _SMALLER(name)]
    padded: List[str] = []
    joined: List[str] = []
    for name in names:
        node = nodes[name]
        before = source_name(node.input[0]) if node.input else ""
        operation = nodes[before].op if before in nodes else ""
        layer = _SMALLER(name)
        assert layer is not None
        if operation in _PADDING:
            padded.append(layer.group(2))
        elif operation in _JOINING:
            joined.append(layer.group(2))
    return padded, joined


__all__ = ["Unrecognised", "graph_anchors", "padded_layers"]
