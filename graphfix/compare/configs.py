"""A config as the fields it sets, by path; so that two configs are the same when they mean the same.

Formatting, order of fields, comments, and values that are a field's default anyway do not count;
the order within a repeated field does.  A field that no revision of the API knows counts as its
text.
"""

import os
from typing import Any, Dict, Iterator, Mapping, Tuple

import numpy as np
from google.protobuf.descriptor import FieldDescriptor

from graphfix.config.pipeline import PipelineConfig
from graphfix.schema import message_class
from graphfix.textproto import UNKNOWN_FIELD, Document, bind, quote


def config_fields(config: PipelineConfig, directory: str = "") -> Dict[str, str]:
    """{path: literal}; a path in `directory` reads as one in "<directory>"."""
    found = dict(_fields(config.message, ""))
    message = message_class("graphfix.pipeline.TrainEvalPipelineConfig")
    found.update(_unknown(config.document, message))
    if directory:
        start = os.path.join(os.path.abspath(directory), "")
        for path, literal in found.items():
            if literal.startswith('"' + start):
                found[path] = '"<directory>/' + literal[1 + len(start):]
    return found


def _unknown(document: Document, message) -> Iterator[Tuple[str, str]]:
    paths = sorted({one.path for one in bind(document, message)[1] if one.kind == UNKNOWN_FIELD})
    for path in paths:
        yield ".".join(path), " ".join(
            " ".join(field.raw.split()) for field in document.find(path))


def _fields(message: Any, above: str) -> Iterator[Tuple[str, str]]:
    for field, value in message.ListFields():
        path = above + field.name
        several = field.is_repeated if hasattr(field, "is_repeated") else field.label == 3
        if several and field.message_type is not None \
                and field.message_type.GetOptions().map_entry:
            for key in sorted(value):
                inner = field.message_type.fields_by_name["value"]
                place = "%s[%s]" % (path, key)
                if inner.message_type is not None:
                    yield place, "{}"
                    for one in _fields(value[key], place + "."):
                        yield one
                else:
                    yield place, _literal(inner, value[key])
            continue
        for number, one in enumerate(value if several else [value]):
            place = "%s[%d]" % (path, number) if several else path
            if field.message_type is not None:
                yield place, "{}"
                for inner in _fields(one, place + "."):
                    yield inner
            elif several or field.containing_oneof is not None or one != field.default_value:
                yield place, _literal(field, one)


def _literal(field, value: Any) -> str:
    # Constants from the class: protobuf 4.21's descriptors themselves do not have them.
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "true" if value else "false"
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return field.enum_type.values_by_number[value].name
    if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT:
        return str(np.float32(value))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return repr(value)
    return quote(value) if isinstance(value, str) else str(value)


def changed_fields(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Tuple[str, str]]:
    """(path, "old -> new") of what differs; of a block that one side lacks, the block alone."""
    gone = ()  # type: Tuple[str, ...]
    for path in sorted(set(before) | set(after)):
        if before.get(path) == after.get(path) or gone and path.startswith(gone):
            continue
        old, new = before.get(path), after.get(path)
        if "{}" in (old, new) and None in (old, new):
            gone += (path + ".",)
            yield path, "is gone" if new is None else "is new"
        else:
            yield path, "%s -> %s" % (old or "(default)", new or "(default)")
