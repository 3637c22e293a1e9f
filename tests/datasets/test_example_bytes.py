"""Records read from their bytes: what Protocol Buffers' own parser reads, or nothing."""

import random
import struct

import annotations
import handmade
import pytest
import thorough
from example_bytes_cases import an_example, mutated, packed
from google.protobuf.message import DecodeError

from graphfix.datasets import tf_example
from graphfix.datasets.tf_example import EDGES, ENCODED, MASK, ExampleReader


def values(found):
    """What can be compared: a NaN's bytes may change on the way through Protocol Buffers."""
    out = dict(found)
    for key in EDGES:
        if found.get(key):
            floats = struct.unpack(f"<{len(found[key]) // 4}f", found[key])
            out[key] = [str(one) for one in floats]
    if ENCODED in out:
        out[ENCODED] = bytes(out[ENCODED])
    return {key: value or None for key, value in out.items()}


def judged(reader, data, before=b"\x0a\x05", behind=b"\x01\x0a\x7f"):
    """What is read of a record that stands between others in its block: from its bytes, None where
    they are not read; and by Protocol Buffers, None where they are no tf.Example."""
    block = before + data + behind
    start, end = len(before), len(before) + len(data)
    found = reader._reader.features(block, start, end)
    if found is not None:
        found = values(reader.read(block, start, end)[0])
    try:
        message, wrong = reader._parsed(data)
    except DecodeError:
        return found, None
    return found, (values(message), wrong)


def test_records_as_they_are_written_are_read_from_their_bytes():
    chance, reader = random.Random(1), ExampleReader()
    for _ in range(thorough.rounds(60, 3000)):
        found, parsed = judged(reader, packed(an_example(chance)))
        assert parsed is not None and (found, []) == parsed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_read_is_what_protocol_buffers_read(seed):
    chance, reader = random.Random(seed), ExampleReader()
    read = refused = 0
    for _ in range(thorough.rounds(300, 50000)):
        found, parsed = judged(reader, mutated(chance))
        if found is None:
            refused += parsed is None
        else:
            read += 1
            assert parsed is not None, "read what is no message"
            assert (found, []) == parsed
    assert read > 25 and refused > 20  # or the mutations are too few, or too many


def test_what_is_looked_up_is_not_what_came_before():
    # One reader meets the same keys with other values and lengths, and the features that it keeps
    # are more than it keeps.
    reader = ExampleReader()
    for number in range(5000):
        made = {
            "image/source_id": annotations.texts([b"%d" % number]),
            "image/height": annotations.ints([number]),
            "image/object/bbox/ymin": annotations.floats([number] * (number % 35)),
        }
        found = reader.read(*placed(annotations.example(made)))[0]
        assert found[tf_example.SOURCE_ID] == (b"%d" % number,)
        assert found[tf_example.HEIGHT] == (number,)
        assert found[EDGES[0]] == struct.pack("<f", number) * (number % 35)


def placed(data):
    return data, 0, len(data)


def test_a_list_of_no_kind():
    # Found by the mutations: a tag that is none, in a feature that is passed over.
    feature = handmade.message(1, MASK) + handmade.message(2, b"\0\0")
    assert judged(ExampleReader(), packed([feature])) == (None, None)


def test_floats_that_are_cut():
    value = handmade.message(2, handmade.message(1, b"\0" * 5))
    feature = handmade.message(1, EDGES[0]) + handmade.message(2, value)
    assert judged(ExampleReader(), packed([feature])) == (None, None)


def test_a_head_that_promises_more_than_there_is():
    # The first bytes of a list of two floats, in a feature that ends after one.
    value = annotations.floats([1.0, 2.0])
    feature = handmade.message(1, EDGES[0]) + handmade.message(2, value)
    cut = handmade.message(1, handmade.message(1, feature[:-4]))
    assert judged(ExampleReader(), cut) == (None, None)
