"""Rewrites the graph in a file, and what a SavedModel says of it.

A signature (SignatureDef, TensorFlow 1.15's core/protobuf/meta_graph.proto) names the tensors that
go in and come out, with their types and shapes; the shape of an output that counts classes changes
with them.
"""

from typing import Any, Dict, Iterable, Optional, Tuple

from graphfix.detectors.anchor_generators import AnchorSpec
from graphfix.detectors.describe import ModelSpec
from graphfix.errors import SourceError
from graphfix.formats.extents import Pieces
from graphfix.formats.graphdef import files
from graphfix.formats.graphdef.graph import Graph, read_input
from graphfix.formats.graphdef.wire import to_bytes
from graphfix.graph_rewrite.rewrite import Carried, rewrite
from graphfix.planning.edits import Edit


def rewrite_file(
    file: files.GraphFile,
    model: ModelSpec,
    classes: int,
    edits: Iterable[Edit],
    *,
    anchors: Optional[AnchorSpec] = None,
    carried: Optional[Carried] = None,
) -> Pieces:
    """What `rewrite` makes of the only graph in a file, as the file's new content.

    Raises:
      SourceError: naming the file.
    """
    if len(file.graph_defs) != 1:
        raise SourceError(
            file.path,
            f"holds {len(file.graph_defs)} graphs, of which only the one for serving could be "
            "rewritten",
            "export the detector again, for serving alone",
        )
    graph = file.graph().copy()
    if file.is_saved_model:
        _check_signatures(file, graph)
    sizes = rewrite(
        graph, model, classes, edits, subject=file.path, anchors=anchors, carried=carried
    )
    changed = _resized(file, sizes) if file.is_saved_model else None
    if not changed:
        return file.with_graph(graph, {})
    number = changed.DESCRIPTOR.fields_by_name["signature_def"].number
    return file.with_graph(graph, {number: to_bytes(changed)})


def _check_signatures(file: files.GraphFile, graph: Graph) -> None:
    for signature in file.message.meta_graphs[0].signature_def.values():
        for info in list(signature.inputs.values()) + list(signature.outputs.values()):
            if read_input(info.name).name not in graph.nodes:
                raise SourceError(
                    file.path,
                    f"has a signature with '{info.name}', which is not in its graph",
                    "export the detector again",
                )


def _resized(file: files.GraphFile, sizes: Dict[Tuple[str, int], Tuple[int, int]]) -> Any:
    """A MetaGraphDef of nothing but the signatures, with the new sizes; None where they stay."""
    meta = file.message.meta_graphs[0]
    out = type(meta)()
    changed = False
    for name, signature in meta.signature_def.items():
        out.signature_def[name].CopyFrom(signature)
        for info in out.signature_def[name].outputs.values():
            source = read_input(info.name)
            axis, size = sizes.get((source.name, source.port), (0, 0))
            dims = info.tensor_shape.dim
            if size and axis < len(dims) and 0 <= dims[axis].size != size:
                dims[axis].size, changed = size, True
    return out if changed else None
