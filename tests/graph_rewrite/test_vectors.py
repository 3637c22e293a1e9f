"""Vectors folded from what a graph computes."""

import handgraphs
import pytest

from graphfix.formats.graphdef import constants
from graphfix.formats.graphdef.graph import read_input
from graphfix.graph_rewrite.axis_types import ANY, CLASS, NotUnderstood
from graphfix.graph_rewrite.vectors import Vectors

AXES = ((ANY,), (7,), (CLASS,))


@pytest.fixture
def made():
    """A graph with a tensor x of three axes, whose last one has five classes."""
    graph = handgraphs.Made().node("x", "Placeholder").node("rank", "Rank", "x")
    graph.node("shape", "Shape", "x").value("zero", 0, "int32").value("one", 1, "int32")
    return graph.value("ones", [1], "int32").value("twos", [2], "int32")


def read(made, name, known=True):
    graph = made.graph()
    states = {("x", 0): AXES} if known else {}
    size = {CLASS: 5}
    vectors = Vectors(graph, graph.consumers(), states, lambda one: size.get(one, one))
    return vectors, graph, vectors.read(read_input(name))


def test_a_permutation_of_the_rank(made):
    """As TensorFlow 1.12 and earlier spell a transposition."""
    made.node("last", "Sub", "rank", "one").node("range", "Range", "zero", "rank", "one")
    made.node("it", "Sub", "last", "range")
    assert [one.value for one in read(made, "it")[2]] == [2, 1, 0]
    assert read(made, "it", known=False)[2] is None


def test_the_length_of_an_axis_follows_it(made):
    """As TensorFlow 1.10 and earlier flatten for a softmax."""
    made.node("last", "Slice", "shape", "twos", "ones").value("rest", [-1], "int32")
    made.node("it", "ConcatV2", "rest", "last", "zero")
    made.message.node[-1].attr["N"].i = 2
    vectors, graph, (rest, last) = read(made, "it")
    assert (rest.value, rest.constant) == (-1, "rest")
    assert (last.value, last.axis, last.counts_classes) == (5, (CLASS,), True)
    with pytest.raises(NotUnderstood, match="not written in a place of its own"):
        vectors.change(last, 6, graph.nodes["it"], 0)


def test_what_is_computed_of_the_classes_is_not_known(made):
    made.node("last", "Slice", "shape", "twos", "ones").node("it", "Mul", "last", "twos")
    assert [one.value for one in read(made, "it")[2]] == [None]
    made.node("other", "Slice", "shape", "ones", "ones").node("known", "Mul", "other", "twos")
    assert [one.value for one in read(made, "known")[2]] == [14]


def test_an_element_keeps_the_place_where_it_is_written(made):
    made.value("sizes", [3, 5, 4], "int32").node("cut", "Slice", "sizes", "ones", "twos")
    made.node("other", "Identity", "sizes").node("it", "Reshape", "x", "cut")
    vectors, graph, elements = read(made, "cut")
    assert [(one.value, one.place, one.reader) for one in elements] == [
        (5, 1, "cut"),
        (4, 2, "cut"),
    ]
    vectors.change(elements[0], 9, graph.nodes["it"], 1)
    with pytest.raises(NotUnderstood, match="counts something else"):
        vectors.change(elements[0], 8, graph.nodes["it"], 1)
    vectors.apply()
    changed = graph.nodes[read_input(graph.nodes["cut"].input[0]).name]
    assert constants.value_of(changed).tolist() == [3, 9, 4]
    assert constants.value_of(graph.nodes["sizes"]).tolist() == [3, 5, 4]


def test_what_unfolds_without_end_is_not_read(made):
    for number in range(64):
        before = f"n{number - 1}" if number else "shape"
        made.node(f"n{number}", "Sub", before, before)
    assert read(made, "n63")[2] is None
    made.value("many", [99, 99], "int32").node("it", "Fill", "many", "one")
    assert read(made, "it")[2] is None
