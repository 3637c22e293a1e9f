"""Recovers a model's variables from its frozen graph.

TensorFlow's freezer replaces each variable by a constant of the same name, and leaves the
Identity through which the graph read it.  So a constant was a variable when such an Identity
reads it (NAME/read, or .../ReadVariableOp), or when an operation takes it as a parameter - a
kernel, an offset, a statistic - and it is named as the stock API names those.  All other
constants are sizes, shapes and numbers of the graph itself.

What cannot be recovered is found by what is missing around what was: a convolution of the feature
extractor that has neither BatchNorm nor biases of its own had them folded into its kernel, and a
kernel of integers was quantized away.
"""

import collections
import re
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

from graphfix.detectors import families
from graphfix.detectors.extractors.loader import Extractor, extractors
from graphfix.errors import Problem, SourceError
from graphfix.findings import INFO, WARNING, Finding
from graphfix.formats import dtypes
from graphfix.formats.checkpoint import stored_bytes
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Graph, read_input
from graphfix.formats.tensors import Extent, TensorStore, TensorView, constant
from graphfix.graph_import.transformations import REMEDY, transformations

# Operation -> its inputs that are parameters of a layer.
PARAMETERS = {
    "Conv2D": (1,),
    "DepthwiseConv2dNative": (1,),
    "MatMul": (1,),
    "Conv2DBackpropInput": (1,),
    "BiasAdd": (1,),
    "FusedBatchNorm": (1, 2, 3, 4),
    "FusedBatchNormV2": (1, 2, 3, 4),
    "FusedBatchNormV3": (1, 2, 3, 4),
    "FakeQuantWithMinMaxVars": (1, 2),
}
LEAVES = (
    "weights",
    "depthwise_weights",
    "pointwise_weights",
    "biases",
    "gamma",
    "beta",
    "moving_mean",
    "moving_variance",
    "kernel",
    "bias",
    "depthwise_kernel",
    "min",
    "max",
)
_KERNELS = ("weights", "depthwise_weights", "pointwise_weights", "kernel", "depthwise_kernel")
_NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")

# A Keras layer without a name of its own, numbered through both stages.
_NUMBERED = re.compile(r"(conv2d|freezable_batch_norm)(?:_(\d{1,9}))?(/.+)")

# A Keras layer reads its variable LAYER/kernel at LAYER/Conv2D/ReadVariableOp.
_READ_VARIABLE = re.compile(r"/ReadVariableOp(_\d+)?\Z")
# The transform fold_constants makes constants of the Identities through which variables are read.
_FOLDED_READ = re.compile(r"/read(/_[0-9]+)?(__cf__[0-9]+)?\Z")
_EXTRACTOR = re.compile(r"(FeatureExtractor|_feature_extractor)/")


def thaw(
    graph: Graph, *, subject: str, partial: bool = False
) -> Tuple[TensorStore, Tuple[Finding, ...]]:
    """The variables of a frozen graph under their names in training, and what about them is made
    up.  `partial` takes what there is where something is lost.

    Raises:
      SourceError: naming `subject`, when the graph is not a frozen one, or (without `partial`)
        variables are folded, quantized or stripped away; lists them.
    """
    consumers = graph.consumers()
    variables: Dict[str, TensorView] = {}
    problems: List[Problem] = []
    for node in graph.nodes.values():
        name = _variable(node, consumers) if node.op == "Const" else None
        if name is None:
            continue
        try:
            variables[name] = _view(node, name)
        except ValueError as error:
            problems.append(Problem(subject, f"the {error}", "export the model again"))
    problems += transformations(graph, subject, total=not variables)
    if not variables:
        raise SourceError.collected(
            problems
            or [
                Problem(
                    subject,
                    "holds no constants that were variables",
                    "name the frozen_inference_graph.pb that the stock exporter wrote",
                )
            ]
        )
    problems += _lost(graph, variables, subject)
    if problems and not partial:
        raise SourceError.collected(problems)
    findings = [
        Finding("NOT_RECOVERED", WARNING, problem.subject, problem.message, problem.remedy)
        for problem in problems
    ]
    dead = _dead_variables(variables)
    if dead:
        variables.update(dead)
        findings.append(
            Finding(
                "DEAD_VARIABLES",
                INFO,
                subject,
                (
                    f"has no values for {len(dead)} variables of feature extractors "
                    f"(the first is {min(dead)}), which the model has but never reads; they get "
                    "those of the other "
                    "stage's same layers"
                ),
                "there is nothing to do",
            )
        )
    step = families.GLOBAL_STEP
    if step not in variables:
        variables[step] = constant(step, dtypes.INT64, 0)
    return TensorStore(variables.values()), tuple(findings)


def _view(node: Any, name: str) -> TensorView:
    """The value of a constant as a tensor: where it lies, or itself."""
    meta, span = constants.meta_of(node)._replace(name=name), constants.stored(node)
    if span is None:
        return constant(name, meta.dtype, constants.value_of(node))
    extent = Extent(*span, constants.crc_of(node))
    return TensorView(meta, stored_bytes.loader(meta, extent), extent)


