"""The value of a tensor that depends on constants alone, such as the anchors of a fixed image size.

Each operation computes what TensorFlow 1.15's CPU kernel computes, bit for bit, in the graph's own
types; only Sqrt and Rsqrt are rounded correctly where TensorFlow's may be off in the last bits.
The table has what the stock API builds anchors, image sizes and box coders from, and what batch
normalization makes of its variables.  Everything else - an input of the
graph, a feature map's shape, an operation not listed - has no value here, and neither has what
TensorFlow would refuse.
"""

from typing import Any, Callable, Dict, List, Optional, Sequence, Set

import numpy as np

from graphfix.formats.dtypes import BY_NUMBER
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Graph, read_input

# Elements of a tensor: the largest published detectors have some 400,000 numbers of anchors.
MOST_ELEMENTS = 1 << 22
# Enter hands a value to every iteration of a loop, unchanged.
_CONTROL_FLOW = ("Enter",)


class _NoValue(Exception):
    """A tensor depends on more than constants, or is too large."""


class Evaluator:
    """The values of a graph's tensors, each computed once; the graph must not change meanwhile.

    `through_loops`: a constant that enters a loop has its value there, too.  That says what the
    loop reads, but not that the reading node may be replaced by a constant.
    """

    def __init__(
        self, graph: Graph, *, through_loops: bool = False, most_elements: int = MOST_ELEMENTS
    ):
        self._graph, self._most = graph, most_elements
        self._passing = _CONTROL_FLOW if through_loops else ()
        self._known: Dict[str, Any] = {}  # lists of arrays; None where there is no value

    def value(self, name: str, port: int = 0) -> Optional[np.ndarray]:
        """One output of a node, None where it cannot be told from constants."""
        outputs = self.outputs(name)
        return outputs[port] if outputs is not None and port < len(outputs) else None

    def outputs(self, name: str) -> Optional[List[np.ndarray]]:
        """All outputs of a node, None where they cannot be told from constants."""
        path, on_path = [name], {name}
        while path:
            following = self._step(self._graph.nodes[path[-1]], on_path)
            if following is None:
                on_path.remove(path.pop())
            else:
                path.append(following)
                on_path.add(following)
        return self._known[name]

    def _step(self, node: Any, on_path: Set[str]) -> Optional[str]:
        """The name of a node whose value `node` waits for; None once its own value is known."""
        if node.name in self._known:
            return None
        if node.op != "Const" and node.op not in OPERATIONS and node.op not in self._passing:
            self._known[node.name] = None
            return None
        sources = [one for one in map(read_input, node.input) if not one.control]
        for one in sources:
            if one.name not in self._known and one.name not in on_path:
                return one.name
            if self._known.get(one.name) is None:  # no value, or a cycle
                self._known[node.name] = None
                return None
        try:
            values = [self._known[one.name][one.port] for one in sources]
            self._known[node.name] = self._compute(node, values)
        except (_NoValue, ValueError, IndexError, TypeError, ArithmeticError):
            # Shapes that do not fit each other: what is wrong with them is not for this to say.
            self._known[node.name] = None
        return None

    def _compute(self, node: Any, values: List[Any]) -> List[np.ndarray]:
        if node.op == "Const":
            self._check(constants.meta_of(node).size)
            return [constants.value_of(node)]
        if node.op in self._passing:
            return values[:1]
        size = _SIZES.get(node.op)
        if size is not None:
            self._check(size(node, values))
        with np.errstate(all="ignore"):
            out = OPERATIONS[node.op](node, values)
        outputs = [np.asarray(one) for one in (out if isinstance(out, list) else [out])]
        for one in outputs:
            self._check(one.size)
        return outputs

    def _check(self, size: float) -> None:
        if not 0 <= size <= self._most:
            raise _NoValue


def evaluate(graph: Graph, name: str, port: int = 0) -> Optional[np.ndarray]:
    """The value of a node's output, None where it cannot be told from constants."""
    return Evaluator(graph).value(name, port)


def _slice(node, values: List[Any]) -> Any:
    data, begin, size = values
    where = []
    for first, length, side in zip(begin.tolist(), size.tolist(), data.shape):
        last = side if length == -1 else first + length
        if not 0 <= first <= last <= side:
            raise _NoValue(node.name)
        where.append(slice(first, last))
    return data[tuple(where)]


def _strided_slice(node, values: List[Any]) -> Any:
    if node.attr["ellipsis_mask"].i or node.attr["new_axis_mask"].i:
        raise _NoValue(node.name)
    data, begin, end, step = values
    where: List[Any] = []
    for place, (first, last, by) in enumerate(zip(begin, end, step)):
        bit = 1 << place
        if node.attr["shrink_axis_mask"].i & bit:
            where.append(int(first))
        else:
            where.append(
                slice(
                    None if node.attr["begin_mask"].i & bit else int(first),
                    None if node.attr["end_mask"].i & bit else int(last),
                    int(by),
                )
            )
    return data[tuple(where)]


