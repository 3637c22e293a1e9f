"""Small integer vectors of a graph - shapes, sizes, permutations - read and changed by element.

A vector is one constant, or put together: Pack of scalars, ConcatV2 of vectors, Select of two
numbers by a comparison.  Each element is told by where it is written, so that one can be changed
and the others stay.  A constant that others read too is copied before it is changed.
"""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Consumers, Graph, Input, read_input
from graphfix.graph_rewrite.axis_types import NotUnderstood

# Elements of a vector, and levels of vectors within vectors, that are looked at.  Shapes have a
# handful, and what a stranger's graph unfolds into has an end.
_MOST, _MOST_DEPTH = 64, 16


class Element(NamedTuple):
    """One number of a vector: its value (None: known only when the graph runs), and the constant
    and the place in it where it is written ("": in none of its own)."""

    value: Optional[int]
    constant: str = ""
    place: int = 0
    reader: str = ""  # the node that reads the constant, where that is not the vector's own reader
    position: int = 0


class Vectors:
    """Reads vectors of a graph, and collects changes to them."""

    def __init__(self, graph: Graph, consumers: Consumers):
        self.graph = graph
        self.changes: Dict[Tuple[str, int, str, int], int] = {}
        self._consumers = consumers
        self._known: Dict[str, Optional[List[Element]]] = {}
        self._depth = 0

    def read(self, source: Input) -> Optional[List[Element]]:
        """The elements of a vector (or the one of a scalar), None where not even their number is
        known, or there are too many."""
        node = self._through(self.graph.nodes[source.name])
        if node.name not in self._known:
            # Also what to think of it if it is put together too deep, far deeper than any shape.
            self._known[node.name] = None
            if self._depth < _MOST_DEPTH:
                self._depth += 1
                found = self._read(node)
                self._depth -= 1
                self._known[node.name] = found if len(found or ()) <= _MOST else None
        return self._known[node.name]

    def _read(self, node: Any) -> Optional[List[Element]]:
        if node.op == "Const":
            return self._constant(node)
        if node.op == "Pack":
            return [self._scalar(node, position) for position in range(node.attr["N"].i)]
        if node.op == "ConcatV2":
            parts = [self.read(read_input(text)) for text in node.input[: node.attr["N"].i]]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            return [
                element._replace(
                    reader=element.reader or node.name,
                    position=element.position if element.reader else number,
                )
                for number, part in enumerate(known)
                for element in part
            ]
        if node.op == "Fill":
            return self._filled(node)
        return None

    def _filled(self, node: Any) -> Optional[List[Element]]:
        """One number repeated; no element of it can be changed alone."""
        length, number = (self.read(read_input(text)) for text in node.input[:2])
        if not length or len(length) != 1 or not number or not 0 <= (length[0].value or 0) <= _MOST:
            return None
        return [Element(number[0].value)] * (length[0].value or 0)

    def _through(self, node):
        while node.op in ("Identity", "Enter", "Cast"):
            node = self.graph.nodes[read_input(node.input[0]).name]
        return node

    def _constant(self, node: Any) -> Optional[List[Element]]:
        meta = constants.meta_of(node)
        if meta.size > _MOST or meta.dtype.name not in ("int32", "int64"):
            return None
        return [
            Element(int(value), node.name, place)
            for place, value in enumerate(constants.value_of(node).reshape(-1))
        ]

    def _scalar(self, node: Any, position: int) -> Element:
        found = self.read(read_input(node.input[position]))
        if found is None or len(found) != 1:
            return Element(None)
        return found[0]._replace(reader=found[0].reader or node.name, position=position)

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
        self.changes[key] = value

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
        copy = type(node)()
        copy.CopyFrom(node)
        copy.name = unused(self.graph, name + "/classes")
        self.graph.nodes[copy.name] = copy
        target = self.graph.nodes[reader]
        target.input[position] = copy.name
        self._consumers[copy.name] = [(target, position)]
        return copy


def unused(graph: Graph, name: str) -> str:
    """A name no node has."""
    number = 0
    candidate = name
    while candidate in graph.nodes:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
