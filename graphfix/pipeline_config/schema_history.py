"""What each revision of the stock Object Detection API's configuration schema accepts.

The schema grew from 2017-06-14 to 2022-10-19 without a version number; its revisions are known by
their dates.  history.txt beside this module has every message, field and enum value of all of
them, made by `protos/generate_pipeline.py FIELD_HISTORY` from descriptor sets that were compiled
from each upstream revision and compared.  One record a line, blank-separated:

    message NAME FIRST GONE         an empty message has no other line
      field NAME FIRST GONE SPEC    of the message above it
    enum NAME
      value NAME NUMBER FIRST GONE

FIRST is the first revision that has it, GONE the first one after that has it no more, or `-`.
SPEC is `#NUMBER LABEL TYPE [=DEFAULT] [oneof:NAME] [DEPRECATED]`; where it changed there are
several, `DATE:SPEC -> DATE:SPEC`.  Types are proto scalars, or names of messages and enums.

Revisions that changed no field (17 of 99, comments and enum order) do not appear: for what is
accepted they equal the one before.
"""

import calendar
import datetime
import functools
import os
import re
from typing import (
    Any,
    Callable,
    Dict,
    FrozenSet,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

from graphfix.errors import RequestError

FIRST_MONTH, LAST_MONTH = "2017-06", "2022-10"
PIPELINE = "TrainEvalPipelineConfig"
INTEGERS = ("int32", "uint32", "int64", "uint64")

Date = Union[datetime.date, str]


class FieldSpec(NamedTuple):
    """A field as one revision declares it; `default` as the .proto spells it."""

    number: int
    label: str
    type: str
    default: Optional[str] = None
    oneof: Optional[str] = None
    deprecated: bool = False

    @property
    def repeated(self) -> bool:
        return self.label == "repeated"


class FieldHistory(NamedTuple):
    """One field through all revisions; `specs` has the dates from which each spec holds."""

    message: str
    name: str
    first: datetime.date
    gone: Optional[datetime.date]
    specs: Tuple[Tuple[datetime.date, FieldSpec], ...]

    def at(self, revision: datetime.date) -> Optional[FieldSpec]:
        """The spec at a revision, None where it does not know the field."""
        if revision < self.first or (self.gone is not None and revision >= self.gone):
            return None
        return [spec for since, spec in self.specs if since <= revision][-1]


class ValueHistory(NamedTuple):
    """One value of an enum through all revisions."""

    name: str
    number: int
    first: datetime.date
    gone: Optional[datetime.date]


class _WhenAsked(Mapping[str, Any]):
    """A mapping whose values are worked out when they are first asked for: a config uses a few of
    two hundred messages."""

    def __init__(self, names: Iterable[str], work: Callable[[str], Any]):
        self._values: Dict[str, Any] = dict.fromkeys(names)
        self._work = work

    def __getitem__(self, name: str) -> Any:
        value = self._values[name]
        if value is None:
            value = self._values[name] = self._work(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class History(NamedTuple):
    """All of history.txt."""

    messages: Mapping[str, Mapping[str, FieldHistory]]
    enums: Mapping[str, Mapping[str, ValueHistory]]
    revisions: Tuple[datetime.date, ...]


class Schema(NamedTuple):
    """What one revision accepts.

    `name` is what messages call it.  `messages` has the fields of each message, `enums` the names
    of each enum's values; both are keyed by names within the schema, nested ones dotted.
    `extractors` are the types of feature extractors its code knows, where somebody looked.
    """

    name: str
    messages: Mapping[str, Mapping[str, FieldSpec]]
    enums: Mapping[str, Tuple[str, ...]]
    extractors: Optional[FrozenSet[str]] = None

    def field(self, message: str, name: str) -> Optional[FieldSpec]:
        """The field as this revision declares it, None where it does not know it."""
        return self.messages.get(message, {}).get(name)


@functools.lru_cache(maxsize=None)
def history() -> History:
    """The data, read when first asked for."""
    path = os.path.join(os.path.dirname(__file__), "history.txt")
    with open(path, encoding="utf-8") as file:
        return parse_history(file.read())


def parse_history(text: str) -> History:
    """History from the text of history.txt, a file of ours: what is wrong with it is a bug."""
    lines: Dict[str, Dict[str, List[str]]] = {"message": {}, "enum": {}}
    owner: List[str] = []
    for line in text.splitlines():
        if line.startswith(" "):
            owner.append(line)
        elif line and not line.startswith("#"):
            kind, name = line.split(" ")[:2]
            owner = lines[kind][name] = []
    messages, enums = lines["message"], lines["enum"]
    return History(
        _WhenAsked(messages, lambda name: dict(_field(name, line) for line in messages[name])),
        _WhenAsked(enums, lambda name: dict(_value(line) for line in enums[name])),
        tuple(map(day, sorted(set(re.findall(r"\d{4}-\d\d-\d\d", text))))),
    )


def _field(message: str, line: str) -> Tuple[str, FieldHistory]:
    _, name, first, gone, specs = line.strip().split(" ", 4)
    dated = []
    for part in specs.split(" -> "):
        since, spec = (first, part) if part.startswith("#") else part.split(":", 1)
        dated.append((day(since), _spec(spec)))
    return name, FieldHistory(message, name, day(first), _gone(gone), tuple(dated))


def _value(line: str) -> Tuple[str, ValueHistory]:
    _, name, number, first, gone = line.split()
    return name, ValueHistory(name, int(number), day(first), _gone(gone))


def _spec(text: str) -> FieldSpec:
    number, label, kind, *rest = text.split()
    default = oneof = None
    for word in rest:
        if word.startswith("="):
            default = word[1:]
        elif word.startswith("oneof:"):
            oneof = word[len("oneof:") :]
    return FieldSpec(int(number[1:]), label, kind, default, oneof, "DEPRECATED" in rest)


def _gone(text: str) -> Optional[datetime.date]:
    return None if text == "-" else day(text)


@functools.lru_cache(maxsize=None)  # the file mentions a hundred dates two thousand times
def day(text: str) -> datetime.date:
    """A date from YYYY-MM-DD (date.fromisoformat is younger than CPython 3.6)."""
    year, month, date = text.split("-")
    return datetime.date(int(year), int(month), int(date))


def revisions() -> Tuple[datetime.date, ...]:
    """Every revision that changed what is accepted, oldest first."""
    return history().revisions


def revision_for(on: Date) -> datetime.date:
    """The revision in force: the last one not after a day, or not after the end of a month.

    A month is `YYYY-MM`.  Raises RequestError for anything else, and outside 2017-06 .. 2022-10.
    """
    if isinstance(on, datetime.date):
        month, last = f"{on.year:04d}-{on.month:02d}", on
    else:
        match = re.match(r"([0-9]{4})-(0[1-9]|1[0-2])\Z", on)
        if match is None:
            raise RequestError(
                repr(on), "this is not a month", "write it as YYYY-MM, such as 2019-07"
            )
        year, number = int(match.group(1)), int(match.group(2))
        month = on
        last = datetime.date(max(year, 1), number, calendar.monthrange(max(year, 1), number)[1])
    known = [revision for revision in revisions() if revision <= last]
    if not FIRST_MONTH <= month <= LAST_MONTH or not known:
        raise RequestError(
            str(on),
            "no revision of the API is known for this date",
            f"name a month from {FIRST_MONTH} to {LAST_MONTH}",
        )
    return known[-1]


def months() -> Tuple[str, ...]:
    """Every month of which an API is known, oldest first."""
    first, last = (int(month[:4]) for month in (FIRST_MONTH, LAST_MONTH))
    found = (f"{year}-{month:02d}" for year in range(first, last + 1) for month in range(1, 13))
    return tuple(month for month in found if FIRST_MONTH <= month <= LAST_MONTH)


def field_history(message: str, field: str) -> Optional[FieldHistory]:
    """One field through all revisions, None where none of them has it."""
    return history().messages.get(message, {}).get(field)


def accepts(message: str, field: str, on: Date) -> Optional[FieldSpec]:
    """The field as the revision of a date declares it, None where that one does not know it.

    Messages by their names within the schema, nested ones dotted.  Raises RequestError for a date
    outside the known ones.
    """
    revision = revision_for(on)
    known = field_history(message, field)
    return None if known is None else known.at(revision)


def first_seen(message: str, field: str) -> Optional[datetime.date]:
    """The first revision that has a field, None where none has."""
    known = field_history(message, field)
    return None if known is None else known.first


def gone(message: str, field: str) -> Optional[datetime.date]:
    """The first revision that has a field no more, None where it never went (or never came)."""
    known = field_history(message, field)
    return None if known is None else known.gone


def enum_values(enum: str, on: Date) -> Tuple[str, ...]:
    """The names a revision has for an enum's values, in the order of their numbers."""
    revision = revision_for(on)
    known = [
        value
        for value in history().enums.get(enum, {}).values()
        if value.first <= revision and (value.gone is None or revision < value.gone)
    ]
    return tuple(value.name for value in sorted(known, key=lambda value: value.number))


@functools.lru_cache(maxsize=None)
def schema(month: str) -> Schema:
    """What the API of a month accepts.  Raises RequestError as `revision_for` does."""
    revision = revision_for(month)
    known = history()

    def fields(name: str) -> Dict[str, FieldSpec]:
        dated = ((one.name, one.at(revision)) for one in known.messages[name].values())
        return {field: spec for field, spec in dated if spec is not None}

    return Schema(
        "the API of " + month,
        _WhenAsked(known.messages, fields),
        _WhenAsked(known.enums, lambda name: enum_values(name, revision)),
    )


@functools.lru_cache(maxsize=None)
def everything() -> Schema:
    """All that any revision accepts, each field as the last one with it declares it."""
    known = history()
    return Schema(
        "any API",
        _WhenAsked(
            known.messages,
            lambda name: {one.name: one.specs[-1][1] for one in known.messages[name].values()},
        ),
        _WhenAsked(known.enums, lambda name: tuple(known.enums[name])),
    )
