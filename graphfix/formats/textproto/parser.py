"""Protobuf's text format: from text to the nodes of tree.py.

Source: the Text Format Language Specification (protobuf.dev/reference/protobuf/textformat-spec).

    document = { field }                      comments: # to the end of the line, anywhere
    field    = name ":" scalar   [sep]        sep      = "," | ";"
             | name [":"] block  [sep]        block    = "{" { field } "}" | "<" { field } ">"
             | name ":" "[" [scalar {"," scalar}] "]" [sep]
             | name [":"] "[" [block {"," block}] "]" [sep]
    name     = identifier | "[" dotted.name "]" | "[" domain "/" dotted.name "]"
    scalar   = {string}+ | ["-"] number | ["-"] identifier

A `-` may stand apart from its number, as in the specification and the C++ parser (the one in
Python refuses it).  bind.py checks which field takes which value: an unknown name or a wrong
kind of value is not an error here.  One pass over the text in linear time; blocks nest at
most MAX_DEPTH deep, so that no input exhausts the stack.
"""

import re
from typing import List, Optional, Tuple, Union

from graphfix.errors import SourceError
from graphfix.formats.textproto import literals
from graphfix.formats.textproto.indentation import mismatch
from graphfix.formats.textproto.source_text import BOM, SourceText
from graphfix.formats.textproto.tree import (
    FLOAT,
    IDENTIFIER,
    INTEGER,
    STRING,
    Block,
    Field,
    Scalar,
    Value,
)

MAX_DEPTH = 100

CLOSES_NOTHING = "remove the closing bracket that opens nowhere"
# Words and numbers are taken greedily, so that `1abc` is one bad number and not a number and a
# field name.  Every alternative starts with a different character: no backtracking between them.
_TOKEN = re.compile(
    r"""(?P<skip>(?:\s+|\#[^\n]*)+)
      | (?P<word>[A-Za-z_][0-9A-Za-z_+\-]*)
      | (?P<number>(?:[0-9+\-]|\.[0-9])[0-9A-Za-z_.+\-]*)
      | (?P<string>"[^"\\\n]*(?:\\.[^"\\\n]*)*" | '[^'\\\n]*(?:\\.[^'\\\n]*)*')
      | (?P<mark>[{}<>\[\]:,;./])
      | (?P<bad>.)""",
    re.VERBOSE | re.DOTALL,
)
_IDENTIFIER = re.compile(r"[A-Za-z_][0-9A-Za-z_]*\Z")
_CLOSER = {"{": "}", "<": ">"}


def parse(source: SourceText) -> Block:
    """The document's top block.  Raises SourceError at the first thing out of place."""
    return _Parser(source).document()


