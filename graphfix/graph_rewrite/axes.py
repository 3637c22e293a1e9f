"""Follows the classes through a frozen graph: which axis of which tensor counts them.

From the outputs of a model's heads on, a rule for each operation tells where the class axis goes,
and which constants hold its length.  Nothing is found by name or by value: a constant is a class
count because of the operation that reads it and the input it is read at.  An operation without a
rule, or a constant that contradicts its place, is an error that names the node, and no graph is
written.
"""

import collections
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from graphfix.formats.graphdef.graph import Consumers, Graph, read_input
from graphfix.graph_rewrite import cuts, rules
from graphfix.graph_rewrite.axis_types import (
    ANY,
    CHANNEL,
    CLASS,
    Axes,
    NotUnderstood,
    Outputs,
    Selection,
    Wait,
    class_axis,
)
from graphfix.graph_rewrite.vectors import Element, Vectors

_ORIGINS = ("Tile", "Fill")


class Tracker:
    """The class axes of a graph's tensors.

    `old` and `new` are the numbers of classes, without background.  After `run`: `states` has the
    axes of every output that has a class axis, `selections` where classes are taken out singly,
    `vectors` the constants to change.
    """

    def __init__(self, graph: Graph, consumers: Consumers, old: int, new: int):
        self.graph, self.consumers, self.old, self.new = graph, consumers, old, new
        self.states: Dict[Tuple[str, int], Axes] = {}
        self.selections: Dict[Selection, None] = {}  # in the order they were found
        self.vectors = Vectors(graph, consumers, self.states, self.size)
        # Node, attribute, and the axis of the shape that it is (None: it is a number), new size.
        self.attributes: List[Tuple[str, str, Optional[int], int]] = []
        self.packed: List[Any] = []  # readers of a number that counts more than classes
        self.dropped: List[Tuple[Any, Axes]] = []  # who takes the axis of the only class away
        self.waiting: Dict[str, str] = {}
        self._pending: Any = collections.deque()
        self._origins: Set[str] = set()  # where class axes were started that come from no head
        self._arrived: Dict[str, int] = {}  # of a list of inputs, how many are known

    def size(self, factor: Any, *, new: bool = False) -> Optional[int]:
        """The size that a factor stands for, before or after; None if unknown."""
        if factor in (CHANNEL, CLASS):
            return (self.new if new else self.old) + (factor == CHANNEL)
        return factor

    def class_size(self, axes: Axes) -> Tuple[int, int]:
        """The class axis of a tensor and its new size, -1 if unknown."""
        axis = class_axis(axes)
        sizes = [self.size(factor, new=True) for factor in axes[axis]]
        return axis, -1 if ANY in sizes else _product(sizes)

    def start(self, name: str, axes: Axes) -> None:
        """Sets the axes of a node's first output."""
        self._set(name, {0: axes})

    def run(self) -> None:
        """Follows the class axes from everything that was started.

        Raises:
          NotUnderstood: a node at which a class axis cannot be followed.
        """
        while True:
            while self._pending:
                self._visit(self.graph.nodes[self._pending.popleft()])
            if not self.waiting:
                return
            if not self._find_origin():
                name, why = sorted(self.waiting.items())[0]
                raise NotUnderstood(self.graph.nodes[name], why)

    def _set(self, name: str, outputs: Outputs) -> None:
        """Sets the axes of a node's outputs."""
        readers: Dict[int, Dict[str, None]] = {}
        for port, axes in outputs.items():
            if class_axis(axes) < 0:
                continue
            known = self.states.get((name, port))
            if known is None:
                self.states[name, port] = axes
                readers[port] = {}
            elif known != axes:
                raise NotUnderstood(self.graph.nodes[name], "its classes come on different axes")
        if not readers:
            return
        for node, position in self.consumers[name]:
            port = read_input(node.input[position]).port
            if port in readers:
                readers[port][node.name] = None
        for names in readers.values():
            self._pending.extend(names)

    def _lacks(self, node: Any) -> bool:
        """Whether one of a node's list of inputs has no class axis yet.  They arrive one by one,
        and there may be as many as classes, so each is looked up only until it has one."""
        known = self._arrived.get(node.name, 0)
        count = node.attr["N"].i if node.op == "ConcatV2" else len(node.input)
        while known < count:
            source = read_input(node.input[known])
            if not source.control and source[:2] not in self.states:
                break
            known += 1
        self._arrived[node.name] = known
        return known < count

    def inputs(self, node: Any) -> List[Optional[Axes]]:
        """The axes of a node's data inputs, None for those without classes."""
        return [
            self.states.get((one.name, one.port))
            for one in map(read_input, node.input)
            if not one.control
        ]

    def _visit(self, node: Any) -> None:
        rule = rules.RULES.get(node.op)
        if rule is None:
            raise NotUnderstood(node, f"what {node.op} does to a class axis is not known")
        if node.op in rules.LISTS:
            if (node.name, 0) in self.states:
                return  # every input of a list calls for a visit; one was enough
            if self._lacks(node):
                self.waiting[node.name] = f"not all it {rules.LISTS[node.op]} have a class axis"
                return
        try:
            outputs = rule(self, node, self.inputs(node))
        except Wait as wait:
            self.waiting[node.name] = str(wait)
            return
        self.waiting.pop(node.name, None)
        self._set(node.name, outputs)

    def _find_origin(self) -> bool:
        """Starts a class axis in front of a node of which only one operand has one so far: at a
        Tile that repeats something for every class, or a Fill as large as a tensor with classes;
        whether there was one."""
        for name in sorted(self.waiting):
            seen = set()
            pending = [
                one.name
                for one in map(read_input, self.graph.nodes[name].input)
                if not one.control and (one.name, one.port) not in self.states
            ]
            while pending:
                node = self.graph.nodes[pending.pop()]
                if node.name in seen or (node.name, 0) in self.states:
                    continue
                seen.add(node.name)
                if node.op in _ORIGINS and node.name not in self._origins:
                    axes = self._tiled(node) if node.op == "Tile" else self._filled(node)
                    if axes:
                        self._origins.add(node.name)
                        self.start(node.name, axes)
                        return True
                if node.op in rules.SHAPED_LIKE_INPUT:
                    pending += [one.name for one in map(read_input, node.input) if not one.control]
        return False

    def _tiled(self, node: Any) -> Optional[Axes]:
        multiples = self.vectors.read(read_input(node.input[1])) or []
        made = self.graph.nodes[read_input(node.input[0]).name]
        if self.old == 1 and made.op == "ExpandDims":
            # Of several axes of length 1, it is the one that was made to be repeated.
            axis = cuts.number(self, made, 1)
            places = [axis if axis >= 0 else len(multiples) + axis]
        else:
            places = [place for place, one in enumerate(multiples) if one.value == self.old]
        others = [place for place, one in enumerate(multiples) if one.value not in (1, None)]
        if len(places) != 1 or not 0 <= places[0] < len(multiples) or set(others) - set(places):
            return None
        self.expect(multiples[places[0]], (CLASS,), node, 1)
        return tuple((CLASS,) if place == places[0] else (ANY,) for place in range(len(multiples)))

    def _filled(self, node: Any) -> Optional[Axes]:
        sizes = self.vectors.read(read_input(node.input[0])) or []
        if not any(one.counts_classes for one in sizes):
            return None
        return tuple(one.axis or (one.value,) for one in sizes)

    def expect(self, element: Element, factors: Sequence[Any], node: Any, position: int) -> None:
        """Compares a number that a node reads (an element of its input `position`) with the size of
        an axis, and changes it along with the axis.

        Raises:
          NotUnderstood: they differ.
        """
        if element.counts_classes:
            if element.axis != tuple(factors):
                raise NotUnderstood(node, "it takes the length of another axis of classes")
            return
        sizes = [self.size(factor) for factor in factors]
        if element.value is None or ANY in sizes:
            return
        if any(factor not in (CHANNEL, CLASS, 1) for factor in factors):
            self.packed.append(node)
        product = _product(sizes)
        if element.value != product:
            raise NotUnderstood(
                node, f"it takes an axis of {self.old} classes and more for {element.value} long"
            )
        self.vectors.change(
            element, _product(self.size(one, new=True) for one in factors), node, position
        )


def _product(sizes: Any) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product
