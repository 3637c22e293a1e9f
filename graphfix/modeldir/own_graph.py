"""What the graphs of a model's directory tell of how it was trained: its anchors, its padding.

A checkpoint's own graph, the `.meta` beside it, comes first; then the frozen graph and the
SavedModel.  Only the nodes of the anchor generator are parsed.  A graph without a generator, such
as one that graphfix wrote other anchors into, tells nothing.
"""

import os
from typing import Any, Iterator, NamedTuple, Optional, Tuple

from graphfix.detectors.anchor_generators import AnchorSpec, Pair
from graphfix.errors import SourceError
from graphfix.findings import WARNING, Finding
from graphfix.formats.graphdef.graph import Graph
from graphfix.modeldir.names import FROZEN, META, SAVED_MODEL

_UNREAD = "see that the config has the anchors the model was trained with"


class GraphAnchors(NamedTuple):
    """The graph's file, and the anchors it lays; layers of which it pads the input by a Pad, and by
    joining zeros to it.  Without `anchors` no graph tells them."""

    path: str
    anchors: Optional[AnchorSpec]
    padded: Tuple[str, ...] = ()
    joined: Tuple[str, ...] = ()
    findings: Tuple[Finding, ...] = ()


def read_graph_anchors(
    prefix: str, image: Optional[Pair], graph: Optional[Graph] = None
) -> GraphAnchors:
    """What the graphs beside a checkpoint tell, or `graph`, where that is opened already; `prefix`
    is the checkpoint's, a SavedModel's directory, or a frozen graph's path."""
    findings: Tuple[Finding, ...] = ()
    for path, form in _graphs(prefix, opened=graph is not None):
        # Most sources have no graph: the code that reads one is not loaded for nothing.
        from graphfix.formats.graphdef import node_scan
        from graphfix.graph_import.graph_anchors import Unrecognised, graph_anchors, padded_layers

        forms = {
            META: node_scan.META_GRAPH,
            FROZEN: node_scan.GRAPH_DEF,
            SAVED_MODEL: node_scan.SAVED_MODEL,
        }
        try:
            nodes: Any = graph.nodes if graph else node_scan.read_nodes(path, forms[form])
            found = graph_anchors(nodes, image)
            if found is not None:
                padded, joined = padded_layers(nodes)
                return GraphAnchors(path, found, tuple(padded), tuple(joined), findings)
        except SourceError as error:
            findings += (_unread(path, error.problems[0].message),)
        except Unrecognised as error:
            findings += (_unread(path, f"has anchors that are not recognised: {error}"),)
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
            findings += (_unread(path, f"is not as the API builds graphs ({error})"),)
    return GraphAnchors("", None, findings=findings)


def _graphs(prefix: str, *, opened: bool) -> Iterator[Tuple[str, str]]:
    """The files of graphs, and what each is."""
    if opened:
        yield prefix, FROZEN
        return
    if os.path.isdir(prefix):
        yield os.path.join(prefix, os.path.basename(SAVED_MODEL)), SAVED_MODEL
        return
    beside = os.path.dirname(prefix)
    for path, form in (
        (prefix + META, META),
        (os.path.join(beside, FROZEN), FROZEN),
        (os.path.join(beside, SAVED_MODEL), SAVED_MODEL),
    ):
        if os.path.isfile(path):
            yield path, form


def _unread(path: str, message: str) -> Finding:
    return Finding(
        "GRAPH_ANCHORS",
        WARNING,
        os.path.basename(path),
        f"{message}; its anchors are not compared with the config's",
        _UNREAD,
    )
