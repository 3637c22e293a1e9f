"""Looks up what a pasted text means: one line, a traceback, or the whole log of a training.

The error that ended the run comes first, then other errors, then what the log warns of.  An error
that the table does not know is never given the meaning of what else stands in the log.
"""

import dataclasses
import functools
import json
import math
import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from graphfix.doctor.messages.message_table import INSTALLATION, Message, Phrase, message_table
from graphfix.doctor.messages.pasted import HIDDEN, Line, Pasted, Raised
from graphfix.findings import Finding, count

_MOST_TEXT = 160
# A message is near another that shares so much of its words, and so many are named.
_NEAR, _MOST_NEAR = 0.2, 3
_WORD = re.compile(r"[a-z_][a-z_0-9]{3,}")
_COMMON = frozenset(
    "error errors_impl exception framework from have invalid invalidargumenterror keyerror line "
    "message none python runtimeerror tensorflow tensor that this traceback type typeerror value "
    "valueerror with object_detection notfounderror true false file name node".split()
)
_ENVIRONMENT = "graphfix doctor --environment --stock_python PY checks all that is installed"
# What to look at, by words of the traceback and of TensorFlow's nodes around an unknown message.
_PLACES = (
    (
        "dataset_tools/|create_\\w*tf_record|generate_tfrecord|create_tf_example|dict_to_tf_example",
        "the script that writes the records, and the annotation it was reading: the traceback's "
        "last line of that script says what it wanted",
    ),
    (
        "label_map_util",
        "the label map: one item { id: 1 name: 'class' } for each class, as UTF-8 without a BOM",
    ),
    (
        "save/Restore|saver\\.py|init_from_checkpoint|variables_helper|checkpoint_reader",
        "the checkpoint, and whether model_dir has one of another model: graphfix doctor "
        "PIPELINE_CONFIG --model_dir DIR",
    ),
    (
        "IteratorGetNext|ParseSingleExample|DecodeJpeg|decode_image|padding_fifo_queue|"
        "tf_example_decoder|dataset_builder|input_reader_builder",
        "the records: graphfix doctor PIPELINE_CONFIG reads all of them",
    ),
    (
        "export_inference_graph|exporter\\.py|export_tflite|toco|tflite_convert|lite\\.py",
        "whether the exporter was given the config of the training run, and a checkpoint of it",
    ),
    (
        "coco_evaluation|coco_tools|object_detection_evaluation|eval_util|evaluator\\.py|pycocotools",
        "eval_config, eval_input_reader and its records",
    ),
    (
        "builders/|meta_arch|anchor_generator|feature_extractor|box_predictor|config_util",
        "the config: graphfix doctor PIPELINE_CONFIG",
    ),
    ("Loss/|losses\\.py|target_assigner", "boxes and classes of the records, and num_classes"),
    (
        "ImportError|ModuleNotFoundError|AttributeError: module|_pb2|DLL load failed|\\.so\\b",
        f"what is installed: {_ENVIRONMENT}",
    ),
)
_ANYTHING = "the config and all that it names: graphfix doctor PIPELINE_CONFIG"


class Problem(NamedTuple):
    """A message of the table in a text: the line where it is last, what stands there, how often it
    is there."""

    row: Message
    line: int
    text: str
    times: int


class Unknown(NamedTuple):
    """What the table does not know, or knows to have several causes (`row`): its line and text, the
    nearest messages that it knows, and what to look at."""

    line: int
    text: str
    nearest: Tuple[str, ...]
    look_at: Tuple[str, ...]
    row: Optional[Message] = None


class InConfig(NamedTuple):
    """What doctor finds of the messages in the config at `path`, and the lines of a forecast of the
    trainers' memory."""

    path: str
    findings: Tuple[Finding, ...]
    memory: Tuple[str, ...]


