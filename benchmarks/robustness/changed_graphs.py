"""Changes of frozen graphs and SavedModels.

A change takes (output, choose), as `changes` says.
"""

import os
import shutil

import numpy as np

from graphfix.formats.graphdef import constants, files
from robustness.changed_tensors import ulp

GRAPHS = ("frozen_inference_graph.pb", os.path.join("saved_model", "saved_model.pb"))


def graph(change):
    """A changed message of a frozen graph or SavedModel."""

    def changed(output, choose):
        names = [name for name in GRAPHS if output.has(name)]
        if not names:
            return None
        name = choose.choice(names)
        if name == GRAPHS[0]:
            message = files.read_graph_def(output.path(name))
            graph_def = message
        else:
            message = files.open_saved_model(os.path.dirname(output.path(name))).whole()
            graph_def = message.meta_graphs[0].graph_def
        if change(graph_def, choose) is False:
            return None
        output.write(name, files.to_bytes(message))
        return [name]

    return changed


def graph_constant(graph_def, choose):
    node = choose.choice(
        [
            node
            for node in graph_def.node
            if node.op == "Const" and node.attr["value"].tensor.tensor_content
        ]
    )
    proto = node.attr["value"].tensor
    data = bytearray(proto.tensor_content)
    data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)
    proto.tensor_content = bytes(data)


def graph_variable(graph_def, choose):
    """One float of a variable that is a constant there."""
    node = choose.choice(
        [
            node
            for node in graph_def.node
            if constants.is_constant(node)
            and node.name.endswith(("weights", "biases"))
            and node.attr["value"].tensor.tensor_content
        ]
    )
    proto = node.attr["value"].tensor
    proto.tensor_content = ulp(np.frombuffer(proto.tensor_content, np.float32), choose).tobytes()


def no_node(graph_def, choose):
    del graph_def.node[choose.randrange(len(graph_def.node))]


def node_renamed(graph_def, choose):
    choose.choice(graph_def.node).name += "_1"


def attribute(graph_def, choose):
    node = choose.choice([node for node in graph_def.node if node.attr])
    node.attr[choose.choice(sorted(node.attr))].s = b"x"


def no_nodes(graph_def, choose):
    del graph_def.node[:]


def other_version(graph_def, choose):
    graph_def.versions.producer += 1


def unknown_field(output, choose):
    names = [name for name in GRAPHS if output.has(name)]
    if not names:
        return None
    name = choose.choice(names)
    output.write(name, output.read(name) + b"\xfa\x3f\x01x")
    return [name]


def of_the_source(output, choose):
    names = [
        name
        for name in GRAPHS
        if output.has(name) and os.path.exists(os.path.join(output.source, name))
    ]
    if not names:
        return None
    name = choose.choice(names)
    shutil.copy(os.path.join(output.source, name), output.path(name))
    return [name]
