"""Metadata in a .tflite: what it says, beside a model that stays as it was."""

import zipfile

import lite_cases
import numpy as np
import pytest

import graphfix
from graphfix.exporting.tflite import metadata
from graphfix.exporting.tflite.model import open_lite
from graphfix.formats.flatbuffers.reader import Table

SIMPLE = metadata.normalization([1 / 127.5] * 3, [-1.0] * 3)
LABELS = "".join(f"{name}\n" for name in lite_cases.NAMES).encode()
AXIS = {"Min": 2, "Max": 2}
UNSPECIFIC = {"ContentPropertiesType": 1, "ContentProperties": {}}
OUTPUTS = [
    {
        "Name": "location",
        "Content": {
            "ContentPropertiesType": 3,
            "ContentProperties": {"Index": [1, 0, 3, 2], "Type": 1},
            "Range": AXIS,
        },
    },
    {
        "Name": "category",
        "Content": dict(UNSPECIFIC, Range=AXIS),
        "AssociatedFiles": [{"Name": "labels.txt", "Type": 3}],
    },
    {"Name": "score", "Content": dict(UNSPECIFIC, Range=AXIS)},
    {"Name": "number of detections", "Content": UNSPECIFIC},
]


def made(tmp_path, kind="float", pixels=SIMPLE, content=None):
    """The path of a recorded model with metadata."""
    source, out = tmp_path / "source.tflite", tmp_path / "made.tflite"
    source.write_bytes(content or lite_cases.data(kind))
    out.write_bytes(metadata.with_metadata(open_lite(str(source)), LABELS, pixels))
    return str(out)


def plain(value):
    """A table as a dictionary, without descriptions."""
    if isinstance(value, Table):
        fields = value.fields.items()
        return {name: plain(one) for name, one in fields if name != "Description"}
    if isinstance(value, bytes):
        return value.decode()
    return [plain(one) for one in value] if isinstance(value, (list, np.ndarray)) else value


def graph_of(path):
    found = plain(metadata.read_metadata(open_lite(path)))
    (graph,) = found["SubgraphMetadata"]
    return graph


@pytest.mark.parametrize("kind, low, high", [("float", -1, 1), ("quantized", 0, 255)])
def test_what_it_says(kind, low, high, tmp_path):
    """As tflite-support's own writer says it: tests/stock/test_tflite_metadata.py."""
    found = plain(metadata.read_metadata(open_lite(made(tmp_path, kind))))
    assert found["Name"] == "ObjectDetector" and found["MinParserVersion"] == "1.2.0"
    (graph,) = found["SubgraphMetadata"]
    assert graph == {
        "InputTensorMetadata": [
            {
                "Name": "image",
                "Content": {"ContentPropertiesType": 2, "ContentProperties": {"ColorSpace": 1}},
                "ProcessUnits": [{"OptionsType": 1, "Options": {"Mean": [127.5], "Std": [127.5]}}],
                "Stats": {"Max": [high], "Min": [low]},
            }
        ],
        "OutputTensorMetadata": OUTPUTS,
        "OutputTensorGroups": [
            {"Name": "detection_result", "TensorNames": ["location", "category", "score"]}
        ],
    }


@pytest.mark.parametrize("kind", lite_cases.KINDS)
def test_the_model_stays(kind, tmp_path):
    path = made(tmp_path, kind)
    with open(path, "rb") as file:
        content = file.read()
    before, _, _ = lite_cases.tables(lite_cases.data(kind))
    after, _, _ = lite_cases.tables(content)
    entries, buffers = after.fields.pop("Metadata"), after.fields["Buffers"]
    assert entries.pop().fields == {"Name": b"TFLITE_METADATA", "Buffer": len(buffers) - 1}
    buffers.pop()
    kept = before.fields.pop("Metadata", [])
    assert [one.fields for one in entries] == [one.fields for one in kept]
    # The writer's file follows from the tables alone.
    both = [lite_cases.writer.write(one, lite_cases.SCHEMA) for one in (before, after)]
    assert both[0] == both[1]
    with open(made(tmp_path, kind), "rb") as file:
        assert file.read() == content


def test_labels_are_behind_it_as_they_are(tmp_path):
    path = made(tmp_path)
    with zipfile.ZipFile(path) as archive:
        (info,) = archive.infolist()
        # The Task Library refuses files that are compressed.
        assert info.filename == "labels.txt" and info.compress_type == zipfile.ZIP_STORED
        assert archive.read(info) == LABELS and archive.testzip() is None
        assert info.header_offset > 1000


def test_outputs_in_another_order(tmp_path):
    """The converter has them in the operation's order; metadata follows the graph's."""

    def turned(root, tensors, operators):
        (graph,) = root.fields["Subgraphs"]
        graph.fields["Outputs"] = graph.fields["Outputs"][[3, 1, 0, 2]]

    found = graph_of(made(tmp_path, content=lite_cases.edited("float", turned)))
    assert found["OutputTensorMetadata"] == [OUTPUTS[one] for one in (3, 1, 0, 2)]


@pytest.mark.parametrize(
    "scale, offset, mean, std",
    [
        # As the stock API measures them, in the digits of a float32.
        ([0.007843138] * 3, [-1.0] * 3, (127.5,), (127.5,)),
        ([1.0] * 3, [-123.68, -116.779, -103.939], (123.68, 116.779, 103.939), (1.0, 1.0, 1.0)),
        ([1.0] * 3, [0.0] * 3, (0.0,), (1.0,)),
    ],
)
def test_normalization(scale, offset, mean, std, tmp_path):
    pixels = metadata.normalization(scale, offset)
    assert pixels == (mean, std) and metadata.about(pixels).code == "METADATA"
    (image,) = graph_of(made(tmp_path, pixels=pixels))["InputTensorMetadata"]
    low = list(offset[: len(mean)])
    assert np.allclose(image["Stats"]["Min"], low)
    high = [255 * one + added for one, added in zip(scale, low)]
    assert np.allclose(image["Stats"]["Max"], high)


@pytest.mark.parametrize(
    "scale, offset", [([0.0] * 3, [0.0] * 3), ([float("nan")] * 3, [0.0] * 3), ([-1.0], [0.0])]
)
def test_what_no_mean_and_deviation_say(scale, offset, tmp_path):
    pixels = metadata.normalization(scale, offset)
    assert pixels is None
    told = metadata.about(pixels)
    assert told.code == "NO_NORMALIZATION" and told.severity == "warning"
    (image,) = graph_of(made(tmp_path, pixels=None))["InputTensorMetadata"]
    assert set(image) == {"Name", "Content"}


def test_a_model_without(tmp_path):
    assert metadata.read_metadata(open_lite(lite_cases.path("float"))) is None


@pytest.mark.parametrize("kind", ["float", "quantized"])
def test_fewer_classes_keep_it(kind, tmp_path):
    """Its labels name the source's classes, and become the new ones."""
    path, out = made(tmp_path, kind), tmp_path / "fewer"
    graphfix.convert_lite(path, out, graphfix.ConvertOptions(classes="four,two"))
    fewer = open_lite(str(out / "detect.tflite"))
    assert graph_of(fewer.path) == graph_of(path)
    ((info, labels),) = fewer.sidecars
    assert (info.filename, labels) == ("labels.txt", b"four\ntwo\n")
    assert (out / "labels.txt").read_bytes() == labels and fewer.classes == 2
