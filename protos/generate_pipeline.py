#!/usr/bin/env python3
"""Writes pipeline.proto and string_int_label_map.proto: what any TF1-era schema has, in one.

    python protos/generate_pipeline.py                  from graphfix/pipeline_config/history.txt
    python protos/generate_pipeline.py FIELD_HISTORY    refreshes history.txt from a raw list first

The raw list has a line for every field (`message.field | first DATE | GONE DATE | spec`), message
(`MSG name | first DATE file`) and enum value (`ENUM enum.value | first DATE | number`); RES,
reserved numbers, is not used here.

The schema is for reading text format, so names and kinds of values count and field numbers do
not.  Where revisions differ, the most permissive form stands: repeated if ever repeated, float
if a number was ever a float ("300.0" parses then), defaults of the last revision.  Fields that
are gone keep their number unless another one has it now; then they get one from 10001 on.
"""

import argparse
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, TOP)

from graphfix.pipeline_config.schema_history import PIPELINE, parse_history  # noqa: E402

HISTORY = os.path.join(TOP, "graphfix", "pipeline_config", "history.txt")
LABEL_MAP = "StringIntLabelMap"
SCALARS = ("float", "double", "int32", "uint32", "int64", "uint64", "bool", "string", "bytes")

HEADER = """\
// {about}
// Written by protos/generate_pipeline.py from graphfix/pipeline_config/history.txt; do not edit.

syntax = "proto2";

package graphfix.{package};
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("field_history", nargs="?")
    arguments = parser.parse_args()
    if arguments.field_history:
        with open(arguments.field_history, encoding="utf-8") as file:
            compact = compact_history(file.read())
        with open(HISTORY, "w", encoding="utf-8", newline="\n") as file:
            file.write(compact)
    for name, text in sources().items():
        with open(os.path.join(TOP, "protos", name), "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def compact_history(raw):
    """history.txt (its format is in graphfix/pipeline_config/schema_history.py) from the raw
    list."""
    messages, enums = {}, {}
    for line in raw.splitlines():
        if not line.strip() or line.startswith("RES "):
            continue
        match = re.match(
            r"(?:(MSG|ENUM) )?(\S+) \| first (\S+)(?: \| (?:GONE|gone) (\S+))?[ |]*(.*)", line
        )
        kind, name, first, gone, rest = match.groups()
        dates = f"{first} {gone or '-'}"
        if kind == "MSG":
            messages.setdefault(name, [None])[0] = f"message {name} {dates}"
            continue
        owner, own = name.rsplit(".", 1)
        if kind == "ENUM":
            enums.setdefault(owner, []).append((int(rest), f"  value {own} {rest} {dates}"))
        else:
            messages.setdefault(owner, [None]).append(f"  field {own} {dates} {rest}")
    lines = ["# Written by protos/generate_pipeline.py; the format is in history.py."]
    for name in sorted(messages):
        lines += messages[name]
    for name in sorted(enums):
        lines += ["enum " + name] + [line.rstrip() for _, line in sorted(enums[name])]
    return "\n".join(lines) + "\n"


def sources():
    """{file name: text} of both .proto files."""
    with open(HISTORY, encoding="utf-8") as file:
        history = parse_history(file.read())
    return {
        "pipeline.proto": Schema(history, PIPELINE).text(
            "pipeline", "Every field of every revision of the stock API's pipeline.config."
        ),
        "string_int_label_map.proto": Schema(history, LABEL_MAP).text(
            "labels", "Every field of every revision of the stock API's label map."
        ),
    }


class Schema:
    """All that one top message reaches, as a .proto file."""

    def __init__(self, history, top):
        self.history = history
        self.names = set()
        pending = [top]
        while pending:
            name = pending.pop()
            if name in self.names or name in SCALARS:
                continue
            self.names.add(name)
            if "." in name:
                pending.append(name.rsplit(".", 1)[0])
            for field in self.history.messages.get(name, {}).values():
                pending += [spec.type for _, spec in field.specs]

    def text(self, package, about):
        lines = [HEADER.format(about=about, package=package)]
        for name in sorted(name for name in self.names if "." not in name):
            lines += self._definition(name, "") + [""]
        return "\n".join(lines[:-1]) + "\n"

    def _definition(self, name, indent):
        if name in self.history.enums:
            values = sorted(self.history.enums[name].values(), key=lambda value: value.number)
            body = [f"{indent}  {value.name} = {value.number};" for value in values]
            return [f"{indent}enum {_own(name)} {{"] + body + [indent + "}"]
        body = []
        for nested in sorted(self.names):
            if nested.rpartition(".")[0] == name and not self._is_map_entry(nested):
                body += self._definition(nested, indent + "  ")
        body += self._fields(name, indent + "  ")
        if not body:
            return [f"{indent}message {_own(name)} {{}}"]
        return [f"{indent}message {_own(name)} {{"] + body + [indent + "}"]

    def _is_map_entry(self, name):
        return _own(name).endswith("Entry") and set(self.history.messages[name]) == {"key", "value"}

    def _fields(self, message, indent):
        fields = list(self.history.messages[message].values())
        numbers = self._numbers(message, fields)
        fields.sort(key=lambda field: numbers[field.name])
        oneofs = []
        lines = []
        for field in fields:
            oneof = field.specs[-1][1].oneof
            if oneof is None:
                lines.append(indent + self._field(field, numbers[field.name]))
            elif oneof not in oneofs:
                oneofs.append(oneof)
        for oneof in oneofs:
            lines.append(f"{indent}oneof {oneof} {{")
            for field in fields:
                if field.specs[-1][1].oneof == oneof:
                    text = self._field(field, numbers[field.name])
                    lines.append(f"{indent}  {text.replace('optional ', '', 1)}")
            lines.append(indent + "}")
        return lines

    def _numbers(self, message, fields):
        numbers, taken = {}, set()
        for field in sorted(fields, key=lambda field: (field.gone is not None, field.name)):
            number = field.specs[-1][1].number
            if number in taken:
                if field.gone is None:
                    raise ValueError(f"two fields of {message} have number {number}")
                number = max(taken | {10000}) + 1
            numbers[field.name] = number
            taken.add(number)
        return numbers

    def _field(self, field, number):
        specs = [spec for _, spec in field.specs]
        last = specs[-1]
        repeated = any(spec.repeated for spec in specs)
        kind = self._type(field, {spec.type for spec in specs})
        options = []
        if last.default is not None and not repeated:
            default = f'"{last.default}"' if last.type == "string" else last.default
            options.append(f"default = {default}")
        if last.deprecated:
            options.append("deprecated = true")
        if kind.startswith("map<"):
            declaration = kind
        else:
            declaration = f"{'repeated' if repeated else 'optional'} {kind}"
        suffix = f" [{', '.join(options)}]" if options else ""
        line = f"{declaration} {field.name} = {number}{suffix};"
        return line + (f"  // {field.first} until {field.gone}" if field.gone else "")

    def _type(self, field, kinds):
        if len(kinds) > 1:
            if "float" not in kinds or not kinds <= {"float", "int32", "uint32"}:
                raise ValueError(f"{field.message}.{field.name} was {sorted(kinds)}")
            return "float"
        kind = next(iter(kinds))
        if kind in self.history.messages and self._is_map_entry(kind):
            entry = self.history.messages[kind]
            key, value = (entry[name].specs[-1][1].type for name in ("key", "value"))
            return f"map<{key}, {value}>"
        return kind


def _own(name):
    return name.rpartition(".")[2]


if __name__ == "__main__":
    main()
