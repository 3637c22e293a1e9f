"""tf.Examples as writers make them, and others, for tests of who reads them."""

import annotations
import handmade
import mutations

from graphfix.datasets.tf_example import EDGES, KINDS, MASK

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
