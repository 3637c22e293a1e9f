"""A text format document as a protobuf message, with everything that is wrong with it at once.

Rules as the C++ and Python text format parsers have them: a singular field may be given once, a
oneof one member; integers must fit their type; booleans are true, True, t, 1 and their
opposites; an enum's value is its name or number; floats may be written as decimal integers, inf
or nan.
"""

import difflib
import re
from typing import Any, List, NamedTuple, Optional, Tuple, Union

from google.protobuf.descriptor import FieldDescriptor

from graphfix.errors import Problem
from graphfix.formats.textproto import literals
from graphfix.formats.textproto.document import Document
from graphfix.formats.textproto.tree import FLOAT, IDENTIFIER, INTEGER, STRING, Block, Field, Scalar

UNKNOWN_FIELD = "unknown_field"
WRONG_TYPE = "wrong_type"
UNKNOWN_VALUE = "unknown_value"
OUT_OF_RANGE = "out_of_range"
DUPLICATE = "duplicate"
ONEOF_CONFLICT = "oneof_conflict"

# Taken from the class: protobuf 4.21's descriptors themselves do not have them.
_SIGNED = FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64
_UNSIGNED = FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64

_BOOLS = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}
# Looking for a similar name takes a while; past so many the document is not of this schema.
_MAX_SUGGESTIONS = 20
# 010 is 8 to some parsers and 10 to others, where a float is wanted.
_NOT_DECIMAL = re.compile(r"(?<![0-9A-Za-z])0[0-9A-Za-z]+\Z")


class BindProblem(NamedTuple):
    """One thing in a document that does not fit its schema."""

    kind: str
    path: Tuple[str, ...]
    line: int
    column: int
    problem: Problem


def bind(source: Union[Document, Block], message_class: Any) -> Tuple[Any, Tuple[BindProblem, ...]]:
    """A document or a block as a message, and everything that is wrong with it.

    Never raises for a document's content; what is wrong is left out of the message.
    """
    binder = _Binder()
    message = message_class()
    binder.block(source.root if isinstance(source, Document) else source, message, ())
    return message, tuple(binder.problems)


class _Bad(Exception):
    """A scalar that does not fit its field: the kind of problem, and what was expected."""

    def __init__(self, kind: str, expected: str):
        Exception.__init__(self, expected)
        self.kind = kind


class _Binder:
    def __init__(self):
        self.problems: List[BindProblem] = []
        self.suggestions = 0

    def complain(self, kind: str, path, node, message: str, remedy: str) -> None:
        self.problems.append(
            BindProblem(kind, path, node.line, node.column, Problem(node.where, message, remedy))
        )

    def block(self, block: Block, message: Any, above: Tuple[str, ...]) -> None:
        descriptor = message.DESCRIPTOR
        seen: dict = {}
        for field in block.fields:
            path = above + (field.name,)
            known = descriptor.fields_by_name.get(field.name)
            if known is None:
                self.complain(
                    UNKNOWN_FIELD,
                    path,
                    field,
                    f"{descriptor.name} has no field '{field.name[:60]}'",
                    self._suggestion(field, descriptor),
                )
                continue
            if not _repeated(known) and not self._single(known, field, seen, path):
                continue
            for value in field.values:
                self._value(known, value, message, path)

    def _suggestion(self, field: Field, descriptor) -> str:
        self.suggestions += 1
        near = None
        if self.suggestions <= _MAX_SUGGESTIONS:
            near = difflib.get_close_matches(field.name, list(descriptor.fields_by_name), 1)
        return f"did you mean '{near[0]}'?" if near else "see whether it belongs in another block"

    def _single(self, known, field: Field, seen: dict, path) -> bool:
        """Whether a singular field may be given here, as its first and as its oneof's only."""
        first = seen.get(known.name)
        if first is not None:
            self.complain(
                DUPLICATE,
                path,
                field,
                (f"'{known.name}' may be given once, and line {first.line} has it already"),
                "keep the one that counts",
            )
            return False
        if field.listed:
            self.complain(
                WRONG_TYPE,
                path,
                field,
                f"'{known.name}' takes one value, not a list",
                "write it without the brackets",
            )
            return False
        seen[known.name] = field
        if known.containing_oneof is not None:
            key = "oneof " + known.containing_oneof.name
            other = seen.setdefault(key, field)
            if other is not field:
                self.complain(
                    ONEOF_CONFLICT,
                    path,
                    field,
                    f"'{field.name}' excludes '{other.name}' of line {other.line}",
                    "keep one of them",
                )
                return False
        return True

    def _value(self, known, value, message: Any, path) -> None:
        if known.message_type is not None:
            if not isinstance(value, Block):
                self.complain(
                    WRONG_TYPE,
                    path,
                    value,
                    f"'{known.name}' is a block, not {value.raw[:40]}",
                    f"write {known.name} {{ ... }}",
                )
                return
            inner = getattr(message, known.name)
            if known.message_type.GetOptions().map_entry:
                self._map_entry(value, inner, path)
                return
            if _repeated(known):
                inner = inner.add()
            else:
                inner.SetInParent()
            self.block(value, inner, path)
            return
        if isinstance(value, Block):
            self.complain(
                WRONG_TYPE,
                path,
                value,
                f"'{known.name}' is a value, not a block",
                f"write {known.name}: value",
            )
            return
        try:
            converted = _convert(known, value)
        except _Bad as bad:
            self.complain(
                bad.kind,
                path,
                value,
                f"'{known.name}' cannot be {value.raw[:60]}",
                f"give it {bad}",
            )
            return
        if _repeated(known):
            getattr(message, known.name).append(converted)
        else:
            setattr(message, known.name, converted)

    def _map_entry(self, value: Block, container: Any, path) -> None:
        """A block of a map: `key` and `value`; of equal keys the last one counts."""
        entry = container.GetEntryClass()()
        self.block(value, entry, path)
        if entry.DESCRIPTOR.fields_by_name["value"].message_type is not None:
            container[entry.key].CopyFrom(entry.value)
        else:
            container[entry.key] = entry.value