def _pack(node, values: List[Any]) -> Any:
    return np.stack(values, axis=node.attr["axis"].i)


def _unpack(node, values: List[Any]) -> List[Any]:
    axis = node.attr["axis"].i
    return [np.squeeze(one, axis) for one in np.split(values[0], values[0].shape[axis], axis)]


def _split(node, values: List[Any]) -> List[Any]:
    return np.split(values[1], node.attr["num_split"].i, int(values[0]))


def _squeeze(node, values: List[Any]) -> Any:
    dims = tuple(node.attr["squeeze_dims"].list.i)
    return np.squeeze(values[0], dims or None)


def _cast(node, values: List[Any]) -> Any:
    return values[0].astype(_type(node, "DstT"))


def _shape(node, values: List[Any]) -> Any:
    return np.array(values[0].shape, _type(node, "out_type") if "out_type" in node.attr else "<i4")


def _type(node, name: str) -> Any:
    dtype = BY_NUMBER.get(node.attr[name].type)
    if dtype is None or dtype.numpy is None:
        raise _NoValue(node.name)
    return dtype.numpy


def _size(node, values: List[Any]) -> Any:
    return np.array(values[0].size, _type(node, "out_type") if "out_type" in node.attr else "<i4")


def _gather(node, values: List[Any]) -> Any:
    axis = int(values[2]) if len(values) > 2 else 0
    if values[1].size and not 0 <= values[1].min() <= values[1].max() < values[0].shape[axis]:
        raise _NoValue(node.name)
    return np.take(values[0], values[1], axis)


def _arg_max(node, values: List[Any]) -> Any:
    kind = _type(node, "output_type") if "output_type" in node.attr else "<i8"
    return np.argmax(values[0], int(values[1])).astype(kind)


def _divide(node, values: List[Any]) -> Any:
    """Div: of integers, the quotient without its fraction."""
    if not np.issubdtype(values[0].dtype, np.integer):
        return np.divide(*values)
    if not np.all(values[1]):
        raise _NoValue(node.name)
    rest = np.fmod(*values)
    return np.floor_divide(values[0] - rest, values[1])


def _range(node, values: List[Any]) -> Any:
    first, last, step = values
    if not np.issubdtype(first.dtype, np.floating):
        return np.arange(first.item(), last.item(), step.item(), first.dtype)
    # The kernel adds step by step, in the type.
    steps = np.full(max(0, int(np.ceil((last - first) / step))), step, first.dtype)
    steps[:1] = first
    return np.cumsum(steps, dtype=first.dtype)


def _each(function: Callable) -> Callable:
    return lambda node, values: function(*values)


OPERATIONS: Dict[str, Callable] = {
    "Identity": lambda node, values: values[0],
    "Pack": _pack,
    "Unpack": _unpack,
    "Reshape": lambda node, values: values[0].reshape(tuple(values[1])),
    "ExpandDims": lambda node, values: np.expand_dims(values[0], int(values[1])),
    "Transpose": lambda node, values: np.transpose(values[0], tuple(values[1])),
    "Squeeze": _squeeze,
    "Slice": _slice,
    "StridedSlice": _strided_slice,
    "Cast": _cast,
    "ConcatV2": lambda node, values: np.concatenate(values[:-1], int(values[-1])),
    "Shape": _shape,
    "Rank": lambda node, values: np.array(values[0].ndim, "<i4"),
    "Size": _size,
    "Tile": lambda node, values: np.tile(*values),
    "Fill": lambda node, values: np.full(tuple(values[0]), values[1]),
    "Range": _range,
    "Split": _split,
    "Gather": _gather,
    "GatherV2": _gather,
    "ArgMax": _arg_max,
    "Add": _each(np.add),
    "AddV2": _each(np.add),
    "Sub": _each(np.subtract),
    "Mul": _each(np.multiply),
    "RealDiv": _each(np.divide),
    "Div": _divide,
    "Sqrt": _each(np.sqrt),
    "Rsqrt": lambda node, values: (1 / np.sqrt(values[0], dtype="<f8")).astype(values[0].dtype),
    "Neg": _each(np.negative),
    "Minimum": _each(np.minimum),
    "Maximum": _each(np.maximum),
}


def _product(sizes: Sequence[Any]) -> int:
    product = 1
    for size in sizes:
        product *= int(size)
    return product


# Elements, or outputs, of what would take too much memory before they could be counted.
_SIZES: Dict[str, Callable] = {
    "Tile": lambda node, values: _product([values[0].size, *values[1]]),
    "Fill": lambda node, values: _product(values[0]),
    "Range": lambda node, values: max(0, (values[1].item() - values[0].item()) / values[2].item()),
    "Split": lambda node, values: node.attr["num_split"].i,
    "Unpack": lambda node, values: values[0].shape[node.attr["axis"].i],
    "Gather": lambda node, values: values[0].size * values[1].size,
    "GatherV2": lambda node, values: values[0].size * values[1].size,
}
