"""frozen/: graphs of hundreds of classes take work in proportion, and are written as messages
are."""

import dataclasses
import random
import sys

import handgraphs
import pytest
import repository
import thorough
from trained_detector import FROZEN, SUPPRESSION, open_graph

from graphfix.formats import extents
from graphfix.formats.graphdef import constants, files
from graphfix.formats.graphdef.evaluate import evaluate
from graphfix.formats.graphdef.nodes import NodeCopy
from graphfix.formats.schema import message_class
from graphfix.graph_import.thaw import thaw
from graphfix.graph_rewrite.axes import Tracker
from graphfix.graph_rewrite.axis_types import ANY, CLASS, NotUnderstood
from graphfix.graph_rewrite.rewrite import rewrite

DETECTOR = repository.DETECTOR
JOINT = SUPPRESSION + "Concatenate/concat"
COUNTS = (20, 40, 80)


def parsed(graph):
    data = extents.joined(files.graph_pieces(graph))
    return message_class("graphfix.graph.GraphDef").FromString(data)


def grown(model, count, change=None):
    """The trained detector's graph for `count` classes, and the model it is of."""
    graph = open_graph()
    if change:
        change(graph)
    rewrite(graph, model, count, (), subject=FROZEN)
    return parsed(graph), dataclasses.replace(model, classes=count)


def steps(work):
    """How many lines of Python some work runs, those of loops every time."""
    count = [0]

    def counted(frame, event, argument):
        count[0] += 1
        return counted

    before = sys.gettrace()
    sys.settrace(counted)
    try:
        work()
    finally:
        sys.settrace(before)
    return count[0]


def parsed_after(graph_def, model, count):
    graph = files.open_graph(graph_def, "it")
    rewrite(graph, model, count, (), subject="it")
    extents.joined(files.graph_pieces(graph))