def _variable(node, consumers) -> Optional[str]:
    """The variable that a constant was, None where it was none."""
    name = _FOLDED_READ.sub("", node.name)
    leaf = name.rsplit("/", 1)[-1]
    for reader, position in consumers[node.name]:
        if reader.op == "Identity" and (
            reader.name == node.name + "/read" or _READ_VARIABLE.search(reader.name)
        ):
            return str(node.name)
        if position in PARAMETERS.get(reader.op, ()) and leaf in LEAVES:
            return str(name)
    return None


def _lost(graph: Graph, variables: Dict[str, TensorView], subject: str) -> List[Problem]:
    """What the graph shows was there, and is not any more: a problem for each kind."""
    integers: List[Tuple[str, str]] = []  # the layer and its constant
    others: List[Tuple[str, str]] = []
    folded: List[str] = []
    normalized = any(name.rsplit("/", 1)[-1] in _NORMALIZATION for name in variables)
    for node in graph.nodes.values():
        if node.op not in _CONVOLUTIONS:
            continue
        source: Any = node
        seen: Set[str] = set()
        while source.op in ("Identity", "FakeQuantWithMinMaxVars", "Dequantize") + _CONVOLUTIONS:
            position = 1 if source.op in _CONVOLUTIONS else 0
            if source.name in seen or len(source.input) <= position:
                break  # no graph that runs
            seen.add(source.name)
            source = graph.nodes[read_input(source.input[position]).name]
        if source.op != "Const" or not _EXTRACTOR.search(node.name):
            continue
        name = _FOLDED_READ.sub("", source.name)
        scope, _, leaf = name.rpartition("/")
        if name not in variables or not variables[name].meta.dtype.is_floating:
            (integers if _is_integer(source) else others).append((node.name, source.name))
        elif (
            leaf in _KERNELS
            and not normalized
            and not any(scope + "/" + name in variables for name in ("biases", "bias"))
        ):
            folded.append(scope)
    messages = [
        f"the kernel{_of(rows)} no variable{'s' if len(rows) > 1 else ''} any more (constant "
        f"'{rows[0][1]}'{kind})"
        for rows, kind in (
            (integers, ", of 8-bit integers, as the transform quantize_weights leaves it"),
            (others, ""),
        )
        if rows
    ]
    if len(folded) == 1:
        messages.append(f"BatchNorm of '{folded[0]}' is folded into its kernel")
    elif folded:
        messages.append(
            f"BatchNorm of {len(folded)} layers (the first is '{folded[0]}') is folded into their "
            "kernels, as by the transform fold_batch_norms"
        )
    return [Problem(subject, message, REMEDY) for message in messages]


def _of(rows: Sequence[Tuple[str, str]]) -> str:
    if len(rows) == 1:
        return f" of '{rows[0][0]}' is"
    return f"s of {len(rows)} layers (the first is '{rows[0][0]}') are"


def _is_integer(node: Any) -> bool:
    try:
        return not constants.meta_of(node).dtype.is_floating
    except ValueError:
        return False


def _dead_variables(variables: Dict[str, TensorView]) -> Dict[str, TensorView]:
    """Layers that one stage has and does not read, with the values of the other stage's, which
    have the same shapes."""
    others: Dict[str, str] = {}
    for extractor in extractors().values():
        if extractor.unread_copies:
            first, second = extractor.scopes
            copied = second + extractor.unread_copies
            others.update(
                (name, first + name[len(second) :]) for name in variables if name.startswith(copied)
            )
        elif extractor.whole_stages and extractor.first.name in variables:
            others.update(_in_other_stage(variables, extractor))
    return {
        other: constant(other, variables[name].meta.dtype, variables[name].load())
        for name, other in others.items()
        if other not in variables
    }


def _in_other_stage(names: Iterable[str], extractor: Extractor) -> Iterator[Tuple[str, str]]:
    """(name, the other stage's variable of the same layer) of an extractor with whole stages."""
    scopes = tuple(f"{scope}{extractor.network}/" for scope in extractor.scopes)
    whole = [
        (name, name[len(scope) :], scope == scopes[0])
        for name in names
        for scope in scopes
        if name.startswith(scope)
    ]
    numbered = {name: _NUMBERED.match(layer) for name, layer, _ in whole}
    most: Dict[str, int] = collections.Counter()
    for found in filter(None, numbered.values()):
        most[found.group(1)] = max(most[found.group(1)], int(found.group(2) or 0))
    for name, layer, first in whole:
        match = numbered[name]
        if match:
            kind, stage = match.group(1), (most[match.group(1)] + 1) // 2
            number = int(match.group(2) or 0) + (stage if first else -stage)
            layer = kind + (f"_{number}" if number else "") + match.group(3)
        yield name, scopes[1 if first else 0] + layer
