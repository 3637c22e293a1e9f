"""TensorFlow Lite's metadata in a detector's .tflite: what its input takes, what its outputs are,
and its labels.  The Task Library and Android's tools need it.

It is a FlatBuffers file of its own in a buffer of the model, which `TFLITE_METADATA` in the
model's list of metadata names; the labels are in a zip archive behind the model.  Source: the
schema's comments, and what tflite-support 0.4.4 writes and reads.
"""

import io
import math
import zipfile
from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from graphfix.exporting.tflite.labels import LABELS
from graphfix.exporting.tflite.model import DETECT, LiteModel
from graphfix.findings import INFO, WARNING, Finding
from graphfix.formats.flatbuffers import reader, schema, writer
from graphfix.formats.flatbuffers.reader import Table

NAME = b"TFLITE_METADATA"
# The first parser that knows groups of outputs.
_PARSER = b"1.2.0"
_RGB, _BOUNDARIES, _VALUE_LABELS = 1, 1, 3
_BYTES = 3
# What the outputs are, in the order of TFLite_Detection_PostProcess.  The Task Library finds them
# by these names.
_OUTPUTS = (
    (b"location", b"Boxes, as top, left, bottom and right: parts of the picture's sides."),
    (b"category", b"The objects' classes: numbers of lines of the labels, from 0."),
    (b"score", b"The objects' scores."),
    (b"number of detections", b"How many objects were found; rows behind those mean nothing."),
)
_GROUP, _GROUPED = b"detection_result", 3
# Where in a box its left, top, right and bottom are.
_LEFT_TOP_RIGHT_BOTTOM = (1, 0, 3, 2)
# The dimension of a detection's values that counts objects.
_OF_OBJECTS = 2
# An archive's first moment, so that the same model is the same file.
_DATE = (1980, 1, 1, 0, 0, 0)


class Normalization(NamedTuple):
    """What the network is fed is (pixel - mean) / std: a number for all channels, or for each."""

    mean: Tuple[float, ...]
    std: Tuple[float, ...]


def normalization(scale: Sequence[float], offset: Sequence[float]) -> Optional[Normalization]:
    """That of pixel * scale + offset, by channel; None where no mean and deviation say it."""
    if not all(0 < one < math.inf for one in scale) or not all(map(math.isfinite, offset)):
        return None
    # Six digits are what a float32 is sure of: 127.5, and not 127.4999867.
    channels = [
        tuple(float(f"{one:.6g}") for one in (-added / factor, 1 / factor))
        for factor, added in zip(scale, offset)
    ]
    mean, std = zip(*channels if len(set(channels)) > 1 else channels[:1])
    return Normalization(mean, std)


def about(pixels: Optional[Normalization]) -> Finding:
    """What the metadata says, or lacks."""
    if pixels is None:
        return Finding(
            "NO_NORMALIZATION",
            WARNING,
            DETECT,
            "has metadata without normalization: what the model makes of pixels is no mean and "
            "standard deviation",
            "feed an interpreter: the Task Library refuses a model of floats that has none",
        )
    return Finding(
        "METADATA",
        INFO,
        DETECT,
        f"has TensorFlow Lite's metadata: normalization, names of outputs, and {LABELS}",
        "the Task Library and Android's tools need no more than this file",
    )


def with_metadata(model: LiteModel, labels: bytes, pixels: Optional[Normalization]) -> bytes:
    """The file of a model with metadata and a list of labels.  Its other tables stay."""
    content = writer.write(_metadata(model, pixels), schema.metadata())
    data = Table("Buffer", {"Data": np.frombuffer(content, np.uint8)})
    entry = Table("Metadata", {"Name": NAME, "Buffer": len(model.buffers)})
    fields = dict(model.root.fields)
    fields["Buffers"] = [*model.buffers, data]
    fields["Metadata"] = [*fields.get("Metadata", ()), entry]
    made = writer.write(Table("Model", fields), schema.tflite())
    # Not compressed: the Task Library refuses what is.
    return with_files(made, [(zipfile.ZipInfo(LABELS, _DATE), labels)])


