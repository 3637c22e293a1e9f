"""Writes protobuf text: blocks of fields, with what was only assumed marked as such."""

from typing import Any, Iterable, List, NamedTuple, Union

import numpy as np

from graphfix.formats.textproto import quote

_INDENT = "  "


class Enum(str):
    """The name of an enum's value, which is written without quotes."""


class Field(NamedTuple):
    """A field: its name, its value (a list of fields for a block), whether it is assumed."""

    name: str
    value: Any
    assumed: bool = False


Fields = List[Field]


def assumed(name: str, value: Any) -> Field:
    return Field(name, value, True)


def number(value: Union[int, float]) -> str:
    """The shortest text that a float field reads back as this value."""
    if isinstance(value, (int, np.integer)):
        return f"{value}"
    return str(np.float32(value))


def literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value)
    return quote(value) if isinstance(value, str) else number(value)


def repeated(name: str, values: Iterable[Any]) -> Fields:
    return [Field(name, value) for value in values]


def render(fields: Iterable[Field], depth: int = 0, marked: bool = False) -> List[str]:
    """The lines of fields; a block that is assumed is marked once, at its begin."""
    lines = []
    for field in fields:
        note = "  # assumed" if field.assumed and not marked else ""
        if isinstance(field.value, list):
            lines.append(f"{_INDENT * depth}{field.name} {{{note}")
            lines += render(field.value, depth + 1, marked or field.assumed)
            lines.append(_INDENT * depth + "}")
        else:
            lines.append(f"{_INDENT * depth}{field.name}: {literal(field.value)}{note}")
    return lines
