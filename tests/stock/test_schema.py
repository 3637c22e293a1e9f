"""The schemas beside TensorFlow's and the stock API's own, in one process."""

import pytest
import zoo
from google.protobuf import text_format

from graphfix.errors import SourceError
from graphfix.formats.schema import message_class
from graphfix.pipeline_config.document import parse_config

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow 1.15 is not installed here")


def fields(descriptor):
    return {
        field.number: (
            field.name,
            field.type,
            field.label,
            field.containing_oneof and field.containing_oneof.name,
        )
        for field in descriptor.fields
    }


@pytest.mark.parametrize(
    "name, module",
    [
        ("BundleHeaderProto", "core.protobuf.tensor_bundle_pb2"),
        ("BundleEntryProto", "core.protobuf.tensor_bundle_pb2"),
        ("TensorShapeProto", "core.framework.tensor_shape_pb2"),
        ("TensorSliceProto", "core.framework.tensor_slice_pb2"),
        ("VersionDef", "core.framework.versions_pb2"),
        ("CheckpointState", "python.training.checkpoint_state_pb2"),
        ("GraphDef", "core.framework.graph_pb2"),
        ("SavedModel", "core.protobuf.saved_model_pb2"),
    ],
)
def test_tensorflows_messages(name, module):
    """The same fields: name, number, type and oneof, of the message and of those in it."""
    theirs = __import__("tensorflow." + module, fromlist=[name])
    package = "graph" if name in ("GraphDef", "SavedModel") else "tensorflow"
    ours = message_class(f"graphfix.{package}.{name}")
    pending, seen = [(getattr(theirs, name).DESCRIPTOR, ours.DESCRIPTOR)], set()
    while pending:
        their, our = pending.pop()
        if (their.full_name, our.full_name) in seen:
            continue
        seen.add((their.full_name, our.full_name))
        assert fields(our) == fields(their), their.full_name
        pending += zip(
            (field.message_type for field in their.fields if field.message_type),
            (
                our.fields_by_name[field.name].message_type
                for field in their.fields
                if field.message_type
            ),
        )


def test_tensorflows_types():
    from tensorflow.core.framework import types_pb2

    ours = message_class("graphfix.tensorflow.BundleEntryProto").DESCRIPTOR
    ours = ours.fields_by_name["dtype"].enum_type
    assert {value.name: value.number for value in ours.values} == dict(types_pb2.DataType.items())


@pytest.mark.parametrize("path", zoo.files("*/pipeline.config", "sample_configs/*.config"))
def test_the_stock_api_says_the_same(path):
    """What the stock API's schema reads from a config, ours reads too, value by value."""
    pipeline_pb2 = pytest.importorskip("object_detection.protos.pipeline_pb2")
    with open(path, "rb") as file:
        data = file.read()
    theirs = pipeline_pb2.TrainEvalPipelineConfig()
    try:
        text_format.Merge(data, theirs)
    except text_format.ParseError as error:
        # A field of another year: ours is the union of all years.
        assert "has no field named" in str(error) or "Couldn't parse" in str(error)
        theirs = None
    try:
        ours = parse_config(data, path).message
    except SourceError:
        assert theirs is None
        raise
    if theirs is not None:
        assert said(ours) == said(theirs)


def said(message):
    """{name: value} of every field that is set; whole floats as the integers they were."""
    out = {}
    for field, value in message.ListFields():
        values = value if field.label == 3 else [value]
        if field.message_type is not None:
            values = [said(one) for one in values]
        elif field.enum_type is not None:
            values = [field.enum_type.values_by_number[one].name for one in values]
        out[field.name] = list(values)
    return out
