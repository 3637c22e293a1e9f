"""The boxes in TFRecords of tf.Examples, under the keys that the API's TfExampleDecoder reads.

A box's class is its image/object/class/text, or its image/object/class/label where that is absent
or empty.  Records of the usual form are read from their bytes (example_bytes.py), others by
Protocol Buffers' own parser, which copies the encoded image.
"""

import functools
import struct
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from google.protobuf.message import DecodeError

from graphfix.datasets.boxes import ImageBoxes, PackedBoxes
from graphfix.datasets.example_bytes import BYTES, FLOATS, INTS, Reader
from graphfix.errors import SourceError
from graphfix.formats.schema import message_class, parse
from graphfix.formats.tfrecord import WHOLE, Piece, read_frames

# The decoder's keys (object_detection/core/standard_fields.py, TfExampleFields, and
# object_detection/data_decoders/tf_example_decoder.py).
EDGES = tuple(b"image/object/bbox/" + edge for edge in (b"ymin", b"xmin", b"ymax", b"xmax"))
TEXT, LABEL = b"image/object/class/text", b"image/object/class/label"
HEIGHT, WIDTH = b"image/height", b"image/width"
ENCODED, FORMAT, SOURCE_ID = b"image/encoded", b"image/format", b"image/source_id"
# A mask is encoded or a list of floats, as the input reader's mask_type says.
MASK = b"image/object/mask"
# Further channels, which the decoder needs where the input reader's num_additional_channels is set.
CHANNELS = b"image/additional_channels/encoded"
# A score of each class for each box, for the input reader's load_multiclass_scores.
SCORES = b"image/object/class/multiclass_scores"
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
_OF_BOXES = EDGES + (TEXT, LABEL, HEIGHT, WIDTH)

_MOST_PIXELS = 1 << 24
_REMEDY = "write the records as the Object Detection API's scripts do"


class Wrong(NamedTuple):
    """A key whose values are `held` in another list than they should be."""

    key: bytes
    held: str
    kind: str


class ExampleReader:
    """Reads the features of records, as far as this module names their keys.

    Values are by key: of EDGES their bytes (float32, little-endian), of ENCODED the first one as a
    memoryview, of others a tuple; a key of another name has None.
    """

    def __init__(self) -> None:
        tags = {"bytes_list": BYTES, "float_list": FLOATS, "int64_list": INTS}
        kinds = {key: tags[kind] for key, kind in KINDS.items()}
        self._reader = Reader(kinds, whole=(ENCODED,), each=(*EDGES, LABEL))
        self._class = message_class("graphfix.example.Example")

    def read(self, block: bytes, start: int, end: int) -> Tuple[Dict[bytes, Any], List[Wrong]]:
        """The values of the record block[start:end], and those of another kind than they should be.

        Raises:
          DecodeError: it is not a tf.Example.
        """
        found = self._reader.features(block, start, end)
        if found is None:
            return self._parsed(block[start:end])
        encoded = found.get(ENCODED)
        if encoded:
            found[ENCODED] = memoryview(block)[encoded]
        return found, []

    def kind_of(self, data: bytes, key: bytes) -> Optional[str]:
        """In which list a record has a key's values; None where it has none."""
        for feature in parse(self._class, data).features.feature:
            if feature.key == key:
                held: Optional[str] = feature.value.WhichOneof("kind")
                return held
        return None

    def _parsed(self, data: bytes) -> Tuple[Dict[bytes, Any], List[Wrong]]:
        found: Dict[bytes, Any] = {}
        wrong = []
        try:
            # A new message for every record: one that is parsed into again keeps all it ever held.
            message = parse(self._class, data)
        except (UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(str(error)) from None
        for feature in message.features.feature:
            key = feature.key
            kind = KINDS.get(key)
            if kind is None:
                found[key] = None
                continue
            held = feature.value.WhichOneof("kind")
            if held not in (kind, None):
                wrong.append(Wrong(key, held, kind))
                continue
            values = tuple(getattr(feature.value, kind).value)
            if key in EDGES:
                found[key] = struct.pack(f"<{len(values)}f", *values)
            elif key == ENCODED:
                found[key] = memoryview(values[0] if values else b"")
            else:
                found[key] = values
        return found, wrong


@functools.lru_cache(maxsize=None)
def example_reader() -> ExampleReader:
    """This process's; its tables take as long to make as a file of a few records to read."""
    return ExampleReader()


class NoBoxes(SourceError):
    """No record has any of the keys of boxes."""


def read_examples(path: str, piece: Piece = WHOLE) -> Iterator[ImageBoxes]:
    """The boxes of every record of a TFRecord file, or of a piece of it.

    Raises:
      NoBoxes: no record has any of the keys of boxes.
      SourceError: a record is damaged, no tf.Example, or contradicts itself.
    """
    reader = example_reader()
    keys = None
    known = False
    for number, offset, block, start, end in read_frames(path, piece):
        where = f"{path}: record {number} (at byte {offset})"
        try:
            found, wrong = reader.read(block, start, end)
        except DecodeError:
            raise SourceError(where, "is not a tf.Example", _REMEDY) from None
        for key, held, kind in wrong:
            if key in _OF_BOXES:
                raise SourceError(where, f"holds {key.decode()} as {held}, not as {kind}", _REMEDY)
        known = known or any(edge in found for edge in EDGES)
        if keys is None:
            keys = sorted({*found, *(one.key for one in wrong)})
        yield _boxes(found, where)
    if keys is not None and not known:
        shown = [key.decode("utf-8", "backslashreplace") for key in keys[:8]] or ["nothing"]
        if len(keys) > 8:
            shown.append("...")
        raise NoBoxes(
            path,
            f"has no boxes (image/object/bbox/*): the first record has {', '.join(shown)}",
            _REMEDY,
        )


def _boxes(found: Dict[bytes, Any], where: str) -> ImageBoxes:
    edges = [found.get(key) or b"" for key in EDGES]
    length = len(edges[0])
    if not length == len(edges[1]) == len(edges[2]) == len(edges[3]):
        counts = ", ".join(str(len(edge) // 4) for edge in edges)
        raise SourceError(where, f"has {counts} values of ymin, xmin, ymax and xmax", _REMEDY)
    count = length // 4
    names, labels = found.get(TEXT) or (), found.get(LABEL) or ()
    for key, values in ((TEXT, names), (LABEL, labels)):
        if len(values) not in (0, count):
            raise SourceError(
                where, f"has {count} boxes, but {len(values)} values of {key.decode()}", _REMEDY
            )
    classes: Sequence[Any]
    if names:
        classes = list(map(_decoded, names))
        if "" in classes:
            numbers = labels or (None,) * count
            classes = [name or number for name, number in zip(classes, numbers)]
    else:
        classes = labels or (None,) * count
    height, width = found.get(HEIGHT), found.get(WIDTH)
    size = (height[0], width[0]) if height and width else (0, 0)
    # 1 by 1 is what the API's decoder puts where a record does not say.
    known = 1 < min(size) and max(size) <= _MOST_PIXELS
    return ImageBoxes(where, size if known else None, PackedBoxes(edges), classes)


@functools.lru_cache(maxsize=4096)
def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
