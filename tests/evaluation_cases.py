"""One operation on constants, a case each: for formats/graphdef/test_evaluate.py, which computes
them with NumPy, and stock/test_evaluate.py, which computes them with TensorFlow."""

import handgraphs
import numpy as np

from graphfix.formats import dtypes

RANDOM = np.random.RandomState(16)


def made(op, values, **attributes):
    """A graph of one operation on constants, `it`."""
    graph = handgraphs.Made()
    names = []
    for number, value in enumerate(values):
        value = np.asarray(value)
        names.append(f"v{number}")
        graph.value(names[-1], value, value.dtype.name)
    graph.node("it", op, *names)
    for key, value in attributes.items():
        attr = graph.message.node[-1].attr[key]
        if isinstance(value, str):
            attr.type = dtypes.BY_NAME[value].number
        elif isinstance(value, list):
            attr.list.i.extend(value)
        else:
            attr.i = value
    return graph.graph()


def floats(*shape):
    return RANDOM.uniform(0.1, 9, shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int32)


A, B, M = floats(3, 4), floats(4), floats(2, 3, 4)
# (operation, values, attributes, result)
CASES = [
    ("Identity", [A], {}, A),
    ("Sqrt", [A], {}, np.sqrt(A)),
    ("Rsqrt", [A], {}, (1 / np.sqrt(A.astype(np.float64))).astype(np.float32)),
    ("Neg", [A], {}, -A),
    ("Pack", [B, B, B], {"axis": 1}, np.stack([B, B, B], 1)),
    ("Pack", [B, B], {"axis": -1}, np.stack([B, B], -1)),
    ("Reshape", [M, ints(4, -1)], {}, M.reshape(4, 6)),
    ("ExpandDims", [A, np.int32(-1)], {}, A[:, :, None]),
    ("Transpose", [M, ints(2, 0, 1)], {}, M.transpose(2, 0, 1)),
    ("Squeeze", [M[:, :1]], {"squeeze_dims": [1]}, M[:, 0]),
    ("Squeeze", [M[:1, :1]], {}, M[0, 0]),
    ("Slice", [M, ints(1, 0, 2), ints(1, -1, 2)], {}, M[1:2, :, 2:4]),
    (
        "StridedSlice",
        [M, ints(0, 1), ints(0, 3), ints(1, 1)],
        {"begin_mask": 1, "end_mask": 1},
        M[:, 1:3],
    ),
    ("StridedSlice", [M, ints(1, 2), ints(2, 3), ints(1, 1)], {"shrink_axis_mask": 3}, M[1, 2]),
    ("StridedSlice", [B, ints(3), ints(0), ints(-2)], {"end_mask": 1}, B[3::-2]),
    ("ConcatV2", [A, A, np.int32(1)], {}, np.concatenate([A, A], 1)),
    ("Cast", [A], {"DstT": "int32"}, A.astype(np.int32)),
    ("Cast", [ints(0, 3)], {"DstT": "bool"}, np.array([False, True])),
    ("Shape", [M], {}, ints(2, 3, 4)),
    ("Shape", [M], {"out_type": "int64"}, np.array([2, 3, 4], np.int64)),
    ("Rank", [M], {}, np.int32(3)),
    ("Size", [M], {}, np.int32(24)),
    ("Tile", [A, ints(2, 3)], {}, np.tile(A, (2, 3))),
    ("Fill", [ints(2, 3), np.float32(7)], {}, np.full((2, 3), 7, np.float32)),
    ("Range", [np.int32(1), np.int32(9), np.int32(3)], {}, ints(1, 4, 7)),
    ("Range", [np.int32(5), np.int32(0), np.int32(-2)], {}, ints(5, 3, 1)),
    ("Gather", [A, ints(2, 0, 2)], {}, A[[2, 0, 2]]),
    ("GatherV2", [M, ints(3, 1), np.int32(2)], {}, M[:, :, [3, 1]]),
    ("ArgMax", [M, np.int32(1)], {}, M.argmax(1)),
    ("ArgMax", [A, np.int32(-1)], {"output_type": "int32"}, A.argmax(1).astype(np.int32)),
    ("Div", [ints(-7, 7, 6), ints(2, -2, 3)], {}, ints(-3, -3, 2)),
]
