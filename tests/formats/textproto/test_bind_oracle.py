"""protobuf's own text format parser as the judge: the same texts give the same messages, and the
same texts are refused.  literals.py lists where the two differ on purpose; those are not here."""

import random

import pytest
import thorough
import zoo
from every_type import Every
from google.protobuf import text_format

from graphfix.errors import SourceError
from graphfix.formats.schema import message_class
from graphfix.formats.textproto import Document, bind

# A text a line; \x85 stands for a line end within a text.
VALID = """\
a_int32:1;a_int64:2,
a_message<a_int32:1> a_string: "after"
a_message:{}
a_message: < a_message { } >
some_int32: 1 some_int32:[2,3] some_int32: 4
some_int32: []
some_message [{},{a_int32:1}]
some_message:[<a_int32:1>]
some_message: []
a_string:"a"'b'  "c"
a_string: 'it"s' some_string: ["x", 'y' "z"]
a_string: "# no comment" # a comment
a_string: "caf\u00e9 \U0001f600"
a_string: "\\a\\b\\f\\n\\r\\t\\v\\\\\\'\\"\\101\\0\\08\\x41\\x4"
a_bytes:"\\377\\x00\\303"
a_string: "a\ttab" a_bytes: "\x01"
a_bool: true some_bool: [True, t, 1, false, False, f, 0]
a_color: GREEN some_color: [RED, -1, 7, inf_blue, 0x1]
a_double:nan some_double: [inf, -inf, infinity, -Infinity, INF, inff, NaN, -nan]
a_double: 1. some_double: [.5, 1e3, 1E-3, 1.5e+7, 1.5f, 3., 0f, 1.e5, 1e400, -1e400, 7, -0, -0.0]
a_float: 3.4e38 some_float: [3.5e38, 1e-50, 16777217, 0.1]
a_int32: -2147483648 a_uint32: 4294967295 a_sint32: 0x7fffffff a_fixed32: 052
a_int64: -9223372036854775808 a_uint64: 18446744073709551615 a_sfixed64: -0x8000000000000000
a_int32:+1 a_uint32:-0
one: 1
other { one: 2 }
a_int32 # between\x85 # and\x85 : # and\x85\x85 5 # behind
a_string: "a" # between\x85 "b"
map9{key:"a" value{}} map9{key:"a" value{a_int32:1}} map9{value{a_int32:2}} map9 {key: "b"}
map5 {key: 1 value: 0.5} map5 [{key: 2}, {value: 3}] map8: <key: true value: "x">
\x0b a_int32\t:\r\x851\r\x85"""
REFUSED = """\
a_int32 1
a_int32:
a_int32
a_int32: {}
a_message: 1
a_message
a_message {
a_message { >
a_message }
}
a_string: "a
a_string: "a'
a_string: a
a_string: "\\377"
a_string: 1
a_int32: "1"
a_int32: 1.0
a_int32: 2147483648
a_uint32: -1
a_uint64: 18446744073709551616
a_int32: 0x
a_int32: 08
a_int32: 1 a_int32: 1
a_int32: [1]
a_message [{}]
a_message {} a_message {}
a_message {a_int32: 1 a_int32: 2}
one: 1 other {}
one: 1 one: 1
some_int32: [1,]
some_int32: [,1]
some_int32: [1 2]
some_int32: [1
some_int32: [[1]]
a_bool: TRUE
a_bool: 2
a_bool: 1.0
a_bool: "true"
a_bool: 01
a_color: BLUE
a_color: 5
a_color: "RED"
a_double: 0x1p3
a_double: 0x10
a_double: 1.2.3
a_double: true
a_double: 1e
unknown: 1
A_int32: 1
[a.b]: 1
a_int32: 1\x00
a_int32: 1,,
, a_int32: 1
a-int32: 1
"a_int32": 1
5: 1
a_int32:: 1
a_int32: --1
map5 {key: "x"}"""


def judged(data, message):
    """The message that protobuf's parser makes of a text, or None."""
    try:
        return text_format.Parse(data, message())
    except (text_format.ParseError, UnicodeError):
        return None


def bound(data, message):
    """The message that graphfix makes of a text, or None."""
    try:
        made, problems = bind(Document.parse(data, subject="it"), message)
    except SourceError:
        return None
    return None if problems else made


def same(one, two):
    """Equal to the bit (so that a NaN equals itself)."""
    return one.SerializeToString(deterministic=True) == two.SerializeToString(deterministic=True)


@pytest.mark.parametrize("text", VALID.split("\n"))
def test_same_message(text):
    text = text.replace("\x85", "\n")
    expected = judged(text, Every)
    assert expected is not None, "protobuf refuses this"
    made = bound(text, Every)
    assert made is not None and same(made, expected)
    assert Document.parse(text, subject="it").text == text


@pytest.mark.parametrize("text", REFUSED.split("\n"))
def test_same_refusals(text):
    assert judged(text, Every) is None, "protobuf takes this"
    assert bound(text, Every) is None


