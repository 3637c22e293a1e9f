"""The config of a checkpoint that has none beside it: inferred from the graphs that are there.

Asked first is the `.meta` file, which the checkpoint's own Saver wrote, then an exporter's graphs.
What a trainer's graph shows counts only where no other shows more.
"""

import os
from typing import Any, Callable, List, Mapping, NamedTuple, Optional, Tuple

from graphfix.detectors.families import MOVING_AVERAGE, SLOT_SUFFIXES
from graphfix.errors import Problem, SourceError
from graphfix.findings import Finding
from graphfix.formats.graphdef import files
from graphfix.formats.graphdef.graph import Graph
from graphfix.formats.graphdef.kinds import saved_model_file
from graphfix.formats.tensors import TensorMeta
from graphfix.graph_import.infer_config import infer_config, remedy
from graphfix.modeldir.names import CONFIG, META, SAVED_MODEL_DIRECTORY

_VARIABLES = ("VariableV2", "Variable", "VarHandleOp")


class ConfigBeside(NamedTuple):
    """A config's bytes, what it is called in messages, the path of the graph that it was inferred
    from, and findings about it."""

    data: bytes
    name: str
    path: str
    findings: Tuple[Finding, ...]


def infer_beside(
    prefix: str, metas: Mapping[str, TensorMeta], meta_graph: Any, frozen: Optional[str]
) -> ConfigBeside:
    """The config of the checkpoint `prefix`, inferred from the first graph that shows it.

    `metas` are the checkpoint's, `meta_graph` is the `openers.MetaGraph` beside it, `frozen` the
    path of the frozen graph there.

    Raises:
      SourceError: there is no graph, or none shows it; what each lacks.
    """
    directory = os.path.dirname(prefix)
    saved = saved_model_file(os.path.join(directory, SAVED_MODEL_DIRECTORY))
    graphs: List[Tuple[Optional[str], Callable[[], Graph]]] = [
        (meta_graph.path, lambda: meta_graph.graph),
        (frozen, lambda: files.open_frozen(str(frozen)).graph()),
        (saved if os.path.isfile(saved) else None, lambda: _serving(saved)),
    ]
    problems: List[Problem] = []
    least: Optional[ConfigBeside] = None
    for path, read in graphs:
        if path is None:
            continue
        try:
            graph = read()
            _check_variables(graph, metas, path)
            found = infer_config(graph, metas, subject=path)
        except SourceError as error:
            problems += error.problems
        else:
            name = f"the config inferred from {path}"
            beside = ConfigBeside(found.data, name, path, found.findings)
            if found.detects:
                return beside
            least = least or beside
    if least is not None:
        return least
    if problems:
        raise SourceError.collected(problems)
    raise SourceError(
        os.path.join(directory, CONFIG),
        f"does not exist, and there is no graph beside the checkpoint ({os.path.basename(prefix)}"
        f"{META}, or an exporter's) to infer it from",
        remedy(metas),
    )


def _check_variables(graph: Graph, metas: Mapping[str, TensorMeta], path: str) -> None:
    """Whether a graph's variables, if it has any, are those of a checkpoint: a Saver writes all.

    Raises:
      SourceError: some are not, so that it is another model's.
    """
    variables = {
        node.name: tuple(dim.size for dim in node.attr["shape"].shape.dim)
        for node in graph.nodes.values()
        if node.op in _VARIABLES and _is_models(node.name)
    }
    if not variables:
        return
    tensors = {name: meta.shape for name, meta in metas.items() if _is_models(name)}
    names = variables.keys() | tensors.keys()
    other = sorted(name for name in names if variables.get(name) != tensors.get(name))
    if other:
        raise SourceError(
            path,
            f"is the graph of another model than the checkpoint beside it: {len(other)} of "
            f"{len(names)} variables are not in both, or of another shape (the first: {other[0]})",
            remedy(metas),
        )


def _is_models(name: str) -> bool:
    """Whether a variable is a model's: no optimizer's, whose may be left out, and no counter."""
    return "/" in name and not name.endswith((*SLOT_SUFFIXES, MOVING_AVERAGE))


def _serving(path: str) -> Graph:
    return files.open_saved_model(os.path.dirname(path)).graph()
