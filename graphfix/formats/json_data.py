"""JSON as the frozen dataclasses it was written from, each value held against its annotation.

What a person may have edited is checked in full: no key may be missing, unknown or given twice, a
number is finite and of 64 bits, a text is one that can be written as UTF-8.  A fault is told by its
place, as in `edits[3].fills[0].value`, or, where the text is not JSON, by line and column.
"""

import dataclasses
import functools
import json
import math
import re
import typing
from typing import Any, Callable, Dict, List, Tuple, Union

from graphfix.errors import SourceError

_MOST = 1 << 63
Reader = Callable[[Any], Any]
# Python takes time in proportion to the square of a number's digits, or refuses so many.
_DIGITS = re.compile(r"[0-9]{4000}")


class Wrong(ValueError):
    """What is wrong with a value, and where in the data it is."""

    def __init__(self, message: str, *steps: Union[str, int]):
        ValueError.__init__(self, message)
        self.message, self.steps = message, list(steps)

    def __str__(self) -> str:
        return (f"{place(self.steps)} {self.message}").strip()


def place(steps: List[Union[str, int]]) -> str:
    """A way through the data as one writes it."""
    return "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" if number else step
        for number, step in enumerate(steps)
    )


def parse(data: Union[bytes, str], subject: str, what: str, remedy: str) -> Dict[str, Any]:
    """The outermost object of a JSON text.

    Raises:
      SourceError: naming `subject`, and `what` the text should be.
    """

    def refused(why: str, where: str = "") -> SourceError:
        return SourceError(subject + where, f"is not a valid {what}: {why}", remedy)

    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        if _DIGITS.search(text):
            raise refused("it has a number without end")
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise refused(f"it is not UTF-8 (offset {error.start})") from None
    except json.JSONDecodeError as error:
        raise refused(error.msg, f":{error.lineno}:{error.colno}") from None
    except Wrong as error:
        raise refused(str(error)) from None
    except RecursionError:
        raise refused("it nests too deeply") from None
    if not isinstance(found, dict):
        raise refused("it is no object")
    return found


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Wrong(f"it has the key {ascii(twice)[:60]} twice in one object")
    return found


def _constant(name: str) -> float:
    raise Wrong(f"it has the number {name}")


def keys(found: Any, needed: typing.Iterable[str], others: typing.Iterable[str] = ()) -> None:
    """Raises Wrong where an object lacks a key, or has one that it should not have."""
    if not isinstance(found, dict):
        raise Wrong(f"is {shown(found)}, not an object")
    needed = tuple(needed)
    for key in needed:
        if key not in found:
            raise Wrong(f"lacks '{key}'")
    for key in found:
        if key not in needed and key not in others:
            raise Wrong(f"has the unknown key {ascii(key)[:60]}")


def read(kind: Any, value: Any, *steps: Union[str, int]) -> Any:
    """A JSON value as what an annotation asks for: a dataclass, Tuple, Optional, str, int, float or
    bool.

    Raises:
      Wrong: it is not that; the place begins with `steps`.
    """
    try:
        return _reader(kind)(value)
    except Wrong as error:
        error.steps[:0] = steps
        raise


# What an annotation asks for is looked at once, not for each of a hundred thousand values.
@functools.lru_cache(maxsize=None)
def _reader(kind: Any) -> Reader:
    """What reads a value of a kind."""
    origin = getattr(kind, "__origin__", None)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass_reader(kind)
    if origin is Union:
        inner = _reader(kind.__args__[0])
        return lambda value: None if value is None else inner(value)
    if origin in (tuple, Tuple):
        return _tuple_reader(kind.__args__)
    return {str: _text, bool: _truth, int: _whole, float: _number}[kind]


def _dataclass_reader(kind: Any) -> Reader:
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    readers = {one.name: _reader(hints[one.name]) for one in fields}
    needed = [one.name for one in fields if one.default is dataclasses.MISSING]

    def reader(value: Any) -> Any:
        keys(value, needed, readers)
        found = {}
        name = ""
        try:
            for name, one in value.items():
                found[name] = readers[name](one)
        except Wrong as error:
            error.steps.insert(0, name)
            raise
        return kind(**found)

    return reader


def _tuple_reader(kinds: Tuple[Any, ...]) -> Reader:
    count = -1 if kinds[-1] is Ellipsis else len(kinds)
    readers = [_reader(kind) for kind in kinds if kind is not Ellipsis]

    def reader(value: Any) -> Any:
        if not isinstance(value, list):
            raise Wrong(f"is {shown(value)}, not a list")
        # As the channels of heads, of which there are a million.
        plain = readers == [_whole] and count < 0 and set(map(type, value)) == {int}
        if plain and min(value) >= -_MOST and max(value) < _MOST:
            return tuple(value)
        if count >= 0 and len(value) != count:
            raise Wrong(f"has {len(value)} items, not {count}")
        found: List[Any] = []
        try:
            for read, one in zip(readers if count >= 0 else readers * len(value), value):
                found.append(read(one))
        except Wrong as error:
            error.steps.insert(0, len(found))
            raise
        return tuple(found)

    return reader


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(f"is {shown(value)}, not a text")
    try:
        value.encode("utf-8")  # JSON may hold halves of characters
    except UnicodeEncodeError:
        raise Wrong("has half a character") from None
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"is {shown(value)}, not true or false")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise Wrong(f"is {shown(value)}, not a whole number")
    if not -_MOST <= value < _MOST:
        raise Wrong("is too large")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Wrong("is too large")
        return value
    if type(value) is not int:
        raise Wrong(f"is {shown(value)}, not a number")
    return _whole(value)


def shown(value: Any) -> str:
    """A value in a few ASCII letters."""
    if isinstance(value, (dict, list)):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return ascii(value if not isinstance(value, int) or abs(value) < _MOST else float("inf"))[:40]
