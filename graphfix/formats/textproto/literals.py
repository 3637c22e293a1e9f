"""Literals of protobuf's text format: the value of a written number or string.

Source: the Text Format Language Specification (protobuf.dev/reference/protobuf/textformat-spec).

    strings   "..." or '...', closed on their own line; escapes
              \\a \\b \\f \\n \\r \\t \\v \\? \\\\ \\' \\",
              \\NNN (octal, 1 to 3 digits, at most 377), \\xNN (1 or 2 digits), \\uNNNN and
              \\UNNNNNNNN (a code point, stored as UTF-8; surrogates only as a pair)
    integers  42, 052 (octal), 0x2A; no digit separators
    floats    1.5, .5, 2., 1e-3, each with an optional f or F; 3f
    signs     - or +, where the specification has only -, because the parser in Python takes both

The parser in Python, which the stock API uses (releases 3.8 to 7 of protobuf were compared),
accepts some things that are errors here: digit separators (1_000), numbers such as 08 and 010f
where a float is expected (up to 3.20), and escapes that do not exist.  It keeps the backslash of
`\\d`, turns `\\t` into a tab and fails at `\\U`, so whether a Windows path works depends on the
first letters of its folders.  It rejects some things that are fine here: a sign apart from its
number, \\? and \\XNN (it keeps the backslash), surrogate pairs, and, up to 3.20, \\u and \\U.
"""

import re
from typing import List, Optional, Tuple, Union

from graphfix.errors import RequestError

# Longer than any double in full (309 digits and 1074 decimals).  int() and float() take quadratic
# time for megabytes of digits, and newer Pythons raise a ValueError.
MAX_NUMBER_LENGTH = 1500

_SIMPLE = {
    "a": b"\a", "b": b"\b", "f": b"\f", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v",
    "?": b"?", "\\": b"\\", "'": b"'", '"': b'"',
}  # fmt: skip
_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))"
)
_INTEGER = re.compile(r"(?:0[xX][0-9A-Fa-f]+|0[0-7]+|0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(
    r"(?:[0-9]+\.[0-9]*|\.[0-9]+|(?:0|[1-9][0-9]*)(?=[eEfF]))(?:[eE][+-]?[0-9]+)?[fF]?\Z"
)
_INFINITE = re.compile(r"inf(?:inity)?f?\Z", re.IGNORECASE)
_NAN = re.compile(r"nanf?\Z", re.IGNORECASE)

BACKSLASH_REMEDY = "use forward slashes or double the backslashes"


class BadLiteral(Exception):
    """Offset in the literal, message, remedy; the parser adds the file and the line."""

    def __init__(self, offset: int, message: str, remedy: str):
        Exception.__init__(self, message)
        self.offset, self.message, self.remedy = offset, message, remedy


def parse_number(unsigned: str, *, negative: bool) -> Union[int, float]:
    """An int for an integer literal, a float for any other.  Raises BadLiteral."""
    if len(unsigned) > MAX_NUMBER_LENGTH:
        raise BadLiteral(0, f"a number of {len(unsigned)} characters", "write a shorter one")
    if _INTEGER.match(unsigned):
        if unsigned[:2] in ("0x", "0X"):
            value: Union[int, float] = int(unsigned, 16)
        else:
            value = int(unsigned, 8 if unsigned[0] == "0" else 10)
    elif _FLOAT.match(unsigned):
        value = float(unsigned.rstrip("fF"))
    else:
        infinite_or_nan = special_float(unsigned)
        if infinite_or_nan is None:
            raise BadLiteral(0, f"{_shown(unsigned)} is not a number", _number_remedy(unsigned))
        value = infinite_or_nan
    return -value if negative else value


def special_float(word: str) -> Optional[float]:
    """inf and nan as the text format spells them, None for any other word."""
    if _INFINITE.match(word):
        return float("inf")
    return float("nan") if _NAN.match(word) else None


def parse_string(literal: str) -> bytes:
    """The bytes between a literal's quotes, escapes resolved.  Raises BadLiteral."""
    body = literal[1:-1]
    if "\\" not in body:
        return body.encode("utf-8")
    pieces: List[bytes] = []
    at = 0
    while True:
        slash = body.find("\\", at)
        if slash < 0:
            pieces.append(body[at:].encode("utf-8"))
            return b"".join(pieces)
        pieces.append(body[at:slash].encode("utf-8"))
        piece, at = _unescape(body, slash)
        pieces.append(piece)


def _unescape(body: str, slash: int) -> Tuple[bytes, int]:
    match = _ESCAPE.match(body, slash)
    if match is None:  # impossible between matching quotes; an error all the same, not a crash
        raise BadLiteral(slash + 1, "a backslash with nothing after it", BACKSLASH_REMEDY)
    octal, hexadecimal, short, long, simple = match.groups()
    if octal is not None:
        if int(octal, 8) > 255:
            raise BadLiteral(slash + 1, f"\\{octal} is more than a byte", BACKSLASH_REMEDY)
        return bytes([int(octal, 8)]), match.end()
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)]), match.end()
    if simple is not None:
        if simple not in _SIMPLE:
            raise BadLiteral(
                slash + 1, f"\\{simple} is not an escape of the text format", BACKSLASH_REMEDY
            )
        return _SIMPLE[simple], match.end()
    code, end = int(short or long, 16), match.end()
    if 0xD800 <= code < 0xDC00:
        second = _ESCAPE.match(body, end)
        low = int((second.group(3) or second.group(4) or "0") if second else "0", 16)
        if second is not None and 0xDC00 <= low < 0xE000:
            code, end = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), second.end()
    if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        raise BadLiteral(slash + 1, f"{match.group()} is not a character", BACKSLASH_REMEDY)
    return chr(code).encode("utf-8"), end


def quote(value: str) -> str:
    """The string literal for a value, on one line.

    Raises RequestError for a str that cannot be encoded as UTF-8 (an undecodable file name).
    """
    try:
        value.encode("utf-8")
    except UnicodeError:
        raise RequestError(
            ascii(value), "is not valid UTF-8 text", "use a name that is valid UTF-8"
        ) from None
    return '"' + "".join(_QUOTED.get(character, character) for character in value) + '"'


_QUOTED = {chr(code): f"\\{code:03o}" for code in list(range(32)) + [127]}
_QUOTED.update({"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"})


def _number_remedy(unsigned: str) -> str:
    if re.match(r"0[0-9]+\Z", unsigned):
        return "leave out the leading zero, which makes a number octal"
    if "," in unsigned or "_" in unsigned:
        return "write the digits without separators"
    return "write a plain number, such as 12 or 0.004"


def _shown(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
