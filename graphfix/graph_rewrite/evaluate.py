"""The value of a tensor that depends on constants alone, such as the anchors of a fixed image size.

The operations are those that the stock API's anchor generators are made of, with NumPy's result in
the graph's own types, element for element what TensorFlow 1.15 computes.  Everything else - an
input of the graph, the shape of a feature map, an operation not listed - has no value here.
"""

from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np

from graphfix.formats.dtypes import BY_NUMBER
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Graph, read_input

# Elements of a tensor on the way: the largest published detectors have some 400,000 numbers of
# anchors.
_MOST = 1 << 22


class NoValue(Exception):
    """A tensor depends on more than constants, or on too much."""


def _slice(node, values: List[Any]) -> Any:
    data, begin, size = values
    return data[
        tuple(
            slice(int(first), None if length == -1 else int(first) + int(length))
            for first, length in zip(begin, size)
        )
    ]


def _strided_slice(node, values: List[Any]) -> Any:
    if node.attr["ellipsis_mask"].i or node.attr["new_axis_mask"].i:
        raise NoValue(node.name)
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
    _check(node.attr["num_split"].i)
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
        raise NoValue(node.name)
    return dtype.numpy


def _tile(node, values: List[Any]) -> Any:
    _check(_product([values[0].size] + list(values[1])))
    return np.tile(values[0], values[1])


def _fill(node, values: List[Any]) -> Any:
    _check(_product(values[0]))
    return np.full(tuple(values[0]), values[1])


def _product(sizes: Sequence[Any]) -> int:
    product = 1
    for size in sizes:
        product *= int(size)
    return product


def _range(node, values: List[Any]) -> Any:
    first, last, step = (one.item() for one in values)
    _check((last - first) / step)
    return np.arange(first, last, step, values[0].dtype)


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
    "Tile": _tile,
    "Fill": _fill,
    "Range": _range,
    "Split": _split,
    "Add": _each(np.add),
    "AddV2": _each(np.add),
    "Sub": _each(np.subtract),
    "Mul": _each(np.multiply),
    "RealDiv": _each(np.divide),
    "Sqrt": _each(np.sqrt),
    "Minimum": _each(np.minimum),
    "Maximum": _each(np.maximum),
}


def evaluate(graph: Graph, name: str, port: int = 0) -> Optional[np.ndarray]:
    """The value of a node's output, None where it has none that could be told from constants."""
    known: Dict[str, List[Any]] = {}
    pending = [name]
    try:
        while pending:
            node = graph.nodes[pending[-1]]
            sources = [one for one in map(read_input, node.input) if not one.control]
            missing = [one.name for one in sources if one.name not in known]
            if node.name in known or not missing:
                pending.pop()
                if node.name not in known:
                    known[node.name] = _value(node, [known[one.name][one.port] for one in sources])
            elif node.op not in OPERATIONS or len(pending) > len(graph.nodes):
                return None
            else:
                pending += missing
        return known[name][port]
    except (NoValue, ValueError, IndexError, TypeError, ArithmeticError, OverflowError):
        # Shapes that do not fit each other: not for this to say what is wrong with them.
        return None


def _value(node, values: List[Any]) -> List[Any]:
    if node.op == "Const":
        meta = constants.meta_of(node)
        _check(meta.size)
        return [constants.value_of(node)]
    if node.op not in OPERATIONS:
        raise NoValue(node.name)
    with np.errstate(all="ignore"):
        out = OPERATIONS[node.op](node, values)
    for one in out if isinstance(out, list) else [out]:
        _check(one.size)
    return out if isinstance(out, list) else [np.asarray(out)]


def _check(size: Any) -> None:
    if not 0 <= size <= _MOST:
        raise NoValue
