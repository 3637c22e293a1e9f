"""Any frozen graph or SavedModel gives variables and a rewritten graph, or a SourceError.

As test_fuzz.py has it: seeded, limited in time and memory.  GRAPHFIX_FUZZ=30 makes 5,100 graphs.  A
graph is mutated as bytes, as a message, and as a graph: nodes dropped, inputs renamed to what is
not there or comes later, attributes and constants exchanged and overdrawn.
"""

import dataclasses
import os

import builders
import handmade
import mutations
import pytest
import repository
import test_fuzz

from graphfix.formats import dtypes, extents
from graphfix.formats.graphdef import constants, files
from graphfix.formats.graphdef.effects import effects
from graphfix.formats.graphdef.graph import read_input
from graphfix.graph_import.thaw import thaw
from graphfix.graph_rewrite.rewrite import rewrite
from graphfix.graph_rewrite.saved_model import rewrite_file
from graphfix.modeldir.openers import open_frozen, open_source

DETECTOR = repository.DETECTOR
CONFIG = os.path.join(DETECTOR, "pipeline.config")
test_fuzz.INPUTS.update({"graph bytes": 40, "graph message": 40, "graph": 60, "saved model": 30})
CLASSES = 2
SIZES = mutations.NUMBERS[:12] + (-1, -2, 5, 7)


@pytest.fixture(scope="module")
def base():
    """The trained detector's graph for two classes, without its feature extractor and the
    computation of its anchors; and the model it is of."""
    model = open_source(DETECTOR).model
    path = os.path.join(DETECTOR, "frozen_inference_graph.pb")
    graph = files.open_graph(files.read_graph_def(path), path)
    outputs = [name for name, found in graph.consumers().items() if not found]
    rewrite(graph, model, CLASSES, (), subject=path)
    for node in list(graph.nodes.values()):
        if (
            (node.name.endswith("/Relu6") and not node.name.endswith("Conv2d_11_pointwise/Relu6"))
            or node.name == "Concatenate/concat"
            or node.name.startswith("Preprocessor/map/Te")
        ):
            node.op = "Placeholder"
            del node.input[:]
    graph.prune(outputs)
    for node in graph.nodes.values():
        name = node.name
        if node.op == "Const" and name.endswith(("weights", "biases")):
            value = constants.value_of(node)
            if "ClassPredictor" in name:
                per_anchor = value.reshape(value.shape[:-1] + (-1, model.classes + 1))
                value = per_anchor[..., : CLASSES + 1].reshape(value.shape[:-1] + (-1,))
            # Few channels, so that little is mutated besides the graph itself.
            constants.set_value(
                node, value[..., :2, :] if value.ndim == 4 else value, dtypes.FLOAT32
            )
    return graph.to_graph_def(), dataclasses.replace(model, classes=CLASSES)


def process(data, path, model, classes):
    """Everything that is done to a frozen graph's file."""
    path.write_bytes(data)
    graph_def = files.read_graph_def(str(path))
    effects(graph_def, "it")
    thawed = None
    try:
        thawed, _ = thaw(files.open_graph(graph_def, "it"), subject="it", partial=True)
    finally:
        graph = files.open_graph(graph_def, "it")
        rewrite(graph, model, classes, (), subject="it")
        made = graph.to_graph_def()
        names = {node.name for node in made.node}
        assert all(read_input(text).name in names for node in made.node for text in node.input)
        assert files.to_bytes(made)
    return thawed


