"""The joints of an unrolled suppression that say the classes' numbers and depend on no class.

Where the number of detections is fixed, what is added to a class' number are zeros whose number is
known, and their sum depends on constants alone: no path leads to it from the class' scores.
"""

from typing import Any, Iterable, Iterator, List, NamedTuple, Set

import numpy as np

from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.evaluate import Evaluator
from graphfix.formats.graphdef.graph import Consumers, Graph, Input, read_input
from graphfix.graph_rewrite.axis_types import NotUnderstood
from graphfix.graph_rewrite.vectors import unused

_GATHERS = ("Gather", "GatherV2")
# Between a joint and what sorts the detections of all classes.
_AS_LONG = ("Identity", "Select", "Mul", "Maximum", "Minimum")
_SORT = "TopKV2"


class NumberJoint(NamedTuple):
    """A joint, its parts, and the length of each."""

    node: Any
    parts: List[Input]
    length: int


def joins_one(node: Any) -> bool:
    """Whether a node is a concatenation of one, which is written as an Identity."""
    return node.op == "Identity" and "/Concatenate/concat" in node.name


def number_joints(
    graph: Graph, consumers: Consumers, joints: Iterable[str], count: int
) -> Iterator["NumberJoint"]:
    """Joints of `count` parts that are full of 0, 1, 2 ...; they are gathered from by what the
    other `joints` say.

    Raises:
      NotUnderstood: a node joins as many parts and is gathered from, but they are not of classes.
    """
    below: Set[str] = set()
    pending = list(joints)
    while pending:
        name = pending.pop()
        if name not in below:
            below.add(name)
            pending += [node.name for node, _ in consumers[name]]
    evaluator = Evaluator(graph, through_loops=True)
    seen = set()
    for name in sorted(below):
        if graph.nodes[name].op not in _GATHERS:
            continue
        joint = graph.inputs(graph.nodes[name])[0]
        size = joint.attr["N"].i if joint.op == "ConcatV2" else int(joins_one(joint))
        if joint.name in below or joint.name in seen or size != count:
            continue
        seen.add(joint.name)
        parts = [read_input(text) for text in joint.input[:count]]
        known = [evaluator.value(one.name, one.port) for one in parts]
        values = [value for value in known if value is not None and value.size]
        if len(values) == count and all(
            (value == number).all() for number, value in enumerate(values)
        ):
            yield NumberJoint(joint, parts, values[0].size)
        elif count > 1:
            raise NotUnderstood(joint, f"it joins {count} parts, which are not told to be classes")


def resize_sort(
    graph: Graph, consumers: Consumers, joints: Iterable[Any], length: int, wanted: int
) -> None:
    """Has what sorts the detections of all classes, `length` of them, sort `wanted`."""
    pending, seen = [joint.name for joint in joints], set()
    while pending:
        name = pending.pop()
        for node, position in consumers[name] if name not in seen else ():
            if node.op == _SORT and position == 0:
                count = graph.inputs(node)[1]
                value = Evaluator(graph, through_loops=True).value(count.name)
                if count.op == "Const" and value is not None and value.tolist() == length:
                    made = type(count)()
                    made.CopyFrom(count)
                    made.name = unused(graph, count.name + "/classes")
                    constants.set_value(made, np.array(wanted, value.dtype), BY_NAME["int32"])
                    graph.nodes[made.name] = made
                    node.input[1] = made.name
            elif node.op in _AS_LONG:
                pending.append(node.name)
        seen.add(name)
