"""The text graph of a graph whose batch normalization is written out, as in 2017."""

import numpy as np
import pytest
import repository

import graphfix
from graphfix.exporting.opencv import text_graph
from graphfix.formats import dtypes
from graphfix.formats.graphdef import constants, files
from graphfix.formats.schema import message_class


@pytest.fixture
def graph_def():
    return files.read_graph_def(repository.DETECTOR + "/frozen_inference_graph.pb")


def write_out(graph_def):
    """Has each FusedBatchNorm be operations, the last of them under its name; {name: its factors
    and offsets}."""
    nodes = {node.name: node for node in graph_def.node}
    wanted = {}

    def value(name):
        node = nodes[name]
        while node.op == "Identity":
            node = nodes[node.input[0]]
        return constants.value_of(node)

    fused = [node for node in graph_def.node if node.op.startswith("FusedBatchNorm")]
    for node in fused:
        data, gamma, beta, mean, variance = node.input
        epsilon = np.float32(node.attr["epsilon"].f)
        factors = value(gamma) / np.sqrt(value(variance) + epsilon)
        wanted[node.name] = factors, value(beta) - value(mean) * factors
        at = node.name + "/batchnorm/"
        made = graph_def.node.add(name=at + "add/y", op="Const")
        constants.set_value(made, epsilon, dtypes.FLOAT32)
        for name, op, inputs in (
            ("add", "Add", (variance, at + "add/y")),
            ("Rsqrt", "Rsqrt", (at + "add",)),
            ("mul", "Mul", (at + "Rsqrt", gamma)),
            ("mul_1", "Mul", (data, at + "mul")),
            ("mul_2", "Mul", (mean, at + "mul")),
            ("sub", "Sub", (beta, at + "mul_2")),
        ):
            graph_def.node.add(name=at + name, op=op, input=inputs)
        node.op = "Add"
        node.ClearField("attr")
        del node.input[:]
        node.input.extend([at + "mul_1", at + "sub"])
    return wanted


def network(graph_def):
    heads = graphfix.open_model(repository.DETECTOR).model.heads
    return text_graph.network(files.open_graph(graph_def, "graph"), heads, "graph")


def test_constants_are_computed_and_channels_normalized(graph_def):
    before = network(graph_def)
    wanted = write_out(graph_def)
    found = network(graph_def)
    assert not before.folded and found.heads == before.heads and len(wanted) > 30
    assert len(found.nodes) == len(before.nodes) + len(wanted)
    nodes = {node.name: node for node in found.nodes}
    for name, (factors, offsets) in wanted.items():
        for node, place, numbers in (
            (nodes[name + "/batchnorm/mul_1"], 1, factors),
            (nodes[name], 2, offsets),
        ):
            assert node.op == "FusedBatchNorm" and node.attributes["epsilon"] == "f: 0.0"
            mul, add, mean, variance = (found.folded[one] for one in node.inputs[1:])
            assert not mean.any() and (variance == 1).all()
            assert np.allclose((mul, add)[place - 1], numbers, rtol=1e-5, atol=1e-6)
            assert (mul == 1).all() if place == 2 else not add.any()
    assert not any(node.op == "Mul" for node in found.nodes)


def test_constants_are_appended(graph_def):
    write_out(graph_def)
    found = network(graph_def)
    data = graph_def.SerializeToString()
    both = message_class("graphfix.graph.GraphDef").FromString(
        data + text_graph.constants_of(found.folded)
    )
    added = both.node[len(graph_def.node) :]
    assert both.node[: len(graph_def.node)] == graph_def.node[:]
    assert {node.name for node in added} == set(found.folded)
    for node in added:
        assert np.array_equal(constants.value_of(node), found.folded[node.name])
    assert not {node.name for node in added} & {node.name for node in graph_def.node}


def test_a_product_of_tensors_is_refused(graph_def):
    """Such as a gate's."""
    write_out(graph_def)
    node = next(node for node in graph_def.node if node.name.endswith("/batchnorm/mul_1"))
    node.input[1] = node.input[0]
    with pytest.raises(graphfix.RequestError, match="of type Mul, which OpenCV is not known"):
        network(graph_def)
