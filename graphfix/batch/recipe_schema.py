"""The schema of recipes, in which a target has a field for each of graphfix.options.

As a .proto it would read

    message Recipe { optional Target defaults = 1; repeated Model model = 2; }
    message Model {
      optional string name = 1;        // its directory's; by default the source's, without .tar.gz
      optional string source = 2;      // a model, or a pattern with * ? [ ] that stands for several
      optional Download download = 3;  // instead of source: a published archive
      optional Target target = 4;
    }
    message Download {
      optional string url = 1;     // http://, https:// or file://, of a .tar.gz, .tgz or .tar
      optional int64 size = 2;     // bytes
      optional string sha256 = 3;  // 64 hexadecimal digits
    }
    message Target { ... }         // the flags of `graphfix convert` under the same names

A model's own values take the place of the defaults'.  In `fine_tune_checkpoint`, {name} stands for
the model's name.
"""

from typing import Any

from google.protobuf import descriptor_pb2

from graphfix.formats import schema
from graphfix.options import OPTIONS, Kind

_PACKAGE = "graphfix.recipe"
_FIELD = descriptor_pb2.FieldDescriptorProto
_STRING, _INTEGER = _FIELD.TYPE_STRING, _FIELD.TYPE_INT64
_SCALARS = {
    Kind.PATH: _STRING,
    Kind.TEXT: _STRING,
    Kind.TEXTS: _STRING,
    Kind.INTEGER: _INTEGER,
    Kind.SWITCH: _FIELD.TYPE_BOOL,
}


def recipe_class() -> Any:
    """The message class of a recipe."""
    return schema.defined(_file(), f"{_PACKAGE}.Recipe")


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="recipe", package=_PACKAGE, syntax="proto2")
    _message(file, "Recipe", {"defaults": "Target"}, {"model": "Model"})
    _message(
        file,
        "Model",
        {"name": _STRING, "source": _STRING, "download": "Download", "target": "Target"},
    )
    _message(file, "Download", {"url": _STRING, "size": _INTEGER, "sha256": _STRING})
    target = _message(file, "Target", {})
    for option in OPTIONS.values():
        if option.choices is not None:
            # In a message of its own: two enums of one message may not share a value's name.
            scope = target.nested_type.add(name=option.choices.__name__)
            values = scope.enum_type.add(name="Choice")
            for number, choice in enumerate(option.choices):
                values.value.add(name=choice.value, number=number)
            kind = f".{_PACKAGE}.Target.{option.choices.__name__}.Choice"
            _field(target, option.name, kind, enum=True)
        else:
            _field(target, option.name, _SCALARS[option.kind], repeated=option.kind is Kind.TEXTS)
    return file


def _message(
    file: descriptor_pb2.FileDescriptorProto, name: str, fields: Any, repeated: Any = ()
) -> Any:
    message = file.message_type.add(name=name)
    for own, kind in fields.items():
        _field(message, own, kind)
    for own, kind in dict(repeated).items():
        _field(message, own, kind, repeated=True)
    return message


def _field(
    message: Any, name: str, kind: Any, *, repeated: bool = False, enum: bool = False
) -> None:
    field = message.field.add(
        name=name,
        number=len(message.field) + 1,
        label=_FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL,
    )
    if isinstance(kind, str):
        field.type = _FIELD.TYPE_ENUM if enum else _FIELD.TYPE_MESSAGE
        field.type_name = kind if enum else f".{_PACKAGE}.{kind}"
    else:
        field.type = kind
