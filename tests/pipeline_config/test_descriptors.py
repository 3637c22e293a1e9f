"""Reading what an installed API accepts out of its generated files, with made-up ones."""

import pytest
from google.protobuf import descriptor_pb2

from graphfix.pipeline_config import descriptors, schema_history

_FIELD = descriptor_pb2.FieldDescriptorProto
PACKAGE = "object_detection.protos"

STYLES = {
    "2019": lambda data: (
        "x\nDESCRIPTOR = _descriptor.FileDescriptor(\n  syntax='proto2',\n"
        f"  serialized_pb=_b({data.decode('latin-1')!r})\n)\n"
    ),
    "2021": lambda data: (
        "DESCRIPTOR = _descriptor.FileDescriptor(\n  create_key=_x,\n"
        f"  serialized_pb={data!r}\n  ,\n)\n"
    ),
    "newest": lambda data: f"DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile({data!r})\n",
}


def files():
    """Two files of which one uses the other's messages, as the API has them."""
    pipeline = descriptor_pb2.FileDescriptorProto(
        name="object_detection/protos/pipeline.proto",
        package=PACKAGE,
        dependency=["object_detection/protos/loss.proto", "google/protobuf/any.proto"],
    )
    message = pipeline.message_type.add(name="TrainEvalPipelineConfig")
    message.field.add(
        name="loss",
        number=1,
        label=_FIELD.LABEL_REPEATED,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{PACKAGE}.Loss",
    )
    loss = descriptor_pb2.FileDescriptorProto(
        name="object_detection/protos/loss.proto", package=PACKAGE
    )
    message = loss.message_type.add(name="Loss")
    message.oneof_decl.add(name="kind")
    message.field.add(
        name="weight",
        number=3,
        label=_FIELD.LABEL_OPTIONAL,
        type=_FIELD.TYPE_FLOAT,
        default_value="1",
        oneof_index=0,
    )
    message.field.add(
        name="inner",
        number=4,
        label=_FIELD.LABEL_OPTIONAL,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{PACKAGE}.Loss.Inner",
    )
    message.field[1].options.deprecated = True
    message.field.add(
        name="how",
        number=5,
        label=_FIELD.LABEL_OPTIONAL,
        type=_FIELD.TYPE_ENUM,
        type_name=f".{PACKAGE}.Loss.How",
        default_value="SOFT",
    )
    message.nested_type.add(name="Inner")
    how = message.enum_type.add(name="How")
    how.value.add(name="SOFT", number=0)
    how.value.add(name="HARD", number=1)
    return {"pipeline": pipeline.SerializeToString(), "loss": loss.SerializeToString()}


def install(directory, style, contents):
    (directory / "protos").mkdir(parents=True)
    for name, data in contents.items():
        (directory / "protos" / (name + "_pb2.py")).write_text(
            STYLES[style](data), encoding="utf-8"
        )
    return str(directory)


@pytest.mark.parametrize("style", sorted(STYLES))
def test_every_style_of_generated_file_is_read(tmp_path, style):
    schema = descriptors.read_schema(install(tmp_path / "od", style, files()), "mine")
    assert schema.name == "mine"
    assert schema.messages == {
        "TrainEvalPipelineConfig": {"loss": schema_history.FieldSpec(1, "repeated", "Loss")},
        "Loss": {
            "weight": schema_history.FieldSpec(3, "optional", "float", "1", "kind"),
            "inner": schema_history.FieldSpec(4, "optional", "Loss.Inner", deprecated=True),
            "how": schema_history.FieldSpec(5, "optional", "Loss.How", "SOFT"),
        },
        "Loss.Inner": {},
    }
    assert schema.enums == {"Loss.How": ("SOFT", "HARD")}
    assert schema.extractors is None


def test_feature_extractors_are_those_the_builder_names(tmp_path):
    package = install(tmp_path / "od", "2021", files())
    (tmp_path / "od" / "builders").mkdir()
    (tmp_path / "od" / "builders" / "model_builder.py").write_text(
        "from models import ssd_mobilenet_v1_feature_extractor\n"
        "MAP = {\n    'ssd_mobilenet_v1': A,\n    \"embedded_ssd_mobilenet_v1\": B,\n"
        "    'faster_rcnn_nas':\n    C}\n"
    )
    assert descriptors.read_schema(package, "mine").extractors == {
        "ssd_mobilenet_v1",
        "embedded_ssd_mobilenet_v1",
        "faster_rcnn_nas",
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.clear(),
        lambda found: found.pop("pipeline"),
        lambda found: found.pop("loss"),
        lambda found: found.update(loss=found["loss"][:-7]),
        lambda found: found.update(loss=b"\xff" * 40),
    ],
)
def test_what_is_no_whole_api_is_none(tmp_path, change):
    found = files()
    change(found)
    assert descriptors.read_schema(install(tmp_path / "od", "2021", found), "mine") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "serialized_pb=b'\\x",
        "serialized_pb=b'\\xzz'",
        "serialized_pb='\\N{no such name}'",
        "serialized_pb='\\u2192'",
    ],
)
def test_a_file_that_cannot_be_read_makes_it_none(tmp_path, text):
    package = install(tmp_path / "od", "2021", files())
    (tmp_path / "od" / "protos" / "loss_pb2.py").write_text(text)
    assert descriptors.read_schema(package, "mine") is None


def test_a_file_that_nothing_leads_to_is_not_read(tmp_path):
    found = files()
    stray = descriptor_pb2.FileDescriptorProto(
        name="object_detection/protos/stray.proto", package=PACKAGE
    )
    stray.message_type.add(name="Stray")
    found["stray"] = stray.SerializeToString()
    found["broken"] = b"\xff"
    schema = descriptors.read_schema(install(tmp_path / "od", "2021", found), "mine")
    assert "Loss" in schema.messages and "Stray" not in schema.messages


def test_no_directory_is_none(tmp_path):
    assert descriptors.read_schema(str(tmp_path / "none"), "mine") is None
