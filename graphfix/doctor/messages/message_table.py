r"""Reads the table of messages: the .txt files of this folder.

A file has the messages of one subject, separated by blank lines.  `#` begins a comment line; a line
that is indented by two blanks continues the one before.

    message WORDING      the usual wording, as a heading
    phrase PHRASE        what the message has; any one of several
    line REGEX           what a line of the text has, where a phrase would be too short
    prose REGEX          what a user writes who has no message; for texts without a program's output
    near PHRASE          what the text must have besides, in any of its lines; any one of several
    cause SENTENCE       why it happens
    do IMPERATIVE        what to do, without a full stop
    codes CODE...        the checks of doctor that find the cause
    yes TEXT             a text that must get this answer first; \n in it is a line break
    no TEXT              one that must not get it

    until PHRASE         what the text has later where the message means nothing any more
    harmless yes         all is well; said only where the text says nothing else
    aftermath yes        what another error left behind, or no error: any other one goes first
    memory yes           it is about the machine's memory, of which there is a forecast
    open yes             on purpose unknown: it has several causes.  `cause` says which, `do` what
                         to look at; it is no answer, but a next step.

A PHRASE is compared without white space and without regard to case.  It has holes: `{}` is
anything short, `{n}` a number, `{v}` a variable's name, `{a|b}` one of several texts; at `{.}` a
number ends.
"""

import functools
import os
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Pattern, Tuple

from graphfix.doctor.messages.pasted import squeeze

_FILES = (
    "config",
    "label_map",
    "records",
    "checkpoint",
    "training",
    "evaluation",
    "installation",
    "export",
)
INSTALLATION = "installation"
_HOLE = re.compile(r"\{([^{}]*)\}")
_HOLES = {
    "": ".{0,300}?",
    "n": r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?",
    "v": r"[\w./-]{1,200}?",
    ".": r"(?![.\d])",
}
# A phrase of fewer letters than that in a row might occur by chance.
LEAST_LITERAL = 6


class Phrase(NamedTuple):
    """A phrase of the table, as it is written there.  `literal` is its longest part without holes,
    which is looked for first (hardly any is in a log, however long), `pattern` a regular expression
    for all of it."""

    text: str
    literal: str
    pattern: str


class Message(NamedTuple):
    """A row of the table.  `codes` are the checks that find the cause; empty where doctor can't.
    `subject` is the file's."""

    wording: str
    phrases: Tuple[Phrase, ...]
    lines: Tuple[Pattern[str], ...]
    prose: Tuple[Pattern[str], ...]
    near: Tuple[Phrase, ...]
    until: Tuple[Phrase, ...]
    cause: str
    remedy: str
    codes: Tuple[str, ...]
    yes: Tuple[str, ...]
    no: Tuple[str, ...]
    harmless: bool
    aftermath: bool
    memory: bool
    open: bool
    subject: str


@functools.lru_cache(maxsize=None)
def message_table() -> Tuple[Message, ...]:
    """All rows, those of one subject together."""
    return tuple(row for _, rows in sections() for row in rows)


@functools.lru_cache(maxsize=None)
def sections() -> Tuple[Tuple[str, Tuple[Message, ...]], ...]:
    """(subject, rows) of every file, in the order of a training."""
    folder = os.path.dirname(os.path.abspath(__file__))
    out = []
    for name in _FILES:
        with open(os.path.join(folder, name + ".txt"), encoding="utf-8") as file:
            subject = name.replace("_", " ")
            out.append((subject, tuple(_rows(file.read(), subject))))
    return tuple(out)


def _rows(text: str, subject: str) -> Iterator[Message]:
    for block in re.split(r"\n\s*\n", text):
        fields: Dict[str, List[str]] = {}
        key = ""
        for line in block.split("\n"):
            if not line.strip() or line.startswith("#"):
                continue
            if line.startswith("  "):
                fields[key][-1] += " " + line.strip()
                continue
            key, _, value = line.partition(" ")
            fields.setdefault(key, []).append(value.strip())
        if fields:
            yield _row(fields, subject)


def _row(fields: Dict[str, List[str]], subject: str) -> Message:
    def all_of(key: str) -> List[str]:
        return fields.pop(key, [])

    def one(key: str) -> str:
        (value,) = fields.pop(key)
        return value

    row = Message(
        wording=one("message"),
        phrases=tuple(map(_phrase, all_of("phrase"))),
        lines=tuple(re.compile(value) for value in all_of("line")),
        prose=tuple(re.compile(value) for value in all_of("prose")),
        near=tuple(map(_phrase, all_of("near"))),
        until=tuple(map(_phrase, all_of("until"))),
        cause=one("cause"),
        remedy=one("do"),
        codes=tuple(" ".join(all_of("codes")).split()),
        yes=tuple(map(_example, all_of("yes"))),
        no=tuple(map(_example, all_of("no"))),
        harmless=bool(all_of("harmless")),
        aftermath=bool(all_of("aftermath")),
        memory=bool(all_of("memory")),
        open=bool(all_of("open")),
        subject=subject,
    )
    if fields:
        raise ValueError(f"{subject}: {row.wording}: unknown {', '.join(fields)}")
    return row


def _phrase(text: str) -> Phrase:
    literals, pattern = [], []
    at = 0
    for hole in _HOLE.finditer(text):
        literals.append(squeeze(text[at : hole.start()]))
        pattern += [re.escape(literals[-1]), _hole(hole.group(1))]
        at = hole.end()
    literals.append(squeeze(text[at:]))
    pattern.append(re.escape(literals[-1]))
    return Phrase(text, max(literals, key=len), "".join(pattern))


def _hole(inside: str) -> str:
    if inside in _HOLES:
        return _HOLES[inside]
    return "(?:" + "|".join(re.escape(squeeze(one)) for one in inside.split("|")) + ")"


def _example(text: str) -> Any:
    return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\e", "\x1b")
