"""Small integer vectors of a graph - shapes, sizes, permutations - read and changed by element.

A vector is whatever the graph computes from constants and from the shapes of tensors whose axes are
known: it is folded operation by operation, as `formats.graphdef.evaluate` computes them.  Each
element is told by where it is written, so that one can be changed and the others stay, or by the
axis whose length it is, which it follows by itself.  A constant that others read too is copied
before it is changed.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

import numpy as np

from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.evaluate import OPERATIONS
from graphfix.formats.graphdef.graph import Consumers, Graph, Input, read_input
from graphfix.formats.graphdef.nodes import Node
from graphfix.graph_rewrite.axis_types import ANY, CHANNEL, CLASS, Axes, NotUnderstood

# Elements of a vector, levels of vectors within vectors, and nodes looked at for one of them.
# Shapes have a handful, and what a stranger's graph unfolds into has an end.
_MOST, _MOST_DEPTH, _MOST_STEPS = 64, 24, 1 << 12
_THROUGH = ("Identity", "Enter", "Cast")
# Operations that only move elements, and the inputs that they move (None: all); the others say how.
_MOVED: Dict[str, Optional[Tuple[int, ...]]] = {
    "Pack": None,
    "Unpack": None,
    "Squeeze": None,
    "Reshape": (0,),
    "ExpandDims": (0,),
    "Slice": (0,),
    "StridedSlice": (0,),
    "Transpose": (0,),
    "Split": (1,),
    "Gather": (0,),
    "GatherV2": (0,),
}
# These repeat elements, and no repetition can be changed alone.
_REPEATED = {"Fill": (1,), "Tile": (0,)}
_ARITHMETIC = ("Add", "AddV2", "Sub", "Mul", "Div", "Minimum", "Maximum", "Range")


class Element(NamedTuple):
    """One number of a vector: its value (None: known only when the graph runs), and the constant
    and the place in it where it is written ("": in none of its own).

    `axis` are the factors of the axis whose length it is, where it was read off a tensor's shape.
    """

    value: Optional[int]
    constant: str = ""
    place: int = 0
    reader: str = ""  # the node that reads the constant, where that is not the vector's own reader
    position: int = 0
    axis: Optional[Tuple[Any, ...]] = None

    @property
    def counts_classes(self) -> bool:
        """Whether it is the length of an axis with classes, and so follows it."""
        return self.axis is not None and (CHANNEL in self.axis or CLASS in self.axis)


_UNKNOWN = Element(None)


class Vectors:
    """Reads vectors of a graph, and collects changes to them.

    `states` are the axes of tensors (name, port) as far as they are known by now, more and more of
    them; `size` tells what a factor of an axis stands for.
    """

    def __init__(
        self,
        graph: Graph,
        consumers: Consumers,
        states: Optional[Dict[Tuple[str, int], Axes]] = None,
        size: Any = None,
    ):
        self.graph = graph
        self.changes: Dict[Tuple[str, int, str, int], int] = {}
        self._consumers = consumers
        self._states, self._size = {} if states is None else states, size
        self._known: Dict[Tuple[str, int], Optional[np.ndarray]] = {}
        self._on_path: Set[str] = set()
        self._unsettled = 0  # how often a shape was asked for that may be known later
        self._steps = 0

    def read(self, source: Input) -> Optional[List[Element]]:
        """The elements of a vector (or the one of a scalar), None where not even their number is
        known, or there are too many."""
        self._steps = 0
        found = self._array(source)
        return None if found is None else list(found.reshape(-1))

    def _array(self, source: Input) -> Optional[np.ndarray]:
        """The elements in the shape of the tensor."""
        node, port = self.graph.nodes[source.name], source.port
        while node.op in _THROUGH:
            following = read_input(node.input[0])
            node, port = self.graph.nodes[following.name], following.port
        if (node.name, port) in self._known:
            return self._known[node.name, port]
        # Put together too deep, far deeper than any shape, or from itself.
        self._steps += 1
        if (
            node.name in self._on_path
            or len(self._on_path) >= _MOST_DEPTH
            or self._steps > _MOST_STEPS
        ):
            return None
        before = self._unsettled
        self._on_path.add(node.name)
        try:
            outputs = self._outputs(node)
        except (ValueError, IndexError, TypeError, ArithmeticError, NotImplementedError):
            # Shapes that do not fit each other: what is wrong with them is not for this to say.
            outputs = None
        self._on_path.discard(node.name)
        found = outputs[port] if outputs is not None and port < len(outputs) else None
        if found is not None and found.size > _MOST:
            found = None
        if self._unsettled == before:
            self._known[node.name, port] = found
        return found

    def _outputs(self, node: Any) -> Optional[List[np.ndarray]]:
        if node.op == "Const":
            found = self._constant(node)
            return None if found is None else [found]
        if node.op in ("Shape", "Rank"):
            return self._shape(node)
        if node.op == "ConcatV2":
            return self._folded(node, range(len(node.input) - 1))
        if node.op in _MOVED:
            moved = _MOVED[node.op]
            return self._folded(node, range(len(node.input)) if moved is None else moved)
        if node.op in _REPEATED:
            found = self._folded(node, _REPEATED[node.op])
            for one in found or ():
                for place, element in enumerate(one.reshape(-1)):
                    one.reshape(-1)[place] = Element(element.value, axis=element.axis)
            return found
        if node.op in _ARITHMETIC:
            return self._computed(node)
        return None

    def _folded(self, node: Any, moved: Any) -> Optional[List[np.ndarray]]:
        """What an operation makes of the elements that it moves."""
        values = []
        for position, text in enumerate(node.input):
            source = read_input(text)
            if source.control:
                continue
            found = self._array(source)
            if position in moved:
                if found is None and node.op == "Pack":
                    found = _array_of([_UNKNOWN], ())  # it packs scalars, if anything
                if found is None:
                    return None
                found = _array_of(
                    [
                        one if one.reader else one._replace(reader=node.name, position=position)
                        for one in found.reshape(-1)
                    ],
                    found.shape,
                )
            else:
                found = _numbers(found)
                if found is None:
                    return None
            values.append(found)
        if node.op in _REPEATED:
            length = values[0] if node.op == "Fill" else [values[0].size, *values[1]]
            if not 0 <= float(np.prod([float(one) for one in np.ravel(length)])) <= _MOST:
                return None
        out = OPERATIONS[node.op](node, values)
        # A single element that is taken out comes as itself, not as an array.
        return [
            one if isinstance(one, np.ndarray) else _array_of([one], ())
            for one in (out if isinstance(out, list) else [out])
        ]

    def _computed(self, node: Any) -> Optional[List[np.ndarray]]:
        arrays = [self._array(read_input(text)) for text in node.input[:3]]
        values = [_numbers(one) for one in arrays]
        if all(one is not None for one in values):
            if node.op == "Range" and not 0 <= (values[1] - values[0]) / values[2] <= _MOST:
                return None
            found = np.asarray(OPERATIONS[node.op](node, values))
            return [_array_of([Element(int(one)) for one in found.reshape(-1)], found.shape)]
        if node.op == "Range" or any(one is None for one in arrays):
            return None
        shape = np.broadcast(*arrays).shape
        return [_array_of([_UNKNOWN] * int(np.prod(shape)), shape)]

    def _shape(self, node: Any) -> Optional[List[np.ndarray]]:
        source = read_input(node.input[0])
        axes = self._states.get((source.name, source.port))
        if axes is None:
            like = self.graph.nodes[source.name]
            if like.op != "Const":
                self._unsettled += 1
                return None
            axes = tuple((size,) for size in constants.meta_of(like).shape)
        if node.op == "Rank":
            return [_array_of([Element(len(axes))], ())]
        return [_array_of([self._length(axis) for axis in axes], (len(axes),))]

    def _length(self, axis: Tuple[Any, ...]) -> Element:
        value: Optional[int] = 1
        for factor in axis:
            size = self._size(factor) if self._size else factor
            value = None if size is ANY or value is None else value * size
        return Element(value, axis=axis)

    def _constant(self, node: Any) -> Optional[np.ndarray]:
        meta = constants.meta_of(node)
        if meta.size > _MOST or meta.dtype.name not in ("int32", "int64"):
            return None
        value = constants.value_of(node)
        return _array_of(
            [Element(int(one), node.name, place) for place, one in enumerate(value.reshape(-1))],
            value.shape,
        )

    def change(self, element: Element, value: int, reader: Any, position: int) -> None:
        """Has an element become `value` for the node that reads it as its input `position`."""
        if element.value == value:
            return
        if not element.constant:
            raise NotUnderstood(reader, "the number it takes is not written in a place of its own")
        key = (
            element.constant,
            element.place,
            element.reader or reader.name,
            element.position if element.reader else position,
        )
        if self.changes.setdefault(key, value) != value:
            raise NotUnderstood(reader, "the number it takes counts something else, too")

    def apply(self) -> None:
        """Makes all changes."""
        by_reader: Dict[Tuple[str, str, int], Dict[int, int]] = {}
        for (constant, place, reader, position), value in sorted(self.changes.items()):
            by_reader.setdefault((constant, reader, position), {})[place] = value
        for (name, reader, position), places in by_reader.items():
            node = self._own(name, reader, position)
            meta = constants.meta_of(node)
            array = np.array(constants.value_of(node))
            for place, value in places.items():
                array.reshape(-1)[place] = value
            constants.set_value(node, array, meta.dtype)

    def _own(self, name: str, reader: str, position: int) -> Any:
        """The constant itself, or a copy of it for one of its readers."""
        node = self.graph.nodes[name]
        readers = [one for one, _ in self._consumers[name]]
        if len(readers) == 1:
            return node
        copy = Node()
        copy.CopyFrom(node)
        copy.name = unused(self.graph, name + "/classes")
        self.graph.nodes[copy.name] = copy
        target = self.graph.nodes[reader]
        target.input[position] = copy.name
        self._consumers[copy.name] = [(target, position)]
        return copy


def _array_of(elements: List[Element], shape: Tuple[int, ...]) -> np.ndarray:
    # An Element is a tuple, which NumPy would take apart.
    out = np.empty(len(elements), object)
    for place, one in enumerate(elements):
        out[place] = one
    return out.reshape(shape)


def _numbers(elements: Optional[np.ndarray]) -> Any:
    """The values of elements, None where one of them is unknown, or follows the classes: what is
    computed of it follows them, too."""
    if elements is None or any(
        one.value is None or one.counts_classes for one in elements.reshape(-1)
    ):
        return None
    return np.array([one.value for one in elements.reshape(-1)], np.int64).reshape(elements.shape)


def unused(graph: Graph, name: str) -> str:
    """A name no node has."""
    number = 0
    candidate = name
    while candidate in graph.nodes:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
