"""Options of custom operations: numbers by name, one changed."""

import contextlib
import random

import lite_cases
import mutations
import pytest

from graphfix.formats.flatbuffers import flexbuffer
from graphfix.formats.flatbuffers.reader import Damaged

# What flatbuffers.flexbuffers 25.12 writes for {"a": 300, "b": -1, "c": 0.5, "d": true}.
MAP = bytes.fromhex(
    "610062006300640004090807060000000700000001000000040000002c010000ffffffff0000003f0100000006060e6a"
    "142601"
)


def options(kind="float"):
    _, _, operators = lite_cases.tables(lite_cases.data(kind))
    return operators[-1].get("CustomOptions").tobytes()


def test_numbers_of_a_detection():
    found = {name: one.value for name, one in flexbuffer.numbers(options()).items()}
    assert found["num_classes"] == 5 and found["y_scale"] == 10.0 and found["h_scale"] == 5.0
    assert abs(found["nms_iou_threshold"] - 0.6) < 1e-6 and not found["use_regular_nms"]


def test_what_the_library_writes():
    found = {name: one.value for name, one in flexbuffer.numbers(MAP).items()}
    assert found == {"a": 300, "b": -1, "c": 0.5, "d": 1}


def test_one_number_changes():
    before, after = options(), flexbuffer.with_number(options(), "num_classes", 2)
    assert len(before) == len(after)
    old, new = flexbuffer.numbers(before), flexbuffer.numbers(after)
    assert {name for name in old if old[name] != new[name]} == {"num_classes"}
    assert new["num_classes"].value == 2
    assert flexbuffer.with_number(before, "num_classes", 1 << 40) is None


def test_any_bytes():
    content, chance = options(), random.Random(3)
    for length in range(len(content)):
        with pytest.raises(Damaged):
            flexbuffer.numbers(content[:length])
    read = 0
    for _ in range(2000):
        with contextlib.suppress(Damaged):
            read += bool(flexbuffer.numbers(mutations.mutate_bytes(chance, content)))
    assert 0 < read < 2000
