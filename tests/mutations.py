"""Seeded mutations of bytes, protobuf messages, index tables and text.

A checksum would stop nearly every mutated index at once, so indexes are taken apart, mutated
inside, and put together again with checksums that are right (handmade.py).
"""

import re

import handmade

NUMBERS = (
    0,
    1,
    2,
    3,
    63,
    64,
    127,
    128,
    255,
    256,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 40,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
)
LITERALS = (
    "0 1 -1 2 3 6 7 90 91 300 65536 2147483647 2147483648 -2147483648 9223372036854775808 1e308 "
    "1e400 -1e400 1e-400 nan inf -inf 0.5 -0.0 1. .5 0x10 010 08 1_0 true false RELU SIGMOID x "
    '"" \'\' "a" "\\377" "\\d" "\u00e9" { } < > [ ] [] {} : , ; # - \\ " '
    "' \ufeff \u00a0"
).split(" ")


def mutate_bytes(random, data):
    """Some of: bits flipped, bytes set, cut, doubled, moved, removed."""
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.randrange(len(data) + 1)
        size = random.choice((1, 1, 2, 4, 8, 20))
        kind = random.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        elif kind == 2:
            del data[at : at + size]
        elif kind == 3:
            data[at:at] = data[at : at + size]
        elif kind == 4:
            data[at:at] = bytes(random.randrange(256) for _ in range(size))
        elif kind == 5:
            data[at : at + size] = bytes(random.choice((0, 0xFF)) for _ in range(size))
        else:
            other = random.randrange(len(data) + 1)
            data[at:at] = data[other : other + size]
    if random.random() < 0.05:
        del data[random.randrange(len(data) + 1) :]
    return bytes(data)


def fields(data):
    """A serialized message as [number, wire type, value]; None where it is not one."""
    out, position = [], 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    try:
        while position < len(data):
            tag = varint()
            kind = tag & 7
            if kind == 0:
                value = varint()
            elif kind in (1, 2, 5):
                size = varint() if kind == 2 else 8 if kind == 1 else 4
                value = data[position : position + size]
                position += size
                if len(value) != size:
                    return None
            else:
                return None
            out.append([tag >> 3, kind, value])
    except IndexError:
        return None
    return out


def message(parts):
    out = b""
    for number, kind, value in parts:
        out += handmade.varint(number << 3 | kind)
        if kind == 0:
            out += handmade.varint(value)
        else:
            out += (handmade.varint(len(value)) if kind == 2 else b"") + value
    return out


def mutate_message(random, data, depth=0):
    """A message with fields changed, doubled, removed, reordered, and messages within mutated."""
    parts = fields(data)
    if not parts or random.random() < 0.05:
        return mutate_bytes(random, data)
    for _ in range(random.choice((1, 1, 2))):
        if not parts:
            break
        at = random.randrange(len(parts))
        number, kind, value = parts[at]
        choice = random.randrange(8)
        if choice == 0:
            del parts[at]
        elif choice == 1:
            parts.insert(random.randrange(len(parts) + 1), [number, kind, value])
        elif choice == 2:
            parts[at][0] = random.randrange(1, 10)
        elif choice == 3:
            parts.append([random.randrange(1, 9), 0, random.choice(NUMBERS)])
        elif kind == 0:
            parts[at][2] = random.choice(NUMBERS + (value + 1, max(value - 1, 0), value * 2))
        elif kind == 2 and depth < 4:
            parts[at][2] = mutate_message(random, value, depth + 1)
        else:
            parts[at][2] = bytes(random.randrange(256) for _ in range(len(value)))
    return message(parts)


def mutate_pairs(random, pairs):
    """Index pairs with entries mutated, exchanged, doubled under other keys, removed."""
    pairs = dict(pairs)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        keys = sorted(pairs)
        if not keys:
            break
        key, other = random.choice(keys), random.choice(keys)
        choice = random.randrange(10)
        if choice == 0:
            del pairs[key]
        elif choice == 1:
            pairs[mutate_bytes(random, key)] = pairs.pop(key)
        elif choice == 2:
            pairs[mutate_bytes(random, key)] = pairs[other]
        elif choice == 3:
            pairs[key], pairs[other] = pairs[other], pairs[key]
        else:
            pairs[key] = mutate_message(random, pairs[key])
    return sorted(pairs.items())


def random_table(random, pairs):
    """The table of pairs in one of many layouts; sometimes blocks are mutated too, under checksums
    that are right."""
    size = random.choice((1, 2, 5, 1000))
    parts = [pairs[at : at + size] for at in range(0, len(pairs), size)]
    blocks, kinds = [], []
    for part in parts:
        contents = handmade.block(part, random.choice((1, 2, 16)), random.random() < 0.8)
        kinds.append(int(random.random() < 0.2))
        if random.random() < 0.05:
            contents = mutate_bytes(random, contents)
        if kinds[-1]:
            contents = handmade.literal(contents)
            if random.random() < 0.3:
                contents = mutate_bytes(random, contents)
        blocks.append((part[-1][0], contents))

    def index(handles):
        contents = handmade.block(handles, 1)
        return mutate_bytes(random, contents) if random.random() < 0.1 else contents

    return handmade.table(blocks, kinds=kinds, index=index)


_TOKEN = re.compile(r"\s+|#[^\n]*|\"[^\"\n]*\"|'[^'\n]*'|[\w.+-]+|.", re.DOTALL)


def mutate_text(random, text):
    """Text with tokens replaced, exchanged, doubled, removed, lines too; at times its bytes."""
    if random.random() < 0.15:
        return mutate_bytes(random, text.encode("utf-8"))
    tokens = _TOKEN.findall(text)
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        at, other = random.randrange(len(tokens)), random.randrange(len(tokens))
        choice = random.randrange(9)
        if choice == 0:
            tokens[at] = random.choice(LITERALS)
        elif choice == 1:
            tokens[at] = tokens[other]
        elif choice == 2:
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif choice == 3:
            tokens.insert(at, " " + random.choice(LITERALS) + " ")
        elif choice == 4:
            tokens[at] = ""
        elif choice == 5:
            tokens.insert(at, "".join(tokens[other : other + random.choice((3, 10, 40))]))
        elif choice == 6:
            tokens[at] *= random.choice((2, 50, 1000))
        elif choice == 7:
            del tokens[at : at + random.choice((2, 5, 30))]
            tokens = tokens or [" "]
        else:
            numbers = [place for place, token in enumerate(tokens) if token[:1].isdigit()]
            if numbers:
                tokens[random.choice(numbers)] = random.choice(LITERALS)
    return "".join(tokens).encode("utf-8")
