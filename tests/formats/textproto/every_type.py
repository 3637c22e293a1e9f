"""A message with a field of every type, in a descriptor pool of its own."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_TYPES = (
    "double",
    "float",
    "int64",
    "uint64",
    "int32",
    "fixed64",
    "fixed32",
    "bool",
    "string",
    None,
    None,
    "bytes",
    "uint32",
    None,
    "sfixed32",
    "sfixed64",
    "sint32",
    "sint64",
)


def _file():
    file = descriptor_pb2.FileDescriptorProto(
        name="every_type.proto", package="test", syntax="proto2"
    )
    color = file.enum_type.add(name="Color")
    for number, name in ((0, "RED"), (1, "GREEN"), (-1, "NEGATIVE"), (7, "inf_blue")):
        color.value.add(name=name, number=number)
    message = file.message_type.add(name="Every")
    number = 0

    def add(name, kind, label=1, type_name=None, oneof=None):
        nonlocal number
        number += 1
        field = message.field.add(name=name, number=number, type=kind, label=label)
        if type_name:
            field.type_name = type_name
        if oneof is not None:
            field.oneof_index = oneof

    for kind, name in enumerate(_TYPES, 1):
        if name:
            add("a_" + name, kind)
            add("some_" + name, kind, 3)
    for label, prefix in ((1, "a_"), (3, "some_")):
        add(prefix + "color", 14, label, ".test.Color")
        add(prefix + "message", 11, label, ".test.Every")
    message.oneof_decl.add(name="choice")
    add("one", 5, oneof=0)
    add("other", 11, type_name=".test.Every", oneof=0)
    for key, value, type_name in ((5, 2, None), (9, 11, ".test.Every"), (8, 9, None)):
        entry = message.nested_type.add(name=f"Map{key}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=key, label=1)
        made = entry.field.add(name="value", number=2, type=value, label=1)
        if type_name:
            made.type_name = type_name
        add(f"map{key}", 11, 3, f".test.Every.Map{key}Entry")
    return file


def _made():
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_file().SerializeToString())
    descriptor = pool.FindMessageTypeByName("test.Every")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


Every = _made()
