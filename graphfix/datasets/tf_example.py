"""The boxes in TFRecords of tf.Examples, under the keys that the API's TfExampleDecoder reads.

A box's class is its image/object/class/text, or its image/object/class/label where that is absent
or empty.  Messages are parsed by Protocol Buffers' own parser: it takes some ten microseconds for a
record with its encoded image, which it copies once and nobody decodes.
"""

from typing import Dict, Iterator, Sequence

from google.protobuf.message import DecodeError

from graphfix.datasets.boxes import ImageBoxes
from graphfix.errors import SourceError
from graphfix.formats.schema import message_class
from graphfix.formats.tfrecord import read_records

# The decoder's keys (object_detection/core/standard_fields.py, TfExampleFields, and
# object_detection/data_decoders/tf_example_decoder.py).
EDGES = tuple(b"image/object/bbox/" + edge for edge in (b"ymin", b"xmin", b"ymax", b"xmax"))
TEXT, LABEL = b"image/object/class/text", b"image/object/class/label"
HEIGHT, WIDTH = b"image/height", b"image/width"
ENCODED, FORMAT, SOURCE_ID = b"image/encoded", b"image/format", b"image/source_id"
# A mask is encoded or a list of floats, as the input reader's mask_type says.
MASK = b"image/object/mask"
# The list that each key's values are in.
KINDS = {
    **dict.fromkeys(EDGES, "float_list"),
    TEXT: "bytes_list",
    LABEL: "int64_list",
    HEIGHT: "int64_list",
    WIDTH: "int64_list",
    ENCODED: "bytes_list",
    FORMAT: "bytes_list",
    SOURCE_ID: "bytes_list",
}
_BOX_KINDS = {key: KINDS[key] for key in EDGES + (TEXT, LABEL, HEIGHT, WIDTH)}
_MOST_PIXELS = 1 << 24
_REMEDY = "write the records as the Object Detection API's scripts do"


def read_examples(path: str) -> Iterator[ImageBoxes]:
    """The boxes of every record of a TFRecord file.

    Raises:
      SourceError: a record is damaged, no tf.Example, or contradicts itself; or no record of the
        file has any of the keys of boxes.
    """
    example_class = message_class("graphfix.example.Example")
    keys = None
    known = False
    for number, offset, data in read_records(path):
        where = f"{path}: record {number} (at byte {offset})"
        try:
            # A new message for every record: one that is parsed into again keeps all it ever held.
            example = example_class.FromString(data)
        except DecodeError:
            raise SourceError(where, "is not a tf.Example", _REMEDY) from None
        features = example.features.feature
        known = known or any(feature.key in EDGES for feature in features)
        if keys is None:
            keys = sorted({feature.key for feature in features})
        yield _boxes(features, where)
    if keys is not None and not known:
        shown = [key.decode("utf-8", "backslashreplace") for key in keys[:8]] or ["nothing"]
        if len(keys) > 8:
            shown.append("...")
        raise SourceError(
            path,
            f"has no boxes (image/object/bbox/*): the first record has {', '.join(shown)}",
            _REMEDY,
        )


def _boxes(features, where: str) -> ImageBoxes:
    found: Dict[bytes, Sequence] = {}
    for feature in features:
        key = feature.key
        kind = _BOX_KINDS.get(key)
        if kind is None:
            continue
        value = feature.value
        held = value.WhichOneof("kind")
        if held not in (kind, None):
            raise SourceError(where, f"holds {key.decode()} as {held}, not as {kind}", _REMEDY)
        # As a list, whose items are read many times faster.
        found[key] = getattr(value, kind).value[:]
    edges = [found.get(edge, ()) for edge in EDGES]
    count = len(edges[0])
    if [len(edge) for edge in edges] != [count] * len(edges):
        raise SourceError(
            where,
            f"has {', '.join(str(len(edge)) for edge in edges)} values of ymin, xmin, ymax and "
            "xmax",
            _REMEDY,
        )
    names, labels = found.get(TEXT, ()), found.get(LABEL, ())
    for key, values in ((TEXT, names), (LABEL, labels)):
        if len(values) not in (0, count):
            raise SourceError(
                where, f"has {count} boxes, but {len(values)} values of {key.decode()}", _REMEDY
            )
    if names:
        classes = [
            name.decode("utf-8", "backslashreplace") if name else labels[number] if labels else None
            for number, name in enumerate(names)
        ]
    else:
        classes = list(labels) or [None] * count
    height, width = (found.get(key) or (0,) for key in (HEIGHT, WIDTH))
    size = (int(height[0]), int(width[0]))
    # 1 by 1 is what the API's decoder puts where a record does not say.
    known = 1 < min(size) and max(size) <= _MOST_PIXELS
    return ImageBoxes(where, size if known else None, list(zip(*edges)), classes)