KINDS = {
    # Whether a graph starts with as many classes as are counted, not with 8; what is done to it.
    "growing": (False, lambda graph_def, model, count: parsed_after(graph_def, model, count)),
    "shrinking": (True, lambda graph_def, model, count: parsed_after(graph_def, model, 2)),
    "growing on": (True, lambda graph_def, model, count: parsed_after(graph_def, model, count + 8)),
    "thawing": (
        True,
        lambda graph_def, model, count: thaw(files.open_graph(graph_def, "it"), subject="it"),
    ),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.slow
def test_twice_the_classes_are_twice_the_work(trained_model, kind):
    """Counted in lines that run: the second forty take no more than the first twenty twice."""
    from_many, work = KINDS[kind]
    made = []
    for count in COUNTS:
        first = grown(trained_model, count if from_many else 8)
        work(*first, count)  # what is remembered from then on is no work any more
        graph_def, of = grown(trained_model, count if from_many else 8)
        made.append(steps(lambda: work(graph_def, of, count)))
    first, second = made[1] - made[0], made[2] - made[1]
    assert 0 < first and second < 2.1 * first, made


def test_what_is_written_is_what_a_message_would_be(graph, trained_model):
    rewrite(graph, trained_model, 120, (), subject=FROZEN)
    message = graph.to_graph_def()
    assert len(message.node) > len(graph.nodes) + 100 * 20
    assert files.to_bytes(parsed(graph)) == files.to_bytes(message)
    assert parsed(graph) == message


def test_names_of_copies_are_nobody_elses(graph, trained_model):
    """A node may be called as the copies are: then they all get another name."""
    taken = SUPPRESSION + "Slice/class_10"
    graph.nodes["image_tensor"].name = taken
    graph.nodes[taken] = graph.nodes.pop("image_tensor")
    for node in graph.nodes.values():
        node.input = [taken if text == "image_tensor" else text for text in node.input]
    rewrite(graph, trained_model, 12, (), subject=FROZEN)
    made = files.open_graph(parsed(graph), "it")
    assert made.nodes[taken].op == "Placeholder"
    assert [made.nodes[f"{SUPPRESSION}Slice/class_{one}_1"].op for one in (8, 10, 11)] == [
        "Slice"
    ] * 3
    assert SUPPRESSION + "Slice/class_8" not in made.nodes


@pytest.mark.parametrize("seed", thorough.sampled(range(20), 4))
def test_any_copy_is_written_as_its_message(seed):
    """Names of any length and letters, inputs of any kind."""
    made = random.Random(seed)
    graph = (
        handgraphs.Made()
        .constant("a", (2,))
        .node("b", "Neg", "a")
        .node("c", "AddN", "a", "b:1", "^a")
        .graph()
    )
    for number in range(10):
        name = f"{number}" + made.choice("aZ/_\u00e9\u4e2d\U0001f600") * made.choice(
            (0, 1, 60, 125, 126, 127, 128, 5000, 20000)
        )
        like = graph.nodes[made.choice("abc")]
        graph.nodes[name] = NodeCopy(
            name,
            [
                made.choice(("%s", "^%s", "%s:1", "%s:33")) % made.choice(list(graph.nodes))
                for _ in range(made.randrange(4))
            ],
            like,
        )
    message = graph.to_graph_def()
    assert extents.joined(files.graph_pieces(graph)) == files.to_bytes(message)
    assert parsed(graph) == message and len(message.node) == 13


@pytest.mark.parametrize("count", thorough.sampled([3, 12], 2))
def test_readers_that_share_a_count_get_one_each(trained_model, count):
    """Two shapes take their number of classes from one constant, which a stranger's optimiser may
    have made of two."""

    def share(graph):
        first, second = (graph.nodes[f"BoxPredictor_{one}/Reshape_1/shape"] for one in (0, 1))
        second.input[2] = first.input[2]

    alone, shared = (
        files.open_graph(grown(trained_model, count, change)[0], "it") for change in (None, share)
    )
    assert set(alone.nodes) - set(shared.nodes) <= {
        f"BoxPredictor_{one}/Reshape_1/shape/2" for one in (0, 1)
    }
    for one in (0, 1):
        values = [
            constants.value_of(
                graph.inputs(graph.nodes[f"BoxPredictor_{one}/Reshape_1/shape"])[2]
            ).tolist()
            for graph in (alone, shared)
        ]
        assert values == [count + 1] * 2


@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.slow
def test_what_joints_wait_for_they_wait_for_still(trained_model, count):
    def wait(graph):
        graph.nodes[JOINT].input.append("^image_tensor")

    graph_def, of_count = grown(trained_model, count, wait)
    graph = files.open_graph(graph_def, "it")
    assert graph.nodes[JOINT].input[-1] == "^image_tensor"
    rewrite(graph, of_count, 2, (), subject="it")
    again = files.open_graph(parsed(graph), "it")
    joint = again.nodes[JOINT]
    assert (joint.op, len(joint.input), joint.input[-1]) == ("ConcatV2", 4, "^image_tensor")


def test_attributes_that_were_left_out_stay_out(graph, trained_model):
    """An exporter may leave out what has its default; asked for, it must not come to be, empty."""
    for node in graph.nodes.values():
        for name in ("ellipsis_mask", "new_axis_mask", "begin_mask", "axis", "keep_dims"):
            if name in node.attr and not node.attr[name].i and not node.attr[name].b:
                del node.attr[name]
    graph.nodes[SUPPRESSION + "Slice"].attr["begin_mask"].SetInParent()
    before = {name: set(node.attr) for name, node in graph.nodes.items()}
    rewrite(graph, trained_model, 12, (), subject=FROZEN)
    for node in parsed(graph).node:
        assert all(value.WhichOneof("value") for value in node.attr.values()), node.name
        if node.name in before and node.name not in (JOINT,):
            assert set(node.attr) <= before[node.name], node.name


@pytest.mark.parametrize("op, attribute", [("Unpack", "num"), ("Split", "num_split")])
def test_nodes_that_claim_endless_outputs_are_refused(op, attribute):
    made = handgraphs.Made().node("x", "Placeholder").value("axis", 0, "int32")
    graph = made.node("it", op, *(["axis", "x"] if op == "Split" else ["x"])).graph()
    graph.nodes["it"].attr[attribute].i = 1 << 40
    tracker = Tracker(graph, graph.consumers(), 2, 3)
    tracker.start("x", ((ANY,), (CLASS,)))
    with pytest.raises(NotUnderstood, match=f"'it': it has {1 << 40} outputs"):
        tracker.run()


def test_nothing_is_split_into_endless_parts():
    graph = (
        handgraphs.Made()
        .value("axis", 0, "int32")
        .constant("x", (0,))
        .node("it", "Split", "axis", "x")
        .graph()
    )
    graph.nodes["it"].attr["num_split"].i = 1 << 40
    assert evaluate(graph, "it") is None
