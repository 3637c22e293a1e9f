"""Records read from their bytes: what Protocol Buffers' own parser reads, or nothing."""

import random
import struct

import annotations
import handmade
import mutations
import pytest
import thorough
from google.protobuf.message import DecodeError

from graphfix.datasets import tf_example
from graphfix.datasets.tf_example import EDGES, ENCODED, KINDS, MASK, ExampleReader

OTHERS = (MASK, b"image/filename", b"image/key/sha256", b"image/object/area", b"")


def a_list(chance, kind, count):
    """A feature's value as writers make it."""
    if kind == "float_list":
        return annotations.floats([chance.choice((0.5, -1.0, 1e30)) for _ in range(count)])
    if kind == "int64_list":
        most = chance.choice((7, 7, 127, 1 << 14, 1 << 40))
        return annotations.ints([chance.randint(0, most) for _ in range(count)])
    size = chance.choice((0, 3, 3, 200, 20000))
    return annotations.texts([bytes([number % 256]) * size for number in range(count)])


def an_example(chance):
    """A tf.Example as writers make them: every key once, in any order."""
    keys = [key for key in KINDS if chance.random() < 0.9]
    keys += [key for key in OTHERS if chance.random() < 0.3]
    chance.shuffle(keys)
    count = chance.choice((0, 1, 3, 8, 29, 30, 31, 32, 300))
    out = []
    for key in keys:
        kind = KINDS.get(key) or chance.choice(sorted(set(KINDS.values())))
        many = count if b"/object/" in key else chance.choice((1, 1, 1, 0, 2))
        out.append(handmade.message(1, key) + handmade.message(2, a_list(chance, kind, many)))
    return out


def packed(features):
    return handmade.message(1, b"".join(handmade.message(1, one) for one in features))


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


def mutated(chance):
    """A tf.Example with something else than usual: in its bytes, or in its parts."""
    features = an_example(chance)
    which = chance.randrange(6)
    if which == 0:
        return mutations.mutate_bytes(chance, packed(features))
    if features:
        place = chance.randrange(len(features))
        if which == 1:  # inside of one, with lengths that are right again outside
            features[place] = mutations.mutate_bytes(chance, features[place])
        elif which == 2:  # a key twice, a long key
            features[place] = handmade.message(1, b"x" * 130) + handmade.message(2, b"")
            features.append(chance.choice(an_example(chance) or features))
        elif which == 3:  # values that are not packed, or more than one list
            key = chance.choice(EDGES)
            value = annotations.floats([1.0, 2.0], False) * chance.choice((1, 2))
            features[place] = handmade.message(1, key) + handmade.message(2, value)
        elif which == 4:  # fields in another order, missing, twice
            parts = [handmade.message(1, EDGES[0]), handmade.message(2, annotations.floats([3.0]))]
            features[place] = b"".join(chance.choice(parts) for _ in range(chance.randrange(4)))
        else:  # negative and overlong numbers
            value = handmade.message(3, handmade.message(1, chance.choice(NUMBERS)))
            features[place] = handmade.message(1, b"image/height") + handmade.message(2, value)
    return packed(features)


NUMBERS = (
    handmade.varint((1 << 64) - 5),
    b"\x80\x00",
    b"\x85\x80\x80\x80\x80\x80\x00",
    b"\xff" * 9 + b"\x01",
    b"\xff" * 10 + b"\x01",
    b"\x80",
    b"",
)


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


def test_a_head_that_promises_more_than_there_is():
    # The first bytes of a list of two floats, in a feature that ends after one.
    value = annotations.floats([1.0, 2.0])
    feature = handmade.message(1, EDGES[0]) + handmade.message(2, value)
    cut = handmade.message(1, handmade.message(1, feature[:-4]))
    assert judged(ExampleReader(), cut) == (None, None)
