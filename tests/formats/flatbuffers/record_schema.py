"""Writes graphfix/formats/flatbuffers/tflite.txt from the package `tflite`:

    python tests/formats/flatbuffers/record_schema.py > graphfix/formats/flatbuffers/tflite.txt

In a Python that has it.  It is what flatc makes of the schema: a module a table, a function
a field.
"""

import glob
import os
import re

import tflite

_NUMBERS = {
    "Bool": "u1",
    "Int8": "i1",
    "Uint8": "u1",
    "Int16": "i2",
    "Uint16": "u2",
    "Int32": "i4",
    "Uint32": "u4",
    "Int64": "i8",
    "Uint64": "u8",
    "Float32": "f4",
    "Float64": "f8",
}
_UNIONS = ("BuiltinOptions", "BuiltinOptions2", "QuantizationDetails", "SparseIndexVector")
# What the fields are called whose union has another name.
_UNION_OF = {
    "Details": "QuantizationDetails",
    "ArraySegments": "SparseIndexVector",
    "ArrayIndices": "SparseIndexVector",
}


def lines():
    """The schema's lines."""
    yield "# TensorFlow Lite's schema 2.18; tests/formats/flatbuffers/record_schema.py wrote it."
    for path in sorted(glob.glob(os.path.join(os.path.dirname(tflite.__file__), "*.py"))):
        name = os.path.basename(path)[:-3]
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if f"class {name}(object):\n    __slots__" in text:
            yield " ".join([name, *_fields(name, text)])
        elif name in _UNIONS:
            rows = sorted((int(two), one) for one, two in re.findall(r"    (\w+) = (\d+)", text))
            assert [number for number, _ in rows] == list(range(len(rows)))
            yield " ".join(["|", name] + [table for _, table in rows])


def _fields(name, text):
    rows = {}
    for block in re.split(rf"\n    # {name}\n", text)[1:]:
        method = re.match(r"    def (\w+)\(self(?:, j)?\):", block)
        offset = re.search(r"_tab\.Offset\((\d+)\)", block)
        slot = offset and (int(offset.group(1)) - 4) // 2
        # A vector's other functions (its length, it as an array) come behind it.
        if method and slot is not None and slot not in rows:
            rows[slot] = f"{method.group(1)}:{_kind(method.group(1), block)}"
    count = int(re.search(r"StartObject\((\d+)\)", text).group(1))
    return [rows.get(slot, f"unused_{slot}:-") for slot in range(count)]


def _kind(method, block):
    vector = "_tab.Vector" in block
    if "Union(obj, o)" in block:
        return "|" + _UNION_OF.get(method, method)
    if "_tab.Indirect" in block:
        kind = re.search(r"from tflite\.\w+ import (\w+)", block).group(1)
    elif "_tab.String" in block:
        kind = "str"
    else:
        kind = _NUMBERS[re.search(r"number_types\.(\w+)Flags, [ao] \+", block).group(1)]
    return f"[{kind}]" if vector else kind


if __name__ == "__main__":
    print("\n".join(lines()))