@pytest.mark.parametrize("path", thorough.sampled(zoo.files("**/*.config*", "**/*.pbtxt"), 4))
def test_published_files(path):
    schema = message_class(
        "graphfix.labels.StringIntLabelMap"
        if path.endswith(".pbtxt")
        else "graphfix.pipeline.TrainEvalPipelineConfig"
    )
    with open(path, "rb") as file:
        data = file.read()
    made = bound(data, schema)
    assert made is not None and same(made, judged(data, schema))
    assert Document.parse(data, subject="it").encode() == data


class Generator:
    """Texts that are nearly right, for the schema Every."""

    numbers = (
        "0 1 -1 +1 42 0x2A -0x2A 0x 2147483647 2147483648 -2147483648 -2147483649 "
        "4294967295 4294967296 9223372036854775808 18446744073709551615 "
        "18446744073709551616 1.5 .5 2. 1e3 1E-3 1e400 -1e400 1.5f 1.f .5f 0f 1e 1.e5 0x1.8 "
        "inf -inf nan -nan infinity -Infinity inff -0 -0.0 0.0 1e+5 1e39 1e-50 1d 5u 5L "
        "1.2.3 ..5 --1 -"
    ).split()
    strings = [
        '"a"',
        "'b'",
        '""',
        '"a" "b"',
        "\"a\"'b'",
        '"\\n\\t\\\\"',
        '"\\101"',
        '"\\x41"',
        '"\\377"',
        '"\u00e9"',
        '"\\0"',
        '"\\08"',
        '"a',
        '"a\nb"',
        '"\\\n"',
        '"#"',
        '"\x01"',
        '"\t"',
    ]
    words = "true false True False t f TRUE RED GREEN BLUE NEGATIVE inf_blue foo a-b true1".split()
    spaces = [" "] * 8 + ["\n", "\t", "", "  # c\n", "\r\n", "\x0b", "#\n"]
    noise = list("{}\"'#[]:,-./\\<> \n")

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self):
        text = self.fields(0, self.random.choice((1, 1, 1, 2, 3)))
        if self.random.random() < 0.1:
            at = self.random.randrange(len(text) + 1)
            rest = text[at + self.random.randint(0, 1) :]
            text = text[:at] + self.random.choice(self.noise) + rest
        return text

    def space(self):
        return self.random.choice(self.spaces)

    def fields(self, depth, count):
        return "".join(
            self.space() + self.field(depth) + self.random.choice(" \n") for _ in range(count)
        )

    def field(self, depth):
        field = self.random.choice(Every.DESCRIPTOR.fields)
        many = field.is_repeated if hasattr(field, "is_repeated") else field.label == 3
        name = field.name
        if self.random.random() < 0.03:
            name = self.random.choice(("nope", "[a.b]", "[ a . b ]", "[a.b/c.d]", "5", '"x"'))
        if field.message_type is None:
            values = [self.scalar(field) for _ in range(self.random.randint(1, 3))]
            listed = self.random.random() < (0.4 if many else 0.04)
            colon = ":" if self.random.random() < 0.97 else ""
        else:
            values = [self.block(field, depth) for _ in range(self.random.randint(1, 3))]
            listed = many and self.random.random() < 0.3
            colon = self.random.choice(":  ")
        value = values[0]
        if listed:
            start, comma = self.space(), self.space() + "," + self.space()
            value = f"[{start}{comma.join(values)}{self.random.choice([''] * 9 + [','])}]"
        return (
            name
            + self.space()
            + colon
            + self.space()
            + value
            + self.random.choice([""] * 6 + [",", ";", " ,", ",;"])
        )

    def block(self, field, depth):
        opening, closing = self.random.choice(("{}", "{}", "<>"))
        if self.random.random() < 0.02:
            closing = self.random.choice("}>")
        inner = ""
        if field.message_type.GetOptions().map_entry:
            for name in ("key", "value"):
                part = field.message_type.fields_by_name[name]
                if self.random.random() < 0.9:
                    inner += name + (" {}" if part.message_type else ": " + self.scalar(part)) + " "
        elif depth < 3:
            inner = self.fields(depth + 1, self.random.randint(0, 2))
        return opening + inner + closing

    def scalar(self, field):
        kind = field.cpp_type
        if self.random.random() < 0.15:
            return self.random.choice(self.random.choice((self.numbers, self.strings, self.words)))
        if kind == field.CPPTYPE_STRING:
            return self.random.choice(self.strings)
        if kind == field.CPPTYPE_BOOL:
            return self.random.choice(self.words[:7] + ["0", "1", "2", "0x1", "-1", "1.0"])
        if kind == field.CPPTYPE_ENUM:
            return self.random.choice(self.words[7:12] + ["0", "1", "7", "-1", "5", "0x1"])
        return self.random.choice(self.numbers)


@pytest.mark.parametrize("seed", range(8))
def test_generated_texts(seed):
    generator = Generator(seed)
    accepted = 0
    for _ in range(250):
        text = generator.text()
        expected, made = judged(text, Every), bound(text, Every)
        assert (made is None) == (expected is None), text
        if expected is not None:
            accepted += 1
            assert same(made, expected), text
    assert accepted > 25, "texts like these test nothing"