def with_files(data: bytes, files: Iterable[Tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    """A model with an archive behind it."""
    out = io.BytesIO(data)
    # Appended, so that the archive's offsets count from the file's beginning.
    with zipfile.ZipFile(out, "a") as archive:
        for info, content in files:
            archive.writestr(info, content)
    return out.getvalue()


def read_metadata(model: LiteModel) -> Optional[Table]:
    """The metadata in a model, None if it has none.

    Raises:
      Damaged: it is no FlatBuffers file of metadata.
    """
    for one in model.root.get("Metadata") or ():
        if one.get("Name") == NAME:
            data = model.buffers[one.get("Buffer", 0)].fields["Data"].tobytes()
            return reader.read(data, schema.metadata())[0]
    return None


def _metadata(model: LiteModel, pixels: Optional[Normalization]) -> Table:
    # Metadata follows the graph's outputs, which the converter may have in another order.
    order = [model.detection.outputs.index(int(one)) for one in model.graph.fields["Outputs"]]
    group = Table(
        "TensorGroup", {"Name": _GROUP, "TensorNames": [name for name, _ in _OUTPUTS[:_GROUPED]]}
    )
    graph = Table(
        "SubGraphMetadata",
        {
            "InputTensorMetadata": [_input(model, pixels)],
            "OutputTensorMetadata": [_output(one) for one in order],
            "OutputTensorGroups": [group],
        },
    )
    return Table(
        "ModelMetadata",
        {
            "Name": b"ObjectDetector",
            "Description": b"Finds objects in a picture: their boxes, classes and scores.",
            "SubgraphMetadata": [graph],
            "MinParserVersion": _PARSER,
        },
    )


def _input(model: LiteModel, pixels: Optional[Normalization]) -> Table:
    (tensor,) = model.graph.fields["Inputs"]
    fields = {
        "Name": b"image",
        "Description": b"The picture, resized without keeping its aspect ratio.",
        "Content": _content("ImageProperties", 2, {"ColorSpace": _RGB}),
    }
    if pixels is not None:
        units = {"Mean": _floats(pixels.mean), "Std": _floats(pixels.std)}
        options = Table("NormalizationOptions", units)
        fields["ProcessUnits"] = [Table("ProcessUnit", {"OptionsType": 1, "Options": options})]
    # A model of integers takes pixels as they are: its quantization undoes the normalization.
    if model.tensors[tensor].get("Type", 0) == _BYTES:
        fields["Stats"] = _stats([0.0], [255.0])
    elif pixels is not None:
        pairs = list(zip(*pixels))
        low, high = ([(end - mean) / std for mean, std in pairs] for end in (0.0, 255.0))
        fields["Stats"] = _stats(low, high)
    return Table("TensorMetadata", fields)


def _output(number: int) -> Table:
    name, description = _OUTPUTS[number]
    if number == 0:
        # Their coordinates are ratios, which is the schema's default.
        index = np.array(_LEFT_TOP_RIGHT_BOTTOM, np.uint32)
        box = {"Index": index, "Type": _BOUNDARIES}
        content = _content("BoundingBoxProperties", 3, box)
    else:
        content = _content("FeatureProperties", 1, {})
    if number < _GROUPED:
        content.fields["Range"] = Table("ValueRange", {"Min": _OF_OBJECTS, "Max": _OF_OBJECTS})
    fields = {"Name": name, "Description": description, "Content": content}
    if name == b"category":
        labels = {
            "Name": LABELS.encode(),
            "Description": b"The names of the classes, a line each.",
            "Type": _VALUE_LABELS,
        }
        fields["AssociatedFiles"] = [Table("AssociatedFile", labels)]
    return Table("TensorMetadata", fields)


def _content(properties: str, number: int, fields: Any) -> Table:
    made = Table(properties, fields)
    return Table("Content", {"ContentPropertiesType": number, "ContentProperties": made})


def _stats(low: List[float], high: List[float]) -> Table:
    return Table("Stats", {"Max": _floats(high), "Min": _floats(low)})


def _floats(values: Sequence[float]) -> np.ndarray:
    return np.array(values, np.float32)