def mutate_graph(made, graph_def):
    """A graph with a few nodes changed, inputs and constants first of all."""
    out = type(graph_def)()
    out.CopyFrom(graph_def)
    for _ in range(made.choice((1, 1, 1, 2, 4))):
        node, other = made.choice(out.node), made.choice(out.node)
        kind = made.choice(
            (
                "drop",
                "input",
                "input",
                "input",
                "inputs",
                "op",
                "attr",
                "number",
                "number",
                "constant",
                "constant",
                "constant",
                "name",
                "double",
            )
        )
        if kind == "drop":
            out.node.remove(node)
        elif kind == "input" and node.input:
            at = made.randrange(len(node.input))
            node.input[at] = made.choice(
                (
                    other.name,
                    node.name,
                    "gone",
                    "",
                    "^" + other.name,
                    other.name + ":7",
                    node.input[made.randrange(len(node.input))],
                    node.input[at] + ":1",
                )
            )
        elif kind == "inputs" and node.input:
            if made.random() < 0.5:
                del node.input[made.randrange(len(node.input))]
            else:
                node.input.append(other.name)
        elif kind == "op":
            node.op = made.choice((other.op, "Identity", "Pack", "Unknown", "Const"))
        elif kind == "attr" and node.attr:
            name = made.choice(sorted(node.attr))
            if made.random() < 0.3:
                del node.attr[name]
            elif other.attr:
                node.attr[name].CopyFrom(other.attr[made.choice(sorted(other.attr))])
        elif kind == "number":
            numbers = [
                name for name in sorted(node.attr) if node.attr[name].WhichOneof("value") == "i"
            ]
            if numbers:
                node.attr[made.choice(numbers)].i = made.choice(SIZES)
        elif kind == "constant":
            node = made.choice([one for one in out.node if one.op == "Const"])
            tensor = node.attr["value"].tensor
            what = made.randrange(6)
            if what == 0:
                tensor.dtype = made.choice((0, 1, 3, 7, 9, 10, 14, 23, 100))
            elif what == 1 and tensor.tensor_shape.dim:
                made.choice(tensor.tensor_shape.dim).size = made.choice(SIZES)
            elif what == 2:
                tensor.tensor_shape.dim.add(size=made.choice(SIZES))
            elif what == 3:
                tensor.tensor_content = mutations.mutate_bytes(made, tensor.tensor_content)
            elif what == 4:
                tensor.tensor_shape.unknown_rank = True
            elif constants.is_constant(node):
                try:
                    value = constants.value_of(node).copy()
                    value.reshape(-1)[made.randrange(value.size)] = made.choice((0, 1, 2, 3, 4))
                    constants.set_value(node, value, dtypes.BY_NUMBER[tensor.dtype])
                except ValueError:
                    pass
        elif kind == "name":
            node.name = made.choice((other.name, "", "x", "\u00e9", other.name + "/classes"))
        elif kind == "double":
            out.node.add().CopyFrom(node)
    return out


def test_the_base_is_rewritten(base, tmp_path):
    graph_def, model = base
    assert len(graph_def.node) < 1000
    assert "BoxPredictor_0/ClassPredictor/weights" in process(
        files.to_bytes(graph_def), tmp_path / "it.pb", model, 3
    )


@pytest.mark.parametrize(
    "kind, results, said", [("graph bytes", 0, 2), ("graph message", 5, 4), ("graph", 10, 8)]
)
@pytest.mark.slow
def test_a_graph(base, tmp_path, kind, results, said):
    graph_def, model = base
    data = files.to_bytes(graph_def)
    outcome = test_fuzz.Outcome()
    for made in test_fuzz.inputs(kind):
        if kind == "graph":
            changed = mutate_graph(made, graph_def).SerializeToString()
        elif kind == "graph message":
            changed = mutations.mutate_message(made, data)
        else:
            changed = mutations.mutate_bytes(made, data)
        outcome.of(lambda: process(changed, tmp_path / "it.pb", model, made.choice((1, 3))), kind)
    assert outcome.results >= results and len(outcome.said) >= said, (outcome.results, outcome.said)


