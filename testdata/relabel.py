#!/usr/bin/env python3
"""Copies a record of testdata/ with the names of other classes: what you would do to your own data.

    PYTHONPATH=. python testdata/relabel.py FROM.record TO.record donut=ring triangle badge=star

The classes get ids from 1 on, in their order.  Boxes of other shapes are left out.  Needs no
TensorFlow.
"""

import os
import struct
import sys

from graphfix.formats.checksum import crc32c, mask
from graphfix.formats.schema import message_class
from graphfix.formats.tfrecord import read_records

TEXT, LABEL = b"image/object/class/text", b"image/object/class/label"
EDGES = [b"image/object/bbox/" + edge for edge in (b"ymin", b"xmin", b"ymax", b"xmax")]


def relabel(source, target, classes):
    """Writes `target` with the boxes of `classes`: [(new name, old name or None)]."""
    number_of = {old: number for number, (_, old) in enumerate(classes, start=1)}
    with open(target, "wb") as file:
        for _, _, data in read_records(source):
            example = message_class("graphfix.example.Example").FromString(data)
            feature = {entry.key: entry.value for entry in example.features.feature}
            names = [text.decode() for text in feature[TEXT].bytes_list.value]
            kept = [at for at, name in enumerate(names) if name in number_of]
            numbers = [number_of[names[at]] for at in kept]
            feature[LABEL].int64_list.value[:] = numbers
            feature[TEXT].bytes_list.value[:] = [classes[one - 1][0].encode() for one in numbers]
            for edge in EDGES:
                values = feature[edge].float_list.value
                values[:] = [values[at] for at in kept]
            file.write(framed(example.SerializeToString()))


def framed(data):
    """A record of a TFRecord file."""
    length = struct.pack("<Q", len(data))
    return b"".join(
        (
            length,
            struct.pack("<I", mask(crc32c(length))),
            data,
            struct.pack("<I", mask(crc32c(data))),
        )
    )


def main(arguments):
    source, target, *words = arguments
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    pairs = [word.partition("=") for word in words]
    relabel(source, target, [(new, old or new) for new, _, old in pairs])


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(sys.argv[1:])
