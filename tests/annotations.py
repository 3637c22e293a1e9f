"""The same few boxes in every kind of file, written by hand."""

import json
import struct

import handmade

from graphfix.datasets.sources import find_all, read_piece

# (height, width), boxes in pixels (ymin, xmin, ymax, xmax), classes.
IMAGES = (
    ((100, 200), ((10, 20, 60, 120), (0, 0, 100, 200)), ("cat", "dog")),
    ((50, 40), (), ()),
    ((80, 80), ((5, 6, 7, 8),), ("cat",)),
)
IDS = {"cat": 1, "dog": 2}


def expected():
    """[(size, boxes as parts of the sides, classes)] of the images that have boxes."""
    return [
        (
            size,
            [tuple(edge / side for edge, side in zip(box, size * 2)) for box in boxes],
            list(classes),
        )
        for size, boxes, classes in IMAGES
        if boxes
    ]


def floats(values, packed=True):
    if packed:
        return handmade.message(2, handmade.message(1, struct.pack(f"<{len(values)}f", *values)))
    return handmade.message(
        2,
        b"".join(
            handmade.fixed32(1, struct.unpack("<I", struct.pack("<f", value))[0])
            for value in values
        ),
    )


def ints(values):
    return handmade.message(
        3, handmade.message(1, b"".join(handmade.varint(value % (1 << 64)) for value in values))
    )


def texts(values):
    return handmade.message(1, b"".join(handmade.message(1, value) for value in values))


def example(features):
    """A tf.Example of {key: one of the above}."""
    return handmade.message(
        1,
        b"".join(
            handmade.message(1, handmade.message(1, key.encode()) + handmade.message(2, value))
            for key, value in features.items()
        ),
    )


def features(size, boxes, classes, packed=True):
    edges = ("ymin", "xmin", "ymax", "xmax")
    out = {
        "image/object/bbox/" + edge: floats(
            [box[number] / (size * 2)[number] for box in boxes], packed
        )
        for number, edge in enumerate(edges)
    }
    out["image/encoded"] = texts([b"\xff\xd8 no picture"])
    out["image/height"], out["image/width"] = ints([size[0]]), ints([size[1]])
    out["image/object/class/text"] = texts([name.encode() for name in classes])
    out["image/object/class/label"] = ints([IDS[name] for name in classes])
    return out


def record(data):
    length = struct.pack("<Q", len(data))
    return (
        length
        + struct.pack("<I", handmade.masked(length))
        + data
        + struct.pack("<I", handmade.masked(data))
    )


def tfrecord(**changes):
    return b"".join(record(example(features(*image, **changes))) for image in IMAGES)


def coco():
    images = [
        {"id": 10 + number, "height": size[0], "width": size[1]}
        for number, (size, _, _) in enumerate(IMAGES)
    ]
    annotations = [
        {
            "image_id": 10 + number,
            "category_id": IDS[name],
            "segmentation": [[1, 2]],
            "bbox": [box[1], box[0], box[3] - box[1], box[2] - box[0]],
        }
        for number, (_, boxes, classes) in enumerate(IMAGES)
        for box, name in zip(boxes, classes)
    ]
    # Images last, as some tools write them.
    return json.dumps(
        {
            "info": {"year": 2017},
            "annotations": annotations,
            "licenses": [],
            "categories": [{"id": number, "name": name} for name, number in IDS.items()],
            "images": images,
        },
        indent=1,
    ).encode()


def voc(image):
    size, boxes, classes = image
    objects = "".join(
        (
            f"<object><name>{name}</name><bndbox><xmin>{box[1]}</xmin><ymin>{box[0]}</ymin><xmax>{box[3]}</xmax>"
            f"<ymax>{box[2]}</ymax></bndbox></object>"
        )
        for box, name in zip(boxes, classes)
    )
    return (
        f"<annotation><filename>a.jpg</filename><size><width>{size[1]}</width><height>{size[0]}</height>"
        f"<depth>3</depth></size>{objects}</annotation>"
    ).encode()


def table():
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    for number, (size, boxes, classes) in enumerate(IMAGES):
        rows += [
            f"{number}.jpg,{size[1]},{size[0]},{name},{box[1]},{box[0]},{box[3]},{box[2]}"
            for box, name in zip(boxes, classes)
        ]
    return "\r\n".join(rows).encode()


def read_boxes(names):
    """The boxes of all files that names mean, as one process reads them."""
    for path in find_all(names):
        yield from read_piece(path)
