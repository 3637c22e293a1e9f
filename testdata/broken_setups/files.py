"""The bytes of small files: images, records, label maps."""

import struct
import zlib

import numpy as np

from graphfix.formats.checksum import crc32c, mask
from graphfix.formats.schema import message_class

CLASSES = ("circle", "square", "triangle", "star", "cross", "ring", "hexagon", "crescent")
SIZE = 160


def png(height=SIZE, width=SIZE, shade=0, channels=3):
    """A PNG of one shade with a bright square."""
    pixels = np.full((height, width, channels), 40 + shade, np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 200
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data))
            + kind
            + data
            + struct.pack(">I", zlib.crc32(kind + data) & 0xFFFFFFFF)
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def jpeg(height=SIZE, width=SIZE, channels=3, end=b"\xff\xd9"):
    """The headers of a JPEG, without a picture."""
    components = b"".join(struct.pack(">BBB", number + 1, 0x11, 0) for number in range(channels))
    frame = struct.pack(">BHHB", 8, height, width, channels) + components
    return (
        b"\xff\xd8\xff\xc0"
        + struct.pack(">H", 2 + len(frame))
        + frame
        + b"\xff\xda\0\2"
        + b"\x55" * 40
        + end
    )


LISTS = {bytes: "bytes_list", int: "int64_list", float: "float_list"}
# The lists of keys whose values may be none.
KINDS = {"image/object/class/text": "bytes_list", "image/object/class/label": "int64_list"}
SQUARE = (0.25, 0.25, 0.5, 0.5)


def example(number, **changes):
    """The features of one record; None leaves one out."""
    features = {
        "image/encoded": [png(shade=number % 150)],
        "image/format": [b"png"],
        "image/height": [SIZE],
        "image/width": [SIZE],
        "image/source_id": [b"%d.png" % number],
        "image/object/bbox/ymin": [SQUARE[0]],
        "image/object/bbox/xmin": [SQUARE[1]],
        "image/object/bbox/ymax": [SQUARE[2]],
        "image/object/bbox/xmax": [SQUARE[3]],
        "image/object/class/text": [CLASSES[number % len(CLASSES)].encode()],
        "image/object/class/label": [number % len(CLASSES) + 1],
    }
    names = {
        "box": None,
        "text": "image/object/class/text",
        "label": "image/object/class/label",
        "encoded": "image/encoded",
        "format": "image/format",
        "height": "image/height",
        "width": "image/width",
        "source": "image/source_id",
        "mask": "image/object/mask",
    }
    for name, value in changes.items():
        if name == "box":
            for edge, one in zip(("ymin", "xmin", "ymax", "xmax"), value):
                features["image/object/bbox/" + edge] = [one]
        elif name == "boxes":
            for column, edge in enumerate(("ymin", "xmin", "ymax", "xmax")):
                features["image/object/bbox/" + edge] = [box[column] for box in value]
        else:
            features[names[name]] = value
    return {key: value for key, value in features.items() if value is not None}


def records(examples):
    """A TFRecord file of features."""
    out = []
    for features in examples:
        message = message_class("graphfix.example.Example")()
        for key in sorted(features):
            entry = message.features.feature.add(key=key.encode())
            values = features[key]
            kind = LISTS[type(values[0])] if values else KINDS.get(key, "float_list")
            entry.value.SetInParent()
            getattr(entry.value, kind).value.extend(values)
        out.append(message.SerializeToString())
    return framed(out)


def framed(contents):
    """A TFRecord file of these records."""
    return b"".join(
        length
        + struct.pack("<I", mask(crc32c(length)))
        + data
        + struct.pack("<I", mask(crc32c(data)))
        for length, data in ((struct.pack("<Q", len(data)), data) for data in contents)
    )


def set_of(count=8, **changes):
    """Records of one image of each class, all with the same changes."""
    return records(example(number, **changes) for number in range(count))


def one_bad(**changes):
    """Eight records, the fourth with changes."""
    return records(example(number, **(changes if number == 3 else {})) for number in range(8))


def label_map(items):
    return "".join(
        f"item {{\n  id: {number}\n  name: '{name}'\n}}\n" for number, name in items
    ).encode()
