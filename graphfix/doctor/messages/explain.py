"""Looks up what a pasted text means: one line, a traceback, or the whole log of a training.

The error that ended the run comes first, then other errors, then what the log warns of.  An error
that the table does not know is never given the meaning of what else stands in the log.
"""

import dataclasses
import json
import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from graphfix.doctor.messages.message_table import INSTALLATION, Message, Phrase, message_table
from graphfix.doctor.messages.pasted import HIDDEN, Line, Pasted, Raised
from graphfix.doctor.messages.unknown import ENVIRONMENT, Unknown, shortened, unknown
from graphfix.findings import Finding, count

# What the trainers say of a step: legacy/train.py and model_main.
_STEP = re.compile(
    r"^global step \d+: loss = [\d.]|^loss = [\d.]+, step = \d|^Loss for final step: [\d.]"
)


class Problem(NamedTuple):
    """A message of the table in a text: the line where it is last, what stands there, how often it
    is there."""

    row: Message
    line: int
    text: str
    times: int


class Progress(NamedTuple):
    """The last step that a log tells of: its line and what stands there."""

    line: int
    text: str


class InConfig(NamedTuple):
    """What doctor finds of the messages in the config at `path`, and the lines of a forecast of the
    trainers' memory."""

    path: str
    findings: Tuple[Finding, ...]
    memory: Tuple[str, ...]


class Explanation(NamedTuple):
    """What a text means: its problems, the likeliest cause of its end first.

    `unknown` is the error that ended it, where the table does not know it; `problems` are then only
    what else is in the text.  `config` is there if one was given to look into.  `trained` is there
    for a log without any error in which a training makes steps.
    """

    problems: Tuple[Problem, ...]
    unknown: Optional[Unknown]
    one_line: bool
    config: Optional[InConfig] = None
    trained: Optional[Progress] = None

    def __repr__(self) -> str:
        return f"<Explanation: {count(len(self.messages), 'message')} recognized>"

    @property
    def messages(self) -> Tuple[Message, ...]:
        """What the error means; empty where it is not known."""
        return () if self.unknown else tuple(one.row for one in self.problems)

    @property
    def known(self) -> bool:
        """Whether the text is understood: what its error means, or that it has none."""
        return bool(self.messages) or (self.trained is not None and self.unknown is None)

    def to_json(self) -> str:
        rows = [] if self.unknown is None else [self.unknown.to_data()]
        rows += [_problem_data(one, self.config) for one in self.problems]
        return json.dumps(rows, indent=2, sort_keys=True)

    def to_lines(self) -> List[str]:
        out = [] if self.unknown is None else self.unknown.to_lines()
        if self.trained is not None:
            out += [
                "This log has no error: training makes steps",
                f"  Line {self.trained.line}, the last: {self.trained.text}",
            ]
        if self.unknown and self.problems:
            out += ["", "Also in this text, and not necessarily its cause:"]
        for one in self.problems:
            out += [""] * bool(out) + [one.row.wording]
            if not self.one_line:
                more = f", the last of {one.times}" if one.times > 1 else ""
                out.append(f"  Line {one.line}{more}: {one.text}")
            out += ["  Why: " + one.row.cause, "  Do:  " + one.row.remedy]
            if one.row.codes:
                codes = ", ".join(one.row.codes)
                out.append(f"  graphfix doctor PIPELINE_CONFIG finds it under: {codes}")
            if one.row.subject == INSTALLATION:
                out.append(f"  {ENVIRONMENT}")
        if self.config is not None:
            out += ["", *_config_lines(self.config)]
        return out


