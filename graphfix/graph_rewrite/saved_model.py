"""Rewrites the graph of a SavedModel, and what the SavedModel says of it.

A signature (SignatureDef, TensorFlow 1.15's core/protobuf/meta_graph.proto) names the tensors that
go in and come out, with their types and shapes; the shape of an output that counts classes changes
with them.
"""

from typing import Any, Iterable, Optional

from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.detectors.describe import ModelSpec
from graphfix.errors import SourceError
from graphfix.formats.graphdef import files
from graphfix.formats.graphdef.graph import read_input
from graphfix.graph_rewrite.rewrite import Carried, rewrite
from graphfix.planning.edits import Edit


def rewrite_saved_model(
    saved: Any,
    model: ModelSpec,
    classes: int,
    edits: Iterable[Edit],
    *,
    subject: str,
    anchors: Optional[AnchorSpec] = None,
    carried: Optional[Carried] = None,
) -> None:
    """Does to a SavedModel message what `rewrite` does to a graph.

    Raises:
      SourceError: naming `subject`; the message is then no more to be used.
    """
    if len(saved.meta_graphs) != 1:
        raise SourceError(
            subject,
            (
                f"holds {len(saved.meta_graphs)} graphs, of which only the one for serving could "
                "be "
                "rewritten"
            ),
            "export the detector again, for serving alone",
        )
    meta = saved.meta_graphs[0]
    graph = files.open_graph(meta.graph_def, subject)
    for signature in meta.signature_def.values():
        for info in list(signature.inputs.values()) + list(signature.outputs.values()):
            if read_input(info.name).name not in graph.nodes:
                raise SourceError(
                    subject,
                    f"has a signature with '{info.name}', which is not in its graph",
                    "export the detector again",
                )
    sizes = rewrite(graph, model, classes, edits, subject=subject, anchors=anchors, carried=carried)
    meta.graph_def.ParseFromString(files.graph_to_bytes(graph))
    for signature in meta.signature_def.values():
        for info in signature.outputs.values():
            source = read_input(info.name)
            axis, size = sizes.get((source.name, source.port), (0, 0))
            dims = info.tensor_shape.dim
            if size and axis < len(dims) and dims[axis].size >= 0:
                dims[axis].size = size
