"""The documents of cases/: each file shows one thing a document must or must not do.

    # What it shows.
    --- before
    the text
    --- do
    ["verb", arguments], as JSON, one a line
    --- after
    the text that comes of it

Verbs are Document's methods.  Paths are written with dots ("" is the top), `name[1]` is the
second field of that name.  Instead of `after`, `error` has a part of the message of the exception
that reading, or the last edit, must raise; `problems` has what binding to every_type.py's message
must find, one a line: kind, line:column, path and a part of message or remedy.  A section called
`before escaped` or `after escaped` is read with Python's escapes, for what an editor hides.
"""

import json
import re

import pytest
from every_type import Every
from textproto_cases import NAMES, sections

from graphfix.errors import SourceError
from graphfix.formats.textproto import Document, bind


def field(document, path):
    block, fields = document.root, ()
    for step in path.split("."):
        name, number = re.match(r"(.+?)(?:\[(\d+)\])?\Z", step).groups()
        fields = block.named(name)[int(number or 0) :]
        block = fields[0].values[0]
    return fields[0]


def do(document, verb, *arguments):
    if verb == "insert":
        path, name, new = arguments[:3]
        block = field(document, path).values[0] if path else document.root
        after = field(document, arguments[3]) if arguments[3:] else None
        return document.insert(block, name, new, after=after)
    if verb == "replace value":
        path, number, literal = arguments
        return document.replace(field(document, path).values[number], literal)
    if verb == "without_bom":
        return document.without_bom()
    path, *rest = arguments
    return getattr(document, verb)(field(document, path), *rest)


def run(case):
    document = Document.parse(case["before"], subject="it")
    assert document.text == case["before"]
    for line in case.get("do", "").splitlines():
        before = document.text
        edited = do(document, *json.loads(line))
        assert document.text == before
        document = edited
    return document


@pytest.mark.parametrize("name", NAMES)
def test_case(name):
    case = sections(name)
    assert case.keys() <= {"before", "do", "after", "error", "problems"}
    if "error" in case:
        with pytest.raises((SourceError, ValueError)) as refused:
            run(case)
        for line in case["error"].splitlines():
            assert line in str(refused.value)
        return
    document = run(case)
    if "after" in case:
        assert document.text == case["after"]
    if "problems" in case:
        _, problems = bind(document, Every)
        found = [
            f"{one.kind} {one.line}:{one.column} {'.'.join(one.path)} {one.problem.message}; "
            f"{one.problem.remedy}"
            for one in problems
        ]
        expected = case["problems"].splitlines()
        assert len(found) == len(expected), found
        for line, one in zip(expected, found):
            place, _, part = line.partition(" | ")
            assert one.startswith(place + " ") and part in one, one


def test_there_are_cases():
    assert len(NAMES) > 30
