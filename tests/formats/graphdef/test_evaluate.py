"""formats/graphdef/evaluate.py against NumPy; stock/test_evaluate.py has TensorFlow itself."""

import handgraphs
import numpy as np
import pytest
from evaluation_cases import CASES, A, B, M, floats, ints, made

from graphfix.formats.graphdef.evaluate import MOST_ELEMENTS, Evaluator, evaluate

EACH = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "Div": np.divide,
    "Minimum": np.minimum,
    "Maximum": np.maximum,
}


@pytest.mark.parametrize("op", sorted(EACH))
def test_arithmetic(op):
    for left, right in [(A, B), (A, A.T.copy().T), (floats(), M), (floats(2, 1, 4), floats(3, 1))]:
        found = evaluate(made(op, [left, right]), "it")
        wanted = EACH[op](left, right)
        assert found.dtype == np.float32 and found.tobytes() == wanted.tobytes()
        assert found.shape == wanted.shape


@pytest.mark.parametrize("op, values, attributes, wanted", CASES)
def test_shapes_and_types(op, values, attributes, wanted):
    found = evaluate(made(op, values, **attributes), "it")
    assert found.dtype == wanted.dtype and found.shape == np.shape(wanted)
    assert found.tobytes() == np.asarray(wanted).tobytes()


def test_a_range_of_floats_adds_step_by_step():
    step = np.float32(0.1)
    found = evaluate(made("Range", [np.float32(0), np.float32(2), step]), "it")
    wanted = [np.float32(0)]
    while len(wanted) < 20:
        wanted.append(wanted[-1] + step)
    assert found.tolist() == [float(one) for one in wanted]
    assert found.tobytes() != np.arange(0, 2, step, np.float32).tobytes()


def test_outputs_by_port():
    unpack = made("Unpack", [A], num=3, axis=0)
    assert [evaluate(unpack, "it", port).tolist() for port in range(3)] == A.tolist()
    assert evaluate(unpack, "it", 3) is None
    split = made("Split", [np.int32(1), A], num_split=2)
    assert evaluate(split, "it", 1).tolist() == A[:, 2:].tolist()


@pytest.mark.parametrize(
    "op, values, attributes",
    [
        ("Add", [A, floats(5)], {}),
        ("Reshape", [A, ints(5)], {}),
        ("Slice", [B, ints(3), ints(2)], {}),
        ("Slice", [B, ints(-1), ints(1)], {}),
        ("StridedSlice", [B, ints(4), ints(5), ints(1)], {"shrink_axis_mask": 1}),
        ("StridedSlice", [B, ints(0), ints(1), ints(1)], {"ellipsis_mask": 1}),
        ("Div", [ints(1), ints(0)], {}),
        ("Range", [np.int32(0), np.int32(9), np.int32(0)], {}),
        ("Range", [np.float32(0), np.float32(np.nan), np.float32(1)], {}),
        ("Range", [np.float32(0), np.float32(1), np.float32(1e-30)], {}),
        ("Cast", [A], {"DstT": "string"}),
        ("Fill", [ints(1 << 30, 1 << 30), np.float32(1)], {}),
        ("Tile", [A, ints(1 << 20, 1 << 20)], {}),
        ("Unpack", [np.zeros((1 << 30, 0), np.float32)], {"axis": 0}),
        ("Split", [np.int32(0), np.zeros((1 << 30, 0), np.float32)], {"num_split": 1 << 30}),
        ("Exp", [A], {}),
        ("Placeholder", [], {}),
    ],
)
def test_what_has_no_value(op, values, attributes):
    assert evaluate(made(op, values, **attributes), "it") is None


def test_bounds():
    assert evaluate(made("Fill", [ints(MOST_ELEMENTS), np.int8(1)]), "it").size == MOST_ELEMENTS
    assert evaluate(made("Fill", [ints(MOST_ELEMENTS + 1), np.int8(1)]), "it") is None
    graph = made("Fill", [ints(11), np.int8(1)])
    assert Evaluator(graph, most_elements=10).value("it") is None
    assert Evaluator(graph, most_elements=11).value("it").size == 11


def chain(length):
    made = handgraphs.Made().value("x0", np.float32(1))
    for number in range(length):
        made.node(f"x{number + 1}", "Add", f"x{number}", f"x{number}")
    return made


def test_deep_and_much_shared():
    # Every path of it would be 2 to the power of 60, and recursion would be too deep.
    assert evaluate(chain(60).graph(), "x60") == np.float32(2) ** 60
    assert evaluate(chain(5000).node("y", "Rank", "x5000").graph(), "y") == 0


def test_cycles_have_no_value():
    graph = chain(1).node("a", "Add", "x1", "b").node("b", "Add", "a", "x0").graph()
    values = Evaluator(graph)
    assert values.value("b") is None and values.value("a") is None
    assert values.value("x1") == 2
    assert evaluate(handgraphs.Made().node("a", "Identity", "a").graph(), "a") is None


def test_control_inputs_are_not_operands():
    made = chain(1).node("p", "Placeholder")
    made.node("a", "Identity", "x1", "^p")
    assert evaluate(made.graph(), "a") == 2


def test_constants_that_enter_a_loop():
    graph = chain(0).node("in", "Enter", "x0").node("y", "Add", "in", "x0").graph()
    assert evaluate(graph, "y") is None
    assert Evaluator(graph, through_loops=True).value("y") == 2