def explain(text: str) -> Explanation:
    """What an error message means; `text` is a line of it, a traceback, or a whole log."""
    pasted = Pasted(text)
    hits = list(_hits(pasted))
    last = pasted.last
    chain = [one for one in pasted.raised if last and one.chain == last.chain]
    problems: Dict[str, Tuple[Tuple[float, int], Problem]] = {}
    known = last is None
    several: Optional[Tuple[Line, Message]] = None
    for row, position in hits:
        within = _of(chain, position)
        line = pasted.line_at(position)
        if row.open:
            if within or last is None:
                several = (line, row)
            continue
        known = known or within
        rank = (_rank(pasted, position, within) + 1.5 * row.aftermath, -position)
        before = problems.get(row.wording)
        times = 1 + (before[1].times if before else 0)
        one = Problem(row, line.number, shortened(line.text), times)
        if before and before[0] < rank:
            rank, one = before[0], before[1]._replace(times=times)
        problems[row.wording] = (rank, one)
    ordered = tuple(one for _, one in sorted(problems.values(), key=lambda pair: pair[0]))
    step = _last_step(pasted)
    faults = tuple(one for one in ordered if not one.row.harmless)
    if faults or step or last:
        ordered = faults
    trained = None if ordered or several or last else step
    strange = None if (known and ordered) or trained else unknown(pasted, last, several)
    one_line = sum(bool(line.text.strip()) for line in pasted.lines) < 2
    return Explanation(ordered, strange, one_line, trained=trained)


def _last_step(pasted: Pasted) -> Optional[Progress]:
    """The last step that a trainer says it has made, if any."""
    steps = [line for line in pasted.lines if line.kind == "log" and _STEP.search(line.text)]
    return Progress(steps[-1].number, shortened(steps[-1].text)) if steps else None


def _hits(pasted: Pasted) -> Iterator[Tuple[Message, int]]:
    """(row, position) of all messages in a text.  Where several stand in one message, the first of
    the table is meant: it is the more special one."""
    taken: Dict[int, Message] = {}
    # Hardly any line has one of the rows' lines.
    any_line = re.compile("|".join(one.pattern for row in message_table() for one in row.lines))
    shown = (line for line in pasted.lines if line.kind not in HIDDEN)
    lines = [line for line in shown if any_line.search(line.text)]
    for row in message_table():
        for start in sorted(_places(row, pasted, lines)):
            number = pasted.line_at(start).number
            record = pasted.record(number)
            if any(place > start for one in row.until for place in _starts(one, pasted.squeezed)):
                continue
            if record not in taken and (not row.near or _is_near(row, pasted, number)):
                taken[record] = row
                yield row, start


def _places(row: Message, pasted: Pasted, lines: Sequence[Line]) -> Set[int]:
    """The positions of the squeezed text where a row's message begins."""
    found = {start for phrase in row.phrases for start in _starts(phrase, pasted.squeezed)}
    for pattern in row.lines:
        found |= {pasted.position(line) for line in lines if pattern.search(line.text)}
    if row.prose and pasted.squeezed and pasted.is_prose:
        found |= {0 for pattern in row.prose if pattern.search(pasted.words)}
    return found


def _starts(phrase: Phrase, text: str) -> List[int]:
    if phrase.literal not in text:
        return []
    return [match.start() for match in re.finditer(phrase.pattern, text)]


def _is_near(row: Message, pasted: Pasted, number: int) -> bool:
    around = pasted.around(number)
    return any(_starts(phrase, around) for phrase in row.near)


def _of(raised: Sequence[Raised], position: int) -> bool:
    return any(one.start <= position < one.end for one in raised)


def _rank(pasted: Pasted, position: int, within: bool) -> float:
    """0 for the error that ended it, 1 for other errors, 2 for what a log warns of."""
    if within:
        return 0
    line = pasted.line_at(position)
    warns = line.kind == "log" and line.level in ("I", "W")
    return 2 if warns and not _of(pasted.raised, position) else 1


def _problem_data(one: Problem, config: Optional[InConfig]) -> Dict[str, object]:
    data: Dict[str, object] = {
        "known": True,
        "wording": one.row.wording,
        "cause": one.row.cause,
        "remedy": one.row.remedy,
        "codes": list(one.row.codes),
        "line": one.line,
        "text": one.text,
        "times": one.times,
    }
    if config is not None:
        found = [it for it in config.findings if it.code in one.row.codes]
        data["findings"] = [dataclasses.asdict(it) for it in found]
        data["memory"] = list(config.memory) if one.row.memory else []
    return data


def _config_lines(config: InConfig) -> List[str]:
    if not config.findings:
        out = [f"In {config.path} doctor finds nothing of it."]
    else:
        out = [f"In {config.path} doctor finds:"]
    for one in config.findings:
        out += [f"  {one.code} {one.subject}: {one.message}", f"    -> {one.remedy}"]
    return out + list(config.memory)
