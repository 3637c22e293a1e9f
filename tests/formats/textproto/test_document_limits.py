"""Documents that nobody writes: not UTF-8, far too deep, too long, or slow to look at."""

import contextlib
import time

import pytest
import thorough
from every_type import Every

from graphfix.errors import SourceError
from graphfix.formats.textproto import Document, bind
from graphfix.formats.textproto.source_text import MAX_BYTES


def parse(data):
    return Document.parse(data, subject="it")


@pytest.mark.parametrize(
    "data, offset",
    [
        (b"a: 1\n\xff", 5),
        (b"\xc3", 0),
        ("a: 'x'".encode("utf-16"), 0),
        (b"\x80abc", 0),
        (b"a: '\xed\xa0\x80'", 4),
        ("a: '\ud800'", 4),
    ],
)
def test_not_utf8(data, offset):
    with pytest.raises(SourceError, match=rf"not UTF-8 text \(offset {offset}\)"):
        parse(data)


def test_binary_data():
    with pytest.raises(SourceError, match=r"'\\x00' has no place here"):
        parse(b"\0\1\2")


@pytest.mark.parametrize("opening, closing", ["{}", "<>"])
def test_depth(opening, closing):
    deep = ("a_message " + opening) * 100
    made, problems = bind(parse(deep + closing * 100), Every)
    assert not problems
    for _ in range(100):
        made = made.a_message
    for depth in (101, 100000):
        with pytest.raises(SourceError, match="nest more than 100 deep"):
            parse(("a_message " + opening) * depth + closing * depth)


def test_length():
    assert parse("#" * MAX_BYTES).root.fields == ()
    for data in ("#" * (MAX_BYTES + 1), b"#" * (MAX_BYTES + 1)):
        with pytest.raises(SourceError, match="more than any configuration"):
            parse(data)


def seconds(text):
    started = time.process_time()
    with contextlib.suppress(SourceError):
        bind(parse(text), Every)
    return time.process_time() - started


@pytest.mark.parametrize(
    "text",
    thorough.sampled(
        [
            "# comment\n",
            " \n",
            "a_int32: 1\n",
            "nope: 1\n",
            "a_in32: 1 ",
            "a_message { ",
            "} ",
            "some_message { some_int32: [1, 2] } ",
            'a_string: "\\a"\n',
            '"\\a',
            "\\",
            "'",
            "x",
            "-",
            "1",
            ".",
            "[a.",
            "some_int32: [",
            "a_int32: 1 a_message { } one: 1 other: 2 ",
            "\u00e9",
            "<",
            "x" * 1000 + ": 1 ",
        ],
        4,
    ),
    ids=ascii,
)
def test_time_is_linear(text):
    """A document of many times the same is not many times slower than its length says."""
    few, many = text * (3000 // len(text) + 1), text * (60000 // len(text) + 1)
    assert seconds(many) < 60 * min(seconds(few) for _ in range(3)) + 1


def test_similar_names_are_looked_for_a_few_times_only():
    _, problems = bind(parse("a_int31: 1\n" * 100), Every)
    near = ["did you mean" in one.problem.remedy for one in problems]
    assert near == [True] * 20 + [False] * 80
