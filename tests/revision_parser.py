"""protobuf's own text format parser with the schema of a revision: what would that API's parser
say?

Reads graphfix/pipeline_config/history.txt by itself, with code of its own, and makes a message
class in which every message and enum is on the top level (dots become underscores, and an enum gets
a message of its own for its values' names).
"""

import calendar
import collections
import functools
import os
import re

import repository
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

HISTORY = os.path.join(repository.TOP, "graphfix", "pipeline_config", "history.txt")
_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {name[len("TYPE_") :].lower(): number for name, number in _FIELD.Type.items()}


def _there(first, gone, day):
    return first <= day and (gone == "-" or day < gone)


def _schema(day):
    """Fields by message and values by enum on a day, from the text."""
    messages, enums, owner = collections.OrderedDict(), {}, None
    with open(HISTORY, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if line.startswith("message "):
                owner = words[1]
                if _there(words[2], words[3], day):
                    messages[owner] = {}
            elif line.startswith("enum "):
                owner = words[1]
                enums[owner] = {}
            elif line.startswith("  field ") and _there(words[2], words[3], day):
                for spec in " ".join(words[4:]).split(" -> "):
                    since = re.match(r"(\d{4}-\d\d-\d\d):", spec)
                    if since is None or since.group(1) <= day:
                        messages[owner][words[1]] = spec[len(since.group()) if since else 0 :]
            elif line.startswith("  value ") and _there(words[3], words[4], day):
                enums[owner][words[1]] = int(words[2])
    return messages, enums


def _oneof(spec):
    found = re.search(r" oneof:(\w+)", spec)
    return found.group(1) if found else ""


@functools.lru_cache(maxsize=None)
def message_class(revision):
    """The class of a TrainEvalPipelineConfig of a revision, the last one of its month."""
    year, number = map(int, revision.split("-"))
    day = f"{revision}-{calendar.monthrange(year, number)[1]:02d}"
    messages, enums = _schema(day)
    file = descriptor_pb2.FileDescriptorProto(
        name="revision.proto", package="revision", syntax="proto2"
    )
    for name, values in enums.items():
        if values:
            holder = file.message_type.add(name="Of_" + name.replace(".", "_"))
            enum = holder.enum_type.add(name="Enum")
            for value, number in values.items():
                enum.value.add(name=value, number=number)
    for name, fields in messages.items():
        message = file.message_type.add(name=name.replace(".", "_"))
        oneofs = []
        # Some releases of protobuf want the fields of a oneof beside each other.
        for field, spec in sorted(fields.items(), key=lambda one: _oneof(one[1])):
            number, label, kind = spec.split()[:3]
            made = message.field.add(
                name=field,
                number=int(number[1:]),
                label=_FIELD.Label.Value("LABEL_" + label.upper()),
            )
            flat = kind.replace(".", "_")
            if kind in _SCALARS:
                made.type = _SCALARS[kind]
            elif kind in enums:
                made.type, made.type_name = _FIELD.TYPE_ENUM, f".revision.Of_{flat}.Enum"
            else:
                made.type, made.type_name = _FIELD.TYPE_MESSAGE, ".revision." + flat
            oneof = _oneof(spec)
            if oneof:
                if oneof not in oneofs:
                    oneofs.append(oneof)
                    message.oneof_decl.add(name=oneof + "_")
                made.oneof_index = oneofs.index(oneof)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    descriptor = pool.FindMessageTypeByName("revision.TrainEvalPipelineConfig")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def parse(text, revision):
    """The message of a config as the API of a revision would read it.

    Raises:
      text_format.ParseError: as its parser would.
    """
    return text_format.Parse(text, message_class(revision)())
