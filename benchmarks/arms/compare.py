#!/usr/bin/env python3
"""Whether two arms did the same work, as TensorFlow reads their checkpoints.

    compare.py ONE OTHER --rows 2,1,0

Equal must be: names, types, shapes, and every value but the new classes' (row 0 of --rows).
Prints what it compared; exit status 1 and a list where they differ.
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from tensorflow.python import pywrap_tensorflow
from tf_script import head


def carried(name, value, rows):
    """The numbers of a head's variable that belong to carried classes."""
    background, codes = head(name)
    places = value.reshape(value.shape[:-1] + (-1, len(rows) + background, codes))
    keep = [0] * background + [slot for slot, row in enumerate(rows, int(background)) if row]
    return places[..., keep, :]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("one")
    parser.add_argument("other")
    parser.add_argument("--rows", required=True)
    args = parser.parse_args()
    rows = [int(row) for row in args.rows.split(",")]
    one, other = (
        pywrap_tensorflow.NewCheckpointReader(os.path.join(path, "model.ckpt"))
        for path in (args.one, args.other)
    )
    shapes = one.get_variable_to_shape_map()
    wrong = []
    if shapes != other.get_variable_to_shape_map():
        wrong.append("names or shapes")
    if one.get_variable_to_dtype_map() != other.get_variable_to_dtype_map():
        wrong.append("types")
    heads = 0
    for name in () if wrong else sorted(shapes):
        values = one.get_tensor(name), other.get_tensor(name)
        if head(name):
            heads += 1
            values = [carried(name, value, rows) for value in values]
        if np.asarray(values[0]).tobytes() != np.asarray(values[1]).tobytes():
            wrong.append(name)
    print(
        f"{len(shapes)} tensors equal, of {heads} of them the carried classes"
        if not wrong
        else "differ: " + ", ".join(wrong)
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
