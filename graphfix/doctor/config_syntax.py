"""Checks of config text that protobuf can't parse, or does not parse as it was meant."""

import re
from typing import Iterator, List, Optional, Tuple

from graphfix.doctor import field_location
from graphfix.doctor.checks import Check, Symptom
from graphfix.doctor.setup import Setup
from graphfix.errors import SourceError
from graphfix.findings import ERROR
from graphfix.formats.textproto import STRING, Scalar
from graphfix.formats.textproto.parser import CLOSES_NOTHING
from graphfix.pipeline_config.document import parse_config
from graphfix.pipeline_config.edits import ConfigEdit

_UTF8_BOM = b"\xef\xbb\xbf"
_BACKSLASHES = re.compile(r"(?P<quote>[\"'])(?P<body>[^\"'\n\\]*\\[^\"'\n]*)(?P=quote)")
_QUOTES = re.compile("[\u201c\u201d\u201e\u00ab\u00bb]|[\u2018\u2019]")
# Each takes parsing the config again.
_MOST_BRACKETS = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _line_of(setup: Setup) -> str:
    """The line at which the parser stopped."""
    place = re.search(r":(\d+):\d+\Z", setup.syntax.problems[0].subject)
    lines = setup.data.decode("utf-8", "replace").split("\n")
    number = int(place.group(1)) if place else 1
    return lines[number - 1] if number <= len(lines) else ""


def _stopped_by(setup: Setup) -> str:
    if setup.syntax is None:
        return ""
    line = _line_of(setup)
    if _QUOTES.search(line):
        return "quotes"
    return "backslash" if _BACKSLASHES.search(line) else "other"


def _forward(match) -> str:
    """A path in quotes without its backslashes: Windows' part directories, but in an absolute path
    of other systems they escape a character, as a shell wants it."""
    body = match.group("body")
    if body.startswith(("/", "~/", "gs://")):
        return match.group("quote") + re.sub(r"\\+", "", body) + match.group("quote")
    return match.group("quote") + re.sub(r"\\+", "/", body) + match.group("quote")


def _backslash(setup: Setup) -> Iterator[Symptom]:
    text = setup.data.decode("utf-8", "replace")
    if _stopped_by(setup) == "backslash":
        problem = setup.syntax.problems[0]
        line = _line_of(setup).strip()
        yield Symptom(
            problem.subject,
            f"a path has backslashes, which begin escapes: {line}",
            f"write {_BACKSLASHES.sub(_forward, line)}",
            text=_BACKSLASHES.sub(_forward, text),
        )
    if setup.document is None:
        return
    for path, field in setup.document.walk():
        for value in field.values:
            if (
                isinstance(value, Scalar)
                and value.kind == STRING
                and (not isinstance(value.value, str) or _CONTROL.search(value.value))
            ):
                literal = (
                    _forward(_BACKSLASHES.match(value.raw))
                    if _BACKSLASHES.match(value.raw)
                    else None
                )
                place = field_location.locate(setup.document, field.line, field.column)
                yield Symptom(
                    value.where,
                    f"{value.raw} means {value.value!a}: its backslashes begin escapes",
                    f"write {path[-1]}: {literal}" if literal else "",
                    (ConfigEdit(place[0], literal, "forward slashes"),)
                    if place and literal and len(field.values) == 1
                    else (),
                )


def _smart_quotes(setup: Setup) -> Iterator[Symptom]:
    if _stopped_by(setup) != "quotes":
        return
    problem = setup.syntax.problems[0]
    line = _line_of(setup).strip()
    better = _QUOTES.sub('"', line)
    yield Symptom(
        problem.subject,
        f"typographic quotes, as text editors insert them: {line}",
        f"write {better}",
        text=_QUOTES.sub('"', setup.data.decode("utf-8", "replace")),
    )


def _syntax(setup: Setup) -> Iterator[Symptom]:
    if _stopped_by(setup) != "other":
        return
    for problem in setup.syntax.problems:
        remedy, text = problem.remedy, None
        if remedy == CLOSES_NOTHING:
            number, text = _without_bracket(setup)
            remedy = (
                f"remove the closing bracket in line {number}"
                if text is not None
                else "remove a closing bracket: this, or one above that closes its block too early"
            )
        yield Symptom(problem.subject, problem.message, remedy, text=text)


def _without_bracket(setup: Setup) -> Tuple[int, Optional[str]]:
    """The line of the bracket without which the config is what was meant, and the config without
    it; None, where none or several different ones are."""
    text = setup.data.decode("utf-8", "replace")
    places = [match.start() for match in re.finditer("}", text)][-_MOST_BRACKETS:]
    found: List[Tuple[int, str, bytes]] = []
    for place in reversed(places):
        shorter = text[:place] + text[place + 1 :]
        try:
            config = parse_config(shorter.encode("utf-8"), setup.path)
        except SourceError:
            continue
        if not config.unknown:
            number = text.count("\n", 0, place) + 1
            found.append((number, shorter, config.message.SerializeToString(deterministic=True)))
    if not found or len({content for _, _, content in found}) > 1:
        return 0, None
    return found[0][:2]


def _bom(setup: Setup) -> Iterator[Symptom]:
    if setup.data.startswith(_UTF8_BOM):
        text = setup.data[len(_UTF8_BOM) :].decode("utf-8", "replace")
        yield Symptom(setup.path + ":1:1", "begins with a byte order mark", text=text)


CHECKS = (
    Check(
        "WINDOWS_PATH",
        ERROR,
        "A backslash begins an escape in protobuf text: \\t is a tab, \\U begins eight hexadecimal "
        "digits. A Windows path written with backslashes can't be parsed, or is a different path.",
        "write forward slashes, which Windows accepts as well",
        _backslash,
    ),
    Check(
        "QUOTES",
        ERROR,
        "A text editor put typographic quotes where plain ones belong.",
        "write plain quotes",
        _smart_quotes,
    ),
    Check(
        "CONFIG_SYNTAX",
        ERROR,
        "The config is not valid protobuf text.",
        "correct that line",
        _syntax,
    ),
)

# A fault of the text that hides nothing of what follows.
BOM = (
    Check(
        "CONFIG_BOM",
        ERROR,
        "The config begins with a byte order mark, as Windows editors write it; the API's parser "
        'stops at it ("Expected identifier or number, got \\ufeff").',
        "save the file as UTF-8 without a BOM",
        _bom,
    ),
)
