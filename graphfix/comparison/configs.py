"""A config or a label map as the fields it sets, by path: two are the same when they mean the same.

Formatting, order of fields and comments do not count; the order within a repeated field does.
Values that are a field's default anyway do not count in a config, unless the API asks whether the
field is set at all (`PRESENCE`) or it is one of a oneof; in a label map they do.  A field that no
revision of the API knows counts as its text.
"""

import codecs
import os
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

import numpy as np
from google.protobuf.descriptor import FieldDescriptor

from graphfix.formats.schema import message_class
from graphfix.formats.textproto import Document, bind, quote
from graphfix.formats.textproto.tree import FLOAT, STRING, Block, Field
from graphfix.pipeline_config.document import PipelineConfig

# Fields with a single value of which some revision of the API asks HasField.
PRESENCE = {
    "alpha",
    "label_map_path",
    "max_image_height",
    "max_image_width",
    "min_image_height",
    "min_image_width",
    "num_layers",
    "op",
    "replace_preprocessor_with_placeholder",
}
ORDER, _MARK = "order of classes", "byte order mark"
# What a path into a compared directory begins with, and how a string is written that does anyway.
_HERE, _NOT_HERE = '"<directory>/', '"\\074directory>/'


def config_fields(config: PipelineConfig) -> Dict[str, str]:
    """{path: literal}."""
    found = dict(_fields(config.message, ""))
    found.update(_unknown(config.document.root, config.message.DESCRIPTOR, ""))
    return found


def with_mark(data: bytes, fields: Dict[str, str]) -> Dict[str, str]:
    """A text's fields, and that it begins with a byte order mark, at which the API's parser
    stops."""
    if data.startswith(codecs.BOM_UTF8):
        fields[_MARK] = "before all else"
    return fields


def relative_to(directory: str, fields: Mapping[str, str]) -> Dict[str, str]:
    """The same fields; a path in `directory` reads as one in "<directory>"."""
    start = '"' + os.path.join(os.path.abspath(directory), "")
    found = {}
    for path, literal in fields.items():
        if literal.startswith(_HERE):
            literal = _NOT_HERE + literal[len(_HERE) :]
        elif literal.startswith(start):
            literal = _HERE + literal[len(start) :]
        found[path] = literal
    return found


def label_fields(data: bytes) -> Dict[str, Dict[str, str]]:
    """{id: {path: literal}} of a sound label map's items, and {"": ...} of the rest: unknown
    fields, and the order of items where it is not that of their ids.  Of several items with one id
    (only the background may have), the later ones' paths are numbered."""
    document = Document.parse(data, subject="the label map")
    message, _ = bind(document, message_class("graphfix.labels.StringIntLabelMap"))
    outside: Dict[str, str] = {}
    inside: Dict[str, Dict[str, str]] = {}
    for path, text in _unknown(document.root, message.DESCRIPTOR, ""):
        item, dot, rest = path.partition(".")
        if dot and item.startswith("item["):
            inside.setdefault(item, {})[rest] = text
        else:
            outside[path] = text
    found: Dict[str, Dict[str, str]] = {}
    counts: Dict[str, int] = {}
    for number, item in enumerate(message.item):
        key = str(item.id)
        fields = dict(_fields(item, "", every=True), **inside.get(f"item[{number}]", {}))
        counts[key] = counts.get(key, 0) + 1
        prefix = f"{counts[key]}." if counts[key] > 1 else ""
        found.setdefault(key, {}).update((prefix + path, fields[path]) for path in fields)
    ids = [item.id for item in message.item]
    if ids != sorted(ids):
        outside[ORDER] = " ".join(map(str, ids))
    found[""] = with_mark(data, outside)
    return found


def _unknown(block: Block, descriptor: Any, above: str) -> Iterator[Tuple[str, str]]:
    """Fields that a schema lacks: what is written there, all of one name together."""
    texts: Dict[str, str] = {}
    counts: Dict[str, int] = {}
    for field in block.fields:
        known = descriptor.fields_by_name.get(field.name)
        if known is None:
            path = above + field.name
            texts[path] = " ".join(filter(None, [texts.get(path), _said(field)]))
        elif known.message_type is not None:
            for value in field.values:
                number = counts[field.name] = counts.get(field.name, -1) + 1
                place = f"{field.name}[{number}]" if is_repeated(known) else field.name
                if isinstance(value, Block):
                    yield from _unknown(value, known.message_type, above + place + ".")
    for path in sorted(texts):
        yield path, texts[path]


def _said(field: Field) -> str:
    """A field's text, spaced in one way."""
    words = []
    for value in field.values:
        if isinstance(value, Block):
            words.append(" ".join([field.name, "{"] + [_said(one) for one in value.fields] + ["}"]))
            continue
        literal = str(value.value)
        if value.kind == STRING:
            literal = quote(value.value) if isinstance(value.value, str) else repr(value.value)
        elif value.kind == FLOAT:
            literal = repr(value.value)
        words.append(f"{field.name}: {literal}")
    return " ".join(words) or f"{field.name}: []"


def _fields(message: Any, above: str, *, every: bool = False) -> Iterator[Tuple[str, str]]:
    for field, value in message.ListFields():
        path = above + field.name
        several = is_repeated(field)
        if several and field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in sorted(value):
                inner = field.message_type.fields_by_name["value"]
                place = f"{path}[{quote(key) if isinstance(key, str) else key}]"
                if inner.message_type is not None:
                    yield place, "{}"
                    for one in _fields(value[key], place + ".", every=every):
                        yield one
                else:
                    yield place, _literal(inner, value[key])
            continue
        for number, one in enumerate(value if several else [value]):
            place = f"{path}[{number}]" if several else path
            if field.message_type is not None:
                yield place, "{}"
                for inner in _fields(one, place + ".", every=every):
                    yield inner
                continue
            literal = _literal(field, one)
            if (
                every
                or several
                or field.containing_oneof is not None
                or field.name in PRESENCE
                or literal != _literal(field, field.default_value)
            ):
                yield place, literal


def is_repeated(field: Any) -> bool:
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == 3


def _literal(field: Any, value: Any) -> str:
    # Constants from the class: protobuf 4.21's descriptors themselves do not have them.
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "true" if value else "false"
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return field.enum_type.values_by_number[value].name
    if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        if value != value:
            return "-nan" if np.signbit(value) else "nan"
        return (
            str(np.float32(value))
            if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT
            else repr(value)
        )
    if field.type == FieldDescriptor.TYPE_BYTES:
        return repr(value)
    return quote(value) if isinstance(value, str) else str(value)


def changed_fields(
    before: Mapping[str, str], after: Mapping[str, str], only_in: Callable[[Optional[str]], str]
) -> Iterator[Tuple[str, str]]:
    """(path, "old -> new") of what differs; of a block that one side lacks, only the block, with
    the words of `only_in` for its second value (None where it is the first side's)."""
    gone: Tuple[str, ...] = ()
    for path in sorted(set(before) | set(after)):
        if before.get(path) == after.get(path) or (gone and path.startswith(gone)):
            continue
        old, new = before.get(path), after.get(path)
        if "{}" in (old, new) and None in (old, new):
            gone += (path + ".",)
            yield path, only_in(new)
        else:
            yield path, f"{old or '(default)'} -> {new or '(default)'}"