class _Parser:
    def __init__(self, source: SourceText):
        self.source = source
        self.text = source.text
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> List[Tuple[str, int, int]]:
        """(kind, start, end) of each token; a mark's kind is the mark, the last kind is "end"."""
        found: List[Tuple[str, int, int]] = []
        start = len(BOM) if self.text.startswith(BOM) else 0
        for match in _TOKEN.finditer(self.text, start):
            kind = str(match.lastgroup)
            if kind == "skip":
                continue
            if kind == "bad":
                raise self._bad_character(match.start())
            found.append((match.group() if kind == "mark" else kind, match.start(), match.end()))
        found.append(("end", len(self.text), len(self.text)))
        return found

    def _bad_character(self, offset: int) -> SourceError:
        if self.text[offset] in "\"'":
            return self.source.error(
                offset, "a string that does not end on its line", "close it with the same quote"
            )
        return self.source.error(
            offset,
            f"{self.text[offset]!a} has no place here",
            "remove it, or start a comment with #",
        )

    def _take(self) -> Tuple[str, int, int]:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def _kind(self) -> str:
        return self.tokens[self.at][0]

    def _unexpected(self, wanted: str, remedy: str, place: Optional[int] = None) -> SourceError:
        """That something else was expected here, or at another place where the same stands."""
        kind, start, end = self.tokens[self.at]
        shown = ascii(self.text[start : min(end, start + 40)])
        found = "the end of the file" if kind == "end" else shown
        place = start if place is None else place
        return self.source.error(place, f"expected {wanted}, found {found}", remedy)

    def document(self) -> Block:
        fields = self._fields(0)
        if self._kind() != "end":
            closing = self._kind() in ("}", "]", ">")
            remedy = CLOSES_NOTHING if closing else "write its name before it"
            surplus = mismatch(self.source, self.tokens).surplus if closing else None
            raise self._unexpected("a field name", remedy, surplus)
        start = len(BOM) if self.text.startswith(BOM) else 0
        return Block(self.source, start, len(self.text), start, len(self.text), fields)

    def _fields(self, depth: int) -> Tuple[Field, ...]:
        fields = []
        while self._kind() in ("word", "["):
            fields.append(self._field(depth))
            if self._kind() in (",", ";"):
                self.at += 1
        return tuple(fields)

    def _field(self, depth: int) -> Field:
        start = self.tokens[self.at][1]
        name, name_end = self._name()
        colon = self._kind() == ":"
        if colon:
            self.at += 1
        value_start = self.tokens[self.at][1]
        listed = self._kind() == "["
        if listed:
            values, end = self._list(colon, depth)
        else:
            value = self._value(colon, depth)
            values, end = (value,), value.end
        return Field(self.source, start, end, name, name_end, value_start, end, listed, values)

    def _name(self) -> Tuple[str, int]:
        kind, start, end = self._take()
        if kind == "word":
            return self._identifier(start, end), end
        # After the bracket, only letters, digits, dots, slashes and dashes may follow.
        pieces = []
        while self._kind() in ("word", "number", ".", "/"):
            _, start, end = self._take()
            pieces.append(self.text[start:end])
        if self._kind() != "]" or not pieces:
            raise self._unexpected("an extension's name and ]", "write it as [package.name]")
        return f"[{''.join(pieces)}]", self._take()[2]

    def _identifier(self, start: int, end: int) -> str:
        word = self.text[start:end]
        if not _IDENTIFIER.match(word):
            raise self.source.error(
                start, f"{word[:60]} is not a name", "use only letters, digits and underscores"
            )
        return word

    def _list(self, colon: bool, depth: int) -> Tuple[Tuple[Value, ...], int]:
        self.at += 1
        values: List[Value] = []
        if self._kind() != "]":
            values.append(self._value(colon, depth))
            while self._kind() == ",":
                self.at += 1
                values.append(self._value(colon, depth))
        if self._kind() != "]":
            raise self._unexpected(
                ", or ] in a list", "separate a list's values by commas and close it with ]"
            )
        return tuple(values), self._take()[2]

    def _value(self, colon: bool, depth: int) -> Value:
        kind = self._kind()
        if kind in _CLOSER:
            return self._block(depth + 1)
        if kind not in ("word", "number", "string"):
            raise self._unexpected("a value", "write the field as name: value or name { ... }")
        if not colon:
            raise self._unexpected("a colon or {", "write the field as name: value or name { ... }")
        return self._string() if kind == "string" else self._plain()

    def _block(self, depth: int) -> Block:
        opener, start, body_start = self._take()
        if depth > MAX_DEPTH:
            raise self.source.error(
                start, f"blocks nest more than {MAX_DEPTH} deep", "this is not a configuration"
            )
        fields = self._fields(depth)
        if self._kind() != _CLOSER[opener]:
            closer = _CLOSER[opener]
            if self._kind() == "end":
                unclosed = mismatch(self.source, self.tokens).unclosed
                raise self.source.error(
                    start if unclosed is None else unclosed,
                    "the block that opens here is not closed",
                    f"write {closer} where it ends",
                )
            line = self.source.position(start)[0]
            raise self._unexpected(
                f"a field name or {closer}",
                f"close the {opener} of line {line}, or correct what is here",
            )
        _, body_end, end = self._take()
        return Block(self.source, start, end, body_start, body_end, fields)

    def _plain(self) -> Scalar:
        """A number or an identifier, with a sign that may be apart from it."""
        kind, start, end = self._take()
        if kind == "word":
            return Scalar(self.source, start, end, IDENTIFIER, self._identifier(start, end))
        negative = self.text[start] == "-"
        digits = start + (self.text[start] in "+-")
        if digits == end and self._kind() in ("word", "number"):
            _, digits, end = self._take()
        try:
            value = literals.parse_number(self.text[digits:end], negative=negative)
        except literals.BadLiteral as bad:
            raise self.source.error(start, bad.message, bad.remedy) from None
        kind = INTEGER if isinstance(value, int) else FLOAT
        return Scalar(self.source, start, end, kind, value)

    def _string(self) -> Scalar:
        first = self.tokens[self.at][1]
        end = first
        pieces = []
        while self._kind() == "string":
            _, start, end = self._take()
            try:
                pieces.append(literals.parse_string(self.text[start:end]))
            except literals.BadLiteral as bad:
                raise self.source.error(start + bad.offset, bad.message, bad.remedy) from None
        joined = b"".join(pieces)
        try:
            value: Union[str, bytes] = joined.decode("utf-8")
        except UnicodeDecodeError:
            value = joined
        return Scalar(self.source, first, end, STRING, value)
