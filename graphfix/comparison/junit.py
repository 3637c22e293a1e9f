"""A comparison as JUnit XML, which build servers show as tests: one a part and one a class."""

import re
from typing import Dict, List
from xml.etree import ElementTree

from graphfix.comparison.result import PARTS, Comparison
from graphfix.comparison.states import Snapshot
from graphfix.errors import SourceError
from graphfix.formats.regular_files import read_file
from graphfix.process.console import escaped

_SUITE = "graphfix check"
# What XML 1.0 cannot represent, besides the characters that `escaped` replaces.
_UNWRITABLE = re.compile("[\ufffe\uffff]")


def to_junit(found: Comparison, golden: Snapshot) -> bytes:
    """The XML, with a test for each part and for each class of `golden`."""
    failures: Dict[str, List[str]] = {part: [] for part in PARTS if part in found.parts}
    for state in (golden.tensors or {}).values():
        for channels in state.classes:
            failures.setdefault(str(channels), [])
    for one in found.differences:
        failures.setdefault(one.subject if one.subject in failures else one.part, []).append(
            str(one)
        )
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": _SUITE,
            "tests": str(len(failures)),
            "errors": "0",
            "failures": str(sum(bool(lines) for lines in failures.values())),
        },
    )
    for name, lines in failures.items():
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": "graphfix.check", "name": _writable(name)}
        )
        if lines:
            failure = ElementTree.SubElement(case, "failure", {"message": _writable(lines[0])})
            failure.text = "\n".join(map(_writable, lines))
    return (
        b'<?xml version="1.0" encoding="utf-8"?>\n'
        + ElementTree.tostring(suite, "utf-8").split(b"?>\n", 1)[-1]
        + b"\n"
    )


def is_junit(path: str) -> bool:
    """Whether `to_junit` wrote a file."""
    try:
        suite = ElementTree.fromstring(read_file(path))
    except (ElementTree.ParseError, SourceError, ValueError, LookupError):  # no such encoding
        return False
    return (suite.tag, suite.get("name")) == ("testsuite", _SUITE)


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", escaped(text))
