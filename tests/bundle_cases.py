"""The checkpoints that reader and writer are both held to.

A case is a dict of tensors; what its files must look like comes from handmade.py.  Adding a case
here tests the reader on it (in every layout) and the writer, and that TensorFlow agrees.
"""

import collections
import struct

import handmade

# `data` are the bytes as a checkpoint stores them, `crc` the masked checksum in the entry.
Tensor = collections.namedtuple("Tensor", "dtype shape data crc")

# TensorFlow's numbers, names and element sizes of all types with a fixed size.
FIXED = (
    (1, "float32", 4),
    (2, "float64", 8),
    (3, "int32", 4),
    (4, "uint8", 1),
    (5, "int16", 2),
    (6, "int8", 1),
    (8, "complex64", 8),
    (9, "int64", 8),
    (10, "bool", 1),
    (11, "qint8", 1),
    (12, "quint8", 1),
    (13, "qint32", 4),
    (14, "bfloat16", 2),
    (15, "qint16", 2),
    (16, "quint16", 2),
    (17, "uint16", 2),
    (18, "complex128", 16),
    (19, "float16", 2),
    (22, "uint32", 4),
    (23, "uint64", 8),
)
NAMES = {dtype: name for dtype, name, _ in FIXED}
NAMES.update({7: "string", 21: "variant"})
SIZES = {dtype: size for dtype, _, size in FIXED}


def fixed(dtype, shape, seed=1):
    """A tensor of a fixed-size type, of bytes that do not repeat soon; a bool's are 0 and 1."""
    count = SIZES[dtype]
    for size in shape:
        count *= size
    data = bytes((at * 151 + seed * 29 + at // 256) % 256 for at in range(count))
    if dtype == 10:
        data = bytes(byte & 1 for byte in data)
    return Tensor(dtype, shape, data, handmade.masked(data))


def strings(shape, values):
    lengths = b"".join(handmade.varint(len(value)) for value in values)
    numbers = b"".join(struct.pack("<I", len(value)) for value in values)
    check = struct.pack("<I", handmade.masked(numbers))
    body = check + b"".join(values)
    return Tensor(7, shape, lengths + body, handmade.masked(numbers + body))


def variants(shape, values):
    data = covered = b""
    for value in values:
        covered += struct.pack("<Q", len(value)) + value
        check = struct.pack("<I", handmade.masked(covered))
        covered += check
        data += handmade.varint(len(value)) + value + check
    return Tensor(21, shape, data, handmade.masked(covered))


CASES = {
    "scalar": {"global_step": fixed(9, ())},
    "one of each type": {"type/" + name: fixed(dtype, (2, 3), dtype) for dtype, name, _ in FIXED},
    "empty": {
        "a": fixed(1, (0,)),
        "b": fixed(3, (2, 0, 3)),
        "c": fixed(1, (1,)),
        "d": strings((0,), []),
    },
    "strings": {
        "many": strings((2, 2), [b"", b"a", b"\0\xff\n", b"x" * 200]),
        "one": strings((), [b"text"]),
        "between": fixed(1, (3,)),
    },
    "variants": {
        "list": variants((2,), [b"tensorflow::TensorList", b"\0" * 300]),
        "none": variants((0,), []),
    },
    "large dimensions": {"weights": fixed(4, (1, 300, 130)), "biases": fixed(1, (200,))},
    "shared prefixes": {
        f"FeatureExtractor/MobilenetV1/Conv2d_{at}/{leaf}": fixed(1, (at,), at)
        for at in range(20)
        for leaf in ("weights", "weights/ExponentialMovingAverage", "beta")
    },
    "odd names": {
        "a": fixed(1, ()),
        "a/": fixed(1, ()),
        "A": fixed(1, ()),
        "a\0b": fixed(1, ()),
        "\u00e9": fixed(1, ()),
        "\uffff": fixed(1, ()),
        "\U0001f600": fixed(1, ()),
        "x" * 300: fixed(1, ()),
        "x" * 299 + "y": fixed(1, ()),
    },
    "no tensors": {},
}


def lay(tensors):
    """Index pairs of tensors without gaps in name order in one shard, and the shard's bytes."""
    pairs = [(b"", handmade.header())]
    data = b""
    for name in sorted(tensors, key=str.encode):
        one = tensors[name]
        pairs.append(
            (
                name.encode(),
                handmade.entry(
                    one.dtype, one.shape, offset=len(data), size=len(one.data), crc=one.crc
                ),
            )
        )
        data += one.data
    return pairs, data


def one_shard(tensors, make_index):
    pairs, data = lay(tensors)
    return make_index(pairs), [data]


def spread(tensors):
    """Over three shards, in falling order, with gaps: TensorFlow's reader takes that too."""
    shards = [b"gap", b"", b"another gap"]
    pairs = [(b"", handmade.header(shards=3))]
    for at, name in enumerate(sorted(tensors, reverse=True)):
        one = tensors[name]
        number = at % 3
        pairs.append(
            (
                name.encode(),
                handmade.entry(
                    one.dtype,
                    one.shape,
                    shard=number,
                    offset=len(shards[number]),
                    size=len(one.data),
                    crc=one.crc,
                ),
            )
        )
        shards[number] += one.data + b"-" * (at % 2)
    return handmade.plain_table(pairs), shards


LAYOUTS = {
    "as TensorFlow lays it": lambda tensors: one_shard(tensors, handmade.plain_table),
    "blocks of three": lambda tensors: one_shard(
        tensors, lambda pairs: handmade.split_table(pairs, 3)
    ),
    "Snappy, blocks of five": lambda tensors: one_shard(
        tensors, lambda pairs: handmade.split_table(pairs, 5, snappy=True)
    ),
    "three shards with gaps": spread,
}


def save(prefix, index, *shards):
    """Writes an index and its shards."""
    with open(prefix + ".index", "wb") as file:
        file.write(index)
    for number, data in enumerate(shards):
        with open(f"{prefix}.data-{number:05d}-of-{len(shards):05d}", "wb") as file:
            file.write(data)
