"""Graphs that other exporters recorded (testdata/frozen), the models they are of, and whether two
graphs are the same but for their nodes' names and their heads' values."""

import contextlib
import os
import tarfile
from typing import Any, List, NamedTuple

import repository

from graphfix.detectors import families
from graphfix.detectors.config_heads import ConfigHeads
from graphfix.formats.graphdef import constants, files
from graphfix.formats.graphdef.graph import Graph, read_input
from graphfix.formats.schema import message_class, parse
from graphfix.pipeline_config.document import parse_config

DIRECTORY = os.path.join(os.path.dirname(repository.DETECTOR), "frozen")
_IGNORED = ("_output_shapes", "_class")
_SAME_OPERATION = {"AddV2": "Add"}


class Model(NamedTuple):
    """What a rewrite asks of a ModelSpec, where anchors stay."""

    classes: int
    meta: str
    heads: List[Any]


def names():
    return sorted(one[: -len(".tar.xz")] for one in os.listdir(DIRECTORY) if "." in one)


def models(name):
    """{number of classes: (model, graph)} of a recording."""
    found = {}
    with tarfile.open(os.path.join(DIRECTORY, name + ".tar.xz")) as archive:
        data = {one.name: archive.extractfile(one).read() for one in archive.getmembers()}
    for file in data:
        if file.endswith(".pb"):
            message = parse(message_class("graphfix.graph.GraphDef"), data[file])
            graph = files.open_graph(message, file)
            metas = {
                node.name: constants.meta_of(node)
                for node in graph.nodes.values()
                if node.op == "Const" and node.name.rsplit("/", 1)[-1] in families.LEAVES
            }
            config = parse_config(data[file[: -len("pb")] + "config"], file).message
            reading = ConfigHeads(config, metas, file)
            # Of the rest of the model - network, first stage - nothing is in the recording.
            model = Model(reading.classes, reading.meta, list(reading.heads(reading.family())))
            found[model.classes] = model, graph
    return found


def difference(one: Graph, other: Graph, outputs):
    """Where what the graphs compute for outputs of the same names first differs, None if nowhere;
    one may compute twice what the other shares."""
    pairs = set()
    pending = [(read_input(name), read_input(name)) for name in outputs]
    while pending:
        left, right = pending.pop()
        if left.port != right.port:
            return f"{left} and {right}"
        if (left.name, right.name) in pairs:
            continue
        pairs.add((left.name, right.name))
        mine, theirs = one.nodes[left.name], other.nodes[right.name]
        what = f"{mine.op} {left.name} and {theirs.op} {right.name}"
        inputs = [
            [found for found in map(read_input, node.input) if not found.control]
            for node in (mine, theirs)
        ]
        if _operation(mine) != _operation(theirs) or len(inputs[0]) != len(inputs[1]):
            return what
        if mine.op == "Const":
            if not _same_constant(mine, theirs):
                return what
        else:
            for key in set(mine.attr) | set(theirs.attr):
                if key not in _IGNORED and mine.attr[key] != theirs.attr[key]:
                    return f"{what}: {key}"
        pending += zip(*inputs)
    return None


def _operation(node):
    return _SAME_OPERATION.get(node.op, node.op)


def _same_constant(mine, theirs):
    if constants.meta_of(mine)[1:] != constants.meta_of(theirs)[1:]:
        return False
    if mine.name.rsplit("/", 1)[-1] in families.LEAVES:
        return True
    with contextlib.suppress(ValueError):  # of texts
        return constants.value_of(mine).tobytes() == constants.value_of(theirs).tobytes()
    return True
