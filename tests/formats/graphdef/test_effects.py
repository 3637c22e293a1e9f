"""effects: operations that do more than compute are named, wherever they stand.

stock/test_frozen.py holds the table against TensorFlow's registered operations.
"""

import json
import os

import builders
import pytest
import repository

from graphfix.formats.graphdef import files
from graphfix.formats.graphdef.effects import EFFECTS, effects
from graphfix.formats.schema import message_class

DETECTOR = repository.DETECTOR
FROZEN = os.path.join(DETECTOR, "frozen_inference_graph.pb")
CONFIG = ["--pipeline_config_path", os.path.join(DETECTOR, "pipeline.config")]


def test_no_operation_stands_twice():
    operations = [operation for _, some in EFFECTS for operation in some]
    assert len(operations) == len(set(operations)) > 80


@pytest.mark.parametrize(
    "operation, words",
    [
        ("ReadFile", "reads files"),
        ("WriteFile", "writes files"),
        ("SaveV2", "writes files"),
        ("RestoreV2", "reads files"),
        ("Rpc", "uses the network"),
        ("Print", "writes to the log"),
        ("PyFuncStateless", "runs Python code"),
        ("EagerPyFunc", "runs Python code"),
        ("TextLineDataset", "reads files"),
        ("LMDBReader", "reads files"),
    ],
)
def test_a_node_is_named(operation, words):
    graph_def = message_class("graphfix.graph.GraphDef")()
    graph_def.node.add(name="a/b", op=operation)
    (finding,) = effects(graph_def, "it.pb")
    assert (finding.code, finding.severity, finding.subject) == ("GRAPH_EFFECT", "warning", "it.pb")
    assert words in finding.message and f"{operation} 'a/b'" in finding.message


def test_a_functions_node_is_named_and_many_are_counted():
    graph_def = message_class("graphfix.graph.GraphDef")()
    for number in range(5):
        graph_def.library.function.add().node_def.add(name=f"n{number}", op="PyFunc")
    (finding,) = effects(graph_def, "it.pb")
    assert "PyFunc 'n0' of a function" in finding.message and "2 more" in finding.message


@pytest.mark.parametrize("operation", ["DecodeRaw", "DecodeJpeg", "Assert", "Const", "Identity"])
def test_computing_is_no_effect(operation):
    graph_def = message_class("graphfix.graph.GraphDef")()
    graph_def.node.add(name="a", op=operation)
    assert effects(graph_def, "it.pb") == ()


def hostile(graph_def):
    graph_def.node.add(name="harmless", op="WriteFile", input=["image_tensor"] * 2)
    graph_def.library.function.add().node_def.add(name="inner", op="PyFunc")


@pytest.fixture
def graph(tmp_path):
    """A frozen graph that writes a file and has a function that runs Python."""
    graph_def = files.read_graph_def(FROZEN)
    hostile(graph_def)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "frozen_inference_graph.pb").write_bytes(files.to_bytes(graph_def))
    return tmp_path / "in" / "frozen_inference_graph.pb"


def test_inspect_warns(graphfix, graph):
    done = graphfix("inspect", graph, *CONFIG)
    assert done.code == 0 and "WriteFile 'harmless'" in done.out and "PyFunc 'inner'" in done.out
    done = graphfix("inspect", graph, "--json", *CONFIG)
    assert [one["code"] for one in json.loads(done.out)["findings"]] == ["GRAPH_EFFECT"] * 2


def test_inspect_warns_of_a_saved_model(graphfix, tmp_path):
    directory = builders.write_saved_model(
        tmp_path / "saved", FROZEN, lambda saved: hostile(saved.meta_graphs[0].graph_def)
    )
    done = graphfix("inspect", directory, *CONFIG)
    assert done.code == 0 and "warning GRAPH_EFFECT: saved_model.pb writes files" in done.out


def test_inspect_has_nothing_to_say_of_the_trained_detector(graphfix):
    assert "GRAPH_EFFECT" not in graphfix("inspect", DETECTOR).out
    assert json.loads(graphfix("inspect", DETECTOR, "--json").out)["findings"] == []


@pytest.mark.parametrize("verb", [["thaw"], ["convert", "--num_classes", "3", "--map", "1=2"]])
def test_what_is_made_of_it_warns(graphfix, graph, tmp_path, verb):
    done = graphfix(verb[0], graph, *verb[1:], *CONFIG, "--output_directory", tmp_path / "out")
    assert done.code == 0
    assert "GRAPH_EFFECT" in done.err and "WriteFile 'harmless'" in done.err


def test_inspect_tells_of_a_damaged_graph_beside_a_checkpoint(graphfix, model, tmp_path):
    for name in os.listdir(str(model)):
        with open(os.path.join(str(model), name), "rb") as file:
            (tmp_path / name).write_bytes(file.read())
    (tmp_path / "frozen_inference_graph.pb").write_bytes(b"no graph")
    done = graphfix("inspect", tmp_path)
    assert done.code == 0 and "FROZEN_GRAPH: frozen_inference_graph.pb is no" in done.out