class Explanation(NamedTuple):
    """What a text means: its problems, the likeliest cause of its end first.

    `unknown` is the error that ended it, where the table does not know it; `problems` are then only
    what else is in the text.  `config` is there if one was given to look into.
    """

    problems: Tuple[Problem, ...]
    unknown: Optional[Unknown]
    one_line: bool
    config: Optional[InConfig] = None

    def __repr__(self) -> str:
        return f"<Explanation: {count(len(self.messages), 'message')} recognized>"

    @property
    def messages(self) -> Tuple[Message, ...]:
        """What the error means; empty where it is not known."""
        return () if self.unknown else tuple(one.row for one in self.problems)

    def to_json(self) -> str:
        rows = [] if self.unknown is None else [_unknown_data(self.unknown)]
        rows += [_problem_data(one, self.config) for one in self.problems]
        return json.dumps(rows, indent=2, sort_keys=True)

    def to_lines(self) -> List[str]:
        out = [] if self.unknown is None else _unknown_lines(self.unknown)
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
                out.append(f"  {_ENVIRONMENT}")
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
    several: Optional[Problem] = None
    for row, position in hits:
        within = _of(chain, position)
        line = pasted.line_at(position)
        if row.open:
            if within or last is None:
                several = Problem(row, line.number, _shown(line.text), 1)
            continue
        known = known or within
        rank = (_rank(pasted, position, within) + 1.5 * row.aftermath, -position)
        before = problems.get(row.wording)
        times = 1 + (before[1].times if before else 0)
        one = Problem(row, line.number, _shown(line.text), times)
        if before and before[0] < rank:
            rank, one = before[0], before[1]._replace(times=times)
        problems[row.wording] = (rank, one)
    ordered = tuple(one for _, one in sorted(problems.values(), key=lambda pair: pair[0]))
    unknown = None if known and ordered else _unknown(pasted, last, several)
    return Explanation(ordered, unknown, sum(bool(line.text.strip()) for line in pasted.lines) < 2)


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


def _unknown(pasted: Pasted, last: Optional[Raised], several: Optional[Problem]) -> Unknown:
    shown = [line for line in pasted.lines if line.kind in ("exception", "plain", "log")]
    filled = [line for line in shown if line.text.strip()]
    number = last.line if last else (filled[-1].number if filled else 1)
    text = pasted.lines[number - 1].text
    if several:
        return Unknown(several.line, several.text, (), (several.row.remedy,), several.row)
    around = "\n".join(line.text for line in pasted.lines[max(0, number - 80) : number + 40])
    places = [advice for pattern, advice in _PLACES if re.search(pattern, around)]
    frames = [frame for frame in pasted.traceback(number) if "object_detection" in frame]
    look_at = [f"where the API stopped: {_shown(frames[-1])}"] if frames else []
    look_at += places[:2] or [_ANYTHING]
    return Unknown(number, _shown(text), _nearest(text), tuple(look_at))


def _nearest(text: str) -> Tuple[str, ...]:
    """The wordings of the messages that share the most of their words with a text."""
    words, weights, usual = _vocabulary()

    def weight(some: Set[str]) -> float:
        return sum(weights.get(word, usual) for word in some)

    wanted = _words(text)
    whole = weight(wanted) or 1.0
    scored = sorted(
        (-weight(wanted & one) / math.sqrt(whole * (weight(one) or 1.0)), number)
        for number, one in enumerate(words)
        if wanted & one
    )
    table = message_table()
    return tuple(table[number].wording for score, number in scored[:_MOST_NEAR] if -score >= _NEAR)


@functools.lru_cache(maxsize=None)
def _vocabulary() -> Tuple[Tuple[Set[str], ...], Dict[str, float], float]:
    """The words of every row, the weight of each (the rarer, the more), and a strange word's."""
    table = message_table()
    words = tuple(_words(" ".join((row.wording,) + row.yes[:1])) for row in table)
    seen: Dict[str, int] = {}
    for one in words:
        for word in one:
            seen[word] = seen.get(word, 0) + 1
    weights = {word: math.log(1 + len(table) / count) for word, count in seen.items()}
    return words, weights, math.log(1 + len(table))


def _words(text: str) -> Set[str]:
    return set(_WORD.findall(text.lower())) - _COMMON


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 3] + "..."


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


def _unknown_data(unknown: Unknown) -> Dict[str, object]:
    return {
        "known": False,
        "line": unknown.line,
        "text": unknown.text,
        "nearest": list(unknown.nearest),
        "look_at": list(unknown.look_at),
        "causes": unknown.row.cause if unknown.row else None,
    }


def _unknown_lines(unknown: Unknown) -> List[str]:
    if unknown.row:
        return [
            unknown.row.wording,
            f"  Line {unknown.line}: {unknown.text}",
            "  This message has several causes, so graphfix names none.",
            "  May be: " + unknown.row.cause,
            "  Look:   " + unknown.row.remedy,
        ]
    out = [f"graphfix does not know this message: {unknown.text}"]
    out += ["  Look at " + one for one in unknown.look_at]
    if unknown.nearest:
        out.append(
            "  The nearest messages that it knows (docs/troubleshooting.md), of another cause:"
        )
        out += ["    " + one for one in unknown.nearest]
    return out
