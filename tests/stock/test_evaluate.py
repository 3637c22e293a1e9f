"""formats/graphdef/evaluate.py against TensorFlow 1.15, operation by operation."""

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")

import tensorflow.compat.v1 as tf
from evaluation_cases import CASES, A, B, floats, ints, made
from tensorflow.python.framework import op_def_registry

from graphfix.formats.graphdef.evaluate import OPERATIONS, evaluate

SPREAD = np.random.RandomState(3)
MORE = [
    ("Range", [np.float32(start), np.float32(stop), np.float32(step)], {})
    for start, stop, step in [(0, 2, 0.1), (0.3, 40, 0.7), (5, -1, -0.3), (0, 1, 0.25), (1, 1, 1)]
]
MORE += [("Div", [SPREAD.randint(-99, 99, 50).astype(np.int32), ints(7)], {})]
MORE += [
    (op, [left, right], {})
    for op in ("Add", "AddV2", "Sub", "Mul", "RealDiv", "Div", "Minimum", "Maximum")
    for left, right in [(A, B), (floats(2, 1, 4), floats(3, 1)), (A - 4, -A)]
]
MORE += [(op, [floats(1000)], {}) for op in ("Sqrt", "Rsqrt")]
MORE += [("Cast", [(A - 4) * 3], {"DstT": "int64"})]
MORE += [("Unpack", [A], {"num": 3, "axis": 0}), ("Split", [np.int32(1), A], {"num_split": 2})]
REFUSED = [
    ("Add", [A, floats(5)], {}),
    ("Slice", [B, ints(3), ints(2)], {}),
    ("Slice", [B, ints(-1), ints(1)], {}),
    ("StridedSlice", [B, ints(4), ints(5), ints(1)], {"shrink_axis_mask": 1}),
    ("Div", [ints(1), ints(0)], {}),
    ("Gather", [A, ints(3)], {}),
    ("GatherV2", [A, ints(-1), np.int32(0)], {}),
    ("Range", [np.int32(0), np.int32(9), np.int32(0)], {}),
]


def computed(op, values, attributes):
    """The first output that TensorFlow computes."""
    graph = tf.GraphDef.FromString(made(op, values, **attributes).graph_def.SerializeToString())
    node = graph.node[-1]
    types = [tf.as_dtype(np.asarray(value).dtype).as_datatype_enum for value in values]
    for argument in op_def_registry.get_registered_ops()[op].input_arg:
        taken = len(types) - (1 if op == "ConcatV2" else 0) if argument.number_attr else 1
        if argument.type_attr:
            node.attr[argument.type_attr].type = types[0]
        if argument.number_attr:
            node.attr[argument.number_attr].i = taken
        types = types[taken:]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(graph, name="")
        return session.run("it:0")


@pytest.mark.parametrize("op, values, attributes", [case[:3] for case in CASES] + MORE)
def test_values_are_tensorflows(op, values, attributes):
    found, wanted = evaluate(made(op, values, **attributes), "it"), computed(op, values, attributes)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    if op in ("Sqrt", "Rsqrt"):
        np.testing.assert_allclose(found, wanted, rtol=5e-7)
    else:
        assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("op, values, attributes", REFUSED)
def test_what_tensorflow_refuses_has_no_value(op, values, attributes):
    assert evaluate(made(op, values, **attributes), "it") is None
    with pytest.raises((tf.errors.OpError, ValueError)):
        computed(op, values, attributes)


def test_every_operation_has_a_case():
    assert {case[0] for case in CASES + MORE} == set(OPERATIONS)
