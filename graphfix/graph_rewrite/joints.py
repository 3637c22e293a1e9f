"""The joints of an unrolled suppression that say the classes' numbers and depend on no class.

Where the number of detections is fixed, what is added to a class' number are zeros whose number is
known, and their sum depends on constants alone: no path leads to it from the class' scores.
"""

from typing import Any, Iterable, Iterator, List, NamedTuple, Set

import numpy as np

from graphfix.formats.dtypes import BY_NAME
from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.evaluate import Evaluator
from graphfix.formats.graphdef.graph import Consumers, Graph, Input, read_input, source_name
from graphfix.graph_rewrite.axis_types import NotUnderstood

_GATHERS = ("Gather", "GatherV2")
# What sorts the detections of all classes.
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


def resize_lengths(
    graph: Graph, consumers: Consumers, joints: List[Any], frame: str, before: int, after: int
) -> None:
    """Has shapes of the detections of all classes say `after` detections instead of `before`.

    A revision that knew the shape of what is joined wrote it down: as a vector whose first element
    is taken, in the loop `frame`, for what comes behind the joints; and as a number that an
    assertion holds against that.

    Raises:
      NotUnderstood: what sorts the detections takes the number from somewhere else.
    """
    inside = graph.ancestors(joint.name for joint in joints)
    shapes = [
        node
        for node in graph.nodes.values()
        if node.op == "Const"
        and node.name not in inside
        and (frame in node.input if frame else not node.input)
        and _begins_with(node, before)
        and all(reader.op == "StridedSlice" for reader, _ in consumers[node.name])
    ]
    cuts = {reader.name for node in shapes for reader, _ in consumers[node.name]}
    numbers = [
        source
        for node in graph.nodes.values()
        if node.op == "Equal" and cuts & set(map(source_name, node.input))
        for source in graph.inputs(node)[:2]
        if source.op == "Const"
    ]
    evaluator = Evaluator(graph, through_loops=True)
    for name, node in graph.nodes.items():
        if node.op == _SORT and frame_of(graph, node) == frame and name not in inside:
            count = graph.inputs(node)[1]
            value = evaluator.value(count.name)
            if value is not None and value.tolist() == before and count.name not in cuts:
                raise NotUnderstood(node, f"it is not known where its {before} is written")
    for node in shapes + numbers:
        value = np.array(constants.value_of(node))
        value.reshape(-1)[0] = after
        constants.set_value(node, value, BY_NAME["int32"])


def _begins_with(node: Any, length: int) -> bool:
    meta = constants.meta_of(node)
    if meta.dtype.name != "int32" or len(meta.shape) != 1 or not 1 < meta.size < 8:
        return False
    return bool(constants.value_of(node)[0] == length)


def frame_of(graph: Graph, node: Any) -> str:
    """What constants beside a node in a loop wait for, "" where they wait for nothing."""
    pending, seen = [node], set()
    while pending:
        one = pending.pop()
        if one.op == "Const":
            return next((text for text in one.input if read_input(text).control), "")
        if one.name not in seen:
            seen.add(one.name)
            pending += graph.inputs(one)
    return ""
