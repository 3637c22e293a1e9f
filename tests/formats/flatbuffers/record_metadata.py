"""Writes graphfix/formats/flatbuffers/metadata.txt from the package `tflite-support`:

    python tests/formats/flatbuffers/record_metadata.py > graphfix/formats/flatbuffers/metadata.txt

In a Python that has it.  The package has the schema's own text.
"""

import os
import re

import tensorflow_lite_support.metadata as package

_NUMBERS = {"byte": "i1", "ubyte": "u1", "int": "i4", "uint": "u4", "float": "f4", "string": "str"}


def lines():
    """The schema's lines."""
    yield "# TensorFlow Lite's metadata 1.5; tests/formats/flatbuffers/record_metadata.py wrote it."
    path = os.path.join(os.path.dirname(package.__file__), "metadata_schema.fbs")
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"//.*|\(.*?\)", "", file.read())
    blocks = re.findall(r"\b(enum|union|table)\s+(\w+)\s*(?::\s*(\w+))?\s*\{(.*?)\}", text, re.S)
    kinds = {name: base for kind, name, base, _ in blocks if kind == "enum"}
    unions = [name for kind, name, _, _ in blocks if kind == "union"]
    for kind, name, _, body in sorted(blocks, key=lambda block: block[1]):
        if kind == "union":
            yield " ".join(["|", name, "NONE", *re.findall(r"\w+", body)])
        elif kind == "table":
            rows = re.findall(r"(\w+)\s*:\s*(\[?)(\w+)(\]?)", body)
            yield " ".join([name, *_fields(rows, kinds, unions)])


def _fields(rows, kinds, unions):
    for name, opens, of, closes in rows:
        called = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
        if of in unions:
            yield f"{called}Type:u1"
            yield f"{called}:|{of}"
        else:
            of = kinds.get(of, of)
            yield f"{called}:{opens}{_NUMBERS.get(of, of)}{closes}"


if __name__ == "__main__":
    print("\n".join(lines()))