@pytest.mark.slow
def test_a_saved_model(base, tmp_path):
    """Its graph and signature, through all of what opens a source, too."""
    graph_def, model = base
    builders.write_saved_model(
        tmp_path / "saved", os.path.join(DETECTOR, "frozen_inference_graph.pb")
    )
    saved = files.open_saved_model(str(tmp_path / "saved")).whole()
    saved.meta_graphs[0].graph_def.CopyFrom(graph_def)
    data = files.to_bytes(saved)
    path = tmp_path / "saved" / "saved_model.pb"

    def whole(changed):
        path.write_bytes(changed)
        try:
            return open_frozen(str(tmp_path / "saved"), config_path=CONFIG, partial=True)
        finally:
            file = files.open_saved_model(str(tmp_path / "saved"))
            assert extents.size(rewrite_file(file, model, 3, ()))

    outcome = test_fuzz.Outcome()
    for made in test_fuzz.inputs("saved model"):
        changed = type(saved)()
        changed.CopyFrom(saved)
        if made.random() < 0.5:
            meta = changed.meta_graphs[0]
            meta.graph_def.CopyFrom(mutate_graph(made, graph_def))
            if made.random() < 0.5:
                info = meta.signature_def["serving_default"].outputs["detection_boxes"]
                info.name = made.choice(("", "gone:0", "image_tensor:9", "detection_boxes"))
            one = changed.SerializeToString()
        else:
            one = mutations.mutate_message(made, data)
        outcome.of(lambda: whole(one), "saved model")
    assert len(outcome.said) >= 2, (outcome.results, outcome.said)


def reshaped_by(graph_def, make):
    """The base with the shape of a head's Reshape put together by `make(add, name of the shape)`,
    which gives the new shape's name."""
    out = type(graph_def)()
    out.CopyFrom(graph_def)
    (node,) = [one for one in out.node if one.name == "BoxPredictor_0/Reshape_1"]

    def add(name, op, *inputs, **numbers):
        one = out.node.add(name=name, op=op, input=inputs)
        for attribute, number in numbers.items():
            one.attr[attribute].i = number
        return name

    node.input[1] = make(add, node.input[1])
    return out.SerializeToString()


def doubled(add, name):
    """A vector that doubles 60 times: 2 ** 60 elements."""
    add("axis", "Const")
    for level in range(60):
        name = add(f"level_{level}", "ConcatV2", name, name, "axis", N=2)
    return name


def spread(add, name):
    """64 of 64 of 64 ... scalars, none of which is known."""
    name = add("scalar", "Placeholder")
    for level in range(14):
        name = add(f"level_{level}", "Pack", *[name] * 64, N=64)
    return name


def deep(add, name):
    """A shape that is the only part of a vector that is the only part of a vector..."""
    add("axis", "Const")
    for level in range(20000):
        name = add(f"level_{level}", "ConcatV2", name, "axis", N=1)
    return name


@pytest.mark.parametrize("make", [doubled, spread, deep])
@pytest.mark.slow
def test_what_unfolds_without_end_is_refused(base, tmp_path, make):
    graph_def, model = base
    outcome = test_fuzz.Outcome()
    outcome.of(
        lambda: process(reshaped_by(graph_def, make), tmp_path / "it.pb", model, 3), make.__name__
    )
    (said,) = outcome.said
    assert said.startswith("cannot be rewritten: "), said


@pytest.mark.parametrize("field", [1, 2, 9, 20])
def test_nesting_without_end_is_refused(tmp_path, field):
    """Messages (or, as an unknown field, groups) within messages, 100,000 deep."""
    outcome = test_fuzz.Outcome()
    path = tmp_path / "it.pb"
    for data in (
        handmade.varint(field << 3 | 3) * 100000,
        mutations.message([[field, 2, b"\x0a\x7f" * 50000]]),
    ):
        path.write_bytes(data)
        assert outcome.of(lambda: files.read_graph_def(str(path)), field) is None
    assert len(outcome.said) >= 1


def test_a_graph_of_groups_is_written_back(base, tmp_path):
    """Old-fashioned unknown fields go through, whatever is in them."""
    graph_def, _model = base
    group = b"\xa3\x06" + b"\x0a\x03abc" + b"\x2d\0\0\0\0" + b"\xa4\x06"
    made = files.to_bytes(graph_def) + group
    (tmp_path / "it.pb").write_bytes(made)
    again = files.to_bytes(files.read_graph_def(str(tmp_path / "it.pb")))
    assert group in again and len(again) == len(made)
