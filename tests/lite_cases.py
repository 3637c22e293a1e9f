"""The recorded .tflite detectors of testdata/lite, and what is in such a file.

Their classes are called one ... five; the first feature map has 3 anchors at a location, the second
2 (both 2 in `shared`).
"""

import os

import numpy as np
import repository

from graphfix.formats.flatbuffers import reader, schema, writer

FOLDER = os.path.join(repository.TESTDATA, "lite")
KINDS = ("float", "softmax", "shared", "half", "quantized", "per_channel")
NAMES = ("one", "two", "three", "four", "five")
# The channels of the background.
BACKGROUNDS = {"shared": 0}
OPERATION = "TFLite_Detection_PostProcess"
TYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 9: "i1"}
SCHEMA = schema.tflite()


def path(kind):
    return os.path.join(FOLDER, f"{kind}.tflite")


def data(kind):
    with open(path(kind), "rb") as file:
        return file.read()


def labels(directory, names=NAMES):
    """The path of a list of the source's classes."""
    where = directory / "labelmap.txt"
    where.write_text("".join(f"{name}\n" for name in names))
    return str(where)


def tables(content):
    """The root table of a file, its graph's tensors and operators."""
    root, _ = reader.read(content, SCHEMA)
    (graph,) = root.get("Subgraphs")
    return root, graph.get("Tensors"), graph.get("Operators")


def edited(kind, edit):
    """A file with something changed: `edit` is called with the root, tensors and operators."""
    root, tensors, operators = tables(data(kind))
    edit(root, tensors, operators)
    return writer.write(root, SCHEMA)


def constants(content):
    """The constants of a file by the name of their tensor: values and scales."""
    root, tensors, _ = tables(content)
    found = {}
    for tensor in tensors:
        values = root.get("Buffers")[tensor.get("Buffer", 0)].get("Data")
        if values is not None and len(values):
            array = np.frombuffer(values.tobytes(), TYPES[tensor.get("Type", 0)])
            quantization = tensor.get("Quantization")
            scales = quantization.get("Scale") if quantization else None
            shape = tuple(tensor.get("Shape", ()))
            found[tensor.get("Name").decode()] = (array.reshape(shape), scales)
    return found


def shapes(content):
    """The shapes of a file's tensors by their names."""
    _, tensors, _ = tables(content)
    return {one.get("Name").decode(): tuple(one.get("Shape", ())) for one in tensors}


def places(kind, width, classes):
    """The channels of a head, `width` wide, that new classes of these old ids take."""
    background = BACKGROUNDS.get(kind, 1)
    channels = len(NAMES) + background
    rows = list(range(background)) + [background + one - 1 for one in classes]
    return [anchor * channels + row for anchor in range(width // channels) for row in rows]
