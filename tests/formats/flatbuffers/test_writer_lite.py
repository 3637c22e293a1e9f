"""What is written is what was read: each part once, offsets forwards, data aligned."""

import lite_cases
import numpy as np
import pytest

from graphfix.formats.flatbuffers import reader, writer
from graphfix.formats.flatbuffers.reader import Table


@pytest.mark.parametrize("kind", lite_cases.KINDS)
def test_a_file_is_itself_again(kind):
    content = lite_cases.data(kind)
    found, _ = reader.read(content, lite_cases.SCHEMA)
    once = writer.write(found, lite_cases.SCHEMA)
    again, end = reader.read(once, lite_cases.SCHEMA)
    assert end == len(once) <= 1.1 * len(content)
    assert writer.write(again, lite_cases.SCHEMA) == once
    for one, other in zip(found.get("Buffers"), again.get("Buffers")):
        assert set(one.fields) == set(other.fields)
        assert np.array_equal(one.get("Data"), other.get("Data"))


def test_data_is_aligned_for_the_runtime():
    found, _ = reader.read(lite_cases.data("quantized"), lite_cases.SCHEMA)
    content = writer.write(found, lite_cases.SCHEMA)
    whole = np.frombuffer(content, np.uint8)
    again, _ = reader.read(content, lite_cases.SCHEMA)
    places = [
        one.get("Data").__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        for one in again.get("Buffers")
        if one.get("Data") is not None
    ]
    assert len(places) > 5 and not any(place % 16 for place in places)


def test_what_is_shared_is_written_once():
    shared = np.arange(1000, dtype=np.int32)
    tensors = [Table("Tensor", {"Shape": shared, "Name": b"n"}) for _ in range(10)]
    root = Table("Model", {"Subgraphs": [Table("SubGraph", {"Tensors": tensors})]})
    content = writer.write(root, lite_cases.SCHEMA)
    assert len(content) < 2 * shared.nbytes
    found, _ = reader.read(content, lite_cases.SCHEMA)
    again = found.get("Subgraphs")[0].get("Tensors")
    assert all(np.array_equal(one.get("Shape"), shared) for one in again)