def _repeated(known) -> bool:
    # `label` leaves in newer releases of protobuf, `is_repeated` came with them.
    return known.is_repeated if hasattr(known, "is_repeated") else known.label == 3


def _convert(known, scalar: Scalar) -> Any:
    kind = known.cpp_type
    if kind in _SIGNED + _UNSIGNED:
        return _integer(known, scalar)
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return _float(scalar)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        value = (
            _BOOLS.get(scalar.value)
            if scalar.kind == IDENTIFIER
            else {"0": False, "1": True}.get(scalar.raw)
        )
        if value is None:
            raise _Bad(WRONG_TYPE, "true or false")
        return value
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return _enum(known.enum_type, scalar)
    if scalar.kind != STRING:
        raise _Bad(WRONG_TYPE, "a string in quotes")
    if known.type == FieldDescriptor.TYPE_BYTES:
        return scalar.value.encode() if isinstance(scalar.value, str) else scalar.value
    if not isinstance(scalar.value, str):
        raise _Bad(WRONG_TYPE, "text, which these bytes are not in UTF-8")
    return scalar.value


def _integer(known, scalar: Scalar) -> int:
    bits = 32 if known.cpp_type in (_SIGNED[0], _UNSIGNED[0]) else 64
    signed = known.cpp_type in _SIGNED
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if scalar.kind != INTEGER:
        raise _Bad(WRONG_TYPE, "a whole number")
    if not low <= scalar.value <= high:
        raise _Bad(OUT_OF_RANGE, f"a whole number from {low} to {high}")
    return scalar.value


def _float(scalar: Scalar) -> float:
    if scalar.kind == FLOAT:
        return scalar.value
    value = None
    if scalar.kind == IDENTIFIER:
        value = literals.special_float(scalar.value)
    elif scalar.kind == INTEGER and not _NOT_DECIMAL.search(scalar.raw):
        try:
            value = float(scalar.value)
        except OverflowError:
            raise _Bad(OUT_OF_RANGE, "a number of at most 1e308") from None
        if scalar.raw[0] == "-":
            value = -abs(value)  # no integer is -0
    if value is None:
        raise _Bad(WRONG_TYPE, "a decimal number")
    return value


def _enum(enum, scalar: Scalar) -> int:
    found: Optional[Any] = None
    if scalar.kind == IDENTIFIER:
        found = enum.values_by_name.get(scalar.value)
    elif scalar.kind == INTEGER:
        found = enum.values_by_number.get(scalar.value)
    if found is None:
        raise _Bad(UNKNOWN_VALUE, "one of " + ", ".join(enum.values_by_name))
    return found.number
