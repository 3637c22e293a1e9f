"""Nodes of which a graph has a copy for each of many numbers.

An unrolled suppression has the same fifty nodes for every class, and thousands of classes make a
hundred thousand nodes that differ in a number: in their names, in what a few constants say, in the
port of an operation that has an output for each.  Of such copies a graph has the last one's nodes.
The others come to be where the graph is written, as bytes (`encoded`), or where somebody wants to
see them, as nodes (`nodes`).
"""

import itertools
from typing import Any, Dict, FrozenSet, Iterator, List, NamedTuple, Sequence, Set, Tuple

from graphfix.formats.extents import Pieces
from graphfix.formats.graphdef import skeleton
from graphfix.formats.graphdef.graph import read_input, write_input
from graphfix.formats.graphdef.nodes import Node, NodeCopy, begin, tail_of
from graphfix.formats.graphdef.numbered import Numbered


class Repetition(NamedTuple):
    """Copies of nodes, one for each of `numbers`; those of the number that comes next, the last
    one, are in the graph.

    A copy is called what its node in the first one is, and the number within `ending`.  `copies`
    are the last one's nodes, with what precedes the ending, and `constants` those of them that say
    the number.  `counted` are operations with an output for each number.  A `joint` takes an input
    from each copy, the last one's at a position.
    """

    numbers: range
    ending: Tuple[str, str]
    copies: Dict[str, str]
    constants: Dict[str, Numbered]
    counted: FrozenSet[str]
    joints: Dict[str, int]

    def runs(self, ordered: Sequence[Any]) -> Dict[str, List[Any]]:
        """Which of the last copy's nodes come next to each other in a graph's order, by the name of
        the first of them, before which their copies belong.  What comes behind the joints has to
        wait for all of them, and separates none."""
        found: Dict[str, List[Any]] = {}
        behind: Set[str] = set()
        run: List[Any] = []
        for node in ordered:
            name = node.name
            if name in self.copies:
                if not run:
                    found[name] = run
                run.append(node)
            elif name in self.joints or any(read_input(one).name in behind for one in node.input):
                behind.add(name)
            else:
                run = []
        return found

    def complete(self, node: Any) -> Any:
        """A node with the inputs from all copies, where it is a joint."""
        at = self.joints.get(node.name)
        if at is None:
            return node
        parts, inputs = self._parts(node.input[at]), list(node.input)
        inputs[at:at] = [str(number).join(parts) for number in self.numbers]
        return NodeCopy(node.name, inputs, node)

    def nodes(self, run: Sequence[Any]) -> Iterator[Any]:
        """The copies of a run of the last one's nodes."""
        for number in self.numbers:
            for node in run:
                name = str(number).join(self._name(node))
                inputs = [str(number).join(self._parts(text)) for text in node.input]
                if node.name in self.constants:
                    yield self.constants[node.name].node(name, inputs, number)
                else:
                    yield NodeCopy(name, inputs, node)

    def encoded(self, run: Sequence[Any]) -> Iterator[Pieces]:
        """The same as fields of a GraphDef, number by number."""
        tails = {node.name: tail_of(node) for node in run if node.name not in self.constants}
        if any(map(skeleton.has_marker, tails.values())):
            for node in self.nodes(run):
                yield skeleton.framed(
                    node.stored
                    if isinstance(node, Node)
                    else begin(node.name, node.op.encode(), node.input) + tail_of(node)
                )
            return
        digits, parts, numbers, values = 0, [], [], []
        for number in self.numbers:
            text = str(number).encode()
            if len(text) != digits:
                # As long for all numbers of as many digits.
                digits, parts = len(text), self._template(run, tails, len(text))
                numbers = [at for at, one in enumerate(parts) if one is None]
                values = [(at, one) for at, one in enumerate(parts) if isinstance(one, Numbered)]
            for at in numbers:
                parts[at] = text
            for at, one in values:
                parts[at] = one.tail(number)
            yield [b"".join(parts)]

    def _template(self, run: Sequence[Any], tails: Dict[str, bytes], digits: int) -> List[Any]:
        """The bytes of a run's copy; None stands for the number's digits, and a constant for its
        tail with the number."""
        out: List[Any] = []
        for node in run:
            size = 0
            within: List[Any] = []
            fields: List[Tuple[int, Tuple[str, ...]]] = [(1, self._name(node)), (2, (node.op,))]
            fields += [(3, self._parts(text)) for text in node.input]
            for field, texts in fields:
                parts = [text.encode() for text in texts]
                length = sum(map(len, parts)) + digits * (len(parts) - 1)
                head = skeleton.header(field, length)
                size += len(head) + length
                within += [head, parts[0]] + ([None, parts[1]] if len(parts) > 1 else [])
            constant = self.constants.get(node.name)
            size += len(constant.tail(0) if constant else tails[node.name])
            out += [skeleton.header(1, size), *within, constant or tails[node.name]]
        joined: List[Any] = []
        for fixed, group in itertools.groupby(out, lambda one: isinstance(one, bytes)):
            found = list(group)
            joined += [b"".join(found)] if fixed else found
        return joined

    def _name(self, node: Any) -> Tuple[str, ...]:
        """The name of a node's copy before and behind the number."""
        return self.copies[node.name] + self.ending[0], self.ending[1]

    def _parts(self, text: str) -> Tuple[str, ...]:
        """The same of an input; all of one that is the same for all copies."""
        source = read_input(text)
        if source.name in self.copies:
            before = ("^" if source.control else "") + self.copies[source.name] + self.ending[0]
            return before, self.ending[1] + ("" if source.control else write_input("", source.port))
        if source.name in self.counted and not source.control:
            return source.name + ":", ""
        return (text,)
