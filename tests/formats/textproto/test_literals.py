"""Literals where protobuf's releases differ, or graphfix does on purpose; and `quote`."""

import random

import pytest
from every_type import Every
from google.protobuf import text_format

from graphfix.errors import RequestError, SourceError
from graphfix.formats.textproto import Document, bind, literals, quote

STRINGS = {
    r'"\?"': b"?",
    r'"\X4a"': b"J",
    r'"\u00e9"': "\u00e9".encode(),
    r'"\u0000"': b"\0",
    r'"\U0001F600"': "\U0001f600".encode(),
    r'"\ud83d\ude00"': "\U0001f600".encode(),
    r'"\ud83d\U0000de00"': "\U0001f600".encode(),
    r'"\uffff"': "\uffff".encode(),
    r'"\0011"': b"\x011",
    r'"\377"': b"\xff",
    r'"\x410"': b"A0",
    "'\"'": b'"',
}
BAD_STRINGS = {
    r'"\d"': 1,
    r'"a\e"': 2,
    r'"\400"': 1,
    r'"\777"': 1,
    r'"\x"': 1,
    r'"\xg"': 1,
    r'"\u123"': 1,
    r'"\ud83d"': 1,
    r'"\ud83dx"': 1,
    r'"\ud83d\u0041"': 1,
    r'"\ude00\ud83d"': 1,
    r'"\U00110000"': 1,
    r'"\UFFFFFFFF"': 1,
    r'"\U0000d800"': 1,
    r'"\Users"': 1,
    '"\\\n"': 1,
    r'"C:\temp\new\data"': 12,  # \t and \n exist, which is worse than an error
}
NUMBERS = {
    "0": 0,
    "-0": 0,
    "052": 42,
    "0x2A": 42,
    "0X2a": 42,
    "- 7": -7,
    "-\n7": -7,
    "+7": 7,
    "9" * 400: 10**400 - 1,
    "1.5F": 1.5,
    "2F": 2.0,
    "01.5": 1.5,
    "1e5f": 1e5,
    "-infinityF": float("-inf"),
}
BAD_NUMBERS = [
    "08",
    "1_000",
    "0x",
    "0xg",
    "1e",
    "1e+",
    "1.5.",
    "5u",
    "--1",
    "+-1",
    "-",
    "- ",
    "-true",
    "1" * 2000,
    "0x" + "f" * 2000,
    "1." + "0" * 2000,
    "010f",
]


def value(literal):
    (field,) = Document.parse("x: " + literal, subject="it").root.fields
    return field.values[0].value


@pytest.mark.parametrize("literal", sorted(STRINGS))
def test_strings(literal):
    assert literals.parse_string(literal) == STRINGS[literal]


@pytest.mark.parametrize("literal", sorted(BAD_STRINGS))
def test_bad_strings(literal):
    with pytest.raises(literals.BadLiteral) as bad:
        literals.parse_string(literal)
    assert bad.value.offset == BAD_STRINGS[literal]
    if "\n" not in literal:
        with pytest.raises(SourceError) as refused:
            value(literal)
        assert refused.value.problems[0].subject == f"it:1:{4 + BAD_STRINGS[literal]}"


@pytest.mark.parametrize("literal", sorted(NUMBERS))
def test_numbers(literal):
    assert value(literal) == NUMBERS[literal]
    assert isinstance(value(literal), type(NUMBERS[literal]))


@pytest.mark.parametrize("literal", BAD_NUMBERS)
def test_bad_numbers(literal):
    with pytest.raises(SourceError):
        value(literal)


@pytest.mark.parametrize("literal", ["052", "08", "00", "0x10", "-052", "- 052", "010f"])
def test_floats_are_decimal(literal):
    """What 052 means where a float is wanted differs between protobuf's releases."""
    try:
        _, problems = bind(Document.parse("a_float: " + literal, subject="it"), Every)
    except SourceError:
        return
    assert problems


def test_too_large_a_float():
    _, (problem,) = bind(Document.parse("a_double: 1" + "0" * 400, subject="it"), Every)
    assert problem.kind == "out_of_range"


def test_quoted_values_come_back():
    """By protobuf's own parser too, and on one line."""
    made = random.Random(1)
    values = [
        "",
        "a",
        "'",
        '"',
        "\\",
        "\\n",
        "\n\r\t\0\x7f\x1f",
        "#",
        "\u00e9",
        "\u2028\x85\U0001f600",
        "C:\\Users\\me",
        "/a b/c",
    ]
    values += [
        "".join(chr(made.choice((made.randrange(128), made.randrange(0x250)))) for _ in range(20))
        for _ in range(200)
    ]
    for one in values:
        literal = quote(one)
        assert "\n" not in literal and "\r" not in literal
        assert value(literal) == one
        assert text_format.Parse("a_string: " + literal, Every()).a_string == one


def test_a_name_without_utf8_is_refused():
    with pytest.raises(RequestError, match="not valid UTF-8 text"):
        quote("model\udcff.ckpt")
