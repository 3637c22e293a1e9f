"""What a record has to be drawn: its encoded picture, boxes with their classes, masks."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from google.protobuf.message import DecodeError

from graphfix.datasets.boxes import PackedBoxes
from graphfix.datasets.tf_example import EDGES, ENCODED, LABEL, MASK, TEXT, example_reader
from graphfix.doctor.faults import SLACK
from graphfix.formats.schema import message_class
from graphfix.pipeline_config.label_map import LabelMap


class Shape(NamedTuple):
    """A box (ymin, xmin, ymax, xmax, parts of the sides) and its class: its name as it is shown,
    its id, None for one that nobody knows.  `sound`: it lies in its picture, and has an area."""

    box: Tuple[float, float, float, float]
    name: str
    label: Optional[int]
    sound: bool


class Content(NamedTuple):
    """`masks` are PNG files, or floats of all masks, one after the other."""

    encoded: bytes
    shapes: Tuple[Shape, ...]
    masks: Sequence[Any]


class Namer:
    """Names of classes, as the decoder takes them."""

    def __init__(self, labels: Optional[LabelMap]):
        self.ids: Dict[bytes, int] = {}
        self.names: Dict[int, str] = {}
        for label in labels.labels if labels else ():
            self.names.setdefault(label.id, label.display_name)
            for name in label.names:
                key = name.encode("utf-8")
                self.ids[key] = max(label.id, self.ids.get(key, 0))
        self.mapped = labels is not None

    def name(self, text: Optional[bytes], label: Optional[int]) -> Tuple[str, Optional[int]]:
        """(name, id) of a box's class."""
        shown = text.decode("utf-8", "backslashreplace") if text is not None else ""
        if not self.mapped:
            return shown or (f"id {label}" if label is not None else "no class"), label
        if text is not None:
            known = self.ids.get(text)
            return (self.names[known], known) if known is not None else (f"{shown}?", None)
        if label is not None and label in self.names:
            return self.names[label], label
        return (f"id {label}?" if label is not None else "no class"), None


def read_content(data: bytes, namer: Namer) -> Content:
    """What a record's bytes have; nothing where they are no tf.Example."""
    try:
        found, _ = example_reader().read(data, 0, len(data))
    except DecodeError:
        return Content(b"", (), ())
    edges = [found.get(edge) or b"" for edge in EDGES]
    boxes = list(PackedBoxes(edges)) if len(set(map(len, edges))) == 1 else []
    texts, labels = found.get(TEXT) or (), found.get(LABEL) or ()
    shapes: List[Shape] = []
    for number, box in enumerate(boxes):
        text = texts[number] if len(texts) == len(boxes) else None
        label = labels[number] if len(labels) == len(boxes) else None
        top, left, bottom, right = box
        sound = -SLACK <= min(box) and max(box) <= 1 + SLACK and bottom > top and right > left
        shapes.append(Shape(box, *namer.name(text, label), sound))
    encoded = found.get(ENCODED)
    return Content(bytes(encoded) if encoded else b"", tuple(shapes), _masks(data, found))


def _masks(data: bytes, found: Dict[bytes, Any]) -> Sequence[Any]:
    if MASK not in found:
        return ()
    message = message_class("graphfix.example.Example").FromString(data)
    value = next(one.value for one in message.features.feature if one.key == MASK)
    return tuple(value.bytes_list.value) or tuple(value.float_list.value)
