"""What an installed stock API accepts, read from its own files without importing any of them.

`protos/NAME_pb2.py`, which protoc writes, has NAME.proto as a serialized FileDescriptorProto in
one literal: `serialized_pb=_b('...')` (each character a byte), `serialized_pb=b'...'`, or from
protobuf 3.20 on `AddSerializedFile(b'...')`.  `builders/model_builder.py` names the feature
extractors that it knows.  Reading both takes some milliseconds; importing them would bring
TensorFlow into this process, and with it the API's messages.
"""

import ast
import os
import re
from typing import Dict, FrozenSet, Optional, Tuple

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from graphfix.pipeline_config.schema_history import PIPELINE, FieldSpec, Schema

_PACKAGE = "object_detection.protos"
_DIRECTORY = "object_detection/protos/"
_ROOT = _DIRECTORY + "pipeline.proto"
_SERIALIZED = re.compile(
    r"(?:serialized_pb=(?:_b\()?|AddSerializedFile\()\s*"
    r"(b?'(?:[^'\\\n]|\\.)*'|b?\"(?:[^\"\\\n]|\\.)*\")",
    re.DOTALL,
)
_EXTRACTOR = re.compile(r"['\"]((?:embedded_)?(?:ssd|faster_rcnn)_[a-z0-9_.]+)['\"]")
_FIELD = descriptor_pb2.FieldDescriptorProto
_LABELS = {
    _FIELD.LABEL_OPTIONAL: "optional",
    _FIELD.LABEL_REQUIRED: "required",
    _FIELD.LABEL_REPEATED: "repeated",
}


def read_schema(package: str, name: str) -> Optional[Schema]:
    """The schema of the API in the directory `package` (its `object_detection`), called `name`;
    None where its files are not those of such an API, or of a kind this does not know."""
    messages: Dict[str, Dict[str, FieldSpec]] = {}
    enums: Dict[str, Tuple[str, ...]] = {}
    pending, seen = [_ROOT], set()
    # Only what pipeline.proto leads to: files of an older installation may lie about.
    while pending:
        proto = pending.pop()
        if proto in seen or not proto.startswith(_DIRECTORY):
            continue
        seen.add(proto)
        file = _descriptor(
            os.path.join(package, "protos", proto[len(_DIRECTORY) : -len(".proto")] + "_pb2.py")
        )
        if file is None or file.package != _PACKAGE:
            return None
        pending += file.dependency
        for message in file.message_type:
            _add(message, "", messages, enums)
        for enum in file.enum_type:
            enums[enum.name] = tuple(value.name for value in enum.value)
    if PIPELINE not in messages or not _whole(messages, enums):
        return None
    return Schema(name, messages, enums, _extractors(package))


def _descriptor(path: str) -> Optional[descriptor_pb2.FileDescriptorProto]:
    match = _SERIALIZED.search(_read(path))
    if match is None:
        return None
    try:
        literal = ast.literal_eval(match.group(1))
        data = literal if isinstance(literal, bytes) else literal.encode("latin-1")
        return descriptor_pb2.FileDescriptorProto.FromString(data)
    except (ValueError, SyntaxError, DecodeError):
        return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _add(message, above: str, messages: Dict, enums: Dict) -> None:
    name = above + message.name
    oneofs = [oneof.name for oneof in message.oneof_decl]
    messages[name] = {
        field.name: FieldSpec(
            field.number,
            _LABELS[field.label],
            _type(field),
            field.default_value if field.HasField("default_value") else None,
            oneofs[field.oneof_index] if field.HasField("oneof_index") else None,
            field.options.deprecated,
        )
        for field in message.field
    }
    for nested in message.nested_type:
        _add(nested, name + ".", messages, enums)
    for enum in message.enum_type:
        enums[f"{name}.{enum.name}"] = tuple(value.name for value in enum.value)


def _type(field) -> str:
    """A message's or enum's name within the package, or a scalar's as .proto files spell it."""
    if field.type_name:
        return field.type_name[len(_PACKAGE) + 2 :]
    return _FIELD.Type.Name(field.type)[len("TYPE_") :].lower()


def _whole(messages: Dict, enums: Dict) -> bool:
    """Whether every message and enum that a field names was found."""
    return all(
        spec.type in messages or spec.type in enums or spec.type.islower()
        for fields in messages.values()
        for spec in fields.values()
    )


def _extractors(package: str) -> Optional[FrozenSet[str]]:
    found = _EXTRACTOR.findall(_read(os.path.join(package, "builders", "model_builder.py")))
    return frozenset(found) or None
