"""What the graphs of a model's directory tell of how it was trained: its anchors, its padding.

A checkpoint's own graph, the `.meta` beside it, comes first; then the frozen graph and the
SavedModel.  Only the nodes of the anchor generator are parsed.  A graph without a generator, such
as one that graphfix wrote other anchors into, tells nothing.

A frozen graph's constants prove whose it is: one that has the checkpoint's heads is believed before
a `.meta`, which only its name ties to the checkpoint, and one that has others is of another model.
"""

import os
from typing import Any, Collection, Iterator, NamedTuple, Optional, Tuple

from graphfix.detectors.anchor_generators import AnchorSpec, Pair
from graphfix.detectors.anchor_order import order_of
from graphfix.detectors.families import MOVING_AVERAGE
from graphfix.errors import SourceError
from graphfix.findings import WARNING, Finding
from graphfix.formats.checkpoint import reader
from graphfix.formats.graphdef.kinds import is_saved_model_text, saved_model_file
from graphfix.modeldir.names import FROZEN, META, SAVED_MODEL, SAVED_MODEL_DIRECTORY

_UNREAD = "see that the config has the anchors the model was trained with"


class GraphAnchors(NamedTuple):
    """The graph's file, and the anchors it lays; layers of which it pads the input by a Pad, and by
    joining zeros to it.  Without `anchors` no graph tells them.  `strangers` are the files of
    graphs beside the checkpoint that have other weights, and their anchors."""

    path: str
    anchors: Optional[AnchorSpec]
    padded: Tuple[str, ...] = ()
    joined: Tuple[str, ...] = ()
    findings: Tuple[Finding, ...] = ()
    strangers: Tuple[Tuple[str, AnchorSpec], ...] = ()


def read_graph_anchors(
    prefix: str, image: Optional[Pair], graph: Any = None, heads: Collection[str] = ()
) -> GraphAnchors:
    """What the graphs beside a checkpoint tell, or `graph`, where that is opened already; `prefix`
    is the checkpoint's, a SavedModel's directory, or a frozen graph's path.  `heads` are tensors of
    the checkpoint that prove whose a graph is."""
    findings: Tuple[Finding, ...] = ()
    strangers: Tuple[Tuple[str, AnchorSpec], ...] = ()
    first: Optional[GraphAnchors] = None
    for path, form in _graphs(prefix, opened=graph is not None):
        # Most sources have no graph: the code that reads one is not loaded for nothing.
        from graphfix.formats.graphdef import skeleton
        from graphfix.graph_import.graph_anchors import Unrecognised, graph_anchors, padded_layers

        forms = {
            META: skeleton.META_GRAPH,
            FROZEN: skeleton.GRAPH_DEF,
            SAVED_MODEL: skeleton.SAVED_MODEL,
        }
        try:
            nodes: Any = graph.nodes if graph else _nodes(path, forms[form])
            found = graph_anchors(nodes, image)
            if found is None:
                continue
            padded, joined = padded_layers(nodes)
            read = GraphAnchors(path, found, tuple(padded), tuple(joined))
            own = None
            if graph is None and form != META and not os.path.isdir(prefix):
                own = _has_heads(nodes, prefix, heads)
        except SourceError as error:
            findings += (_unread(path, error.problems[0].message),) * (first is None)
        except Unrecognised as error:
            why = f"has anchors that are not recognised: {error}"
            findings += (_unread(path, why),) * (first is None)
        except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
            why = f"is not as the API builds graphs ({error})"
            findings += (_unread(path, why),) * (first is None)
        else:
            if own:
                findings += _contradicted(first, read)
                return read._replace(findings=findings)
            if own is False:
                strangers += ((path, found),)
            else:
                first = first or read
    if first is not None:
        return first._replace(findings=findings)
    return GraphAnchors("", None, findings=findings, strangers=strangers)


def _has_heads(nodes: Any, prefix: str, heads: Collection[str]) -> Optional[bool]:
    """Whether a graph's constants are the tensors of a checkpoint, or their moving averages; None
    where it has none of them."""
    there = [name for name in heads if name in nodes]
    if not there:
        return None
    from graphfix.formats.graphdef import constants

    store = reader.open_bundle(prefix)
    found = [nodes[name] for name in there]
    if not all(constants.is_constant(node) for node in found):
        return None
    return all(
        any(
            name in store and constants.is_tensor(node, store[name])
            for name in (node.name, node.name + MOVING_AVERAGE)
        )
        for node in found
    )


def _contradicted(first: Optional[GraphAnchors], own: GraphAnchors) -> Tuple[Finding, ...]:
    """Two graphs that lay other anchors, the second of which has the checkpoint's weights."""
    if first is None or first.anchors is None or own.anchors is None:
        return ()
    if order_of(first.anchors, own.anchors) == ():
        return ()
    return (
        Finding(
            "GRAPHS_DISAGREE",
            WARNING,
            os.path.basename(first.path),
            f"has other anchors, or in another order, than {os.path.basename(own.path)}, which has "
            "the checkpoint's weights and is believed",
            f"see whether {os.path.basename(first.path)} is another model's",
        ),
    )


def _graphs(prefix: str, *, opened: bool) -> Iterator[Tuple[str, str]]:
    """The files of graphs, and what each is."""
    if opened:
        yield prefix, FROZEN
        return
    if os.path.isdir(prefix):
        yield saved_model_file(prefix), SAVED_MODEL
        return
    beside = os.path.dirname(prefix)
    for path, form in (
        (prefix + META, META),
        (os.path.join(beside, FROZEN), FROZEN),
        (saved_model_file(os.path.join(beside, SAVED_MODEL_DIRECTORY)), SAVED_MODEL),
    ):
        if os.path.isfile(path):
            yield path, form


def _nodes(path: str, form: Tuple[int, ...]) -> Any:
    from graphfix.formats.graphdef import files, node_scan

    if is_saved_model_text(path):
        return files.open_saved_model(os.path.dirname(path)).graph().nodes
    return node_scan.read_nodes(path, form)


def _unread(path: str, message: str) -> Finding:
    return Finding(
        "GRAPH_ANCHORS",
        WARNING,
        os.path.basename(path),
        f"{message}; its anchors are not compared with the config's",
        _UNREAD,
    )
