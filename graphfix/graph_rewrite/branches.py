"""The per-class branches of an unrolled multi-class non-maximum suppression.

The stock API writes one copy of the same nodes for every class: class k is taken out of the
scores (a Slice that begins at k), suppressed, labelled (a constant k), and joined to the others by
ConcatV2 nodes with as many inputs as there are classes.  A branch is told by that structure: what
depends on class k's scores or boxes and on no other's, up to the joints, and what only it needs.
Branches are compared node by node before they are touched: all must be alike but for the number
of their class.  Where there is one class only, its number is known by the operations that read it.
"""

import collections
import itertools
import re
from typing import Any, Collection, Dict, List, Tuple

import numpy as np

from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import Consumers, Graph, read_input, write_input
from graphfix.formats.graphdef.nodes import Node, NodeCopy
from graphfix.formats.graphdef.numbered import Numbered
from graphfix.formats.graphdef.repeated import Repetition
from graphfix.graph_rewrite.axis_types import NotUnderstood, Selection
from graphfix.graph_rewrite.joints import frame_of, joins_one, number_joints, resize_lengths
from graphfix.graph_rewrite.likeness import Likeness
from graphfix.graph_rewrite.vectors import unused

_SEVERAL = -1  # in the place of a class: what depends on more than one


class Branches:
    """The branches of a graph for `count` classes, found and found alike."""

    def __init__(
        self, graph: Graph, consumers: Consumers, selections: Collection[Selection], count: int
    ):
        """Raises NotUnderstood where the graph is not made as the stock API makes it."""
        self.graph, self.consumers, self.count = graph, consumers, count
        self.slices = [one for one in selections if one.number is not None]
        self.unpacks = [graph.nodes[one.node] for one in selections if one.number is None]
        numbers = collections.Counter(one.number for one in self.slices)
        if self.slices and (set(numbers) != set(range(count)) or len(set(numbers.values())) != 1):
            missing = [f": no {one}" for one in range(count) if one not in numbers][:1]
            raise NotUnderstood(
                graph.nodes[self.slices[0].node],
                f"classes are taken out singly, but not each of {count} once{''.join(missing)}",
            )
        self.classes: Dict[str, int] = {}  # of every node below a selection, up to joints
        self.joints: List[Any] = []
        # Of what a branch gives, where that is fixed, and the loop it is in.
        self.length, self.frame = 0, ""
        self._spread()
        # Node of class 0 -> what in it says the class: [(place or None, offset)]
        self.marks: Dict[str, Any] = {}
        self._likeness = Likeness()
        for number in range(1, count):
            self._compare(number)

    def _spread(self) -> None:
        """Says of every node which class it belongs to, and finds where classes meet."""
        pending: Any = collections.deque()
        for selection in self.slices:
            pending.append((selection.node, selection.number))
        for unpack in self.unpacks:
            for node, position in self.consumers[unpack.name]:
                pending.append((node.name, read_input(node.input[position]).port))
        joints: Dict[str, Any] = collections.OrderedDict()
        while pending:
            name, number = pending.popleft()
            known = self.classes.get(name)
            if known in (number, _SEVERAL):
                continue
            if known is None and self.count == 1 and joins_one(self.graph.nodes[name]):
                joints[name] = self.graph.nodes[name]
                continue
            self.classes[name] = number if known is None else _SEVERAL
            pending.extend(
                (consumer.name, self.classes[name]) for consumer, _ in self.consumers[name]
            )
        several = [name for name, number in self.classes.items() if number == _SEVERAL]
        for name in several:
            del self.classes[name]
        for name in several:
            if any(read_input(text).name in self.classes for text in self.graph.nodes[name].input):
                joints[name] = self.graph.nodes[name]
        for one in number_joints(self.graph, self.consumers, list(joints), self.count):
            joints[one.node.name] = one.node
            self.classes.update((part.name, number) for number, part in enumerate(one.parts))
            self.length, self.frame = one.length, frame_of(self.graph, one.node)
        self.joints = list(joints.values())
        for node in self.joints:
            self._check_joint(node)

    def _check_joint(self, node: Any) -> None:
        count = 1 if node.op == "Identity" else node.attr["N"].i if node.op == "ConcatV2" else 0
        sources = [self.classes.get(read_input(text).name) for text in node.input[:count]]
        if sources != list(range(self.count)):
            raise NotUnderstood(node, "classes meet in it, but not one after the other")

    def _compare(self, number: int) -> None:
        """Walks branch 0 and another side by side from the joints up; notes where they differ."""
        pairs: Dict[str, str] = {}
        pending = [(joint.input[0], joint.input[number]) for joint in self.joints]
        while pending:
            texts = pending.pop()
            if texts[0] == texts[1]:
                continue
            one, other = map(read_input, texts)
            if one.port != other.port and not self._unpacked(one, other, number):
                raise NotUnderstood(
                    self.graph.nodes[other.name],
                    f"the branches of class 0 and {number} differ in it",
                )
            if one.name == other.name or pairs.get(one.name) == other.name:
                continue
            left, right = self.graph.nodes[one.name], self.graph.nodes[other.name]
            if one.name in pairs or left.op != right.op or len(left.input) != len(right.input):
                raise NotUnderstood(right, "it has no counterpart in the branch of class 0")
            pairs[one.name] = other.name
            if left.op == "Const":
                self._compare_constants(left, right, number)
            elif not self._likeness.have_same_attributes(left, right):
                raise NotUnderstood(right, f"the branches of class 0 and {number} differ in it")
            pending += zip(left.input, right.input)

    def _unpacked(self, one: Any, other: Any, number: int) -> bool:
        return (
            one.name == other.name
            and one.port == 0
            and other.port == number
            and any(unpack.name == one.name for unpack in self.unpacks)
        )

    def _compare_constants(self, left: Any, right: Any, number: int) -> None:
        if self._likeness.have_same_value(left, right):
            return
        before, after = self._likeness.value(left), constants.value_of(right)
        if before.shape == after.shape and before.dtype == after.dtype:
            changed = np.argwhere(before.reshape(-1) != after.reshape(-1)).reshape(-1)
            if (
                len(changed) == 1
                and before.reshape(-1)[changed[0]] == 0
                and after.reshape(-1)[changed[0]] == number
            ):
                place = self.marks.setdefault(left.name, int(changed[0]))
                if place == changed[0]:
                    return
        raise NotUnderstood(right, "it is not the class' number, but differs from class 0's")

    def resize(self, count: int) -> None:
        """Makes branches for classes 0 to `count` - 1: removes some, or copies class 0's."""
        if not self.slices and not self.unpacks:
            return  # one operation suppresses all
        if self.count == 1 < count:
            self._mark_alone()
        joined = self._grow(count) if self.count < count else {}
        for joint in self.joints:
            self._resize_joint(joint, count, joined.get(joint.name, []))
        for unpack in self.unpacks:
            unpack.attr["num"].i = count
        if self.length:
            before, after = self.length * self.count, self.length * count
            resize_lengths(self.graph, self.consumers, self.joints, self.frame, before, after)

    def _mark_alone(self) -> None:
        """Finds what says the class in a branch that there is no other to compare with: where its
        Slices begin, and the number that is added to zeros as many as the detections."""
        inside = self.graph.ancestors(joint.name for joint in self.joints)
        for name in self.classes:
            if name not in inside:
                raise NotUnderstood(self.graph.nodes[name], "it is of a class, but not joined")
        for one in self.slices:
            begin = self.graph.inputs(self.graph.nodes[one.node])[1]
            self._mark(begin, one.axis, self.graph.nodes[one.node])
        numbers = []
        for name in self._members():
            node = self.graph.nodes[name]
            if node.op in ("Add", "AddV2"):
                sources = self.graph.inputs(node)[:2]
                others = [source for source in sources if not _is_zeros(source)]
                if len(others) == 1 and others[0].op == "Const":
                    numbers += others
        if len(numbers) != 1:
            raise NotUnderstood(
                self.graph.nodes[self.joints[0].name if self.joints else self.slices[0].node],
                (f"{len(numbers)} numbers look like that of the only class"),
            )
        self._mark(numbers[0], 0, numbers[0])

    def _mark(self, constant: Any, place: int, reader: Any) -> None:
        if constant.op != "Const" or len(self.consumers[constant.name]) != 1:
            raise NotUnderstood(reader, "it is not known where the number of its class is written")
        value = constants.value_of(constant).reshape(-1)
        if not place < len(value) or value[place] != 0:
            raise NotUnderstood(reader, "the number of its class is not 0")
        self.marks[constant.name] = place

    def _grow(self, count: int) -> Dict[str, List[str]]:
        """Adds the last class' branch, and says that there are as many before it as are missing;
        what each joint joins of the last one."""
        members, last = self._members(), count - 1
        ending = self._ending(members, count)
        names = {name: str(last).join((name + ending[0], ending[1])) for name in members}
        numbered = {
            name: Numbered(self.graph.nodes[name], place)
            for name, place in self.marks.items()
            if name in names
        }
        for name, copy_name in names.items():
            inputs = [self._renamed(text, names, last) for text in self.graph.nodes[name].input]
            self.graph.nodes[copy_name] = (
                numbered[name].node(copy_name, inputs, last)
                if name in numbered
                else NodeCopy(copy_name, inputs, self.graph.nodes[name])
            )
        self.graph.repeated = Repetition(
            range(self.count, last),
            ending,
            {copy_name: name for name, copy_name in names.items()},
            {names[name]: one for name, one in numbered.items()},
            frozenset(unpack.name for unpack in self.unpacks),
            {joint.name: self.count for joint in self.joints},
        )
        return {joint.name: [self._renamed(joint.input[0], names, last)] for joint in self.joints}

    def _ending(self, members: List[str], count: int) -> Tuple[str, str]:
        """What the names of the new branches end with before and behind the class' number, so that
        no other node is called like them."""
        for attempt in itertools.count():
            before, after = "/class_", f"_{attempt}" if attempt else ""
            taken = re.compile(f"(.*){before}([0-9]{{1,9}}){after}", re.DOTALL)
            found = filter(None, map(taken.fullmatch, self.graph.nodes))
            if not any(
                one.group(1) in members and self.count <= int(one.group(2)) < count for one in found
            ):
                return before, after
        raise AssertionError

    def _renamed(self, text: str, names: Dict[str, str], number: int) -> str:
        """An input of class 0's branch as that of another."""
        source = read_input(text)
        if source.control:
            return "^" + names.get(source.name, source.name)
        if any(one.name == source.name for one in self.unpacks):
            return write_input(source.name, number)  # each class has its own port
        return write_input(names.get(source.name, source.name), source.port)

    def _members(self) -> List[str]:
        """The nodes of class 0's branch: what only it needs, in the graph's order."""
        below = {name for name, number in self.classes.items() if number == 0}
        # Nodes that others read as well are shared, not the branch's.
        members, pending = set(below), list(below)
        others = {
            name: len(self.consumers[name])
            for name in self.graph.ancestors(
                read_input(joint.input[0]).name for joint in self.joints
            )
            if name not in below
        }
        while pending:
            for text in self.graph.nodes[pending.pop()].input:
                name = read_input(text).name
                if name in others:
                    others[name] -= 1
                    if not others[name]:
                        members.add(name)
                        pending.append(name)
        if self.count == 1:
            # What several branches would share is one branch's own where there is but one.
            members = {
                name
                for name in members
                if name in below
                or self.graph.nodes[name].op == "Const"
                or set(self.marks) & set(self.graph.ancestors([name]))
            }
        return [name for name in self.graph.nodes if name in members]

    def _resize_joint(self, joint: Any, count: int, more: List[str]) -> None:
        # Those between are not among the inputs (`Repetition`).
        data = (list(joint.input[: self.count]) + more)[:count]
        others = list(joint.input[self.count :])  # the axis, and nodes it waits for
        if joint.op == "Identity":
            if count > 1:
                self._make_concatenation(joint, count, data, others)
            return
        del joint.input[:]
        if count == 1:
            # ConcatV2 takes two inputs at least.
            joint.op = "Identity"
            kind = joint.attr["T"].type
            joint.attr.clear()
            joint.attr["T"].type = kind
            joint.input.extend(data + others[1:])
            return
        joint.input.extend(data + others)
        joint.attr["N"].i = count

    def _make_concatenation(
        self, joint: Any, count: int, data: List[str], others: List[str]
    ) -> None:
        """Gives the joint of one class its operation back: boxes are joined along their axis."""
        axis = Node(unused(self.graph, joint.name + "/axis"), "Const")
        constants.set_value(axis, np.array(0, "<i4"), BY_NAME["int32"])
        # In a loop, a constant has to wait for something in it; the branch's own ones do.
        beside = self.graph.nodes[min(self.marks)]
        axis.input.extend(text for text in beside.input if read_input(text).control)
        self.graph.nodes[axis.name] = axis
        kind = joint.attr["T"].type
        joint.op = "ConcatV2"
        joint.attr.clear()
        joint.attr["T"].type = kind
        joint.attr["Tidx"].type = BY_NAME["int32"].number
        joint.attr["N"].i = count
        del joint.input[:]
        joint.input.extend(data + [axis.name] + others)


def _is_zeros(node: Any) -> bool:
    """Whether a node is zeros as many as something else; a constant, where that is known."""
    if node.op == "Const" and constants.meta_of(node).shape:
        return not constants.value_of(node).any()
    return node.op == "ZerosLike"
